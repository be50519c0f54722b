"""The stories of the microworld and the pairs of windows shown of them: seeded, and as likely as the grammar says."""

import hashlib
import random
import tomllib
from collections import Counter
from itertools import chain, islice, pairwise

import numpy as np
import pytest

from bertmini import InputError
from bertmini.corpus import Corpus, write_corpus
from bertmini.microworld import Grammar, generate, stories, window_pairs
from bertmini.microworld.grammar import MAX_LENGTH

ROOM = MAX_LENGTH - 3  # [CLS], [SEP], [SEP]

# Its text is pinned below: this grammar never changes.
FIXED = """
[hidden]
town = ["new haven", "port"]
topic = ["river", "woods", "game"]

[slots]
who = ["mara", "otto"]

[slots.place.topic]
river = { boathouse = 0.5, ford = 0.5 }
woods = { glade = 0.1, ford = 0.2, burrow = 0.7 }
game = "pitch"

[scenes.dawn]
again = 0.5
next = { work = 0.75, walk = 0.25 }
first = ["{who} wakes in {town} .", "at dawn {who} dreams of {who} ."]
second = ["it is the day of the {topic} ."]

[scenes.work]
again = 0.3333333333333333
next = "meet"
first = ["{who} works at the {place} .", "all work ."]

[scenes.walk]
next = "meet"
first = ["the road to the {place} is long ."]

[scenes.meet]
next = "dusk"
first = ["{who} , not {who} , says hello .", "nobody says hello .", "a goose says hello ."]

[scenes.dusk]
again = 0.5
first = ["all sleep ."]
second = ["{who} sleeps too ."]
"""


@pytest.fixture(scope="module")
def fixed():
    return Grammar(tomllib.loads(FIXED), "fixed")


@pytest.fixture(scope="module")
def world():
    return Grammar.load()


def text(grammar: Grammar, seed: int, count: int) -> str:
    """The text of a corpus file: a line a sentence, an empty line between stories."""
    return "\n\n".join("\n".join(story.texts()) for story in islice(stories(grammar, seed), count)) + "\n"


def within(count: int, n: int, p: float, deviations: float = 5) -> bool:
    return abs(count - n * p) <= deviations * (n * p * max(0, 1 - p)) ** 0.5 + 1e-9  # p = 1 may be a little more


# --- stories


def script(monkeypatch, *numbers: float) -> None:
    """Let the generator's random numbers be these, again and again, and nothing else be random."""

    class Scripted:
        def __init__(self, seed: int):
            self.numbers = iter(numbers * 1000)

        def random(self) -> float:
            return next(self.numbers)

    monkeypatch.setattr(generate, "Random", Scripted)


def test_a_story_by_hand(monkeypatch, fixed):
    """In order: the hidden variables, then for each sentence its template, its slots, and what follows."""
    numbers = [
        *(0.5, 0.4),  # the second town of two, the second topic of three
        *(0.0, 0.0, 0.5),  # the first template, mara, the town there is
        0.9,  # neither dawn again (0.5) nor work (0.375 more), so walk
        *(0.0, 0.4, 0.0),  # one template; in the woods 0.4 is past ford and glade; meet follows
        *(0.1, 0.6, 0.2, 0.99),  # the first template of three, otto, mara; dusk follows
        *(0.0, 0.6),  # all sleep; at 0.6 the story ends
    ]
    script(monkeypatch, *numbers)
    told = list(islice(stories(fixed, 0), 2))
    assert told[0] == told[1], "every number was used, once"
    assert told[0].hidden == {"town": "port", "topic": "woods"}
    assert told[0].texts() == [
        "mara wakes in port .",
        "the road to the burrow is long .",
        "otto , not mara , says hello .",
        "all sleep .",
    ]
    assert [sentence.state for sentence in told[0].sentences] == [0, 4, 6, 8]
    assert told[0].sentences[0].parts == [
        ("mara", "who"), ("wakes", None), ("in", None), ("port", "town"), (".", None)
    ]  # fmt: skip


