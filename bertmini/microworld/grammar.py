"""The microworld's grammar: hidden variables, slots and scenes, read from a file that a teacher can edit, and checked.

A story has hidden variables, drawn once, and a chain of scenes. Every scene gives one sentence or two; a sentence is a
template of its scene, and a slot of a template is filled by a phrase that depends on at most one hidden variable.
`microworld.toml` beside this file is the world of the book, and shows every form a grammar can take.
"""

import math
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np

from bertmini.config import InputError
from bertmini.tokenizer import Tokenizer
from bertmini.wordpiece import SPECIAL_TOKENS

WORLD = Path(__file__).with_name("microworld.toml")
SEGMENT = (0.1, 0.9)  # the probability that a segment has one sentence, or two
WINDOW = 2 * len(SEGMENT)  # the most sentences an instance shows
MAX_LENGTH = 64  # T: [CLS], [SEP], [SEP] and four whole sentences fit
MOST_STATES = 10_000  # joint values of the hidden variables
LONGEST_SENTENCE = (MAX_LENGTH - 3) // WINDOW  # tokens
SLOT = re.compile(r"\{(\w+)\}")
PHRASE = re.compile(r"[a-z,]+( [a-z,]+)*")
KEYS = {"hidden", "slots", "scenes", "pieces", "phenomena", "labels"}
SCENE_KEYS = {"again", "next", "first", "second"}


def phrases(values: object) -> bool:
    """Whether these are phrases, at least one."""
    return isinstance(values, list) and bool(values) and all(isinstance(v, str) and PHRASE.fullmatch(v) for v in values)


@dataclass(frozen=True)
class Slot:
    """What a slot can be filled with: `table[value, phrase]` is the phrase's probability."""

    phrases: tuple[str, ...]
    table: np.ndarray  # (values, phrases); one row where nothing hidden counts
    variable: str | None = None


@dataclass(frozen=True)
class State:
    """A place in the chain of scenes: the first or the second sentence of a scene."""

    scene: str
    templates: tuple[str, ...]  # equally likely
    next: dict[int, float]  # the following states; less than 1 in all where the story may end


