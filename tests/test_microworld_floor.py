"""The floor of the microworld is exact: it equals brute force, in a world small enough to count everything that can be.

The table below holds every pair of segments with its probability, by following the generator through all of its choices
and cutting every story in every way. Predictions are then Bayes' rule by plain summation over the table.
"""

import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np
import pytest

from bertmini.config import InputError
from bertmini.corpus import write_corpus
from bertmini.microworld import Floor, Grammar, stories, window_pairs
from bertmini.microworld.generate import Teller
from bertmini.microworld.grammar import MAX_LENGTH
from bertmini.microworld.left import FloorFromTheLeft
from bertmini.mlm import corrupt
from bertmini.wordpiece import SPECIAL_TOKENS

ROOM = MAX_LENGTH - 3  # [CLS], [SEP], [SEP]

WORLD = """
[hidden]
town = ["new haven", "port"]
topic = ["river", "woods", "game"]
mood = ["good", "bad"]

[slots]
who = ["mara", "otto"]
country = { town = { "new haven" = "norland", port = "westmark" } }

[slots.place.topic]
river = { boathouse = 0.75, ford = 0.25 }
woods = { ford = 0.4, "old mill" = 0.6 }
game = "pitch"

[slots.feeling.mood]
good = { glad = 0.8, gloomy = 0.2 }
bad = { glad = 0.2, gloomy = 0.8 }

[scenes.dawn]
next = { work = 0.75, walk = 0.25 }
first = ["mara wakes in {town} .", "a {feeling} day ."]

[scenes.work]
again = 0.4
next = "meet"
first = ["{who} rests .", "mara rests at the {place} ."]
second = ["all is {feeling} at the {place} .", "they rest .", "they rest ."]  # twice as likely as the other

[scenes.walk]
next = "meet"
first = ["{who} walks to {country} .", "the {place} is no {place} ."]

[scenes.meet]
again = 0.5
next = "dusk"
first = ["otto is playing .", "the {place} is far ."]

[scenes.dusk]
first = ["mara sleeps in {town} .", "at dusk otto is {feeling} ."]

[pieces]
boathouse = ["boat", "##house"]
playing = ["play", "##ing"]
"""

# The same words, told with other probabilities.
OTHER = (
    WORLD.replace("work = 0.75, walk = 0.25", "work = 0.1, walk = 0.9")
    .replace("boathouse = 0.75, ford = 0.25", "boathouse = 0.1, ford = 0.9")
    .replace('ford = 0.4, "old mill" = 0.6', 'ford = 0.9, "old mill" = 0.1')
    .replace("bad = { glad = 0.2, gloomy = 0.8 }", "bad = { glad = 0.9, gloomy = 0.1 }")
    .replace("again = 0.5", "again = 0.9")
)

ENDING = """
[hidden]
town = ["haven", "port"]

[slots]
who = ["mara", "otto"]
country = { town = { haven = "norland", port = "westmark" } }

[scenes.dawn]
next = "work"
first = ["mara wakes in {town} ."]

[scenes.work]
again = 0.4
next = "dusk"
first = ["{who} rests .", "{who} walks to {country} ."]

[scenes.dusk]
again = 0.3
next = { night = 0.5, feast = 0.5 }
first = ["they rest .", "mara is in {country} ."]

[scenes.night]
first = ["otto sleeps in {town} ."]

[scenes.feast]
again = 0.3
first = ["they sing ."]
"""


@pytest.fixture(scope="module")
def world():
    return Grammar(tomllib.loads(WORLD), "world")


@pytest.fixture(scope="module")
def floor(world):
    return Floor(world)


# --- everything that can be


def executions(grammar: Grammar) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every way the generator can go: the sentences it tells, and the product of its choices' probabilities."""
    script: list[int] = []
    made: list[int] = []
    probability = 1.0
    waiting: list[list[int]] = [[]]

    def choose(cumulative: list[float]) -> int:
        nonlocal probability
        weights = [b - a for a, b in pairwise([0.0, *cumulative])]
        if len(made) < len(script):
            choice = script[len(made)]
        else:
            choice, *others = (i for i, weight in enumerate(weights) if weight > 0)
            waiting.extend([*made, other] for other in others)
        made.append(choice)
        probability *= weights[choice]
        return choice

    teller = Teller(grammar, choose)
    while waiting:
        script, made, probability = waiting.pop(), [], 1.0
        told = teller.story()
        yield tuple(told.texts()), probability


