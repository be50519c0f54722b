"""Chapter 10's tally of bytes, its noise scale, its figures and its calculator."""

import gc
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from bertmini import BertConfig, BertForPreTraining, pretraining_loss
from bertmini.bench import draw_batch
from bertmini.counting import training_flops, training_memory
from bertmini.lab.experiments.full_size import Noise, estimate, noise
from bertmini.lab.memory import Tally
from bertmini.lab.widgets.full_size import calculator, plan

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def draw(drawing):
    from bertmini.lab.figures import full_size

    return full_size


def test_the_page_is_stored_shrunk_and_the_full_size_is_one_flag_away():
    cells = json.loads((ROOT / "notebooks/10_full_size.ipynb").read_text(encoding="utf-8"))["cells"]
    source = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (flag,) = [code for code in source if code.startswith("FULL = ")]
    assert flag.startswith("FULL = False")
    full: dict = {"BertConfig": BertConfig}
    exec(flag.replace("FULL = False", "FULL = True"), full)
    assert full["config"] == BertConfig.preset("base") and (full["B"], full["T"], full["P"]) == (32, 128, 20)


# ---- The tally ----


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_tally_by_hand(device):
    with Tally() as tally:
        a = torch.zeros(100, device=device)  # 400 bytes
        b = a + 1  # 400 more
        a[:10].view(2, 5)  # a view: nothing
        b += 1  # in place: nothing
        assert (tally.now, tally.peak) == (800, 800)
        del a
        assert (tally.now, tally.peak) == (400, 800)
        c = torch.zeros(50, device=device)
        assert (tally.now, tally.peak) == (600, 800)
    del b, c
    assert tally.now == 0


def test_what_was_there_before_is_not_counted():
    old = torch.zeros(100)
    with Tally() as tally:
        old.add_(1)
        old.view(10, 10)
    assert tally.peak == 0


def step(config: BertConfig, device: str, recompute: bool = False) -> tuple[int, int]:
    """Bytes that a forward pass keeps, and the most of a step, gradients of the weights left out."""
    with torch.device(device):
        model = BertForPreTraining(config).train()
        ids, positions = torch.zeros(4, 128, dtype=torch.long), torch.zeros(4, 20, dtype=torch.long)
    model.bert.recompute = recompute
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    with Tally() as tally:
        output = model(ids, positions=positions)
        loss = pretraining_loss(output, positions, positions[:, 0]).total
        del output
        kept = tally.now
        loss.backward()
    gc.collect()
    return kept, tally.peak


CONFIG = BertConfig.preset("mini", vocab_size=500)


@pytest.mark.parametrize("recompute", [False, True])
def test_a_dry_run_holds_what_a_real_one_holds(recompute):
    assert step(CONFIG, "meta", recompute) == pytest.approx(step(CONFIG, "cpu", recompute), rel=1e-3)


# ---- The noise scale ----


def test_signal_and_noise_from_two_sizes_by_hand():
    found = estimate(small=10, large=6, b=1, B=5)  # 5 + 5/1 and 5 + 5/5
    assert found == Noise(10, 6, 5, 5) and found.scale == 1


class Linear(nn.Module):
    """A model whose gradient is known: the loss below is the mean of w · x, so each row's gradient is x."""

    def __init__(self, size: int):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(size))

    def forward(self, x, *_):
        return x @ self.w


def test_the_noise_scale_of_gradients_that_are_known(monkeypatch):
    """Rows drawn with mean 1 and deviation 2 in each of 50 parameters: |G|² = 50, tr(Σ) = 200, scale 4."""
    from types import SimpleNamespace

    from bertmini.lab.experiments import full_size

    monkeypatch.setattr(full_size, "pretraining_loss", lambda y, *_: SimpleNamespace(total=y.mean()))
    chance = torch.Generator().manual_seed(0)
    batches = [
        SimpleNamespace(
            token_ids=1 + 2 * torch.randn(8, 50, generator=chance), segment_ids=None, keep=None, positions=None,
            labels=None, is_random=torch.zeros(8), counts=lambda: torch.tensor([8, 8]),
        ) for _ in range(400)
    ]  # fmt: skip
    found = noise(Linear(50), batches)
    assert found.signal == pytest.approx(50, rel=0.05) and found.trace == pytest.approx(200, rel=0.05)
    assert found.scale == pytest.approx(4, rel=0.1)


