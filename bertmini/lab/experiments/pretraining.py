"""The measurements of notebooks/08_pretraining.ipynb that take too long for the page.

What was expected, written down before the runs:
memorise: after 3,000 steps on 50 stories tiny's loss at [MASK] on these stories, with fresh masks, is under half the
floor's on the same gaps, and on unseen stories it rises again by 0.3 nats. Neither came true: 0.55 on a floor of 0.49,
and no rise. So the run was made longer, and the expectation smaller: after 8,000 steps the loss is under 0.9 times
the floor's on the 50 stories, and 0.8 nats above it on others; after as many steps on 5,000 stories less than 0.1 nats
lie between stories seen and unseen.
warm-up: at the usual rate warm-up makes no difference of 0.1 nats to tiny; at four times that rate it helps.
"""

import tempfile
from pathlib import Path

from bertmini.batches import Batch, Epoch
from bertmini.config import BertConfig
from bertmini.corpus import Corpus
from bertmini.evaluation import held_out_batches, score
from bertmini.microworld import Floor, Grammar, prepare_world, window_pairs
from bertmini.microworld.grammar import MAX_LENGTH
from bertmini.microworld.measure import measure
from bertmini.mlm import fill_mask
from bertmini.run import WORLD_MODEL, WORLD_RATES
from bertmini.tokenizer import Tokenizer
from bertmini.train import Options, Training, stream

STORY = "at dawn baker otto fed his parrot . otto bought his parrot honey ."
GAPS = {  # what fill-mask is asked, and what stood there
    "at dawn baker otto [MASK] his parrot . otto bought his parrot honey .": "fed",
    "the barrels near the kettle [MASK] sticky .": "were",
    "sailor robin took her [MASK] to the jetty .": "compass",
    "at dawn baker otto fed his parrot . otto bought [MASK] parrot honey .": "his",
    "at dawn baker otto fed his parrot . otto bought his [MASK] honey .": "parrot",
    "at dawn baker otto fed his parrot . otto bought his parrot [MASK] .": "honey",
}


class World:
    """Stories to train on, as a run prepares them, and a thousand others."""

    def __init__(self, stories: int, folder: Path):
        self.grammar = Grammar.load()
        prepare_world(self.grammar, stories, 0, folder)
        self.tokenizer = Tokenizer.load(folder)
        self.train, self.held_out = Corpus.open(folder / "train"), Corpus.open(folder / "held_out")

    def begin(self, preset: str, steps: int, seed: int, rate: float | None = None, kind: type = Training) -> Training:
        config = BertConfig.preset(preset, vocab_size=len(self.tokenizer), **WORLD_MODEL)
        options = Options(
            corpus="microworld", preset=preset, steps=steps, batch_size=16, max_length=MAX_LENGTH, seed=seed,
            learning_rate=rate or WORLD_RATES[preset], device="cpu", precision="fp32",
        )  # fmt: skip
        return kind(config, options)

    def batches(self, training: Training):
        """The batches of a run, in order, for ever."""
        for _, _, batch in stream(self.train, self.tokenizer, training.options, 0, 0, 0, window_pairs):
            yield batch

    def unseen(self, count: int) -> list[Batch]:
        return held_out_batches(self.held_out, self.tokenizer, MAX_LENGTH, 50, window_pairs, count)

    def seen(self, count: int) -> list[Batch]:
        """As many instances of the stories that are trained on, with masks that training does not draw (its seed)."""
        batches, epoch, left = [], 0, count
        while left:
            instances = Epoch(self.train, self.tokenizer, MAX_LENGTH, 10**6, epoch, window_pairs)
            for rows in instances.batches(50):
                if left:
                    batches.append(instances.collate([instances[i] for i in rows[:left]]))
                    left -= len(rows[:left])
            epoch += 1
        return batches

    def loss(self, training: Training, batches: list[Batch]) -> float:
        """Nats at [MASK]."""
        scores = score(training.model, batches, self.tokenizer.mask_id)
        return round(float(scores.nats[scores.masked].mean()), 4)


def memorise() -> dict:
    """The same training on few stories and on many: loss on stories seen and unseen, each beside its floor."""
    floor, runs = Floor(Grammar.load()), {}
    for stories in (50, 5000):
        with tempfile.TemporaryDirectory() as folder:
            world = World(stories, Path(folder))
            groups = {"seen": world.seen(500), "unseen": world.unseen(500)}
            floors = {}
            for name, batches in groups.items():
                players = measure(floor, batches)
                floors[name] = round(float(players.floor[players.masked].mean()), 4)
            training = world.begin("tiny", 8000, seed=1)
            curve, batches = [], world.batches(training)
            for last in (0, 100, 200, 400, 700, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 7000, 8000):
                while training.step < last:
                    training.update(next(batches))
                curve.append([last, *(world.loss(training, group) for group in groups.values())])
            runs[f"{stories:,} stories"] = {"floor": floors, "step, seen, unseen": curve}
    return runs


class NoWarmUp(Training):
    """The full rate at the first step, then down in a line."""

    @property
    def rate(self) -> float:
        return self.options.learning_rate * (self.options.steps - self.step + 1) / self.options.steps


def warm_up() -> dict:
    """Short runs with and without warm-up: the mean training loss (MLM, nats) of every 25 steps, and one unseen."""
    runs = {}
    settings = [("tiny", 600, rate, seed) for rate in (1e-3, 4e-3) for seed in (0, 1, 2)]
    settings += [("mini", 300, rate, 0) for rate in (6e-4, 2.4e-3)]
    with tempfile.TemporaryDirectory() as folder:
        world = World(9_600, Path(folder))
        unseen = world.unseen(500)
        for preset, steps, rate, seed in settings:
            for name, kind in (("warm-up", Training), ("none", NoWarmUp)):
                training, curve = world.begin(preset, steps, seed, rate, kind), []
                batches = world.batches(training)
                while training.step < steps:
                    training.update(next(batches))
                    if training.step % 25 == 0:
                        curve.append(round(training.mean_losses()["mlm_loss"], 3))
                row = {"seed": seed, "unseen": world.loss(training, unseen), "curve": curve}
                runs.setdefault(f"{preset}, {rate}", {}).setdefault(name, []).append(row)
    return runs


def before_during_after() -> dict:
    """What fill-mask says before, during and after the training of the tiny model that the project ships, repeated."""
    at = [0, 50, 100, 200, 400, 700, 1000, 1500, 2000, 3000, 4000, 6000, 8000, 10_000, 13_000]
    said = []
    with tempfile.TemporaryDirectory() as folder:
        world = World(50_000, Path(folder))
        training = world.begin("tiny", at[-1], seed=0)
        batches = world.batches(training)
        for last in at:
            while training.step < last:
                training.update(next(batches))
            training.model.eval()
            for text, word in GAPS.items():
                (guesses,) = fill_mask(training.model, world.tokenizer, text, len(world.tokenizer))
                best = [[token, round(p, 3)] for token, p in guesses[:4]]
                said.append([last, text, word, round(dict(guesses)[word], 4), best])
            training.model.train()
    return {"step, text, word, its chance, the likeliest": said}


RUNS = {"pretraining-memorise": memorise, "pretraining-warm-up": warm_up, "pretraining-before": before_during_after}