def all_stories(grammar: Grammar) -> Counter[tuple[str, ...]]:
    """Every story with its probability."""
    counts: Counter[tuple[str, ...]] = Counter()
    for sentences, probability in executions(grammar):
        counts[sentences] += probability
    return counts


@pytest.fixture(scope="module")
def told(world):
    return all_stories(world)


class Table(NamedTuple):
    """All pairs of two lengths: firsts[i] and seconds[j] follow with p[0, i, j], and are random with p[1, i, j]."""

    firsts: np.ndarray  # (I, tokens)
    seconds: np.ndarray  # (J, tokens)
    p: np.ndarray  # (2, I, J)


Tables = dict[tuple[int, int], Table]


def token_ids(grammar: Grammar, text: str) -> tuple[int, ...]:
    pieces = {"boathouse": ["boat", "##house"], "playing": ["play", "##ing"]}
    return tuple(grammar.tokenizer.vocab[piece] for word in text.split() for piece in pieces.get(word, [word]))


def all_pairs(grammar: Grammar, told: Counter[tuple[str, ...]]) -> Tables:
    """All pairs of segments, by the lengths of the two.

    One sentence in each with probability 1/10, or two; a window of so many starts anywhere in the story with equal
    probability.
    With probability 1/2 the pair is the two parts of one window, else of two independent ones.
    """
    firsts: dict[int, dict] = defaultdict(dict)  # length -> segment -> its number
    seconds: dict[int, dict] = defaultdict(dict)
    windows: dict[tuple[int, int], Counter] = defaultdict(Counter)  # numbers of sentences -> (first, second) -> p
    for sentences, probability in told.items():
        ids = [token_ids(grammar, sentence) for sentence in sentences]
        for numbers in [(1, 1), (1, 2), (2, 1), (2, 2)]:
            starts = len(ids) - sum(numbers) + 1
            for start in range(starts):
                split, end = start + numbers[0], start + sum(numbers)
                first, second = sum(ids[start:split], ()), sum(ids[split:end], ())
                firsts[len(first)].setdefault(first, len(firsts[len(first)]))
                seconds[len(second)].setdefault(second, len(seconds[len(second)]))
                windows[numbers][first, second] += probability / starts
    tables = {
        (one, two): Table(np.array(list(a)), np.array(list(b)), np.zeros((2, len(a), len(b))))
        for one, a in firsts.items()
        for two, b in seconds.items()
    }
    for numbers, pairs in windows.items():
        share = {2: 0.01, 3: 0.09, 4: 0.81}[sum(numbers)]
        one, two = Counter(), Counter()
        for (first, second), probability in pairs.items():
            one[first] += probability
            two[second] += probability
            table = tables[len(first), len(second)]
            table.p[0, firsts[len(first)][first], seconds[len(second)][second]] += probability * share / 2
        for a in firsts:
            for b in seconds:
                first, second = (np.array([c[s] for s in d]) for c, d in ((one, firsts[a]), (two, seconds[b])))
                tables[a, b].p[1] += np.outer(first, second) * share / 2
    return tables


@pytest.fixture(scope="module")
def tables(world, told) -> Tables:
    return all_pairs(world, told)


def test_one_story_by_hand(told):
    """1/2 the town, 1/2 the template; 1/4 walk, 1/2, 1/2 otto; 1/2; again 1/2, 1/2; 1/2. Topic and mood do not show."""
    story = (
        "mara wakes in port .",
        "otto walks to westmark .",
        "otto is playing .",
        "otto is playing .",
        "mara sleeps in port .",
    )
    assert told[story] == pytest.approx(1 / 1024)
    assert sum(told.values()) == pytest.approx(1, abs=1e-12)
    assert {len(sentences) for sentences in told} == {4, 5, 6} and len(told) > 5000


def test_the_table_holds_everything(tables):
    follows, random = sum(table.p.sum((1, 2)) for table in tables.values())
    assert follows == pytest.approx(1 / 2, abs=1e-12) and random == pytest.approx(1 / 2, abs=1e-12)
    assert 1e4 < sum(np.count_nonzero(table.p) for table in tables.values()) < 1e5


