"""A toy language whose best possible loss is known.

grammar.py reads the language from a file, generate.py tells its stories, labels.py labels them,
floor.py and left.py compute what the best players know, measure.py sets a model beside them.
"""

from bertmini.microworld.floor import Floor
from bertmini.microworld.generate import prepare_world, stories, window_pairs
from bertmini.microworld.grammar import Grammar

__all__ = ["Floor", "Grammar", "prepare_world", "stories", "window_pairs"]
