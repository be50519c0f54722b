"""What to compare a model with: players of the same game, some of whom see less, on the same held-out instances."""

import math
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bertmini.batches import Batch
from bertmini.config import InputError
from bertmini.corpus import write_corpus
from bertmini.evaluation import held_out_batches
from bertmini.microworld.floor import Floor
from bertmini.microworld.generate import stories, window_pairs
from bertmini.microworld.grammar import LONGEST_SENTENCE, MAX_LENGTH, MOST_STATES, SLOT, Grammar
from bertmini.microworld.left import FloorFromTheLeft

FEWEST = 10  # stories to measure on


class Players(NamedTuple):
    """-log p of every predicted token, in the order of the batches, for players who know the grammar.

    Both know which of the visible tokens are asked for, and so that the others are true. The second also knows where
    its sentence begins and ends, and its place in the window.
    """

    floor: np.ndarray  # (N,) nats: who sees all that is shown
    own_sentence: np.ndarray  # (N,) nats: who sees the token's own sentence
    masked: np.ndarray  # (N,) bool: shown as [MASK]
    instance: np.ndarray  # (N,) the number of its instance
    phenomena: dict[str, np.ndarray]  # name -> (N,) bool
    next_sentence: np.ndarray  # (instances,) the chance that the best player's answer is right
    order: np.ndarray  # (instances that follow,) the same for: do the segments stand in the right order?


def rows(batches: list[Batch]) -> Iterator[tuple[np.ndarray, ...]]:
    """The instances of batches without their padding: token ids, segment ids, positions, labels, is_random."""
    for batch in batches:
        for b in range(len(batch.token_ids)):
            keep = slice(None) if batch.keep is None else batch.keep[b]
            used = batch.labels[b] != -100
            parts = (
                batch.token_ids[b][keep],
                batch.segment_ids[b][keep],
                batch.positions[b][used],
                batch.labels[b][used],
            )
            yield *(part.numpy() for part in parts), int(batch.is_random[b])


def sentences(true_ids: np.ndarray, stop: int, separator: int) -> list[tuple[slice, int, int]]:
    """The sentences of an instance: where each stands, and how many of its window come before and after."""
    ends = np.flatnonzero(true_ids == stop)
    starts = [e + (2 if true_ids[e + 1] == separator else 1) for e in ends[:-1]]
    return [(slice(s, e + 1), k, len(ends) - 1 - k) for k, (s, e) in enumerate(zip([1, *starts], ends, strict=True))]


def measure(floor: Floor, batches: list[Batch]) -> Players:
    """Let the players play."""
    tokenizer, phenomena = floor.tokenizer, floor.grammar.phenomena
    best, own, masked, number, shows, pieces, answers, orders = [], [], [], [], [], [], [], []
    for instance, (shown, segment_ids, positions, labels, is_random) in enumerate(rows(batches)):
        prediction = floor.best_prediction(shown, segment_ids, positions)
        best += (-prediction.probabilities[range(len(labels)), labels].log()).tolist()
        answers.append(max(prediction.is_random, 1 - prediction.is_random))
        if not is_random:
            orders.append(max(p := floor.order(shown, segment_ids, positions), 1 - p))
        masked += (shown[positions] == tokenizer.mask_id).tolist()
        number += [instance] * len(positions)

        true_ids = shown.copy()
        true_ids[positions] = labels
        continues = [tokenizer.tokens[i].startswith("##") for i in true_ids]
        pieces += [continues[t] or continues[t + 1] for t in positions]
        evidence = floor.evidence(shown, positions)
        for place, before, after in sentences(true_ids, tokenizer.vocab["."], tokenizer.sep_id):
            inside = [t for t in positions if place.start <= t < place.stop]  # in order, as `positions` are
            if inside:
                posterior = floor.own_sentence(evidence[place], before, after)
                own += [-float(posterior[t - place.start, true_ids[t]].log()) for t in inside]
                slots = floor.reading(true_ids[place])
                shows += [(slots[t - place.start], tokenizer.tokens[true_ids[t]]) for t in inside]
    return Players(
        np.array(best),
        np.array(own),
        np.array(masked),
        np.array(number),
        {name: np.array([is_one_of(words, *what) for what in shows]) for name, words in phenomena.items()}
        | {"piece": np.array(pieces)},
        np.array(answers),
        np.array(orders),
    )


def from_the_left(floor: FloorFromTheLeft, batches: list[Batch]) -> np.ndarray:
    """(N,) nats: a player who sees the true tokens before a position and nothing after it, as a causal model does."""
    nats = []
    for shown, segment_ids, positions, labels, _ in rows(batches):
        true_ids = shown.copy()
        true_ids[positions] = labels
        nats += [floor.left_nats(true_ids, segment_ids, t) for t in positions]
    return np.array(nats)


def sample(grammar: Grammar, count: int, seed: int) -> list[Batch]:
    """Instances of fresh stories, corrupted as in pretraining, for measuring without a run."""
    if count < FEWEST:
        raise InputError(f"{count} stories are too few to measure on: give --documents {FEWEST} or more")
    with tempfile.TemporaryDirectory() as directory:
        told = (story.texts() for story in islice(stories(grammar, seed), count))
        corpus = write_corpus(told, grammar.tokenizer, Path(directory))
        return held_out_batches(corpus, grammar.tokenizer, MAX_LENGTH, 50, window_pairs, count)


