"""Labelled examples of the microworld: every label follows from the text alone."""

from collections import Counter, defaultdict
from itertools import chain, islice

import pytest

from bertmini.config import InputError
from bertmini.microworld import Grammar, labels, stories
from bertmini.microworld.generate import Sentence, Story

COUNTRY = {  # written off the grammar by hand: the countries alternate along the ring
    "new haven": "norland", "old ferry": "norland", "stone mill": "norland", "port bridge": "norland",
    "new ferry": "westmark", "old mill": "westmark", "stone bridge": "westmark", "port haven": "westmark",
}  # fmt: skip
GOOD, BAD = {"glad", "jig", "sun", "hooray", "lovely"}, {"gloomy", "dirge", "fog", "alas", "dreadful"}


@pytest.fixture(scope="module")
def world():
    return Grammar.load()


@pytest.fixture(scope="module")
def told(world):
    return list(islice(stories(world, seed=21), 3000))


@pytest.fixture(scope="module")
def story():
    """mara the baker of old mill: three sentences, by hand."""
    hidden = {"name": "mara", "pronoun": "she", "town": "old mill", "job": "baker", "topic": "river", "mood": "good"}
    one = [("mara", "name"), ("the", None), ("baker", "job"), ("left", None), ("old mill", "town"), (".", None)]
    two = [("mara", "name"), ("dreamed", None), ("that", None), ("the", None), ("bank flooded", "odd"), (".", None)]
    three = [("mara", "name"), ("said", None), ("the", None), ("carts", "things"), ("near", None), ("the", None)]
    four = [("gate", "nearby"), ("were", None), ("tiny", "adj"), (".", None)]
    return Story(hidden, [Sentence(0, one), Sentence(1, two), Sentence(3, [*three, *four])])


def test_by_hand(world, story):
    assert list(labels.senses(world, [story])) == [
        (["mara", "dreamed", "that", "the", "bank", "flooded", "."], 4, 0)
    ]
    assert next(labels.tags(world, [story])).tags == ["B-PERSON", "O", "O", "O", "B-PLACE", "I-PLACE", "O"]
    text = "mara the baker left old mill . mara dreamed that the bank flooded . "
    text += "mara said the carts near the gate were tiny ."
    assert list(labels.questions(world, [story])) == [
        ("where is mara from ?", text, "old mill", 20),
        ("what is mara ?", text, "baker", 9),
    ]
    assert list(labels.agreement(world, [story])) == [
        ("mara said the carts near the gate were tiny .", "mara said the carts near the gate was tiny .")
    ]
    assert list(labels.moods(world, [story])) == [], "no sign of a mood"
    for seed in range(20):
        (fact,) = labels.facts(world, [story], ["old mill"], seed)
        assert fact.premise == "mara the baker left old mill ."
        who, country = fact.hypothesis.split()[0], fact.hypothesis.split()[3]
        if fact.relation == "neutral":
            assert who in world.hidden["name"] and who != "mara"
        else:
            assert who == "mara" and (country == "westmark") == (fact.relation == "entailed")
    assert list(labels.facts(world, [story], ["new haven"])) == []


def determined(examples, label) -> Counter:
    """No text has two labels. Returns how often each label occurs."""
    seen = defaultdict(set)
    counts: Counter = Counter()
    for text, value in ((example[:label], example[label]) for example in examples):
        seen[str(text)].add(value)
        counts[value] += 1
    assert seen and all(len(values) == 1 for values in seen.values())
    return counts


def test_a_sense_is_told_by_the_last_word(world, told):
    found = list(labels.senses(world, told))
    last = defaultdict(set)
    for words, place, sense in found:
        last[words[-2]].add((words[place], sense))
    assert all(len(values) == 1 for values in last.values())
    assert len({word for word, _ in chain.from_iterable(last.values())}) >= 8
    counts = Counter(example.sense for example in found)
    assert 0.45 < counts[0] / len(found) < 0.55, "both senses are equally likely"


def test_a_mood_is_what_most_signs_say(world, told):
    found = list(labels.moods(world, told))
    assert len(found) > 1200
    for text, mood in found:
        words = text.split()
        good, bad = sum(word in GOOD for word in words), sum(word in BAD for word in words)
        assert good != bad and mood == ("good" if good > bad else "bad")
    assert all(0.45 < count / len(found) < 0.55 for count in determined(found, 1).values())


def test_tags_mark_persons_and_places_and_nothing_else(world, told):
    persons, places = set(world.hidden["name"]), {*world.hidden["town"], "norland", "westmark"}
    for words, tags in islice(labels.tags(world, told), 5000):
        assert len(words) == len(tags)
        spans, open_ = [], None
        for word, tag in zip(words, tags, strict=True):
            if tag.startswith("I-"):
                assert open_ == tag[2:]
                spans[-1] = (spans[-1][0], f"{spans[-1][1]} {word}")
            elif tag != "O":
                spans.append((tag[2:], word))
            open_ = tag[2:] if tag != "O" else None
        assert all(text in (persons if kind == "PERSON" else places) for kind, text in spans)
        outside = [word for word, tag in zip(words, tags, strict=True) if tag == "O"]
        assert not persons & set(outside) and not places & set(outside)