def test_the_lowest_and_the_highest_numbers(monkeypatch, fixed):
    """0 chooses the first that can be, the largest number below 1 the last: never what has probability 0."""
    script(monkeypatch, 0.0)
    first = next(stories(fixed, 0))
    assert first.texts() == [
        "mara wakes in new haven .",
        "it is the day of the river .",
        "mara works at the boathouse .",
        "mara works at the boathouse .",
        "mara , not mara , says hello .",
        "all sleep .",
        "mara sleeps too .",
    ]
    script(monkeypatch, 1 - 2**-53)
    last = next(stories(fixed, 0))
    assert last.texts() == [
        "at dawn otto dreams of otto .",
        "the road to the pitch is long .",
        "a goose says hello .",
        "all sleep .",
    ]


def test_the_same_text_on_every_machine(fixed):
    lines = text(fixed, seed=7, count=200)
    assert lines.count("\n\n") == 199
    assert hashlib.sha256(lines.encode()).hexdigest() == (
        "fa7f42102d0f2599c542cf4dadd458a6f8c7772b7f87add17e457ec6c7a5e0f6"
    )


def test_a_seed_gives_one_endless_stream(fixed, world):
    for grammar in (fixed, world):
        assert text(grammar, 3, 50) == text(grammar, 3, 50)
        assert text(grammar, 3, 60).startswith(text(grammar, 3, 50).rstrip("\n"))
        assert len({text(grammar, seed, 50) for seed in range(20)}) == 20


def test_randomness_comes_from_one_method_of_one_generator(monkeypatch, world):
    """`random.Random(seed).random()` is the same on every machine and Python; its other methods need not be."""
    expected, asked = text(world, 5, 100), []

    class Only:
        def __init__(self, seed: int):
            asked.append(seed)
            self.random = random.Random(seed).random

    def refuse(*args, **kwargs):
        raise AssertionError("another source of randomness")

    for name in ("random", "choice", "choices", "randrange", "randint", "shuffle", "uniform"):
        monkeypatch.setattr(random, name, refuse)
    monkeypatch.setattr(np.random, "default_rng", refuse)
    monkeypatch.setattr(generate, "Random", Only)
    assert text(world, 5, 100) == expected
    assert asked == [5]


@pytest.fixture(scope="module")
def many(world):
    return list(islice(stories(world, seed=1), 6000))


def test_hidden_variables_are_uniform_and_independent(world, many):
    n = len(many)
    for name, values in world.hidden.items():
        counts = Counter(story.hidden[name] for story in many)
        assert set(counts) == set(values)
        assert all(within(count, n, 1 / len(values)) for count in counts.values()), name
    for one, two in [(a, b) for a in world.hidden for b in world.hidden if a < b]:
        pairs = Counter((story.hidden[one], story.hidden[two]) for story in many)
        p = 1 / len(world.hidden[one]) / len(world.hidden[two])
        assert all(within(pairs[a, b], n, p) for a in world.hidden[one] for b in world.hidden[two]), (one, two)


def test_stories_run_forward_through_the_chain(world, many):
    """The scenes as often as the grammar says, each story as long, and each step as likely."""
    n = len(many)
    lengths = Counter(len(story.sentences) for story in many)
    assert all(within(lengths[length], n, p) for length, p in world.lengths().items())
    assert set(lengths) <= set(world.lengths())
    visits = Counter(sentence.state for story in many for sentence in story.sentences)
    steps = Counter((a.state, b.state) for story in many for a, b in pairwise(story.sentences))
    assert all(story.sentences[0].state == 0 for story in many)
    for state, row in enumerate(world.transitions):
        assert within(visits[state], n, world.reach[:, state].sum()), "no state is told twice"
        assert all(within(steps[state, other], visits[state], p) for other, p in enumerate(row)), world.places()[state]


def test_templates_are_equally_likely(world, many):
    told = Counter(
        (sentence.state, " ".join(f"{{{slot}}}" if slot else word for word, slot in sentence.parts))
        for story in many
        for sentence in story.sentences
    )
    visits = Counter(sentence.state for story in many for sentence in story.sentences)
    for state, description in enumerate(world.states):
        for template, times in Counter(description.templates).items():
            assert within(told.pop((state, template), 0), visits[state], times / len(description.templates)), template
    assert not told, "and there are no others"


