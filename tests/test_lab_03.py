"""What chapter 3 needs beside the package: its story, its figures, its widget."""

import re
from pathlib import Path

import pytest
from matplotlib import pyplot as plt

from bertmini.lab.widgets.tokenization import growing, readout
from bertmini.wordpiece import SPECIAL_TOKENS, basic_tokenize, is_ideograph

TEXTS = Path(__file__).parent.parent / "data" / "texts"
TOKENS = [*SPECIAL_TOKENS, "a", "e", "s", "t", "##a", "##e", "##t", "te", "sea"]


@pytest.fixture
def draw(drawing):
    from bertmini.lab.figures import tokenization

    return tokenization


def shown() -> list[str]:
    return [text.get_text() for text in plt.gca().texts]


def test_the_story_is_told_three_times_in_as_many_sentences():
    stories = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in TEXTS.glob("*.txt")}
    assert {name: len(lines) for name, lines in stories.items()} == {"en": 72, "de": 72, "zh": 72}
    assert all(line and line == line.strip() and "  " not in line for lines in stories.values() for line in lines)
    assert all(word.isascii() for line in stories["en"] for word in basic_tokenize(line))
    assert all(len(word) == 1 for line in stories["zh"] for word in basic_tokenize(line))
    assert not any(is_ideograph(char) for name in ("en", "de") for line in stories[name] for char in line)


def test_the_kinds_of_boxes(draw):
    tokens = ["play", "##ing", "[UNK]"]
    assert draw.wordpiece_boxes(tokens) == [("play", "first"), ("##ing", "inside"), ("[UNK]", "unknown")]
    assert draw.wordpiece_boxes(tokens, marks=False)[1] == ("ing", "inside")
    assert draw.bpe_boxes(["a", "b", "▁c", "[UNK]"]) == [
        ("a", "first"), ("b", "inside"), ("▁c", "first"), ("[UNK]", "unknown")]  # fmt: skip


def test_the_names_of_bytes_are_the_library_s(draw):
    """Every byte that is no visible ASCII sign, through the library's own table."""
    from tokenizers import decoders, pre_tokenizers

    names = draw.byte_names()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    assert set(names) == {char for char in alphabet if not "!" <= char <= "~"} and len(names) == 256 - 94
    for text in "é☃🙂\u0085":
        units = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)[0][0]
        assert [int(names[unit], 16) for unit in units] == list(text.encode("utf-8"))
        assert decoders.ByteLevel().decode(list(units)) == text
    assert draw.bpe_boxes(["Ġa", "Ã", "©"], "Ġ") == [("␣a", "first"), ("C3", "inside"), ("A9", "inside")]


def test_boxes_break_into_lines_and_stay_on_the_page(draw):
    draw.cuts({"many": [("piece", "first")] * 40}, width=5.6)
    boxes = plt.gca().patches
    assert len(boxes) == 40 and len({box.get_y() for box in boxes}) > 3
    assert max(box.get_x() + box.get_width() for box in boxes) <= 72 * 5.6
    assert shown() == ["many", *["piece"] * 40]


def test_the_tree_has_a_box_for_each_merge(draw):
    draw.merge_tree([(0, ["t", "##e", "##n"]), (3, ["t", "##en"]), (8, ["ten"])])
    assert shown() == ["en\n3", "ten\n8", "t", "e", "n"]
    assert len(plt.gca().lines) == 4


def test_the_tree_of_a_word_in_which_one_merge_joins_twice(draw):
    draw.merge_tree([(0, ["s", "##e", "##s", "##e"]), (1, ["s", "##e", "##se"]), (2, ["s", "##ese"]), (5, ["sese"])])
    assert shown()[:3] == ["se\n1", "ese\n2", "sese\n5"]
    draw.merge_tree([(0, ["a", *["##n", "##a"] * 2]), (4, ["a", "##na", "##na"]), (6, ["a", "##nana"])])
    assert shown()[:3] == ["na\n4", "na\n4", "nana\n6"]


def test_the_curves_leave_out_what_is_not_there(draw):
    draw.curves([10, 20, 40], {"a": [3.0, 2.0, 1.0], "b": [3.0, 2.5, 2.0], "c": [None, 1.5, 1.5]})
    lines = plt.gca().lines
    assert [list(line.get_ydata()) for line in lines] == [[3, 2, 1], [3, 2.5, 2], [1.5, 1.5]]
    assert list(lines[2].get_xdata()) == [20, 40]
    assert len({line.get_marker() for line in lines}) == 3


def test_the_widget_cuts_what_is_typed(draw):
    widget = growing(TOKENS, 12, "sea tea")

    def said() -> str:
        return re.sub(r"<[^>]*>", "", widget.readout.value)

    assert said() == readout("sea tea", TOKENS) == "V = 14: 2 words, 3 tokens, 0 unknown\nsea te ##a"
    widget.controls["V"].value = 12
    assert said().endswith("2 words, 6 tokens, 0 unknown\ns ##e ##a t ##e ##a")
    widget.controls["text"].value = "tea x"
    assert said().endswith("2 words, 4 tokens, 1 unknown\nt ##e ##a [UNK]")
    widget.controls["text"].value = ""
    assert "0 words, 0 tokens" in said()
    for name in ("text", "V"):
        assert widget.controls[name].description and widget.controls[name].tooltip
    assert 'role="status"' in widget.readout.value