def is_one_of(words: list[str], slot: str | None, token: str) -> bool:
    """Whether a token, or the slot that it fills, is in a phenomenon's list."""
    return token in words or f"{{{slot}}}" in words


def mean(values: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """The mean and its standard error, where values of one group (one instance) may be alike."""
    average = values.mean()
    _, groups = np.unique(groups, return_inverse=True)
    deviations = np.bincount(groups, values - average)
    return float(average), float(np.sqrt((deviations**2).sum()) / len(values))


def report(players: Players, model: np.ndarray, unigram: np.ndarray) -> dict:
    """The players' figures beside a model's and the word frequencies' nats (N,), as a run's metrics name them."""
    masked = players.masked
    figures: dict = {"floor_mlm_loss": float(players.floor.mean())}
    figures["floor_mlm_loss_masked"], figures["floor_standard_error"] = mean(
        players.floor[masked], players.instance[masked]
    )
    figures["own_sentence_mlm_loss_masked"], figures["own_sentence_standard_error"] = mean(
        players.own_sentence[masked], players.instance[masked]
    )
    figures["best_nsp_accuracy"] = float(players.next_sentence.mean())
    figures["best_order_accuracy"] = float(players.order.mean())
    columns = {"model": model, "floor": players.floor, "own_sentence": players.own_sentence, "unigram": unigram}
    figures["phenomena"] = {
        name: {"positions": int((shows & masked).sum())}
        | {key: float(nats[shows & masked].mean()) for key, nats in columns.items()}
        for name, shows in players.phenomena.items()
        if (shows & masked).any()
    }
    return figures


PHENOMENA = ("sense", "town", "fact", "agreement", "pronoun", "mood", "order")  # the book's; "piece" is derived


def floor_lines(grammar: Grammar, count: int, seed: int) -> Iterator[str]:
    """The players' figures on fresh stories, as text."""
    floor, batches = FloorFromTheLeft(grammar), sample(grammar, count, seed)
    players, left = measure(floor, batches), from_the_left(floor, batches)
    masked, instance = players.masked, players.instance

    def line(name: str, values: np.ndarray, chosen: np.ndarray) -> str:
        average, error = mean(values[chosen], instance[chosen])
        return f"{name:<44} {average:z7.4f} ± {2 * error:.4f}"

    everywhere = np.ones_like(masked)
    yield f"nats a predicted token, ± two standard errors; {count:,} instances, {len(left):,} tokens"
    yield line("sees all that is shown, at [MASK]", players.floor, masked)
    yield line("sees all that is shown, at every prediction", players.floor, everywhere)
    yield line("sees its own sentence, at [MASK]", players.own_sentence, masked)
    yield line("sees what is to the left, true", left, everywhere)
    yield f"{'by phenomenon, at [MASK]':<44} {'floor':>7}            {'own sentence':>12}"
    for name, shows in players.phenomena.items():
        if (chosen := shows & masked).any():
            own = players.own_sentence[chosen].mean()
            yield line(f"  {name} ({chosen.sum():,})", players.floor, chosen) + f" {own:z12.4f}"
    yield f"best next-sentence accuracy {players.next_sentence.mean():23.1%}"
    yield f"best sentence-order accuracy {players.order.mean():22.1%}"


def check_lines(grammar: Grammar, count: int, seed: int) -> Iterator[str]:
    """What a teacher who edits a grammar wants to know, as text."""
    states = math.prod(map(len, grammar.hidden.values()))
    templates = [template for state in grammar.states for template in state.templates]
    longest = max(sum(max(map(len, choices)) for choices, _ in grammar.parts(template)) for template in templates)
    lengths = grammar.lengths()
    yield f"hidden        {states:,} joint states of {', '.join(grammar.hidden)} (at most {MOST_STATES:,})"
    yield f"words         {len(grammar.words):,}; vocabulary {len(grammar.tokenizer):,} tokens"
    yield f"templates     {len(templates)}; the longest sentence has {longest} tokens (at most {LONGEST_SENTENCE})"
    yield f"stories       {min(lengths)} to {max(lengths)} sentences"
    missing = [name for name in PHENOMENA if not grammar.phenomena.get(name)] + ["piece"] * (not grammar.pieces)
    yield f"phenomena     {'none is missing' if not missing else 'missing: ' + ', '.join(missing)}"
    unused = sorted(set(grammar.slots) - set(grammar.hidden) - set(SLOT.findall(" ".join(templates))))
    yield f"unused slots  {', '.join(unused) or 'none'}"
    batches, begin = sample(grammar, count, seed), time.perf_counter()
    floor = Floor(grammar)
    players = measure(floor, batches)
    seconds, nats = time.perf_counter() - begin, players.floor[players.masked].mean()
    yield f"floor         {nats:.3f} nats at [MASK], {seconds:.1f} s for {count:,} instances"