def test_how_often_the_stories_are_hard(many):
    """A second person with a job or a pronoun of their own in a third of the stories; a town told in about half."""
    told = [{slot for sentence in story.sentences for _, slot in sentence.parts} for story in many]
    assert within(sum(not slots.isdisjoint({"friendjob", "friendher"}) for slots in told), len(told), 1 / 3)
    assert 0.45 < sum("town" in slots for slots in told) / len(told) < 0.55


def test_phrases_are_as_likely_as_their_slot_says(world, many):
    """Given the value of the slot's variable; cells with fewer than 20 expected are left to the sum."""
    told: dict[tuple[str, str], Counter] = {}
    for story in many:
        for phrase, slot in chain.from_iterable(sentence.parts for sentence in story.sentences):
            if slot:
                value = story.hidden.get(world.slots[slot].variable, "")
                told.setdefault((slot, value), Counter())[phrase] += 1
    checked = 0
    for name, slot in world.slots.items():
        for value, row in zip(world.hidden.get(slot.variable, [""]), slot.table, strict=True):
            counts = told.get((name, value), Counter())
            assert set(counts) <= {phrase for phrase, p in zip(slot.phrases, row, strict=True) if p > 0}, name
            for phrase, p in zip(slot.phrases, row, strict=True):
                if counts.total() * p >= 20:
                    assert within(counts[phrase], counts.total(), p, deviations=6), (name, value, phrase)
                    checked += 1
    assert checked > 300


# --- pairs of windows


def borders(*lengths: int) -> Corpus:
    """A corpus of documents with so many sentences, of one token each."""
    count = sum(lengths)
    return Corpus(np.arange(count), np.arange(count + 1), np.cumsum([0, *lengths]))


LENGTHS = [4, 5, 7, 10] * 10_000


@pytest.fixture(scope="module")
def pairs():
    """(N,) each: sentences of the first segment, of the second, label, and where both start in their stories."""
    corpus = borders(*LENGTHS)
    plan = window_pairs(corpus, ROOM, seed=0, epoch=0)
    first, split, second, end, is_random = plan.T
    home = np.searchsorted(corpus.documents, second, side="right") - 1
    return {
        "corpus": corpus,
        "plan": plan,
        "a": split - first,
        "b": end - second,
        "is_random": is_random,
        "start": first - corpus.documents[:-1],
        "home": home,
        "second": second - corpus.documents[home],
    }


def test_one_pair_a_story_of_whole_sentences_of_it(pairs):
    """A segment lies within one story, and there is room beside it for the window that it was cut from."""
    plan, documents = pairs["plan"], pairs["corpus"].documents
    assert plan.shape == (len(LENGTHS), 5)
    assert np.issubdtype(plan.dtype, np.integer)
    first, split, second, end, is_random = plan.T
    assert (documents[:-1] <= first).all()
    assert (split + pairs["b"] <= documents[1:]).all(), "the second could have followed"
    assert (second - pairs["a"] >= documents[pairs["home"]]).all(), "the first could have come before"
    assert (end <= documents[pairs["home"] + 1]).all()
    assert set(pairs["a"]) == set(pairs["b"]) == {1, 2}
    assert set(is_random) == {0, 1}


def test_the_second_segment_follows_or_is_of_another_story(pairs):
    is_random, own = pairs["is_random"], np.arange(len(LENGTHS))
    _, split, second, _, _ = pairs["plan"].T
    assert (second == split)[is_random == 0].all()
    assert (pairs["home"] == own)[is_random == 0].all()
    assert (pairs["home"] != own)[is_random == 1].all()


