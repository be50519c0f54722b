"""How documents are cut into pairs of segments, and how long pairs are trimmed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bertmini import BertConfig
from bertmini.nsp import NSPHead, pair_segments, trim, trimmed_lengths


class Always:
    """A random generator that always says the same: one coin, and the lowest or the highest of any range."""

    def __init__(self, coin: float, highest: bool = False):
        self.coin, self.highest = coin, highest

    def random(self) -> float:
        return self.coin

    def integers(self, low: int, high: int | None = None) -> int:
        low, high = (0, low) if high is None else (low, high)
        assert low < high
        return high - 1 if self.highest else low


def corpus(*documents: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Documents as lists of sentence lengths -> the borders of documents (in sentences), of sentences (in tokens)."""
    borders = np.cumsum([0] + [len(document) for document in documents])
    return borders, np.cumsum([0] + [length for document in documents for length in document])


def pairs(documents: list[list[int]], room: int, rng, document: int = 0) -> list[tuple[int, int, int, int, int]]:
    return list(pair_segments(document, *corpus(*documents), room, rng))


TWO = [[3, 2, 4, 5, 1], [6, 6]]  # sentences 0 to 4 and 5 to 6; room for 8 tokens below

FOLLOWS, RANDOM = 0.9, 0.3  # coins: both give the full length, the second asks for a random pair


@pytest.mark.parametrize(("rng", "expected"), [
    # 3 + 2 + 4 is the first sum to reach 8, then 5 + 1 ends the document.
    (Always(FOLLOWS), [(0, 1, 1, 3, 0), (3, 4, 4, 5, 0)]),
    (Always(FOLLOWS, highest=True), [(0, 2, 2, 3, 0), (3, 4, 4, 5, 0)]),
    # One sentence at a time, the others go back; the second segment starts at sentence 5 and needs what is left of
    # 8: after 3, 2, 4 and 5 tokens one sentence of 6 is enough, after the last, of 1, it takes both.
    (Always(RANDOM), [(0, 1, 5, 6, 1), (1, 2, 5, 6, 1), (2, 3, 5, 6, 1), (3, 4, 5, 6, 1), (4, 5, 5, 7, 1)]),
    # As many sentences as can be while one is left; the second segment starts at the last sentence there is.
    (Always(RANDOM, highest=True), [(0, 2, 6, 7, 1), (2, 3, 6, 7, 1), (3, 4, 6, 7, 1), (4, 5, 6, 7, 1)]),
    # A coin under 0.1 asks for a short target, here the shortest, 2: sentence 0 alone reaches it, and so on.
    (Always(0.05), [(0, 1, 5, 6, 1), (1, 2, 5, 6, 1), (2, 3, 5, 6, 1), (3, 4, 5, 6, 1), (4, 5, 5, 6, 1)]),
], ids=["follows", "follows, long first", "random", "random, long first", "short"])  # fmt: skip
def test_by_hand(rng, expected):
    assert pairs(TWO, 8, rng) == expected


def test_a_second_document_by_hand():
    """Its pairs are counted from its own first sentence, and its random segments come from the first document."""
    assert pairs(TWO, 8, Always(FOLLOWS), document=1) == [(5, 6, 6, 7, 0)]
    assert pairs(TWO, 8, Always(RANDOM), document=1) == [(5, 6, 0, 1, 1), (6, 7, 0, 1, 1)]


SENTENCES = st.lists(st.integers(1, 15), min_size=1, max_size=12)


@given(documents=st.lists(SENTENCES, min_size=2, max_size=5), room=st.integers(5, 40), seed=st.integers(0, 10**6))
def test_what_holds_for_every_pair(documents, room, seed):
    borders, sentences = corpus(*documents)
    for document in range(len(documents)):
        start, stop = borders[document : document + 2]
        rng, read = np.random.default_rng([seed, document]), []
        for first, split, second, end, is_random in pair_segments(document, borders, sentences, room, rng):
            assert start <= first < split <= stop, "whole sentences of this document, at least one"
            assert second < end, "at least one sentence"
            if is_random:
                home = int(np.searchsorted(borders, second, side="right")) - 1
                assert home != document, "drawn from another document"
                assert end <= borders[home + 1], "and from one only"
            else:
                assert second == split, "consecutive"
                assert end <= stop
            read += range(first, split) if is_random else range(first, end)
            without_last = sentences[split] - sentences[first] + sentences[end - 1] - sentences[second]
            assert without_last < room or end == second + 1, "not a sentence more than fills the room"
        assert read == list(range(start, stop)), "each sentence once, in order: what a random pair leaves goes back"


