"""Many instances from a corpus of known lengths, counted, against the chances that the rules themselves give.

The oracle below knows the rules of the code released with BERT (google-research/bert, create_pretraining_data.py) and
nothing of ours. It draws nothing: it walks through every outcome of every draw. The pairs of one document depend on
each other, those of two documents do not; so sums over documents are compared, with the exact mean and variance of one.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from bertmini.batches import Epoch
from bertmini.corpus import Corpus
from bertmini.tokenizer import Tokenizer
from bertmini.wordpiece import SPECIAL_TOKENS

T, ROOM, MOST = 32, 29, 5  # the longest sequence, the tokens of its text, the most predictions: 15% of 32, rounded up
WORDS = 97  # a token's id tells where it stood: no document here is longer
V = len(SPECIAL_TOKENS) + WORDS
MASK = SPECIAL_TOKENS.index("[MASK]")
KINDS = (  # sentence lengths; documents of the three kinds take turns
    (5, 9, 3, 12, 7, 1, 8, 4, 11, 6),
    (7,),  # one sentence cannot follow itself
    (30, 2, 2, 2, 40, 1),  # sentences longer than the room
)

Outcome = tuple[float, int, int, int, int]  # chance, length of the first segment and the second, is_random, next start


# ---- The oracle ----


def fill(lengths: tuple[int, ...], start: int, size: int) -> int:
    """Sentences are taken until they hold `size` tokens: where that ends."""
    end = start + 1
    while end < len(lengths) and sum(lengths[start:end]) < size:
        end += 1
    return end


@cache
def outcomes(kind: int, start: int, target: int, others: tuple[float, ...]) -> tuple[Outcome, ...]:
    """Every pair that may begin at a sentence of a kind of document; others: the chance of each kind to be drawn."""

    def all_of_them() -> Iterator[Outcome]:
        lengths = KINDS[kind]
        stop = fill(lengths, start, target)
        splits = range(start + 1, max(stop, start + 2))
        for split in splits:
            first, chance = sum(lengths[start:split]), 1 / len(splits)
            if stop - start > 1:
                chance /= 2
                yield chance, *trimmed(first, sum(lengths[split:stop])), 0, stop
            for other, share in zip(KINDS, others, strict=True):
                for begin in range(len(other)):
                    second = sum(other[begin : fill(other, begin, target - first)])
                    yield chance * share / len(other), *trimmed(first, second), 1, split

    return tuple(all_of_them())


@cache
def trimmed(first: int, second: int) -> tuple[int, int]:
    while first + second > ROOM:
        first, second = (first - 1, second) if first > second else (first, second - 1)
    return first, second


def predictions(length: int) -> int:
    """15% of a length, to the nearest whole number, halves to the even one; at least one, at most five."""
    return min(MOST, max(1, round(Fraction(15 * length, 100))))


def of_a_document(kind: int, others: tuple[float, ...], features: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the sum over a document's pairs of some features: (first, second, is_random) -> (K,).

    From the last sentence to the first: what is to come from a sentence on does not depend on what was before.
    """
    mean = square = 0.0
    for target in range(2, ROOM + 1):
        means = np.zeros((len(KINDS[kind]) + 1, features(1, 1, 1).size))
        squares = np.zeros_like(means)
        for start in reversed(range(len(KINDS[kind]))):
            chances, first, second, is_random, after = zip(*outcomes(kind, start, target, others), strict=True)
            values, after = np.stack(list(map(features, first, second, is_random))), list(after)
            means[start] = chances @ (values + means[after])
            squares[start] = chances @ (values**2 + 2 * values * means[after] + squares[after])
        # nine documents in ten fill the room; the tenth has a target of its own, from 2 to the room
        chance = 0.1 / (ROOM - 1) + 0.9 * (target == ROOM)
        mean, square = mean + chance * means[0], square + chance * squares[0]
    return mean, square - mean**2


def of_the_corpus(documents: int, features: Callable) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the features' sums over all documents, a third of each kind."""
    each = documents // 3
    mean = variance = 0.0
    for kind in range(3):
        others = tuple((each - (kind == other)) / (documents - 1) for other in range(3))  # any document but this one
        one = of_a_document(kind, others, features)
        mean, variance = mean + each * one[0], variance + each * one[1]
    return mean, np.sqrt(variance.clip(0))


# ---- What is drawn ----