def test_numbers_and_label_are_independent(pairs):
    n = len(LENGTHS)
    assert within(pairs["is_random"].sum(), n, 1 / 2)
    counts = Counter(zip(pairs["a"].tolist(), pairs["b"].tolist(), pairs["is_random"].tolist(), strict=True))
    assert len(counts) == 8
    for (a, b, _), count in counts.items():
        assert within(count, n, {2: 0.01, 3: 0.09, 4: 0.81}[a + b] / 2), "two sentences nine times in ten"
    for length in set(LENGTHS):
        of_it = np.array(LENGTHS) == length
        assert within(pairs["is_random"][of_it].sum(), of_it.sum(), 1 / 2), "and of the story"


@pytest.mark.parametrize("length", [4, 5, 7, 10])
def test_a_window_starts_anywhere_it_fits(pairs, length):
    """Uniform, for both labels, and for the windows that second segments of other stories are cut from."""
    lengths = np.array(LENGTHS)
    for a, b, label in [(a, b, label) for a in (1, 2) for b in (1, 2) for label in (0, 1)]:
        chosen = (pairs["a"] == a) & (pairs["b"] == b) & (pairs["is_random"] == label)
        fits = length - a - b + 1
        starts = pairs["start"][chosen & (lengths == length)]
        others = (pairs["second"] - a)[chosen & (lengths[pairs["home"]] == length)]
        for found in (starts, others):
            counts = np.bincount(found, minlength=fits)
            assert len(counts) == fits and len(found) > 30
            assert all(within(count, len(found), 1 / fits) for count in counts)


def test_every_other_story_is_as_likely():
    corpus, counts = borders(5, 6, 4, 9), Counter()
    for epoch in range(4000):
        for story, (_, _, second, _, is_random) in enumerate(window_pairs(corpus, ROOM, 2, epoch).tolist()):
            if is_random:
                counts[story, int(np.searchsorted(corpus.documents, second, side="right")) - 1] += 1
    for story in range(4):
        of_it = sum(n for (this, _), n in counts.items() if this == story)
        assert within(of_it, 4000, 1 / 2)
        assert counts[story, story] == 0
        assert all(within(counts[story, other], of_it, 1 / 3) for other in range(4) if other != story)


def test_pairs_are_a_pure_function_of_seed_and_epoch():
    corpus = borders(*LENGTHS[:100])

    def plan(seed: int, epoch: int) -> list:
        np.random.seed(seed + epoch)  # what is global must not matter
        return window_pairs(corpus, ROOM, seed, epoch).tolist()

    assert plan(3, 5) == plan(3, 5)
    assert len({str(plan(seed, epoch)) for seed in range(5) for epoch in range(5)}) == 25


def test_a_room_that_cannot_hold_any_window_is_an_error():
    """Nothing is trimmed, so four of the longest sentence have to fit: here it has seven tokens."""
    corpus = Corpus(np.arange(31), np.array([0, 4, 11, 14, 18, 22, 25, 28, 31]), np.array([0, 4, 8]))
    assert len(window_pairs(corpus, 28, seed=0, epoch=0)) == 2
    with pytest.raises(InputError, match="need sequences of 64 tokens: give --max-length 64"):
        window_pairs(corpus, 27, seed=0, epoch=0)


def test_an_instance_is_never_too_long(world, many, tmp_path):
    """T = 64 holds [CLS], both segments and two [SEP]; and what a pair names is the text that was told."""
    told = [story.texts() for story in many[:2000]]
    corpus = write_corpus(told, world.tokenizer, tmp_path)
    lines = list(chain.from_iterable(told))
    most = 0
    for first, split, second, end, _ in window_pairs(corpus, ROOM, seed=0, epoch=0):
        most = max(most, 3 + len(corpus.between(first, split)) + len(corpus.between(second, end)))
    assert MAX_LENGTH == 64
    assert MAX_LENGTH / 2 < most <= MAX_LENGTH
    first, split, second, end, _ = window_pairs(corpus, ROOM, seed=0, epoch=0)[17]
    assert lines[first] in told[17]
    for start, stop in ((first, split), (second, end)):
        ids = list(chain.from_iterable(world.tokenizer.ids(lines[start:stop])))
        assert corpus.between(start, stop).tolist() == ids