def test_the_parts_of_a_noise_measurement_add_up_to_the_whole_gradient():
    """Unevenly long batches: the large batch's gradient is that of all predictions together."""
    torch.manual_seed(0)
    config = BertConfig(60, 16, 2, 2, 32, 40, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model, whole = BertForPreTraining(config), draw_batch(config, 12, 8, 40, seed=0)
    output = model(whole.token_ids, whole.segment_ids, whole.keep, whole.positions)
    gradients = torch.autograd.grad(pretraining_loss(output, whole.labels, whole.is_random).total, model.parameters())
    found = noise(model, whole.split(3))
    assert found.large == pytest.approx(float(sum(g.square().sum() for g in gradients)), rel=1e-4)


# ---- Figures ----


def test_memory_is_stacked_and_cards_that_fit_are_drawn(draw):
    parts = {part: [1.0, 2.0] for part in ("weights", "gradients", "moments", "activations")}
    panel = {"batches": [1, 8], "parts": parts, "dots": [(4, 5.0)]}
    draw.memory(dict.fromkeys("abcd", panel), {"small": 3, "huge": 100})
    ax = draw.plt.gcf().axes[0]
    assert ax.lines[0].get_xydata().tolist() == [[4, 5]] and len(ax.collections) == 4
    assert [line.get_ydata()[0] for line in ax.lines[1:]] == [3], "the card of 100 lies outside"


def test_remedies_hours_and_plans_draw_what_they_are_given(draw):
    draw.remedies({"as it is": (5, 60), "half": (5, 30)}, [16])
    ax = draw.plt.gcf().axes[0]
    assert [bar.get_width() for bar in ax.patches] == [5, 60, 5, 30]
    assert [text.get_text() for text in ax.texts] == ["65.0", "35.0", "16"]
    lines = {"a": [4, 2], "b": [8, 4], "c": [2, 1]}
    draw.hours({"Base": lines, "Large": lines}, [1, 2])
    assert [line.get_ydata().tolist() for line in draw.plt.gcf().axes[0].lines[:3]] == [[4, 2], [8, 4], [2, 1]]
    draw.plans({"tiny": (2.0, "2 hours")})
    ax = draw.plt.gca()
    assert ax.patches[0].get_width() == 2 and ax.texts[0].get_text() == "tiny: 2 hours"


def test_runs_noise_and_windows_draw_what_they_are_given(draw):
    run = {"steps": [1000, 2000], "loss": [1.0, 0.8], "excess": [0.5, 0.3], "flops": [1e12, 2e12]}
    draw.steps({"mini": run, "tiny": run}, {"own": 0.7, "floor": 0.5})
    above, below = draw.plt.gcf().axes
    assert above.lines[0].get_ydata().tolist() == [1.0, 0.8] and below.lines[1].get_xdata().tolist() == [1e12, 2e12]
    draw.noise({"fresh": (2.0, 8.0), "trained": (1.0, 100.0)}, [1, 4], [(0, [4, 5]), (100, [40, 50])])
    above, below = draw.plt.gcf().axes
    assert above.lines[0].get_ydata().tolist() == [10, 4] and below.lines[1].get_ydata().tolist() == [5, 50]
    draw.cover(6, [(0, 4), (2, 6)], [0, 0, 0, 1, 1, 1])
    assert [patch.get_width() for patch in draw.plt.gca().patches] == [6, 4, 3, 4, 3]
    draw.by_place({"a": ([3, 1, 1, 3], "nats"), "b": ([1, 2, 2, 1], "cosine")})
    assert draw.plt.gcf().axes[1].lines[0].get_ydata().tolist() == [1, 2, 2, 1]


# ---- The calculator ----


def test_a_plan_by_hand():
    """A million words read twice are 2.8 million tokens; 100 steps of 28,000; on two cards each holds half a batch."""
    found = plan(words=1, passes=2, size=1, T=100, B=280, gpus=2, peak=1, share=50)
    tiny = BertConfig.preset("tiny")
    assert found.preset == "tiny" and found.tokens == pytest.approx(2.8e6) and found.steps == pytest.approx(100)
    assert found.flops == pytest.approx(28_000 * training_flops(tiny, 100, 15))
    assert found.hours == pytest.approx(found.flops / 1e12 / 3600)
    assert found.memory == training_memory(tiny, 140, 100, 15)
    assert found.recomputed == training_memory(tiny, 140, 100, 15, recompute=True)


def test_the_calculator_speaks_of_what_is_typed():
    widget = calculator()
    widget.controls["size"].value = 6
    said = re.sub(r"<[^>]*>", "", widget.readout.value)
    assert "large" in said and "time" in said and "GB on each GPU" in said
