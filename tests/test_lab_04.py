"""The figures of chapter 4: they draw what they are given."""

import pytest
import torch

from bertmini.lab import figures
from bertmini.lab.figures import self_attention as draw

pytestmark = pytest.mark.usefixtures("drawing")


def axes():
    return figures.plt.gcf().axes


def names(labels):
    return [label.get_text() for label in labels]


def test_maps_hold_the_weights_and_name_their_tokens():
    one, other = torch.tensor([[0.25, 0.75], [1.0, 0.0]]), torch.eye(2)
    draw.maps({"first": (one, ["the", "ladders"]), "second": (other, ["noisy", "drum"])}, frames=[0, 1])
    left, right = axes()[:2]
    assert left.images[0].get_array().tolist() == one.tolist()
    assert right.images[0].get_array().tolist() == other.tolist()
    assert names(left.get_yticklabels()) == ["the", "ladders"] and names(right.get_xticklabels()) == ["noisy", "drum"]
    assert names(right.get_yticklabels()) == ["noisy", "drum"], "other tokens than on the left are named again"
    assert [ax.patches[0].get_y() for ax in (left, right)] == [-0.5, 0.5]
    assert left.images[0].get_clim() == (0, 1)


def test_maps_of_the_same_tokens_name_the_rows_once():
    draw.maps({name: (torch.eye(2), ["a", "b"]) for name in "xy"}, digits=2)
    left, right = axes()
    assert names(left.get_yticklabels()) == ["a", "b"] and names(right.get_yticklabels()) == []
    assert names(left.texts) == ["1.00", "0.00", "0.00", "1.00"]


def test_maps_of_the_same_tokens_name_the_columns_once():
    draw.maps({name: (torch.eye(2), ["a", "b"]) for name in "wxyz"})
    assert [names(ax.get_xticklabels()) for ax in axes()[:4]] == [[], [], ["a", "b"], ["a", "b"]]


def test_lines_are_those_given():
    draw.own_weight([4, 8], {"x with x": [0.1, 0.9]}, share=0.25)
    (ax,) = axes()
    assert ax.lines[0].get_xydata().tolist() == [[4, 0.1], [8, 0.9]] and set(ax.lines[1].get_ydata()) == {0.25}
    figures.plt.close("all")
    draw.entropy([4, 8], {"not divided": [3.0, 1.0], "divided": [3.0, 3.0]}, ceiling=4.0)
    (ax,) = axes()
    assert ax.lines[0].get_ydata().tolist() == [3, 1] and set(ax.lines[2].get_ydata()) == {4}
    assert names(ax.get_xticklabels()) == ["4", "8"]


def test_bars_are_the_weights():
    draw.score_rows([3, -1], {"not divided": [0.9, 0.1], "divided": [0.6, 0.4]})
    left, right = axes()
    assert [bar.get_height() for bar in left.patches] == [0.9, 0.1]
    assert [bar.get_height() for bar in right.patches] == [0.6, 0.4]
    assert names(left.get_xticklabels()) == ["3", "−1"] and right.get_title() == "divided"


@pytest.mark.parametrize("A", [1, 2, 4])
def test_every_number_goes_into_every_head(A):
    draw.heads(H=8, A=A)
    (ax,) = axes()
    ends = {(line.get_xdata()[0], line.get_xdata()[1]) for line in ax.lines}
    assert len(ends) == 8 * A


def test_times_are_all_in_sight():
    draw.times([16, 32], {"attention": [0.5, 2], "GRU": [1, 9]})
    (ax,) = axes()
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[16, 0.5], [32, 2]], [[16, 1], [32, 9]]]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    low, high = ax.get_ylim()
    assert low < 0.5 and high > 9