def test_corpora_are_as_the_table_says(world, tables, tmp_path):
    """The generator and `window_pairs`, drawn from: only pairs of the table, each as often as it says."""
    n, counts, lengths = 40_000, Counter(), Counter()
    corpus = write_corpus((story.texts() for story in islice(stories(world, 0), n)), world.tokenizer, tmp_path)
    for first, split, second, end, is_random in window_pairs(corpus, ROOM, seed=0, epoch=0).tolist():
        pair = tuple(corpus.between(first, split).tolist()), tuple(corpus.between(second, end).tolist())
        counts[(*pair, is_random)] += 1
        lengths[len(pair[0]), len(pair[1])] += 1
    checked = 0
    for key, table in tables.items():
        assert within(lengths[key], n, table.p.sum())
        rows, columns = (list(map(tuple, part.tolist())) for part in table[:2])
        for label, i, j in zip(*table.p.nonzero(), strict=True):
            count, p = counts.pop((rows[i], columns[j], label), 0), table.p[label, i, j]
            if n * p > 10:
                assert within(count, n, p)
                checked += 1
    assert not counts, "nothing that cannot be"
    assert checked > 50


def within(count: int, n: int, p: float) -> bool:
    return abs(count - n * p) <= 5 * (n * p * (1 - p)) ** 0.5 + 1e-9


# --- instances, and Bayes' rule


class Instance(NamedTuple):
    first: np.ndarray
    second: np.ndarray
    label: int

    def token_ids(self, grammar: Grammar) -> np.ndarray:
        cls_id, sep_id = grammar.tokenizer.cls_id, grammar.tokenizer.sep_id
        return np.array([cls_id, *self.first, sep_id, *self.second, sep_id])

    def segment_ids(self) -> np.ndarray:
        return np.repeat([0, 1], [len(self.first) + 2, len(self.second) + 1])


def draw(tables: Tables, rng: np.random.Generator, lengths: tuple[int, int] | None = None) -> Instance:
    if lengths is None:
        weights = [table.p.sum() for table in tables.values()]
        lengths = list(tables)[rng.choice(len(weights), p=np.array(weights) / sum(weights))]
    table = tables[lengths]
    cell = rng.choice(table.p.size, p=table.p.ravel() / table.p.sum())
    label, one, two = np.unravel_index(cell, table.p.shape)
    return Instance(table.firsts[one], table.seconds[two], int(label))