class Drawn:
    """Every instance of one epoch, taken apart: one entry an instance, or one a predicted token."""

    def __init__(self, documents: int):
        lengths = np.array([length for kind in KINDS for length in kind] * (documents // 3))
        borders = np.cumsum([0] + [len(KINDS[d % 3]) for d in range(documents)])
        sentences = np.concatenate([[0], np.cumsum(lengths)])
        corpus = Corpus(len(SPECIAL_TOKENS) + np.arange(sentences[-1]) % WORDS, sentences, borders)
        tokenizer = Tokenizer([*SPECIAL_TOKENS, *(f"w{i}" for i in range(WORDS))])
        epoch = Epoch(corpus, tokenizer, T, seed=20, epoch=18)
        rows, cuts, shown, labels = [], [], [], []
        for i, (start, split, second, end, _) in enumerate(epoch.plan):
            instance = epoch[i]
            true = instance.token_ids.copy()
            true[instance.positions] = instance.labels
            a = int((instance.segment_ids == 0).sum()) - 2
            b, where = len(true) - a - 3, instance.positions
            at_the_ends = [(where == 1).any(), (where == len(true) - 2).any()]
            rows.append([a, b, instance.is_random, len(where), (where <= a).sum(), *at_the_ends])
            for at, length, whole in ((1, a, (start, split)), (a + 2, b, (second, end))):
                cut = sentences[whole[1]] - sentences[whole[0]] - length
                front = (true[at] - corpus.tokens[sentences[whole[0]]]) % WORDS
                cuts.append([cut, front])
            shown.append(instance.token_ids[where])
            labels.append(instance.labels)
        self.documents = documents
        self.first, self.second, self.is_random, self.predicted, self.in_first, self.at_start, self.at_end = np.array(
            rows
        ).T
        self.cut, self.front = np.array(cuts).T  # two segments an instance
        self.shown, self.labels = np.concatenate(shown), np.concatenate(labels)
        self.length = self.first + self.second + 3


@pytest.fixture(
    scope="module",
    params=[pytest.param(7_200, id="20,000"), pytest.param(72_000, id="200,000", marks=pytest.mark.soak)],
)
def drawn(request) -> Drawn:
    return Drawn(request.param)


def near(found, mean, deviation) -> bool:
    """Within five standard deviations: by chance it is not, once in two million."""
    return bool(np.all(abs(found - mean) <= 5 * np.asarray(deviation)))


def near_binomial(found: int, n: int, chance: float) -> bool:
    return near(found, n * chance, (n * chance * (1 - chance)) ** 0.5)


# ---- Pairs ----


def test_there_are_as_many_instances_as_there_should_be(drawn):
    (mean,), (deviation,) = of_the_corpus(drawn.documents, lambda *pair: np.ones(1))
    assert len(drawn.length) > {7_200: 20_000, 72_000: 200_000}[drawn.documents]
    assert near(len(drawn.length), mean, deviation)


def test_the_share_of_random_pairs(drawn):
    """Above a half, by the chunks that are a single sentence. A ratio of two sums: R / N = p where R - p N is 0."""
    (pairs, random), _ = of_the_corpus(drawn.documents, lambda first, second, is_random: np.array([1, is_random]))
    share = random / pairs
    assert share > 0.6
    _, (deviation,) = of_the_corpus(drawn.documents, lambda first, second, is_random: np.array([is_random - share]))
    assert near(drawn.is_random.sum(), share * len(drawn.is_random), deviation)


@pytest.mark.parametrize("part", ["first", "second", "length"])
def test_lengths(drawn, part):
    """How often each length comes, in pairs that follow and in random ones."""

    def feature(first, second, is_random):
        counts = np.zeros((2, T + 1))
        counts[is_random, {"first": first, "second": second, "length": first + second + 3}[part]] = 1
        return counts.ravel()

    mean, deviation = of_the_corpus(drawn.documents, feature)
    found = np.bincount(drawn.is_random * (T + 1) + getattr(drawn, part), minlength=2 * (T + 1))
    assert not found[mean < 1e-9].any(), "what cannot be is not"
    common = mean > 25  # a sum of so many is near enough to the normal law
    assert common.sum() > 25
    assert near(found[common], mean[common], deviation[common])


def test_each_token_that_is_cut_leaves_by_a_coin_of_its_own(drawn):
    cut, front = drawn.cut, drawn.front
    assert cut.sum() > 5 * len(drawn.length)
    assert (front <= cut).all()
    assert near_binomial(front.sum(), cut.sum(), 1 / 2)
    # One coin for all the tokens of a segment would be as fair. The binomial's variance, and that of its square:
    spread, fourth = cut / 4, cut / 4 * (1 + 3 * (cut - 2) / 4)
    assert near(((front - cut / 2) ** 2).sum(), spread.sum(), (fourth - spread**2).sum() ** 0.5)


# ---- Predictions ----


def test_predictions_a_sequence(drawn):
    """Fixed by the length; so their mean is known from the lengths."""
    assert (drawn.predicted == np.array([predictions(length) for length in range(T + 1)])[drawn.length]).all()

    def feature(first, second, _):
        return np.array([1, predictions(first + second + 3)])

    (pairs, total), _ = of_the_corpus(drawn.documents, feature)
    each = total / pairs
    _, (deviation,) = of_the_corpus(drawn.documents, lambda *pair: feature(*pair)[1:] - each)
    assert near(drawn.predicted.sum(), each * len(drawn.predicted), deviation)


def test_every_position_is_as_likely_as_another(drawn):
    """Given its length a sequence's positions are drawn without replacement from all but [CLS] and the two [SEP]."""
    n, k, a = drawn.length - 3, drawn.predicted, drawn.first
    chance = k / n
    for ends in (drawn.at_start, drawn.at_end):
        assert near(ends.sum(), chance.sum(), (chance * (1 - chance)).sum() ** 0.5)
    variance = np.where(n > 1, k * (a / n) * (1 - a / n) * (n - k) / np.maximum(n - 1, 1), 0)  # hypergeometric
    assert near(drawn.in_first.sum(), (k * a / n).sum(), variance.sum() ** 0.5)


def test_eighty_ten_ten(drawn):
    """The random token is any of the V: now and then the true one, [MASK], or another special token."""
    n, drawn_as = len(drawn.labels), 0.1 / V  # the chance of one certain token to be drawn
    masked, true = drawn.shown == MASK, drawn.shown == drawn.labels
    assert n > 3 * len(drawn.length) and not (masked & true).any()
    assert near_binomial(masked.sum(), n, 0.8 + drawn_as)
    assert near_binomial(true.sum(), n, 0.1 + drawn_as)
    for token in set(range(V)) - {MASK}:
        other = drawn.labels != token
        assert near_binomial((drawn.shown[other] == token).sum(), other.sum(), drawn_as), token
