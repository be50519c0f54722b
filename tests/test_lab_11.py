"""The figures and the widget of chapter 11."""

import json
import re

import pytest
import torch

from bertmini import Bert, BertConfig, Tokenizer
from bertmini.lab import figures
from bertmini.lab.figures import real_weights as draw
from bertmini.lab.widgets import real_weights as widgets

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "bites", "man"]


pytestmark = pytest.mark.usefixtures("drawing")


@pytest.fixture(scope="module")
def tiny() -> tuple[Bert, Tokenizer]:
    torch.manual_seed(0)
    config = BertConfig(len(WORDS), 12, 2, 3, 48, max_position_embeddings=40, initializer_range=0.5)
    return Bert(config).eval(), Tokenizer(WORDS)


def axes():
    return figures.plt.gcf().axes


def names(labels):
    return [label.get_text() for label in labels]


def test_norms_draw_each_kind_where_it_is():
    draw.norms([1.0, 2.0, 3.0, 4.0, 5.0], ["special", "unused", "special", "whole word", "## piece"], every=1)
    (ax,) = axes()
    drawn = {group.get_label(): group.get_offsets().tolist() for group in ax.collections}
    assert drawn["special"] == [[0, 1], [2, 3]] and drawn["unused"] == [[1, 2]] and drawn["## piece"] == [[4, 5]]
    assert drawn["character"] == []


def test_norms_leave_out_rows_but_no_special_one():
    draw.norms([1.0] * 30, ["special"] * 5 + ["whole word"] * 25, every=10)
    drawn = {group.get_label(): len(group.get_offsets()) for group in axes()[0].collections}
    assert drawn["special"] == 5 and drawn["whole word"] == 3


def test_positions_draw_windows_and_mark_rows():
    cosines, lengths = torch.arange(100.0).reshape(10, 10) / 100, torch.arange(10.0)
    draw.positions(cosines, [(0, 2), (5, 8)], lengths, marked=(0, 9))
    left, right, *_, below = axes()
    assert left.images[0].get_array().tolist() == cosines[:2, :2].tolist()
    assert right.images[0].get_array().tolist() == cosines[5:8, 5:8].tolist()
    assert names(right.get_xticklabels()) == ["5"]
    assert below.lines[0].get_ydata().tolist() == lengths.tolist()
    assert names(below.texts) == ["0", "9"]


def test_heads_are_points_in_their_layer():
    table = torch.tensor([[0.1, 0.2], [0.3, 0.9]])
    draw.heads({"before": table, "after": table.flip(0), "[CLS]": table}, even=0.25, named={"before": [(1, 1)]})
    before, after, cls = axes()
    assert before.lines[1].get_ydata().tolist() == pytest.approx([0.3, 0.9])
    assert after.lines[0].get_ydata().tolist() == pytest.approx([0.3, 0.9])
    assert [round(x) for x in before.lines[1].get_xdata()] == [2, 2]
    assert set(before.lines[2].get_ydata()) == {0.25}
    assert names(before.texts) == ["2.2"] and names(cls.texts) == []
    assert cls.get_position().width > 1.5 * before.get_position().width


def test_a_histogram_has_a_mean_and_all_values():
    draw.histogram({"same": [0.1, 0.3], "other": [0.5, 0.5, 0.5, 0.5]})
    upper, lower = axes()
    assert sum(bar.get_height() for bar in upper.patches) == pytest.approx(1)
    assert upper.lines[0].get_xdata()[0] == pytest.approx(0.2)
    assert "mean 0.50" in lower.texts[0].get_text()


def test_similarities_hold_the_tables():
    one, other = torch.eye(3), torch.ones(3, 3) / 2
    draw.similarities({"a": one, "b": other})
    assert axes()[0].images[0].get_array().tolist() == one.tolist()
    assert axes()[1].images[0].get_array().tolist() == other.tolist()


def test_shares_by_hand():
    weights = torch.tensor(
        [  # [CLS], two words, [SEP]
            [1.0, 0.0, 0.0, 0.0],
            [0.1, 0.2, 0.3, 0.4],
            [0.5, 0.1, 0.4, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )
    assert widgets.shares(weights).tolist() == pytest.approx([0.1, 0.3, 0.3, 0.2, 0.3])
    assert widgets.shares(weights.expand(2, 3, 4, 4)).shape == (2, 3, 5)


def test_the_readout_says_who_looks_where():
    weights = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3], [0.0, 0.75, 0.25]])
    said = widgets.readout(["[CLS]", "dog", "[SEP]"], weights, 2, 3)
    assert said.splitlines()[0] == "layer 2, head 3, 3 tokens (an even share is 0.33)"
    assert said.splitlines()[1:] == ["[CLS] -> [CLS] 0.90", "  dog -> dog 0.50", "[SEP] -> dog 0.75"]


def test_the_explorer_follows_its_controls(tiny):
    model, tokenizer = tiny
    widget = widgets.explorer(model, tokenizer, "the dog bites")

    def said():
        return re.sub(r"<[^>]*>", "", widget.readout.value).replace("&gt;", ">")

    tokens, weights = widgets.look(model, tokenizer, "the dog bites")
    assert weights.shape == (2, 3, 5, 5) and said() == widgets.readout(tokens, weights[0, 0], 1, 1)
    widget.controls["layer"].value, widget.controls["head"].value = 2, 3
    assert said() == widgets.readout(tokens, weights[1, 2], 2, 3)
    widget.controls["text"].value = "the man"
    tokens, weights = widgets.look(model, tokenizer, "the man")
    assert said() == widgets.readout(tokens, weights[1, 2], 2, 3)
    widget.controls["head"].value = 9  # there are 3
    assert widget.controls["head"].value == 3
    widget.controls["text"].value = ""
    assert "2 tokens" in said() and "average" not in said()


def test_a_long_text_is_cut(tiny):
    tokens, weights = widgets.look(*tiny, "the dog bites the man " * 20)
    assert len(tokens) == weights.shape[-1] == widgets.LONGEST and tokens[-1] == "[SEP]"


def test_every_control_can_be_named_and_the_readout_speaks(tiny):
    widget = widgets.explorer(*tiny, "the dog")
    assert all(box.description and box.tooltip for box in widget.controls.values())
    assert 'role="status"' in widget.readout.value


def test_the_exercises_files_are_read_by_the_library(tmp_path):
    from safetensors.torch import load_file

    from bertmini.lab.exercises import real_weights

    path = tmp_path / "small.safetensors"
    path.write_bytes(real_weights.SMALL)
    tensors = load_file(path)
    assert set(tensors) == {"a", "b", "c"} == set(json.loads(real_weights.SMALL[8:].split(b"}}")[0] + b"}}")) - {
        "__metadata__"
    }
    for name, tensor in tensors.items():
        assert torch.equal(tensor, real_weights.read_tensor(real_weights.SMALL, name))
