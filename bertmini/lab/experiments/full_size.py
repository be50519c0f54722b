"""The measurement of notebooks/10_full_size.ipynb that takes too long for the page.

What was expected, written down before this run, but after a pilot with a quarter of the sequences (37 and 40 for the
fresh tiny model, 7,300 and 5,100 for the trained one): the noise scale of a fresh model is under 100 sequences, that of
a trained one over 1,000, in tiny and in mini, whichever sequences are drawn. The pilot and a first run were made in an
earlier form of the microworld. Of today's, and of batches that predict as much as its training does, the same was
expected, again before the run.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

import torch

from bertmini.batches import Batch, Epoch
from bertmini.checkpoint import load
from bertmini.lab.experiments.pretraining import World
from bertmini.microworld import window_pairs
from bertmini.microworld.grammar import MAX_LENGTH
from bertmini.pretraining import BertForPreTraining, pretraining_loss
from bertmini.run import WORLD

MODELS = Path(__file__).resolve().parents[3] / "data/models"
SMALL, PARTS = 16, 256  # sequences in a small batch, and how many of these make the large one
MOMENTS = (0, 30, 100, 300, 1000, 3000)  # of a run of tiny's


class Noise(NamedTuple):
    """Squared gradient norms, and what follows from them (McCandlish et al. 2018, appendix A.1)."""

    small: float  # the mean over small batches
    large: float  # of the large batch that they make together
    signal: float  # |G|² of the true gradient, estimated
    trace: float  # tr(Σ): the variance of a single sequence's gradient, summed over parameters; estimated

    @property
    def scale(self) -> float:
        return self.trace / self.signal


def noise(model: BertForPreTraining, batches: list[Batch]) -> Noise:
    """Measure on batches of one size; dropout must be off, or its noise counts too."""
    parameters, parts, size = list(model.parameters()), len(batches), len(batches[0].is_random)
    predicted = sum(int(batch.counts()[0]) for batch in batches) / parts  # one divisor for all: means add up
    total, small = [torch.zeros_like(p) for p in parameters], 0.0
    for batch in batches:
        output = model(batch.token_ids, batch.segment_ids, batch.keep, batch.positions)
        loss = pretraining_loss(output, batch.labels, batch.is_random, predicted).total
        gradients = torch.autograd.grad(loss, parameters)
        small += squared_norm(gradients) / parts
        torch._foreach_add_(total, gradients, alpha=1 / parts)
    return estimate(small, squared_norm(total), size, size * parts)


def estimate(small: float, large: float, b: int, B: int) -> Noise:
    """From the mean squared norms at two batch sizes, for each is |G|² + tr(Σ) / batch size on average."""
    return Noise(small, large, (B * large - b * small) / (B - b), (small - large) / (1 / b - 1 / B))


def squared_norm(tensors: list[torch.Tensor] | tuple[torch.Tensor, ...]) -> float:
    return float(sum(tensor.square().sum() for tensor in tensors))


def draw(world: World, seed: int, parts: int = PARTS) -> list[Batch]:
    """Small batches as training sees them, all of one size."""
    share = WORLD["masked_lm_prob"]
    epoch = Epoch(world.train, world.tokenizer, MAX_LENGTH, 10**6 + seed, 0, window_pairs, share=share)
    rows = [rows for rows in epoch.batches(SMALL) if len(rows) == SMALL]
    return [epoch.collate([epoch[i] for i in part]) for part in rows[:parts]]


def noise_scale() -> dict:
    """tiny on its way, tiny and mini fresh and as shipped; two draws of sequences each."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(10_000, Path(folder))
        draws = [draw(world, seed) for seed in (0, 1)]

        def measured(model: BertForPreTraining) -> list[list[float]]:
            found = [noise(model, batches) for batches in draws]
            return [[round(x, 4) for x in (*one, one.scale)] for one in found]

        training, curve = world.begin("tiny", WORLD["steps"], seed=1), []
        batches = world.batches(training)
        for moment in MOMENTS:
            while training.step < moment:
                training.update(next(batches))
            curve.append([moment, measured(training.model)])
        models = {"mini, fresh": measured(world.begin("mini", 100, seed=1).model)}
        for name in ("tiny", "mini"):
            models[f"{name}, trained"] = measured(load(MODELS / f"microworld-{name}")[0].float())
    columns = "small, large, signal, trace, scale"
    return {"b": SMALL, "B": SMALL * PARTS, "columns": columns, "tiny's way: step, draws": curve, "models": models}


RUNS = {"noise-scale": noise_scale}
