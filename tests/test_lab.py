"""The notebooks' helpers: the checks of exercises, d2l, the figures."""

import importlib.util
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from bertmini.lab import d2l
from bertmini.lab.check import Exercise, Mistake
from bertmini.lab.exercises import embeddings

EMBEDDINGS = {name: value for name, value in vars(embeddings).items() if isinstance(value, Exercise)}


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


@pytest.mark.parametrize("exercise", EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_a_check_answers_anything_and_never_raises(exercise, capsys):
    for answer in [*NO_ANSWERS, *NO_FUNCTIONS]:
        for hint in (1, 3, 0, -1, "2", None):
            assert exercise(answer, hint) is None
            said = capsys.readouterr()
            assert said.err == "" and said.out.startswith(("not yet: ", "not tried yet"))


@pytest.mark.parametrize("exercise", EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_a_stub_is_not_tried_yet(exercise, capsys):
    for stub in (..., lambda *_: ...):
        exercise(stub)
        assert capsys.readouterr().out == "not tried yet\n"


@pytest.mark.parametrize("exercise", EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_the_right_answer_is_right(exercise):
    assert exercise.verdict(exercise.right).startswith("right")
    assert exercise.verdict(exercise.right, hint=3).startswith("right")


@pytest.mark.parametrize(
    ("exercise", "mistake"),
    [(exercise, mistake) for exercise in EMBEDDINGS.values() for mistake in exercise.mistakes],
    ids=[f"{name}-{i}" for name, exercise in EMBEDDINGS.items() for i in range(len(exercise.mistakes))],
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


@pytest.mark.parametrize("exercise", EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_another_wrong_answer_gets_the_general_hints(exercise):
    def strange(*_):
        return [-1, -2, -3, -5]

    for number, hint in enumerate((exercise.where, exercise.what, exercise.line), start=1):
        assert f"Hint {number} of 3: {hint}" in exercise.verdict(strange, number)


@pytest.mark.parametrize("exercise", EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_the_line_is_a_right_answer(exercise):
    """The third hint, pasted into a function, passes."""
    for line in {exercise.line, *(mistake.line for mistake in exercise.mistakes if mistake.line)}:
        right = exercise.right.__code__
        space = {"torch": torch, "F": torch.nn.functional}
        exec(f"def answer({', '.join(right.co_varnames[: right.co_argcount])}): {line}", space)
        assert exercise.verdict(space["answer"]).startswith("right"), line


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


@pytest.mark.parametrize(
    ("answer", "start"),
    [
        (twice, "right, in all 2 cases"),
        (lambda n: (n, 2 * n), "right"),
        (lambda n: np.array([n, 2.0 * n]), "right"),
        (lambda n: torch.tensor([n, 2 * n]), "right"),
        (lambda n: [n, 2 * n + 1e-7], "right"),
        (lambda n: [n, 2 * n + 1e-3], "not yet: the shape is right, 1 of 2 numbers are not\nHint 1 of 3: here"),
        (lambda n: [n, 2 * n, 0], "not yet: it gives shape (3,), and shape (2,) is wanted"),
        (lambda n: 2 * n, "not yet: it gives a single number, and shape (2,) is wanted"),
        (lambda n: None, "not yet: it gives None; is there a `return`?"),
        (lambda n: "ab", "not yet: it gives a str, and a list is wanted"),
        (lambda n: [n, n**2], "not yet: the shape is right, 1 of 2 numbers are not\nHint 1 of 3: power"),
        (lambda n: [n, n**2] if n == 3 else twice(n), "not yet: the shape is right, 1 of 2 numbers are not\nHint 1"),
        (lambda n: ... if n == 3 else twice(n), "not yet: it gives ... in some cases"),
        (lambda: 1, "not yet: it ends in TypeError"),
        (lambda n: unknown, "not yet: it ends in NameError: name 'unknown' is not defined"),  # noqa: F821
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


def test_d2l_is_imported_and_leaves_no_placeholder():
    assert d2l() is d2l()
    second_row = d2l().PositionalEncoding(4, 0, max_len=2).P[0, 1].tolist()
    assert second_row == pytest.approx([0.8415, 0.5403, 0.0100, 1.0], abs=1e-4)
    if importlib.util.find_spec("torchvision") is None:
        assert not {"torchvision", "torchvision.transforms"} & set(sys.modules)


def test_the_tables_of_d2l_s_bert_are_fifty_times_as_large():
    """What chapter 2 says of it: drawn with deviation 1, not 0.02, and learned."""
    torch.manual_seed(0)
    model = d2l().BERTEncoder(1000, 64, 128, 2, 1, 0.1)
    for table in (model.token_embedding.weight, model.segment_embedding.weight, model.pos_embedding):
        assert isinstance(table, torch.nn.Parameter)
        assert table.std().item() == pytest.approx(1, abs=0.2)


@pytest.fixture
def figures(monkeypatch):
    """The drawing module, without a screen."""
    import matplotlib

    monkeypatch.setenv("MPLBACKEND", "agg")
    matplotlib.use("agg")
    from bertmini.lab import figures

    figures.style()
    yield figures
    figures.plt.close("all")


def test_a_figure_is_stored_small_and_at_twice_the_resolution(figures):
    import base64
    import io

    from PIL import Image

    figures.three_rows(["[CLS]", "man", "[SEP]"], [0, 0, 0])
    data, size = figures.png(figures.plt.gcf())
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.format == "PNG" and picture.mode == "P"
    assert size == {"width": picture.width // 2}
    assert size["width"] == pytest.approx(7.5 * figures.plt.rcParams["figure.dpi"], rel=0.05)


def test_text_on_boxes_can_be_read(figures):
    """Contrast of at least 4.5 between each box and its letters (WCAG 2.1, 1.4.3)."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    ax = figures.blank(2, 2, 10, 10)
    for colour in (*figures.COLOUR.values(), figures.INK, "#F2F2F2", "#7FCEB8"):
        figures.box(ax, 0, 0, "text", colour)
        text = ax.texts[-1].get_color()
        text = {"white": "#ffffff"}.get(text, text)
        light, dark = sorted((luminance(colour), luminance(text)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def test_the_figures_of_chapter_2_draw_what_they_are_given(figures):
    tables = {"token": torch.eye(4), "position": torch.eye(3), "segment": torch.eye(2)}
    tables = {name: torch.cat([table] * 4, dim=1)[:, :8] for name, table in tables.items()}
    figures.one_matrix(torch.tensor([1, 0, 0, 0, 1, 0, 0, 1, 0]), tables, torch.arange(8))
    words = [text.get_text() for text in figures.plt.gca().texts]
    assert "one matrix, 9 × 8" in words and "7" in words

    figures.recovery([2, 4], {"few": [0.0, 1.0]}, marked={"Tiny": 4})
    assert figures.plt.gca().lines[0].get_ydata().tolist() == [0, 100]

    lines = {"token": [0.0, 0.5, 1.0], "position": [0.1, 0.2, 0.3], "segment": [1.0, 1.0, 1.0]}
    figures.recovery_by_size([2, 4, 8], {"quiet": lines, "loud": lines}, guess={"segment": 0.5})
    assert [ax.get_title() for ax in figures.plt.gcf().axes] == ["quiet", "loud"]
    for ax in figures.plt.gcf().axes:
        assert list(ax.lines[-1].get_ydata()) == [50, 50]

    figures.positions({"a": torch.zeros(4, 6) + 1}, {"a": torch.eye(4)})
    assert figures.plt.gcf().axes[0].get_title() == "a"

    figures.moved_rows({"token": torch.tensor([True, False])}, {"token": ["man", "dog"]})
    assert [text.get_text() for text in figures.plt.gca().texts] == ["token", "man", "moved", "dog", "–"]


def test_a_recorded_run_is_drawn_as_it_is(figures):
    line = {"held_out_mlm_loss_masked": 5.0, "unigram_mlm_loss_masked": 6.0}
    line |= {"held_out_mlm_loss": 5.0, "held_out_nsp_accuracy": 0.75, "held_out_random_share": 0.5}
    left, right = figures.run_curve({"metrics": [line | {"step": 0}, {"step": 1}, line | {"step": 2}]}).axes
    assert left.lines[0].get_xydata().tolist() == [[0, 5], [2, 5]] and set(left.lines[1].get_ydata()) == {6}
    assert right.lines[0].get_xydata().tolist() == [[0, 75], [2, 75]] and set(right.lines[1].get_ydata()) == {50}
    floor = {"floor": 0.6, "own_sentence": 0.8}
    line |= {f"{key}_mlm_loss_masked": value for key, value in floor.items()}
    line |= {f"{key}_standard_error": 0.01 for key in floor} | {"best_nsp_accuracy": 0.95}
    left, right = figures.run_curve({"metrics": [line | {"step": 0}, line | {"step": 2}]}).axes
    assert [set(drawn.get_ydata()) for drawn in left.lines[1:]] == [{6}, {0.8}, {0.6}]
    bands = [(band.get_y(), band.get_height()) for band in left.patches]
    assert bands == [(pytest.approx(0.78), pytest.approx(0.04)), (pytest.approx(0.58), pytest.approx(0.04))]
    assert set(right.lines[2].get_ydata()) == {95}
