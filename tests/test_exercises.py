"""The checks of exercises: what is said to right, wrong and impossible answers, in all chapters."""

import importlib
import pkgutil
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch

from bertmini.lab import exercises
from bertmini.lab.check import Exercise, Mistake
from bertmini.lab.exercises import (
    a_small_world,
    embeddings,
    encoder,
    pretraining,
    self_attention,
    tokenization,
    words_before_bert,
)

CHAPTERS = {
    found.name: importlib.import_module(f"{exercises.__name__}.{found.name}")
    for found in pkgutil.iter_modules(exercises.__path__)
}
EXERCISES = {
    f"{title}-{name}": (chapter, exercise)
    for title, chapter in CHAPTERS.items()
    for name, exercise in vars(chapter).items()
    if isinstance(exercise, Exercise)
}
every_exercise = pytest.mark.parametrize("exercise", [exercise for _, exercise in EXERCISES.values()], ids=EXERCISES)


class Unfriendly:
    """A value that fails in every way a value can."""

    def __getattribute__(self, name):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")

    __hash__ = None


class NoNameNoWords(Exception):
    def __str__(self):
        raise RuntimeError("no")


def fails(error: BaseException) -> Callable:
    def answer(*_):
        raise error

    return answer


def endless(*_):
    return endless()


def spoils_its_arguments(*arguments):
    for argument in arguments:
        if isinstance(argument, torch.Tensor):
            argument.zero_()
        elif isinstance(argument, list):
            argument.clear()


NO_ANSWERS = [
    None, 0, -1, 1.5, float("nan"), True, "three", b"3", [], [[]], [1, [2]], [...], (), {}, {1}, object(), ...,
    Unfriendly(), np.zeros(3), np.array(["a"]), torch.zeros(0), torch.zeros(2, 3), torch.tensor(1j),
    torch.zeros(9).to_sparse(), torch.zeros(3, requires_grad=True), torch.zeros(2, device="meta"),
    10**400, range(3), NotImplemented, type,
]  # fmt: skip
NO_FUNCTIONS = [
    *(lambda *_, value=value: value for value in NO_ANSWERS),
    lambda: 1,
    lambda *, named: named,
    endless,
    spoils_its_arguments,
    lambda *arguments: (item for item in arguments),
    fails(ZeroDivisionError("division")),
    fails(KeyError()),
    fails(SystemExit(3)),
    fails(AssertionError("two\nlines")),
    fails(NoNameNoWords()),
    Unfriendly,
]


@every_exercise
def test_a_check_answers_anything_and_never_raises(exercise, capsys):
    for answer in [*NO_ANSWERS, *NO_FUNCTIONS]:
        for hint in (1, 3, 0, -1, "2", None):
            assert exercise(answer, hint) is None
            said = capsys.readouterr()
            assert said.err == "" and said.out.startswith(("not yet: ", "not tried yet"))


@every_exercise
def test_a_stub_is_not_tried_yet(exercise, capsys):
    for stub in (..., lambda *_: ...) if callable(exercise.right) else (...,):
        exercise(stub)
        assert capsys.readouterr().out == "not tried yet\n"


@every_exercise
def test_the_right_answer_is_right(exercise):
    assert exercise.verdict(exercise.right).startswith("right")
    assert exercise.verdict(exercise.right, hint=3).startswith("right")


@pytest.mark.parametrize(
    ("exercise", "mistake"),
    [(exercise, mistake) for _, exercise in EXERCISES.values() for mistake in exercise.mistakes],
    ids=[f"{name}-{i}" for name, (_, exercise) in EXERCISES.items() for i in range(len(exercise.mistakes))],
)
def test_a_common_mistake_gets_its_own_hints(exercise, mistake):
    """In three steps; only the last one has the line."""
    steps = [exercise.verdict(mistake.wrong, hint) for hint in (1, 2, 3)]
    line = mistake.line or exercise.line
    for number, (said, hint) in enumerate(zip(steps, (mistake.where, mistake.what, line), strict=True), start=1):
        assert said.startswith("not yet: ")
        assert f"\nHint {number} of 3: {hint}" in said
        assert (f"add hint={number + 1}" in said) == (number < 3)
    assert line not in steps[0] + steps[1]