class Grammar:
    """A toy language.

    hidden: variable -> values, all equally likely. slots: name -> Slot. states: the chain, states[0] begins.
    pieces: a word of several tokens -> its tokens. phenomena: name -> the words and {slots} that show it. questions:
    slot -> a question that its phrase answers; hypothesis: a sentence about a fact (see labels.py).
    """

    def __init__(self, source: dict, name: str):
        self.name = name  # the file, for messages
        self.text = ""  # what it holds
        for key in KEYS:
            if not isinstance(source.get(key, {}), dict):
                self.fail(key, f"{source[key]!r} is no table; write [{key}] and its entries under it")
        if unknown := set(source) - KEYS:
            self.fail(min(unknown), f"unknown; the sections are {', '.join(sorted(KEYS))}")
        self.hidden: dict[str, list[str]] = source.get("hidden", {})
        for key, values in self.hidden.items():
            if not phrases(values) or len(set(values)) < len(values):
                self.fail(f"hidden.{key}", "give a list of different values, each of words in small letters")
        if math.prod(map(len, self.hidden.values())) > MOST_STATES:
            sizes = " x ".join(str(len(values)) for values in self.hidden.values())
            self.fail("hidden", f"{sizes} joint states are more than {MOST_STATES:,}; take a variable or values out")
        self.slots = {key: Slot(tuple(v), np.eye(len(v)), key) for key, v in self.hidden.items()}
        self.slots |= {key: self.slot(key, value) for key, value in source.get("slots", {}).items()}
        self.pieces: dict[str, list[str]] = source.get("pieces", {})
        self.phenomena: dict[str, list[str]] = source.get("phenomena", {})
        for section in ("pieces", "phenomena"):
            for key, words in getattr(self, section).items():
                if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                    self.fail(f"{section}.{key}", "give a list of strings")
        labels = source.get("labels", {})
        if unknown := set(labels) - {"questions", "hypothesis"}:
            self.fail(f"labels.{min(unknown)}", "unknown; write questions and hypothesis, and nothing else")
        self.questions: dict[str, str] = labels.get("questions", {})
        self.hypothesis: str = labels.get("hypothesis", "")
        if not isinstance(self.questions, dict) or not all(map(self.asks, [*self.questions.values(), self.hypothesis])):
            self.fail("labels", 'write hypothesis = "words and {slots} ." and questions = { slot = "words ?" }')
        for name in [*self.questions, *SLOT.findall(" ".join([self.hypothesis, *self.questions.values()]))]:
            if name not in self.slots:
                self.fail("labels", f"unknown slot {{{name}}}; add it to [slots]")
        for name in SLOT.findall(" ".join(self.questions.values())):
            if name not in self.hidden:
                self.fail("labels.questions", f"{{{name}}} is not hidden; ask with slots of hidden variables only")
        if other := set(SLOT.findall(self.hypothesis)) - {"name", "country"}:
            self.fail("labels.hypothesis", f"{{{min(other)}}} cannot be filled; use {{name}} and {{country}} only")
        self.states = self.chain(source.get("scenes", {}))
        self.check()

    @classmethod
    def load(cls, path: Path | str = WORLD) -> "Grammar":
        """Read a grammar file; InputError names file, key and what to do."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            source = tomllib.loads(text)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; give a grammar file, or none for the book's world") from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: not UTF-8; save it as UTF-8") from None
        except (ValueError, RecursionError) as error:  # ValueError: a number of over 4,300 digits, too
            raise InputError(f"{path}: not TOML: {error}; mend that line") from None
        grammar = cls(source, path.name if path == WORLD else str(path))
        grammar.text = text
        return grammar

    def fail(self, key: str, sentence: str) -> None:
        raise InputError(f"{self.name}, {key}: {sentence}")

    def asks(self, text: object) -> bool:
        """Whether this is a text of words and slots that ends with its only full stop or question mark, or nothing."""
        return text == "" or (isinstance(text, str) and re.fullmatch(r"(([a-z]+|\{\w+\}) )+[.?]", text) is not None)

    def slot(self, key: str, value: list | dict) -> Slot:
        """One row, or {variable = {value = row}} with a row for each value of a hidden variable."""
        where = f"slots.{key}"
        if key in self.hidden:
            self.fail(where, "a hidden variable has this name; take another")
        if not SLOT.fullmatch(f"{{{key}}}"):
            self.fail(where, "a slot's name is letters, digits and _; rename it")
        if not isinstance(value, dict) or (value and all(isinstance(p, int | float) for p in value.values())):
            row = self.row(where, value)
            return Slot(tuple(row), np.array([list(row.values())]))
        if any(isinstance(p, int | float) for p in value.values()):
            self.fail(where, "probabilities and other things are mixed; give each phrase a number, without quotes")
        if len(value) != 1 or (variable := next(iter(value))) not in self.hidden:
            known = ", ".join(self.hidden) or "the hidden variables, of which there are none yet"
            self.fail(where, f"depends on {', '.join(value) or 'nothing'}; name exactly one of {known}")
        if not isinstance(value[variable], dict) or set(value[variable]) != set(self.hidden[variable]):
            self.fail(f"{where}.{variable}", f"give one row to each of {', '.join(self.hidden[variable])}")
        rows = [self.row(f"{where}.{variable}.{v}", value[variable][v]) for v in self.hidden[variable]]
        phrases = tuple(dict.fromkeys(chain.from_iterable(rows)))
        return Slot(phrases, np.array([[row.get(phrase, 0.0) for phrase in phrases] for row in rows]), variable)

    def row(self, where: str, value: str | list | dict) -> dict[str, float]:
        """Phrase -> probability: one phrase, equally likely ones, or a table that sums to one."""
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list | dict):
            self.fail(where, f"{value!r} is neither words nor a list or table of them; give one of these")
        if not value:
            self.fail(where, "no words; give at least one")
        if not all(isinstance(phrase, str) for phrase in value):
            self.fail(where, "a phrase must be words in quotes, with single spaces between them")
        row = value if isinstance(value, dict) else {phrase: 1 / len(value) for phrase in value}
        if not isinstance(value, dict) and len(row) < len(value):
            self.fail(where, "a phrase occurs twice; write the probabilities out instead: {word = 0.5, other = 0.5}")
        if not all(type(p) in (int, float) and p > 0 for p in row.values()):
            self.fail(where, "a probability is no number above 0; mend it, or leave its phrase out")
        if abs(sum(row.values()) - 1) > 1e-9:
            self.fail(where, f"the probabilities sum to {sum(row.values()):.6g}; make them positive and their sum 1")
        return {phrase: float(p) for phrase, p in row.items()}

    def chain(self, scenes: dict) -> list[State]:
        """The states of the chain: two a scene, the first sentence and the second one."""
        names, states = list(scenes), []
        if not scenes:
            self.fail("scenes", "none; write at least one, [scenes.dawn], with its templates in `first`")
        for number, (name, scene) in enumerate(scenes.items()):
            where = f"scenes.{name}"
            if not isinstance(scene, dict) or set(scene) - SCENE_KEYS:
                self.fail(where, f"write a table with {', '.join(sorted(SCENE_KEYS))}, and nothing else, in it")
            again, row = scene.get("again", 0.0), scene.get("next", {})
            if type(again) not in (int, float) or not 0 <= again <= 1:
                self.fail(f"{where}.again", f"{again!r} is no probability; give a number from 0 to 1")
            row = {} if row == {} else self.row(f"{where}.next", row)
            if "second" in scene and not again:
                self.fail(f"{where}.second", "never told, for `again` is 0; give `again`, or leave `second` out")
            for later in row:
                if later not in names[number + 1 :]:
                    self.fail(f"{where}.next", f"{later!r} is no later scene of the file; a story only runs forward")
            after = {2 * names.index(later): p for later, p in row.items()}
            for key in ("first", "second"):
                templates = scene.get(key, scene.get("first", []))
                if not isinstance(templates, list) or not templates:
                    self.fail(f"{where}.{key}", "no list of templates; give at least one, in square brackets")
                if not all(isinstance(template, str) and template.split() for template in templates):
                    self.fail(f"{where}.{key}", "a template without words; give each at least a word and a full stop")
                following = {2 * number + 1: again} if key == "first" and again else {}
                rest = 1 - again if key == "first" else 1
                states.append(
                    State(name, tuple(templates), following | {q: p * rest for q, p in after.items() if p * rest})
                )
        return states

    def check(self) -> None:
        """Every template can be filled, tokenized and shown."""
        for name, slot in self.slots.items():
            if not phrases(list(slot.phrases)):
                self.fail(f"slots.{name}", "a phrase must be words of small letters and commas, single spaces between")
        told = [(t, p) for state, p in zip(self.states, self.places(), strict=True) for t in state.templates]
        for template, place in told:
            for name in SLOT.findall(template):
                if name not in self.slots:
                    self.fail(place, f"unknown slot {{{name}}} in {template!r}; add it to [slots]")
            words, stop = template.split()[:-1], template.split()[-1]
            if not words or stop != "." or template.count(".") > 1:
                self.fail(place, f"{template!r} must be words and end with ' .', its only full stop")
            for word in words:
                if not SLOT.fullmatch(word) and not PHRASE.fullmatch(word):
                    self.fail(
                        place, f"{word!r} in {template!r} is no word; use small letters, with spaces around a slot"
                    )
        for template, place in told:  # this needs the tokenizer, which needs all words
            longest = sum(max(len(ids) for ids in choices) for choices, _ in self.parts(template))
            if longest > LONGEST_SENTENCE:
                self.fail(place, f"{template!r} can have {longest} tokens; at most {LONGEST_SENTENCE}, so shorten it")
        for q, place in enumerate(self.places()):
            if q % 2 == 0 and not self.reach[:, q].any():
                self.fail(place.removesuffix(".first"), "no story comes here; name the scene in an earlier `next`")
        if unknown := set(self.pieces) - set(self.words):
            self.fail(f"pieces.{min(unknown)}", "no word of the grammar; mend it or take it out")
        if "piece" in self.phenomena:
            self.fail("phenomena.piece", "this name stands for the words of [pieces]; take another")
        for name, words in self.phenomena.items():
            for word in words:
                if word in self.pieces:
                    self.fail(f"phenomena.{name}", f"{word} is cut into pieces; use a {{slot}} or a whole word")
                known = word[1:-1] in self.slots if word.startswith("{") else word in self.words
                if not known:
                    self.fail(f"phenomena.{name}", f"{word} is neither a word nor a {{slot}} of the grammar")
        if (least := min(self.lengths())) < WINDOW:
            self.fail(
                "scenes", f"a story can be {least} sentences long; {WINDOW} are needed, so add scenes to its path"
            )

    def places(self) -> list[str]:
        """Where in the file each state's templates are."""
        return [f"scenes.{state.scene}.{('first', 'second')[q % 2]}" for q, state in enumerate(self.states)]

    def lengths(self) -> dict[int, float]:
        """The probability of every length of a story, in sentences."""
        lengths: dict[int, float] = {}
        for length, row in enumerate(self.reach, 1):
            ends = row @ (1 - self.transitions.sum(1))
            if ends > 1e-12:
                lengths[length] = float(ends)
        return lengths

    @cached_property
    def transitions(self) -> np.ndarray:
        """(Q, Q): the probability that a state is followed by another."""
        table = np.zeros((len(self.states),) * 2)
        for q, state in enumerate(self.states):
            table[q, list(state.next)] = list(state.next.values())
        return table

    @cached_property
    def reach(self) -> np.ndarray:
        """(longest story, Q): the probability that sentence s of a story is in state q."""
        rows = [np.eye(len(self.states))[0]]
        while (row := rows[-1] @ self.transitions).any():
            rows.append(row)
        return np.array(rows)

    @cached_property
    def words(self) -> list[str]:
        """Every word of the language, in the order of the alphabet."""
        templates = [template for state in self.states for template in state.templates]
        templates += [self.hypothesis, *self.questions.values()]
        used = set(chain.from_iterable(SLOT.findall(template) for template in templates))
        texts = chain((SLOT.sub(" ", t) for t in templates), *(self.slots[name].phrases for name in sorted(used)))
        return sorted(set(chain.from_iterable(text.split() for text in texts)))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """A standard BERT vocabulary: the special tokens, the words that are whole, the pieces of the others."""
        tokens = {piece for word in self.words for piece in self.pieces.get(word, [word])}
        tokenizer = Tokenizer([*SPECIAL_TOKENS, *sorted(tokens, key=lambda token: (token.startswith("##"), token))])
        for word, ids in zip(self.words, tokenizer.ids(self.words), strict=True):
            pieces, wanted = [tokenizer.tokens[i] for i in ids], self.pieces.get(word, [word])
            if pieces != wanted:
                self.fail("pieces", f"{word!r} is read as {' '.join(pieces)}, not {' '.join(wanted)}; change a word")
        return tokenizer

    def parts(self, template: str) -> list[tuple[list[Sequence[int]], str | None]]:
        """A template as a list of (choices, slot): the token ids of each phrase that can stand there."""
        parts = []
        for word in template.split():
            name = word[1:-1] if SLOT.fullmatch(word) else None
            parts.append((self.phrase_ids[name] if name else self.tokenizer.ids([word]), name))
        return parts

    @cached_property
    def phrase_ids(self) -> dict[str, list[list[int]]]:
        return {name: self.tokenizer.ids(slot.phrases) for name, slot in self.slots.items()}