@given(length=st.integers(1, 15), lengths=SENTENCES, room=st.integers(5, 40), seed=st.integers(0, 10**6))
def test_a_chunk_of_one_sentence_cannot_follow_itself(length, lengths, room, seed):
    rng = np.random.default_rng(seed)
    assert [pair[4] for pair in pairs([[length], lengths], room, rng)] == [1]
    assert [pair[4] for pair in pairs([[room + length] * 3, lengths], room, rng)] == [1, 1, 1]


def within(count: int, n: int, p: float) -> bool:
    return abs(count - n * p) < 5 * (n * p * (1 - p)) ** 0.5


def test_half_of_the_pairs_are_random_where_there_is_a_choice():
    drawn = []
    for seed in range(2000):
        found = pairs([[1] * 100, [1] * 9], 20, np.random.default_rng(seed))
        drawn += [is_random for first, _, _, _, is_random in found if first != 99]  # the last sentence has no choice
    assert within(sum(drawn), len(drawn), 0.5)


def test_one_document_in_ten_is_cut_short_and_every_short_length_is_as_likely():
    room, n, seen = 20, 4000, []
    for seed in range(n):
        found = pairs([[1] * 300, [1] * 9], room, np.random.default_rng(seed))
        lengths = {end - first for first, _, _, end, is_random in found if not is_random and end < 300}
        assert len(lengths) == 1, "one target a document"
        seen += lengths
    counts = np.bincount(seen, minlength=room + 1)
    each = 0.1 / (room - 1)  # uniform from 2 to room, so a short one may be as long as any
    assert within(counts[2:room].sum(), n, 0.1 - each)
    assert counts[:2].sum() == 0
    assert len(counts) == room + 1
    assert all(within(count, n, each) for count in counts[2:room])


def test_a_random_segment_starts_anywhere_in_any_other_document():
    documents, starts = [[1], [1] * 4, [1], [1] * 2], []
    for seed in range(8000):
        starts += [second for _, _, second, _, _ in pairs(documents, 8, np.random.default_rng(seed), document=2)]
    counts = np.bincount(starts, minlength=8)
    assert len(starts) == 8000
    assert within(counts[0], 8000, 1 / 3)
    assert all(within(count, 8000, 1 / 3 / 4) for count in counts[1:5])
    assert counts[5] == 0
    assert all(within(count, 8000, 1 / 3 / 2) for count in counts[6:8])


def test_trimming_takes_a_token_at_a_time_from_the_longer_segment():
    for room in range(31):
        for first in range(41):
            for second in range(41):
                a, b = first, second
                while a + b > room:  # as in the original release: of two equally long, the second loses
                    if a > b:
                        a -= 1
                    else:
                        b -= 1
                assert trimmed_lengths(first, second, room) == (a, b), (first, second, room)


def test_trimming_by_hand():
    assert trimmed_lengths(10, 4, 20) == (10, 4)
    assert trimmed_lengths(10, 4, 9) == (5, 4)
    assert trimmed_lengths(3, 10, 9) == (3, 6)
    assert trimmed_lengths(7, 7, 9) == (5, 4)


def test_each_token_leaves_the_front_or_the_back_by_a_fair_coin():
    """Two tokens go: both from the front 1/4, one from each side 1/2, both from the back 1/4."""
    rng, n = np.random.default_rng(0), 20000
    kept = [tuple(trim(np.arange(5), 3, rng).tolist()) for _ in range(n)]
    counts = {way: kept.count(way) for way in ((0, 1, 2), (1, 2, 3), (2, 3, 4))}
    assert sum(counts.values()) == n
    assert within(counts[2, 3, 4], n, 0.25)
    assert within(counts[1, 2, 3], n, 0.5)
    assert within(counts[0, 1, 2], n, 0.25)


def test_a_segment_that_fits_is_left_whole():
    assert trim(np.arange(5), 5, np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 4]


def test_the_head_by_hand():
    head = NSPHead(BertConfig(5, 2, 1, 1, 4))
    with torch.no_grad():
        head.score.weight.copy_(torch.tensor([[1.0, 2], [3, 4]]))
        head.score.bias.copy_(torch.tensor([10.0, 20]))
    torch.testing.assert_close(head(torch.tensor([[1.0, -1]])), torch.tensor([[9.0, 19]]))