@every_exercise
def test_another_wrong_answer_gets_the_general_hints(exercise):
    def strange(*_):
        return [-1, -2, -3, -5]

    answer = strange if callable(exercise.right) else strange()
    for number, hint in enumerate((exercise.where, exercise.what, exercise.line), start=1):
        assert f"Hint {number} of 3: {hint}" in exercise.verdict(answer, number)


@pytest.mark.parametrize(("chapter", "exercise"), EXERCISES.values(), ids=EXERCISES)
def test_the_line_is_a_right_answer(chapter, exercise):
    """The third hint, written where the reader writes it, passes."""
    space = vars(chapter) | {"torch": torch, "F": torch.nn.functional}
    for line in {exercise.line, *(mistake.line for mistake in exercise.mistakes if mistake.line)}:
        if callable(exercise.right):
            arguments = exercise.right.__code__.co_varnames[: len(exercise.cases[0])]
            body = line.replace("\n", "\n    ")
            exec(f"def answer({', '.join(arguments)}):\n    {body}", space)
            answer = space["answer"]
        else:
            answer = eval(line, space)
        assert exercise.verdict(answer).startswith("right"), line


def twice(n):
    return [n, 2 * n]


DOUBLE = Exercise(
    right=twice,
    cases=[(2,), (3,)],
    where="here",
    what="this",
    line="return [n, 2 * n]",
    mistakes=[Mistake(wrong=lambda n: [n, n**2], where="power", what="square")],
)
HALF_WRONG = "not yet: the shape is right, 1 of 2 numbers are not"


