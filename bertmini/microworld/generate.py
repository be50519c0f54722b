"""Stories of the microworld, and the pairs of windows that a model is shown of them."""

from bisect import bisect
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate, islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np

from bertmini.config import InputError
from bertmini.corpus import Corpus, write_corpus
from bertmini.microworld.grammar import MAX_LENGTH, SEGMENT, SLOT, WINDOW, Grammar

# Given cumulative probabilities, an index. `random.Random(seed).random` is the same on every machine.
Choose = Callable[[list[float]], int]


class Sentence(NamedTuple):
    state: int
    parts: list[tuple[str, str | None]]  # phrases, each with the slot that it fills

    def text(self) -> str:
        return " ".join(phrase for phrase, _ in self.parts)


class Story(NamedTuple):
    hidden: dict[str, str]  # variable -> value
    sentences: list[Sentence]

    def texts(self) -> list[str]:
        return [sentence.text() for sentence in self.sentences]


def stories(grammar: Grammar, seed: int) -> Iterator[Story]:
    """An endless stream of stories, the same for a seed on every machine."""
    random = Random(seed).random
    teller = Teller(grammar, lambda cumulative: bisect(cumulative, random()))
    while True:
        yield teller.story()


class Teller:
    """Tells stories of a grammar with a given way to choose."""

    def __init__(self, grammar: Grammar, choose: Choose):
        self.grammar, self.choose = grammar, choose
        self.templates = [
            [[(word, SLOT.fullmatch(word)) for word in template.split()] for template in state.templates]
            for state in grammar.states
        ]
        self.rows = {
            name: [cumulative(tuple(row)) for row in slot.table.tolist()] for name, slot in grammar.slots.items()
        }
        self.following = [
            (list(state.next), cumulative((*state.next.values(), 1 - sum(state.next.values()))))
            for state in grammar.states
        ]

    def story(self) -> Story:
        values = {name: self.choose(equal(len(choices))) for name, choices in self.grammar.hidden.items()}
        told, state = [], 0
        while state is not None:
            told.append(self.sentence(state, values))
            states, weights = self.following[state]
            number = self.choose(weights)
            state = states[number] if number < len(states) else None
        return Story({name: self.grammar.hidden[name][value] for name, value in values.items()}, told)

    def sentence(self, state: int, values: dict[str, int]) -> Sentence:
        templates = self.templates[state]
        parts = []
        for word, name in templates[self.choose(equal(len(templates)))]:
            if name:
                name = name[1]
                slot = self.grammar.slots[name]
                row = self.rows[name][values[slot.variable] if slot.variable else 0]
                parts.append((slot.phrases[self.choose(row)], name))
            else:
                parts.append((word, None))
        return Sentence(state, parts)


@lru_cache
def equal(count: int) -> list[float]:
    return cumulative((1 / count,) * count)


def cumulative(row: tuple[float, ...]) -> list[float]:
    """Running sums, the last of them exactly 1: what cannot be drawn adds nothing, so it is never chosen."""
    sums = list(accumulate(row))
    return [1.0 if total > 1 - 1e-9 else total for total in sums]


def window_pairs(corpus: Corpus, room: int, seed: int, epoch: int) -> np.ndarray:
    """One pair of segments a story: a window of two to four whole sentences, cut in two, half of them crossed.

    Each segment holds one sentence or, with probability 9/10, two (SEGMENT); the window's start is uniform over those
    that fit. With probability 1/2 the second segment is replaced by that of a window, drawn in the same way, of
    another story.
    room: how many tokens both segments may hold; nothing is trimmed. Returns (stories, 5): first, split, second, end
    (sentence numbers) and is_random, as `Epoch` wants them.
    """
    rng = np.random.default_rng([seed, epoch])
    if WINDOW * np.diff(corpus.sentences).max() > room:
        raise InputError(
            f"the microworld's sentences need sequences of {MAX_LENGTH} tokens: give --max-length {MAX_LENGTH}"
        )
    starts, lengths = corpus.documents[:-1], np.diff(corpus.documents)
    count = len(starts)
    first, second = rng.choice(len(SEGMENT), (2, count), p=SEGMENT) + 1
    is_random = rng.integers(2, size=count)
    other = (np.arange(count) + is_random * rng.integers(1, count, size=count)) % count
    start, other_start = (
        starts[story] + rng.integers(lengths[story] - first - second + 1) for story in (np.arange(count), other)
    )
    other_start = np.where(is_random, other_start, start) + first
    return np.stack([start, start + first, other_start, other_start + second, is_random], 1)


HELD_OUT_STORIES = 1_000
IN_A_ROW = 10_000


def prepare_world(grammar: Grammar, count: int, seed: int, directory: Path) -> None:
    """Write a vocabulary, the grammar and two corpora into a directory: train/ and held_out/, no story in both.

    count: how many stories to train on.
    """
    told = (story.texts() for story in stories(grammar, seed))
    held_out = list(islice(told, HELD_OUT_STORIES))
    known = {tuple(story) for story in held_out}
    training = islice(unseen(told, known, grammar.name), count)
    grammar.tokenizer.save(directory)
    (directory / "grammar.toml").write_text(grammar.text, encoding="utf-8", newline="\n")
    write_corpus(held_out, grammar.tokenizer, directory / "held_out")
    write_corpus(training, grammar.tokenizer, directory / "train")


def unseen(told: Iterator[list[str]], known: set[tuple[str, ...]], name: str) -> Iterator[list[str]]:
    """The stories that are not known; InputError, with the grammar's name, where a long row of them is."""
    row = 0
    for story in told:
        row = row + 1 if tuple(story) in known else 0
        if row == IN_A_ROW:
            raise InputError(
                f"{name}: has hardly more different stories than the {HELD_OUT_STORIES:,} that are held out; "
                "add words, templates or scenes"
            )
        if not row:
            yield story
