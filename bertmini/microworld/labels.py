"""Labelled examples of the microworld: senses, moods, entities, questions, facts and agreement.

Every label follows from the text that is shown, with one exception, made on purpose: whether a sentence entails another
about its town's country follows from it and from what all stories tell, which only pretraining can know.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple

from bertmini.config import InputError
from bertmini.microworld.generate import Story
from bertmini.microworld.grammar import SLOT, Grammar

ENTITIES = {"name": "PERSON", "friend": "PERSON", "town": "PLACE", "country": "PLACE"}  # slot -> kind
RELATIONS = ("entailed", "contradicted", "neutral")


class Sense(NamedTuple):
    words: list[str]
    place: int  # of the word with two senses
    sense: int  # 0: the one that the grammar lists first


class Mood(NamedTuple):
    text: str
    mood: str  # what most of its signs say


class Tags(NamedTuple):
    words: list[str]
    tags: list[str]  # O, B-PERSON, B-PLACE, I-PLACE


class Question(NamedTuple):
    question: str
    text: str
    answer: str
    start: int  # the answer's first character in text


class Fact(NamedTuple):
    premise: str
    hypothesis: str
    relation: str  # one of RELATIONS


class Agreement(NamedTuple):
    right: str
    wrong: str  # the same sentence with the verb in the other number


def senses(grammar: Grammar, told: Iterable[Story]) -> Iterator[Sense]:
    """Every word with two senses: its phrase begins like another phrase of its slot, and ends otherwise."""
    table = {name: two_senses(grammar, name) for name in grammar.slots}
    for story in told:
        for sentence in story.sentences:
            place = 0
            for phrase, slot in sentence.parts:
                if slot and phrase in table[slot]:
                    yield Sense(sentence.text().split(), place, table[slot][phrase])
                place += len(phrase.split())


def two_senses(grammar: Grammar, slot: str) -> dict[str, int]:
    """Phrase -> 0 or 1, where exactly one other phrase of the slot begins with the same word."""
    seen: dict[str, list[str]] = {}
    for phrase in grammar.slots[slot].phrases:
        if " " in phrase and slot not in grammar.hidden:
            seen.setdefault(phrase.split()[0], []).append(phrase)
    return {phrase: k for pair in seen.values() if len(pair) == 2 for k, phrase in enumerate(pair)}


def moods(grammar: Grammar, told: Iterable[Story]) -> Iterator[Mood]:
    """Every story with more signs of one mood than of another. The hidden mood is told in four of five signs only."""
    values = need(grammar, "mood")
    signs = {
        (name, phrase): values[column.argmax()]
        for name, slot in grammar.slots.items()
        if slot.variable == "mood" and name != "mood"
        for phrase, column in zip(slot.phrases, slot.table.T, strict=True)
    }
    for story in told:
        parts = [(slot, phrase) for sentence in story.sentences for phrase, slot in sentence.parts]
        counts = Counter(signs[part] for part in parts if part in signs).most_common(2)
        if len(counts) == 1 or (counts and counts[0][1] > counts[1][1]):
            yield Mood(" ".join(story.texts()), counts[0][0])


def tags(grammar: Grammar, told: Iterable[Story]) -> Iterator[Tags]:
    """Every sentence with its persons and places: B- begins one, I- goes on, O is outside."""
    need(grammar, "name"), need(grammar, "town")
    for story in told:
        for sentence in story.sentences:
            found = []
            for phrase, slot in sentence.parts:
                kind = ENTITIES.get(slot)
                found += [f"{'I' if k else 'B'}-{kind}" if kind else "O" for k in range(len(phrase.split()))]
            yield Tags(sentence.text().split(), found)


def questions(grammar: Grammar, told: Iterable[Story]) -> Iterator[Question]:
    """Every question of the grammar, of every story that answers it: the answer is where the story says it first.

    Not of stories in which somebody else has the hero's name: two people could be meant.
    """
    others = [slot for slot, kind in ENTITIES.items() if kind == "PERSON" and slot != "name"]
    for story in told:
        doubles = {(story.hidden.get("name"), slot) for slot in others}
        if any(doubles & set(sentence.parts) for sentence in story.sentences):
            continue
        text = " ".join(story.texts())
        for asked, question in grammar.questions.items():
            start = 0
            for phrase, slot in (part for sentence in story.sentences for part in sentence.parts):
                if slot == asked:
                    yield Question(fill(question, story.hidden), text, phrase, start)
                    break
                start += len(phrase) + 1


def facts(grammar: Grammar, told: Iterable[Story], towns: Iterable[str], seed: int = 0) -> Iterator[Fact]:
    """Sentences that tell the hero's town, one of `towns`, each with a sentence about a country.

    The three relations are equally likely. Entailed: the hero and the town's country; contradicted: the hero and
    another country; neutral: somebody of whom the premise does not speak. See `known_towns` for what to train on.
    """
    names, every = need(grammar, "name"), need(grammar, "town")
    if "country" not in grammar.slots or not grammar.hypothesis:
        raise InputError(f"{grammar.name}, labels: facts need a slot named country and a hypothesis; add both")
    slot, wanted, random = grammar.slots["country"], set(towns), Random(seed).random
    for story in told:
        country = slot.phrases[slot.table[every.index(story.hidden["town"])].argmax()]
        other = next(phrase for phrase in slot.phrases if phrase != country)
        for sentence in story.sentences:
            told_slots = {name for _, name in sentence.parts}
            if story.hidden["town"] in wanted and {"name", "town"} <= told_slots:
                relation = RELATIONS[int(random() * 3)]
                present = set(sentence.text().split())
                absent = [name for name in names if name not in present]
                who = absent[int(random() * len(absent))] if relation == "neutral" else story.hidden["name"]
                either = (country, other)[int(random() * 2)]
                where = {"entailed": country, "contradicted": other, "neutral": either}[relation]
                yield Fact(sentence.text(), fill(grammar.hypothesis, {"name": who, "country": where}), relation)


def known_towns(grammar: Grammar) -> list[str]:
    """The half of the towns that labelled training sets may speak of: two in every four of the grammar's list.

    Of the others only the stories tell the country, so who answers about them has learned it in pretraining.
    """
    return [town for number, town in enumerate(need(grammar, "town")) if number % 4 < 2]


def agreement(grammar: Grammar, told: Iterable[Story]) -> Iterator[Agreement]:
    """Every sentence with one of the grammar's two agreeing verbs, beside itself with the other."""
    verbs = grammar.phenomena.get("agreement", [])
    if len(verbs) != 2:
        raise InputError(f"{grammar.name}, phenomena.agreement: pairs need two verbs, such as was and were; name both")
    swap = dict(zip(verbs, reversed(verbs), strict=True))
    for story in told:
        for sentence in story.sentences:
            words = sentence.text().split()
            if set(words) & set(verbs):
                yield Agreement(" ".join(words), " ".join(swap.get(word, word) for word in words))


def fill(template: str, values: dict[str, str]) -> str:
    """The template with a value for each of its slots."""
    return SLOT.sub(lambda match: values[match[1]], template)


def need(grammar: Grammar, variable: str) -> list[str]:
    """The values of a hidden variable; InputError where the grammar has none."""
    if variable not in grammar.hidden:
        raise InputError(f"{grammar.name}, hidden: these labels need a variable named {variable}; add it")
    return grammar.hidden[variable]