@pytest.mark.parametrize(
    ("answer", "start"),
    [
        (twice, "right, in all 2 cases"),
        (lambda n: (n, 2 * n), "right"),
        (lambda n: np.array([n, 2.0 * n]), "right"),
        (lambda n: torch.tensor([n, 2 * n]), "right"),
        (lambda n: [n, 2 * n + 1e-7], "right"),
        (lambda n: [n, 2 * n + 1e-3], f"{HALF_WRONG}\nIt was called with 2.\nHint 1 of 3: here"),
        (lambda n: [n, 2 * n, 0], "not yet: it gives shape (3,), and shape (2,) is wanted"),
        (lambda n: 2 * n, "not yet: it gives a single number, and shape (2,) is wanted"),
        (lambda n: None, "not yet: it gives None; is there a `return`?"),
        (lambda n: "ab", "not yet: it gives a str, and a list is wanted"),
        (lambda n: [n, n**2], f"{HALF_WRONG}\nIt was called with 3.\nHint 1 of 3: power"),
        (lambda n: [n, n**2] if n == 3 else twice(n), f"{HALF_WRONG}\nIt was called with 3."),
        (lambda n: ... if n == 3 else twice(n), "not yet: it gives ... in some cases"),
        (lambda: 1, "not yet: it ends in TypeError"),
        (lambda n: unknown, "not yet: it ends in NameError: name 'unknown' is not defined"),  # noqa: F821
        (lambda n: [n, float("nan")], f"{HALF_WRONG}, and some are nan (nan comes"),
        (lambda n: float("nan"), "not yet: it gives a single number, and shape (2,) is wanted"),
        ([2, 4], "not yet: a function is wanted, and this is a list"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_function(answer, start):
    assert DOUBLE.verdict(answer).startswith(start)


@pytest.mark.parametrize(
    ("answer", "start"),
    [
        (12, "right"),
        (12.0, "right"),
        (torch.tensor(12), "right"),
        (13, "not yet: it gives 13, and that is not the number"),
        (10, "not yet: it gives 10, and that is not the number\nHint 2 of 3: two are missing"),
        (True, "not yet: it gives a bool, and an int is wanted"),
        (lambda: 12, "not yet: a value is wanted, and this is a function"),
        (..., "not tried yet"),
    ],
)
def test_what_is_said_of_a_value(answer, start):
    mistakes = [Mistake(wrong=10, where="at the end", what="two are missing")]
    exercise = Exercise(right=12, where="there", what="that", line="12", mistakes=mistakes)
    assert exercise.verdict(answer, hint=2).startswith(start)


def test_an_answer_cannot_spoil_the_case_for_the_next_one():
    exercise = embeddings.one_hot
    exercise.verdict(spoils_its_arguments)
    assert exercise.verdict(exercise.right).startswith("right")


def test_the_mistake_about_types_is_not_the_one_about_shapes():
    """Both end in a RuntimeError; the words of the error tell them apart."""
    types, width = (embeddings.one_hot.mistakes[i] for i in (0, 3))
    assert types.what in embeddings.one_hot.verdict(types.wrong, 2)
    assert width.what in embeddings.one_hot.verdict(width.wrong, 2)


def test_the_segments_of_the_exercise_are_the_tokenizer_s():
    from bertmini import Tokenizer

    tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "bites", "man", "cries"])
    for first, second in (("the dog bites", "the man cries"), ("the dog bites the man", None), ("man", "dog")):
        encoded = tokenizer.encode(first, second)
        assert embeddings.segments.right(encoded.tokens) == encoded.segment_ids


def search_by_hand(bags, query):
    idf = torch.log(len(bags) / (bags > 0).sum(0))
    texts, asked = bags * idf, query * idf
    return texts @ asked / (texts.norm(dim=1) * asked.norm())


def next_is_good_in_fractions(signs):
    good = sum(1 if sign in ("hooray", "sun", "jig") else -1 for sign in signs)
    return Fraction(1, 5) + Fraction(3, 5) / (1 + Fraction(4) ** -good)


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (words_before_bert.search, search_by_hand),
        (a_small_world.next_sign, next_is_good_in_fractions),
        (self_attention.mixture, [Fraction(7), Fraction(4)]),
        (encoder.prefix, lambda T, S: [[j < S or j <= i for j in range(T)] for i in range(T)]),
        (encoder.prefix, lambda T, S: np.tril(np.ones((T, T), bool)) | (np.arange(T) < S)),
        (tokenization.by_eye, ("un", "##playa", "##ble")),
        (tokenization.by_eye, np.array(["un", "##playa", "##ble"])),
        (tokenization.merges, ("ten", "se", "sea")),
        (tokenization.unknown, lambda words, alphabet: tuple(tokenization.lost(words, alphabet))),
        (pretraining.decay, lambda names: tuple(n for n in names if n.endswith("weight") and "norm" not in n)),
    ],
)
def test_a_right_answer_written_another_way_is_right(exercise, answer):
    assert exercise.verdict(answer).startswith("right")


def test_rows_that_move_are_sorted_not_only_different():
    """The order of a set of small integers is rising by accident."""
    assert embeddings.moved.verdict(lambda ids: list(set(ids) - {0})).startswith("not yet: the shape is right")


@pytest.mark.parametrize(
    "answer",
    [
        lambda ids, table: torch.nn.functional.one_hot(ids, len(table)).to(table.dtype) * table,
        lambda ids, table: table @ torch.nn.functional.one_hot(ids, len(table)).to(table.dtype),
    ],
)
def test_an_error_is_taken_for_a_mistake_s_only_in_the_same_words(answer):
    """These end in a RuntimeError about shapes; the hint about types would lead astray."""
    assert f"Hint 1 of 3: {embeddings.one_hot.where}" in embeddings.one_hot.verdict(answer)


def test_a_check_says_for_which_arguments_an_answer_is_wrong():
    said = encoder.reach.verdict(lambda i, j, w: max(1, -(-abs(i - j) // w)))
    assert "\nIt was called with 4, 4, 2.\nHint 1 of 3: " in said
    names = pretraining.decay.verdict(lambda names: names)
    tables = embeddings.one_hot.verdict(lambda ids, table: table)
    assert "called with" not in names + tables  # too long, or no plain Python
    assert "called with" not in tokenization.by_eye.verdict(["un"])  # nothing is called


def test_none_is_called_none():
    said = pretraining.reading.verdict(lambda log: pretraining.left_its_sentence(log) or "never")
    assert said.startswith("not yet: it gives a str, and None is wanted")
