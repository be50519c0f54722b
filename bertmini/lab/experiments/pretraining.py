"""The measurements of notebooks/08_pretraining.ipynb that take too long for the page.

What was expected, written down before the runs:
memorise: the first run of all had 3,000 steps, in the world as it was then, and was expected to end with tiny's loss
at [MASK] on its 50 stories, with fresh masks, under half the floor's on the same gaps, and with a loss on unseen
stories that rises again by 0.3 nats. Neither came true: 0.55 on a floor of 0.49, and no rise. So the run was made
longer, and the expectation smaller: after 7,000 steps the loss is under 0.9 times the floor's on the 50 stories, and
0.8 nats above it on others; after as many steps on 5,000 stories less than 0.1 nats lie between those seen and others.
warm-up: at the usual rate warm-up makes no difference of 0.1 nats to tiny; at four times that rate it helps.
"""

import tempfile
from pathlib import Path

import torch

from bertmini import load
from bertmini.batches import Batch, Epoch
from bertmini.config import BertConfig
from bertmini.corpus import Corpus
from bertmini.evaluation import held_out_batches, score
from bertmini.microworld import Floor, Grammar, prepare_world, window_pairs
from bertmini.microworld.grammar import MAX_LENGTH
from bertmini.microworld.measure import measure
from bertmini.mlm import fill_mask
from bertmini.run import WORLD, WORLD_MODEL, WORLD_RATES
from bertmini.tokenizer import Tokenizer
from bertmini.train import Options, Training, stream

MINI = Path(__file__).resolve().parents[3] / "data/models/microworld-mini"
GAPS = {  # what fill-mask is asked, and what stood there: all of it can be told in this world
    "otto and his parrot from the market sang that his bark [MASK] . otto fed his parrot his honey .": "echoed",
    "otto and his parrot from the market sang that his bark echoed . [MASK] fed his parrot his honey .": "otto",
    "otto and his parrot from the market sang that his bark echoed . otto fed [MASK] parrot his honey .": "his",
    "otto and his parrot from the market sang that his bark echoed . otto fed his [MASK] his honey .": "parrot",
    "otto and his parrot from the market sang that his bark echoed . otto fed his parrot his [MASK] .": "honey",
    "otto and his parrot from the market sang that his bark echoed . otto dreamed that the bank [MASK] .": "lent",
    "robin the sailor took her [MASK] to her uncle .": "compass",
    "mara said the barrels near the kettle [MASK] sticky .": "were",
    "mara met grandmother in port haven . mara made [MASK] cry hooray .": "westmark",
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
            learning_rate=rate or WORLD_RATES[preset], masked_lm_prob=WORLD["masked_lm_prob"], device="cpu",
            precision="fp32",
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
        return self.instances(self.train, count)

    def instances(self, stories: Corpus, count: int) -> list[Batch]:
        """As many as are wanted: one of every story, then another of every story, and so on."""
        batches, epoch, left = [], 0, count
        while left:
            instances = Epoch(stories, self.tokenizer, MAX_LENGTH, 10**6, epoch, window_pairs)
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
            training = world.begin("tiny", 7000, seed=1)
            curve, batches = [], world.batches(training)
            for last in (0, 100, 200, 400, 700, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 7000):
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
    settings = [("tiny", 500, rate, seed) for rate in (1e-3, 4e-3) for seed in (0, 1, 2)]
    settings += [("mini", 300, rate, 0) for rate in (5e-4, 2e-3)]
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
    """The training of the tiny model that the project ships, repeated: on the way, what fill-mask says, and the loss.

    The loss at [MASK] by kinds of words, those of the log and the hero's name, on 2,000 instances of unseen stories;
    and beside it that of the finished mini.
    """
    at = [0, 50, 100, 200, 400, 700, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 7000, WORLD["steps"]]
    said, nats = [], []
    with tempfile.TemporaryDirectory() as folder:
        world = World(50_000, Path(folder))
        world.grammar.phenomena["name"] = ["{name}"]
        unseen = world.instances(world.held_out, 2000)
        players = measure(Floor(world.grammar), unseen)
        kinds = {name: shows & players.masked for name, shows in players.phenomena.items()} | {"all": players.masked}

        def by_kind(model: torch.nn.Module) -> dict[str, float]:
            scores = score(model, unseen, world.tokenizer.mask_id).nats.numpy()
            return {name: round(float(scores[chosen].mean()), 4) for name, chosen in kinds.items()}

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
            nats.append([last, by_kind(training.model)])
        columns = {"own sentence": players.own_sentence, "floor": players.floor}
        best = {
            name: {"positions": int(chosen.sum())}
            | {player: round(float(values[chosen].mean()), 4) for player, values in columns.items()}
            for name, chosen in kinds.items()
        }
    return {
        "step, text, word, its chance, the likeliest": said,
        "step, nats by kind": nats,
        "mini, nats by kind": by_kind(load(MINI)[0]),
        "best by kind": best,
    }


RUNS = {"pretraining-memorise": memorise, "pretraining-warm-up": warm_up, "pretraining-before": before_during_after}
