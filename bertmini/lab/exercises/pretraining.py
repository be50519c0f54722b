"""The exercises of notebooks/08_pretraining.ipynb."""

import math

from bertmini.lab.check import Exercise, Mistake

# ---- The Transformer's schedule ----

root = Exercise(
    right=lambda step, rise: min(step / rise, (rise / step) ** 0.5),
    cases=[(1, 4000), (2000, 4000), (4000, 4000), (16_000, 4000), (100_000, 4000), (50, 10)],
    where="Look at step = rise: both parts of the curve must give 1 there.",
    what="Up: step / rise. Down: a number over the root of step, and that number is the root of rise.",
    line="return min(step / rise, (rise / step) ** 0.5)",
    mistakes=[
        Mistake(
            wrong=lambda step, rise: max(step / rise, (rise / step) ** 0.5),
            where="Look at the first step: is your rate small there?",
            what="You take the larger of the two. The curve follows the smaller one.",
        ),
        Mistake(
            wrong=lambda step, rise: min(step / rise, rise / step),
            where="Look at step = 4 · rise.",
            what="Yours is a quarter there. With the root of the step it is a half.",
        ),
        Mistake(
            wrong=lambda step, rise: min(step / rise, step**-0.5),
            where="Look at step = rise: what is the share there?",
            what="1 / √step is tiny there. Multiply it by a number that makes it 1 at step = rise.",
        ),
        Mistake(
            wrong=lambda step, rise: min(step**-0.5, step * rise**-1.5),
            where="Look at step = rise: what is the share there?",
            what="This is the paper's formula, whose full height is 1 / √rise. Multiply it by √rise.",
        ),
        Mistake(
            wrong=lambda step, rise: min(step / rise, 1),
            where="Look at the steps after `rise`.",
            what="Yours stays at its full height. It has to fall, to a half at four times `rise`.",
        ),
        Mistake(
            wrong=lambda step, rise: (rise / step) ** 0.5,
            where="Look at the steps before `rise`.",
            what="There it must go up in a line from near 0. Yours comes down from above.",
        ),
        Mistake(
            wrong=lambda step, rise: step / rise,
            where="Look at the steps after `rise`.",
            what="Yours goes on rising. Take the smaller of this and the falling part.",
        ),
    ],
)

# ---- Who decays? ----

NAMES = [
    "bert.embeddings.token.weight",
    "bert.embeddings.norm.weight",
    "bert.layers.0.attention.qkv.weight",
    "bert.layers.0.attention.qkv.bias",
    "mlm.bias",
    "nsp.score.weight",
]
MORE = [
    "bert.layers.1.feed_forward.inner.bias",
    "bert.layers.1.output_norm.weight",
    "bert.layers.1.output_norm.bias",
    "bert.embeddings.position.weight",
]

decay = Exercise(
    right=lambda names: [name for name in names if "norm" not in name and "bias" not in name],
    cases=[(NAMES,), (MORE,)],
    where="Look at the names: which are biases, and which belong to a LayerNorm?",
    what="Keep a name if it has neither norm nor bias in it.",
    line='return [name for name in names if "norm" not in name and "bias" not in name]',
    mistakes=[
        Mistake(
            wrong=lambda names: [name for name in names if name.endswith("weight")],
            where="Look at the names with `norm` in them.",
            what="A LayerNorm's scale is called weight as well. It is no matrix, and it does not decay.",
        ),
        Mistake(
            wrong=lambda names: [name for name in names if "norm" not in name],
            where="Look at the names that end in bias.",
            what="You left the LayerNorms out, and kept the biases in.",
        ),
        Mistake(
            wrong=lambda names: [name for name in names if "norm" not in name or "bias" not in name],
            where="Look at the word between your two conditions.",
            what="With `or` only a LayerNorm's bias is left out. Both must hold: `and`.",
        ),
        Mistake(
            wrong=lambda names: [n for n in names if not any(w in n for w in ("norm", "bias", "embed"))],
            where="Look at the tables of the embeddings.",
            what="They are matrices like the others, and they decay like the others.",
        ),
        Mistake(
            wrong=lambda names: [name for name in names if "norm" in name or "bias" in name],
            where="Look at what you return: those that decay, or those that do not?",
            what="These are the ones that do not.",
        ),
    ],
)

# ---- Reading a log ----


def line(step: int, loss: float | None = None) -> dict:
    """A line of a log, as short as the exercise allows; with a loss where it was an evaluation."""
    if loss is None:
        return {"step": step, "mlm_loss": 0.1}
    return {"step": step, "held_out_mlm_loss_masked": loss, "own_sentence_mlm_loss_masked": 0.71}


def left_its_sentence(log: list[dict], least: float = 0.0) -> int | None:
    for entry in log:
        key = "held_out_mlm_loss_masked"
        if key in entry and entry[key] < entry["own_sentence_mlm_loss_masked"] - least:
            return entry["step"]
    return None


def without_asking(log: list[dict]) -> int | None:
    for entry in log:
        if entry["held_out_mlm_loss_masked"] < entry["own_sentence_mlm_loss_masked"]:
            return entry["step"]
    return None


def the_last(log: list[dict]) -> int | None:
    found = [entry["step"] for entry in log if left_its_sentence([entry]) is not None]
    return found[-1] if found else None