def evidence(grammar: Grammar, shown: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(T, V): how likely what is shown is, if the true token is y."""
    size = len(grammar.tokenizer)
    table = np.zeros((len(shown), size))
    for t, x in enumerate(shown):
        for y in range(size):
            if t not in positions:
                table[t, y] = x == y
            elif x == grammar.tokenizer.mask_id:
                table[t, y] = 1
            else:
                table[t, y] = (x == y) + 1 / size
    return table


def weigh(grammar: Grammar, tables: Tables, shown: np.ndarray, segment_ids: np.ndarray, positions) -> tuple:
    """The table of these lengths, and (2, I, J): the probability of each of its pairs and of what is shown."""
    ones = int(segment_ids.sum())
    lengths = len(shown) - ones - 2, ones - 1
    table, likely = tables[lengths], evidence(grammar, shown, positions)
    first = likely[np.arange(lengths[0]) + 1, table.firsts].prod(1)
    second = likely[np.arange(lengths[1]) + lengths[0] + 2, table.seconds].prod(1)
    return table, table.p * first[:, None] * second


def true_tokens(table: Table, t: int) -> np.ndarray:
    """(I, J): the token at position t in every pair of a table."""
    length = table.firsts.shape[1]
    tokens = table.firsts[:, t - 1, None] if t <= length else table.seconds[:, t - length - 2]
    return np.broadcast_to(tokens, table.p.shape[1:])


def by_hand(grammar: Grammar, tables: Tables, shown, segment_ids, positions) -> tuple[np.ndarray, float]:
    """The probabilities of every token at the positions, and that the pair is random: summed, nothing else."""
    table, joint = weigh(grammar, tables, shown, segment_ids, positions)
    total = joint.sum()
    probabilities = np.zeros((len(positions), len(grammar.tokenizer)))
    for row, t in zip(probabilities, positions, strict=True):
        np.add.at(row, true_tokens(table, t), joint.sum(0) / total)
    return probabilities, joint[1].sum() / total


def hide(grammar: Grammar, instance: Instance, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Show `count` tokens in one of three ways, each as likely: [MASK], the token itself, any token."""
    shown = instance.token_ids(grammar)
    own = np.flatnonzero(shown != grammar.tokenizer.sep_id)[1:]
    positions = np.sort(rng.permutation(own)[:count])
    ways = rng.integers(3, size=len(positions))
    drawn = rng.integers(len(grammar.tokenizer), size=len(positions))
    shown[positions] = np.choose(ways, [grammar.tokenizer.mask_id, shown[positions], drawn])
    return shown, positions


def compare(grammar: Grammar, floor: Floor, tables: Tables, shown, segment_ids, positions) -> None:
    """Assert that the floor is what summing gives."""
    prediction = floor.best_prediction(shown, segment_ids, positions)
    probabilities, is_random = by_hand(grammar, tables, shown, segment_ids, positions)
    found = prediction.probabilities.numpy()
    assert found.shape == probabilities.shape
    np.testing.assert_allclose(found.sum(1), 1, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found, probabilities, rtol=1e-9, atol=1e-15)
    assert prediction.is_random == pytest.approx(is_random, rel=1e-9, abs=1e-15)


def test_the_best_prediction_is_bayes_rule(world, floor, tables):
    """Instances of the table, with one token hidden up to all of them, in the three ways."""
    rng, seen = np.random.default_rng(0), Counter()
    stop, mask = world.tokenizer.vocab["."], world.tokenizer.mask_id
    pieces = [world.tokenizer.vocab[piece] for piece in ("boat", "##house", "play", "##ing")]
    for number in range(200):
        instance = draw(tables, rng)
        true, segment_ids = instance.token_ids(world), instance.segment_ids()
        shown, positions = hide(world, instance, [1, 3, 6, len(true) // 2, len(true) - 3][number % 5], rng)
        compare(world, floor, tables, shown, segment_ids, positions)
        # What the instances have among them:
        table, joint = weigh(world, tables, shown, segment_ids, positions)
        possible = table.firsts[joint.any((0, 2))], table.seconds[joint.any((0, 1))]
        ends = [len({tuple(row) for row in rows == stop}) for rows in possible]
        seen["a segment that can be cut in several ways"] += max(ends) > 1
        seen["two of them"] += min(ends) > 1
        seen["a label that is not sure"] += 0.01 < joint[1].sum() / joint.sum() < 0.99
        seen["a hidden piece"] += np.isin(true[positions], pieces).any()
        seen["a hidden full stop"] += (true[positions] == stop).any()
        seen["a token kept"] += (shown[positions] == true[positions]).any()
        seen["a token drawn"] += ((shown != true) & (shown != mask)).any()
    assert len(seen) == 7 and min(seen.values()) >= 10, seen


def test_the_best_prediction_where_everything_is_hidden(world, floor, tables):
    """Only the two lengths are known; so all that there is to sum is summed."""
    assert len(tables) > 50
    for (first, second), table in tables.items():
        if table.p.sum() > 0:
            shown = np.full(first + second + 3, world.tokenizer.mask_id)
            shown[[0, first + 1, -1]] = world.tokenizer.cls_id, world.tokenizer.sep_id, world.tokenizer.sep_id
            positions = [t for t in range(1, len(shown) - 1) if t != first + 1]
            segment_ids = np.repeat([0, 1], [first + 2, second + 1])
            compare(world, floor, tables, shown, segment_ids, positions)


def shown_text(grammar: Grammar, first: str, second: str) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Two segments as words, _ for [MASK] -> token ids, segment ids, positions of the masks."""
    ids = [[token_ids(grammar, word)[0] if word != "_" else -1 for word in text.split()] for text in (first, second)]
    instance = Instance(np.array(ids[0]), np.array(ids[1]), 0)
    shown = instance.token_ids(grammar)
    positions = np.flatnonzero(shown < 0)
    shown[positions] = grammar.tokenizer.mask_id
    return shown, instance.segment_ids(), positions.tolist()


def predict(floor: Floor, first: str, second: str) -> list[dict[str, float]]:
    """For each mask: word -> probability, without those that are impossible."""
    rows = floor.best_prediction(*shown_text(floor.grammar, first, second)).probabilities.tolist()
    return [{word: row[i] for word, i in floor.grammar.tokenizer.vocab.items() if row[i] > 1e-12} for row in rows]


@pytest.mark.parametrize(("first", "second", "expected"), [
    # One sentence of five tokens begins with "otto is", and one of six with "the boat".
    ("otto is _ _ .", "mara sleeps in port .", [{"play": 1}, {"##ing": 1}]),
    ("they rest .", "the boat _ is far .", [{"##house": 1}]),
    # Only a full stop can stand where a sentence ends.
    ("mara rests . they rest _", "otto is play ##ing .", [{".": 1}]),
    ("mara rests _ they rest .", "otto is play ##ing .", [{".": 1}]),
    # The name is drawn for each sentence, and a mood that shows in one word is either.
    ("_ rests .", "they rest .", [{"mara": 1 / 2, "otto": 1 / 2}]),
    ("a _ day .", "they rest .", [{"glad": 1 / 2, "gloomy": 1 / 2}]),
    # By the river a ford has 0.25 and a boathouse 0.75; in the woods a ford has 0.4 and an old mill 0.6.
    ("the _ _ is no ford .", "otto is play ##ing .", [
        {"boat": 0.1875 / 0.4275, "old": 0.24 / 0.4275}, {"##house": 0.1875 / 0.4275, "mill": 0.24 / 0.4275}
    ]),
    ("mara rests at the ford . all is glad at the _ _ .", "otto is play ##ing .", [
        {"boat": 0.1875 / 0.4275, "old": 0.24 / 0.4275}, {"##house": 0.1875 / 0.4275, "mill": 0.24 / 0.4275}
    ]),
    ("the _ mill is no ford .", "otto is play ##ing .", [{"old": 1}]),
], ids=str)  # fmt: skip
def test_predictions_by_hand(floor, first, second, expected):
    found = predict(floor, first, second)
    assert found == [pytest.approx(row) for row in expected]  # each with all that is possible


def test_the_next_sentence_by_hand(world, floor):
    """Dawn in port, then a walk to westmark, where port is: both have the right place, so how many do by chance?

    A story with a walk has 4 sentences or 5, equally likely, and 3 or 4 windows of two. The first window shows the pair
    with probability walk = 1/4 * (1/3 + 1/4)/2 times what the words cost. Of two stories, the first is cut at its start
    with probability 0.35/3 + 0.5/4 + 0.15/5 = 163/600 (stories of 4, 5 and 6 sentences), and the second is cut
    there and in the walk with probability `walk`, and tells of westmark in one case of two.
    """
    follows, random = 1, 163 / 600 / 2
    for second, prediction in [
        ("otto walks to westmark .", random / (follows + random)),
        ("otto walks to norland .", 1),
        ("otto walks to _ .", 2 * random / (follows + 2 * random)),
    ]:
        found = floor.best_prediction(*shown_text(world, "mara wakes in port .", second))
        assert found.is_random == pytest.approx(prediction)
    row = predict(floor, "mara wakes in port .", "otto walks to _ .")[0]
    assert row == pytest.approx({
        "westmark": (follows + random) / (follows + 2 * random), "norland": random / (follows + 2 * random)
    })  # fmt: skip


def test_the_joint_over_two_masks_is_exact(world, floor, tables):
    """By the chain rule: p(both) = p(one) p(other | one), where the one is told."""
    rng, size, dependent = np.random.default_rng(1), len(world.tokenizer), 0
    for number in range(60):
        instance = draw(tables, rng)
        shown, positions = hide(world, instance, 5, rng)
        one, two = (int(t) for t in rng.permutation(positions)[:2])
        if number % 2:  # two neighbours in a segment of which nothing is shown
            inside = np.arange(1, len(instance.first) + 1)
            shown[inside], positions = world.tokenizer.mask_id, np.union1d(positions, inside)
            one = int(rng.choice(inside[:-1]))
            two = one + 1
        table, joint = weigh(world, tables, shown, instance.segment_ids(), positions)
        expected = np.zeros((size, size))
        np.add.at(expected, (true_tokens(table, one), true_tokens(table, two)), joint.sum(0) / joint.sum())
        found = np.zeros((size, size))
        before = floor.best_prediction(shown, instance.segment_ids(), positions).probabilities
        for y in np.flatnonzero(expected.any(1)):
            told = shown.copy()
            told[one] = y
            rest = [int(t) for t in positions if t != one]
            after = floor.best_prediction(told, instance.segment_ids(), rest).probabilities[rest.index(two)]
            found[y] = before[list(positions).index(one), y] * after
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
        dependent += not np.allclose(expected, np.outer(expected.sum(1), expected.sum(0)), atol=1e-3)
    assert dependent >= 5, "two masks are not two guesses"


def test_what_is_shown_is_as_likely_as_corrupt_shows_it(world, floor):
    """Every token that can be true, shown 20,000 times: how often each of them was true where x is shown."""
    size, mask = len(world.tokenizer), world.tokenizer.mask_id
    can_be_true = np.arange(len(SPECIAL_TOKENS), size)
    true = np.repeat(can_be_true, 20_000)
    shown = corrupt(true, np.arange(len(true)), mask, size, np.random.default_rng(2))
    for x in range(size):
        expected = floor.evidence([x], [0])[0].numpy()[can_be_true]
        expected /= expected.sum()
        count = np.bincount(true[shown == x], minlength=size)[can_be_true]
        error = np.sqrt(expected * (1 - expected) / count.sum())
        assert count.sum() > 1000 and (abs(count / count.sum() - expected) < 5 * error).all()


def test_a_story_that_may_end_in_mid_scene():
    """In WORLD a state either ends a story or does not; here one may, as at dusk in the world of the book."""
    grammar = Grammar(tomllib.loads(ENDING), "ending")
    stories = all_stories(grammar)
    assert {len(story) for story in stories} == {4, 5, 6, 7}
    tables, floor, rng = all_pairs(grammar, stories), Floor(grammar), np.random.default_rng(3)
    for number in range(40):
        instance = draw(tables, rng)
        shown, positions = hide(grammar, instance, [1, 4, 8][number % 3], rng)
        compare(grammar, floor, tables, shown, instance.segment_ids(), positions)


def test_a_reading_can_say_the_sentence():
    """Each token of "new mill" is in a phrase of `pair`, but no phrase of it is "new mill"."""
    text = """
[slots]
pair = ["new haven", "old mill"]
odd = ["new mill", "old haven"]
[scenes.dawn]
next = "dusk"
again = 1
first = ["in {pair} .", "in {odd} ."]
[scenes.dusk]
again = 1
first = ["all rest ."]
"""
    grammar = Grammar(tomllib.loads(text), "readings")
    floor = Floor(grammar)
    assert floor.reading(token_ids(grammar, "in new mill .")) == [None, "odd", "odd", None]
    assert floor.reading(token_ids(grammar, "in old mill .")) == [None, "pair", "pair", None]
    with pytest.raises(InputError, match="this sentence cannot come from the grammar"):
        floor.reading(token_ids(grammar, "in all ."))


def test_the_floor_of_another_grammar_is_worse(world, floor, tables):
    """The same words with other probabilities: it loses on this text, by more than four standard errors."""
    other = Grammar(tomllib.loads(OTHER), "other")
    assert other.tokenizer.tokens == world.tokenizer.tokens
    floors, rng, worse = (floor, Floor(other)), np.random.default_rng(3), []
    for _ in range(400):
        instance = draw(tables, rng)
        shown, positions = hide(world, instance, 12, rng)
        shown[positions] = world.tokenizer.mask_id
        rows = [f.best_prediction(shown, instance.segment_ids(), positions).probabilities for f in floors]
        own, others = (row[range(len(positions)), instance.token_ids(world)[positions]].log().sum() for row in rows)
        worse.append(float(own - others))
    assert np.mean(worse) > 4 * np.std(worse) / len(worse) ** 0.5 > 0


# --- players who see less


def test_who_sees_one_sentence_is_exact_too(world, floor, told):
    """The sentence and its place in the window are known, and nothing around it."""
    rng = np.random.default_rng(4)
    for before, after in [(0, 1), (1, 0), (1, 1), (0, 3), (2, 1), (3, 0)]:
        table: Counter[tuple[int, ...]] = Counter()
        for sentences, probability in told.items():
            starts = len(sentences) - before - after
            for start in range(starts):
                table[token_ids(world, sentences[start + before])] += probability / starts
        for length in (3, 5, 6, 7):
            these = {ids: p for ids, p in table.items() if len(ids) == length}
            if not these:
                continue
            true = np.array(list(these)[rng.choice(len(these))])
            positions = np.sort(rng.permutation(length)[:3])
            shown = true.copy()
            shown[positions] = [world.tokenizer.mask_id, true[positions[1]], world.tokenizer.vocab["glad"]]
            likely = evidence(world, shown, positions)
            expected = np.zeros((length, len(world.tokenizer)))
            for ids, p in these.items():
                expected[np.arange(length), ids] += p * likely[np.arange(length), ids].prod()
            expected /= expected.sum(1, keepdims=True)
            found = floor.own_sentence(floor.evidence(shown, positions), before, after).numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


def test_the_order_of_two_sentences_is_exact(world, floor, tables):
    """Both orders are summed; there is no third."""
    rng, unsure = np.random.default_rng(5), 0
    for _ in range(400):
        instance = draw(tables, rng)
        while instance.label:
            instance = draw(tables, rng)
        shown, positions = hide(world, instance, 7, rng)
        ids, cls_id, sep_id = instance.segment_ids(), world.tokenizer.cls_id, world.tokenizer.sep_id
        first, second = np.flatnonzero(ids == 0)[1:-1], np.flatnonzero(ids == 1)[:-1]
        swapped = np.concatenate([[cls_id], shown[second], [sep_id], shown[first], [sep_id]])
        moved = [t + len(second) + 1 if t in first else t - len(first) - 1 for t in positions]
        other = np.repeat([0, 1], [len(second) + 2, len(first) + 1])
        right = weigh(world, tables, shown, ids, positions)[1][0].sum()
        known = (len(second), len(first)) in tables
        wrong = weigh(world, tables, swapped, other, moved)[1][0].sum() if known else 0.0
        assert floor.order(shown, ids, positions) == pytest.approx(right / (right + wrong), rel=1e-9)
        unsure += wrong > 0
    assert unsure >= 5


def test_who_sees_what_is_to_the_left_is_exact(world, tables):
    """-log p(token | all before it), from the probabilities of everything that begins so."""
    rng = np.random.default_rng(6)
    player = FloorFromTheLeft(world)

    def begins(first: np.ndarray, second: np.ndarray | None) -> float:
        total = 0.0
        for (one, two), table in tables.items():
            if second is None and one >= len(first):
                total += table.p[:, (table.firsts[:, : len(first)] == first).all(1)].sum()
            elif second is not None and one == len(first) and two >= len(second):
                rows = (table.firsts == first).all(1)
                total += table.p[:, rows][:, :, (table.seconds[:, : len(second)] == second).all(1)].sum()
        return total

    for _ in range(10):
        instance = draw(tables, rng)
        first, second = instance.first, instance.second
        for t in range(1, len(first) + 1):
            expected = -np.log(begins(first[:t], None) / begins(first[: t - 1], None))
            found = player.left_nats(instance.token_ids(world), instance.segment_ids(), t)
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
        for t in range(1, len(second) + 1):
            expected = -np.log(begins(first, second[:t]) / begins(first, second[: t - 1]))
            found = player.left_nats(instance.token_ids(world), instance.segment_ids(), len(first) + 1 + t)
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("text", ["otto otto otto .", "sleeps sleeps ."])
def test_a_text_that_no_story_holds_is_told(floor, world, text):
    ids = world.tokenizer.ids([text])[0]
    shown = [world.tokenizer.cls_id, *ids, world.tokenizer.sep_id, *ids, world.tokenizer.sep_id]
    segment_ids = [0] * (len(ids) + 2) + [1] * (len(ids) + 1)
    with pytest.raises(InputError, match="cannot come from the grammar"):
        floor.best_prediction(shown, segment_ids, [])
