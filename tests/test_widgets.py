"""The widgets, without a browser: controls that can be named, typed into and read."""

import re

import pytest
import torch
from torch import nn

from bertmini import BertConfig, BertForPreTraining
from bertmini.counting import training_flops, training_memory
from bertmini.lab.widgets import Control, panel
from bertmini.lab.widgets.counting_parameters import amount, bars, budget, calculator, duration


def said(widget) -> str:
    return re.sub(r"<[^>]*>", "", widget.readout.value)


def test_a_panel_says_what_its_function_says_of_the_typed_values():
    widget = panel(
        lambda a, b: f"{a} and {b}", {"a": Control("a, whole", 3, 0, 9, 1), "b": Control("b", 0.5, 0.0, 1.0, 0.1)}
    )
    assert said(widget) == "3 and 0.5"
    widget.controls["a"].value = 7
    assert said(widget) == "7 and 0.5"
    widget.controls["b"].value = 5.0  # too large: held at the limit
    assert said(widget) == "7 and 1.0"


def test_box_and_slider_move_together():
    widget = panel(str, {"object": Control("n", 3, 0, 9, 1)})
    box, slider = widget.children[0].children
    slider.value = 8
    assert box.value == 8 and said(widget) == "8"
    box.value = 2
    assert slider.value == 2


def test_every_control_has_a_label_and_limits_and_the_readout_speaks():
    widget = calculator()
    for box in widget.controls.values():
        assert box.description and box.tooltip
        assert box.min < box.value < box.max
    for row in widget.children[: len(widget.controls)]:
        box, slider = row.children
        assert slider.tooltip == f"{box.description}, slider"
    assert 'role="status"' in widget.readout.value


def test_what_is_said_is_text_not_markup():
    widget = panel(lambda n: "<b>&" * n, {"n": Control("n", 1, 0, 9, 1)})
    assert "&lt;b&gt;&amp;" in widget.readout.value and "<b>" not in widget.readout.value


def test_a_picture_is_drawn_of_the_same_values():
    seen = []
    widget = panel(lambda n: "", {"n": Control("n", 1, 0, 9, 1)}, draw=lambda n: seen.append(n))
    widget.controls["n"].value = 4
    assert seen == [1, 4]


def test_what_cannot_be_is_said_in_a_sentence():
    widget = calculator()
    widget.controls["A"].value = 7  # 768 is not a multiple of 7
    assert said(widget).startswith("Not possible: hidden_size 768 is not a multiple of num_attention_heads 7")
    widget.controls["A"].value = 8
    assert said(widget).startswith("parameters  110,106,428")


def test_the_calculator_knows_base_and_moves():
    widget = calculator()
    assert "parameters  110,106,428" in said(widget)
    for name, value in {"L": 24, "H": 1024, "A": 16}.items():
        widget.controls[name].value = value
    assert "parameters  336,226,108" in said(widget)


@pytest.mark.parametrize("shape", [(2, 128, 2, 999, 64, 4), (3, 64, 4, 100, 640, 2)])
def test_a_budget_is_that_of_the_built_model(shape):
    L, H, A, V, T, B = shape
    plan = budget(*shape, steps=10, rate=0.5)
    config = BertConfig(V, H, L, A, 4 * H, max_position_embeddings=max(512, T))
    with torch.device("meta"):
        model = BertForPreTraining(config)
    assert sum(plan.parameters.values()) == sum(p.numel() for p in model.parameters())
    tables = [*(m for m in model.modules() if isinstance(m, nn.Embedding)), model.bert.embeddings.norm]
    assert plan.parameters["tables"] == sum(p.numel() for m in tables for p in m.parameters())
    P = {64: 10, 640: 96}[T]
    assert sum(plan.flops.values()) == B * training_flops(config, T, P)
    assert plan.memory == training_memory(config, B, T, P)
    assert plan.hours == pytest.approx(10 * sum(plan.flops.values()) / 0.5e12 / 3600)
    assert plan.square_share == pytest.approx(plan.flops["T²"] / sum(plan.flops.values()))
    layers = sum(plan.flops.values()) - plan.flops["prediction heads"]
    assert plan.flops["T²"] / layers == pytest.approx(T / (6 * H + T))
    assert [sum(parts.values()) for _, parts in bars(plan).values()] == [
        sum(plan.parameters.values()),
        plan.memory.total,
        sum(plan.flops.values()),
    ]


@pytest.mark.parametrize(
    "number, text",
    [
        (0, "0 "),
        (999, "999 "),
        (1000, "1.00 k"),
        (12_345, "12.3 k"),
        (1_761_702_848, "1.76 G"),
        (999_499, "999 k"),
        (999_600, "1.00 M"),
        (99_960, "100 k"),
        (2.38e19, "23.8 E"),
    ],
)
def test_amounts_have_three_digits(number, text):
    assert amount(number) == text


@pytest.mark.parametrize(
    "hours, text",
    [
        (1 / 3600, "1.0 seconds"),
        (0.5, "30.0 minutes"),
        (2, "2.0 hours"),
        (72, "3.0 days"),
        (24 * 365.25 * 1234, "1,234.0 years"),
    ],
)
def test_durations_have_a_unit_that_fits(hours, text):
    assert duration(hours) == text