def by_training_loss(log: list[dict]) -> int | None:
    return next((entry["step"] for entry in log if entry.get("mlm_loss", 9) < 0.71), None)


def the_index(log: list[dict]) -> int | None:
    return next((i for i, entry in enumerate(log) if left_its_sentence([entry]) is not None), None)


reading = Exercise(
    right=left_its_sentence,
    cases=[
        ([line(0, 6.2), line(10), line(20, 0.9), line(30), line(40, 0.7), line(50), line(60, 0.6)],),
        ([line(0, 6.2), line(10), line(20, 0.9), line(30, 0.72)],),
        ([line(0, 6.2), line(5), line(100, 0.70), line(150, 0.72), line(200, 0.65)],),
    ],
    where="Look at the two keys: held_out_mlm_loss_masked must be below own_sentence_mlm_loss_masked.",
    what="Skip lines without these keys, return the step of the first line where it holds, None if there is none.",
    line=(
        'for entry in log:\n    if "held_out_mlm_loss_masked" in entry:\n'
        '        if entry["held_out_mlm_loss_masked"] < entry["own_sentence_mlm_loss_masked"]:\n'
        '            return entry["step"]'
    ),
    mistakes=[
        Mistake(
            wrong=without_asking,
            where="Look at the lines between two evaluations.",
            what="They do not have these keys. Ask whether a key is in the entry before you read it.",
        ),
        Mistake(
            wrong=the_last,
            where="Look at which of the lines you return.",
            what="This is the last one. The first is wanted.",
        ),
        Mistake(
            wrong=by_training_loss,
            where="Look at which loss you compare.",
            what="mlm_loss is that of training, kept tokens included. Compare the held-out loss at [MASK].",
        ),
        Mistake(
            wrong=the_index,
            where="Look at what you return.",
            what="This is the number of the line. The step is wanted, which the line names.",
        ),
        Mistake(
            wrong=lambda log: left_its_sentence(log) or 0,
            where="Look at the run that never gets there.",
            what="It must give None. 0 would mean that it knew before its first step.",
        ),
    ],
)

# ---- Where to go on ----


def place(step: int, instances: int, batch_size: int) -> tuple[int, int]:
    return divmod(step, math.ceil(instances / batch_size))


resume = Exercise(
    right=place,
    cases=[(0, 1000, 16), (62, 1000, 16), (63, 1000, 16), (200, 1000, 16), (7, 32, 16), (10_000, 50_000, 16)],
    where="Look at the number of batches in an epoch: what becomes of the instances that do not fill a batch?",
    what="An epoch has instances / batch_size batches, rounded up. Divide the step by it: whole part, and rest.",
    line="return divmod(step, math.ceil(instances / batch_size))",
    mistakes=[
        Mistake(
            wrong=lambda step, instances, batch_size: divmod(step, instances // batch_size),
            where="Look at the last batch of an epoch.",
            what="You round down. The last batch is smaller, but it is a batch, and a step.",
        ),
        Mistake(
            wrong=lambda step, instances, batch_size: place(step, instances, batch_size)[::-1],
            where="Look at the order of your two numbers.",
            what="First the epoch, then the batch.",
        ),
        Mistake(
            wrong=lambda step, instances, batch_size: divmod(step * batch_size, instances),
            where="Look at the unit of the second number: instances, or batches?",
            what="You count instances as if every batch were full. Count batches.",
        ),
        Mistake(
            wrong=lambda step, instances, batch_size: tuple(1 + n for n in place(step, instances, batch_size)),
            where="Look at the run that has not taken a step.",
            what="Epochs and batches are counted from 0.",
        ),
    ],
)

# ---- The forty epochs ----


def passes(short: float = 0.9, B: int = 256, steps: int = 1_000_000) -> float:
    """How often the original run read its 3.3 billion words, a token counted as a word."""
    return B * (128 * short + 512 * (1 - short)) * steps / 3.3e9


epochs = Exercise(
    right=passes(),
    rtol=0.02,  # a rounded answer is as good
    where="Look at the number of tokens in a step: is it the same in all steps?",
    what="90% of the steps have 256 · 128 tokens, 10% have 256 · 512.",
    line="256 * (0.9 * 128 + 0.1 * 512) * 1_000_000 / 3.3e9",
    mistakes=[
        Mistake(
            wrong=passes(0.0),
            where="Look at the length of the sequences.",
            what="This is the paper's own count, in which all sequences have 512 tokens. Nine tenths have 128.",
        ),
        Mistake(
            wrong=passes(1.0),
            where="Look at the length of the sequences.",
            what="Here all have 128 tokens. One tenth of the steps has 512.",
        ),
        Mistake(
            wrong=passes(0.1),
            where="Look at which share belongs to which length.",
            what="The shares are the wrong way round: 90% of the steps have 128 tokens a sequence.",
        ),
        Mistake(
            wrong=passes(B=1),
            where="Look at the number of sequences in a step.",
            what="A step reads 256 of them.",
        ),
        Mistake(
            wrong=passes() * 3.3e9,
            where="Look at the unit: tokens, or passes?",
            what="These are all the tokens that were read. Divide by the size of the corpus.",
        ),
    ],
)