def test_an_answer_stands_where_it_is_said_to(world, told):
    found = list(labels.questions(world, told))
    assert {question.split()[0] for question, *_ in found} == {"where", "what", "who"}
    for question, text, answer, start in found:
        assert text[start : start + len(answer)] == answer
        assert question.endswith("?") and not {"{", "}"} & set(question)
    determined([(question, text, answer) for question, text, answer, _ in found], 2)


def test_an_answer_is_the_only_one(world, told):
    """Whoever has the hero's name in the text has the hero's job and animal: nobody else is called so."""
    seen = Counter()
    for question, text, answer, _ in labels.questions(world, told):
        words, asked = text.split(), question.split()[0]
        for one, two, three, four in zip(words, words[1:], words[2:], words[3:], strict=False):
            if asked == "what" and (one, two) == (words[0], "the"):  # mara the baker
                assert three == answer, text
                seen["job"] += 1
            if asked == "who" and (one, two) == (words[0], "and") and three in ("her", "his", "their"):
                assert four == answer, text
                seen["animal"] += 1
    assert min(seen["job"], seen["animal"]) > 100


def test_facts_follow_from_the_text_and_the_world(world, told):
    known = labels.known_towns(world)
    unknown = [town for town in world.hidden["town"] if town not in known]
    assert len(known) == len(unknown) == 4
    for towns in (known, unknown):
        assert sorted(COUNTRY[town] for town in towns) == ["norland"] * 2 + ["westmark"] * 2
        found = list(labels.facts(world, told, towns))
        for premise, hypothesis, relation in found:
            (town,) = (town for town in COUNTRY if f" {town} " in f" {premise} ")
            who, country = hypothesis.split()[0], hypothesis.split()[3]
            assert town in towns and hypothesis == f"{who} is from {country} ."
            if relation == "neutral":
                assert who not in premise.split()
            else:
                assert who in premise.split() and (COUNTRY[town] == country) == (relation == "entailed")
        counts = determined(found, 2)
        assert set(counts) == set(labels.RELATIONS)
        assert all(0.28 < count / len(found) < 0.39 for count in counts.values())
    assert list(labels.facts(world, told[:50], known, 3)) == list(labels.facts(world, told[:50], known, 3))


def test_agreement_is_with_the_first_noun(world, told):
    singular = set(world.slots["thing"].phrases)
    attracted = 0
    for right, wrong in labels.agreement(world, told):
        words, others = right.split(), wrong.split()
        assert [(a, b) for a, b in zip(words, others, strict=True) if a != b] in ([("was", "were")], [("were", "was")])
        if words[4] != "near":  # mara was playing with her aunt
            assert "was" in words
            continue
        assert words[7] == ("was" if words[3] in singular else "were")
        attracted += (words[3] in singular) != (words[6] in singular)
    assert attracted > 100, "the nearer noun often has the other number"


def test_its_words_are_in_the_vocabulary(world, told):
    texts = [question for question, *_ in labels.questions(world, told[:100])]
    texts += [fact.hypothesis for fact in labels.facts(world, told[:100], world.hidden["town"])]
    assert all(world.tokenizer.unk_id not in encoding.token_ids for encoding in world.tokenizer.encode_batch(texts))


SMALL = """
[hidden]
name = ["mara", "otto"]
[scenes.dawn]
again = 1
next = { dusk = 1 }
first = ["{name} wakes up ."]
[scenes.dusk]
again = 1
first = ["{name} sleeps ."]
"""


def test_a_grammar_without_what_a_label_needs(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    small = Grammar.load(path)
    told = list(islice(stories(small, 0), 5))
    assert list(labels.senses(small, told)) == list(labels.questions(small, told)) == []
    for make, missing in (
        (lambda: labels.moods(small, told), "mood"),
        (lambda: labels.tags(small, told), "town"),
        (lambda: labels.facts(small, told, []), "town"),
        (lambda: labels.agreement(small, told), "two verbs"),
    ):
        with pytest.raises(InputError, match=missing):
            list(make())


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ('hypothesis = "{nobody} sleeps ."', "unknown slot {nobody}"),
        ("hypothesis = 3", 'write hypothesis = "words'),
        ('question = "who ?"', "question: unknown; write questions"),
        ('hypothesis = "mara sleeps"', 'write hypothesis = "words'),
        ('questions = { nobody = "who ?" }', "unknown slot {nobody}"),
        ('questions = ["who ?"]', 'write hypothesis = "words'),
    ],
)
def test_labels_that_cannot_be_asked(tmp_path, lines, wanted):
    path = tmp_path / "small.toml"
    path.write_text(SMALL + "[labels]\n" + lines, encoding="utf-8")
    with pytest.raises(InputError) as error:
        Grammar.load(path)
    assert str(error.value).startswith(f"{path}, labels") and wanted in str(error.value)
