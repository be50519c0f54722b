"""A toy language whose best possible loss is known.

grammar.py reads the language from a file, generate.py tells its stories, floor.py computes what the best player knows.
"""

from bertmini.microworld.floor import Floor
from bertmini.microworld.generate import prepare_world, stories, window_pairs
from bertmini.microworld.grammar import Grammar

__all__ = ["Floor", "Grammar", "prepare_world", "stories", "window_pairs"]
