"""The exercises of notebooks/10_full_size.ipynb."""

import math

from bertmini.config import BertConfig
from bertmini.counting import training_flops, training_memory
from bertmini.lab.check import Exercise, Mistake

config = BertConfig.preset("base")  # named as in the notebook, where hint 3 is written
large = BertConfig.preset("large")

# ---- The last tenth ----


def tenth(short: float, long: float) -> float:
    return long / (9 * short + long)


SHORT, LONG = training_flops(config, 128, 20), training_flops(config, 512, 77)

last_tenth = Exercise(
    right=tenth(SHORT, LONG),
    rtol=0.01,  # a rounded answer is as good
    where="Look at one step of each kind: both have 256 sequences.",
    what="Nine short steps go with one long one. Divide the long one's FLOPs by those of all ten.",
    line="training_flops(config, 512, 77) / (9 * training_flops(config, 128, 20) + training_flops(config, 512, 77))",
    mistakes=[
        Mistake(
            wrong=0.1,
            where="Look at what a step costs when its sequences are four times as long.",
            what="A tenth is its share of the steps. The long steps have more tokens, and each token costs more.",
        ),
        Mistake(
            wrong=tenth(128, 512),
            where="Look at what you count: tokens, or FLOPs?",
            what="This is the share of the tokens. In a long sequence each token also costs a little more.",
        ),
        Mistake(
            wrong=LONG / (9 * SHORT),
            where="Look at the denominator.",
            what="You divide by the short steps alone. The share is of all ten.",
        ),
        Mistake(
            wrong=LONG / (SHORT + LONG),
            where="Look at how many short steps go with one long step.",
            what="You weigh both kinds alike. There are nine short steps for a long one.",
        ),
        Mistake(
            wrong=100 * tenth(SHORT, LONG),
            where="Look at the unit.",
            what="This is right in percent. Give it as a number between 0 and 1.",
        ),
    ],
)

# ---- Into how many parts? ----

PART_CASES = [
    (config, 256, 128, 20, 16e9),
    (config, 256, 512, 77, 24e9),
    (large, 32, 512, 77, 16e9),
    (large, 100, 128, 20, 24e9),
    (large, 32, 512, 77, 5e9),
    (config, 8, 128, 20, 80e9),
]


def parts_right(config: BertConfig, B: int, T: int, P: int, room: float) -> int | None:
    fits = (n for n in range(1, B + 1) if training_memory(config, math.ceil(B / n), T, P).total <= room)
    return next(fits, None)


def parts_divisors(config: BertConfig, B: int, T: int, P: int, room: float) -> int | None:
    fits = (n for n in range(1, B + 1) if B % n == 0 and training_memory(config, B // n, T, P).total <= room)
    return next(fits, None)


def parts_floor(config: BertConfig, B: int, T: int, P: int, room: float) -> int | None:
    fits = (n for n in range(1, B + 1) if training_memory(config, B // n, T, P).total <= room)
    return next(fits, None)


def parts_all_divided(config: BertConfig, B: int, T: int, P: int, room: float) -> int | None:
    return math.ceil(training_memory(config, B, T, P).total / room)


def parts_activations_only(config: BertConfig, B: int, T: int, P: int, room: float) -> int | None:
    return math.ceil(training_memory(config, B, T, P).activations / room)


parts = Exercise(
    right=parts_right,
    cases=PART_CASES,
    where="Look at the largest of n parts: how many sequences has it?",
    what="Try n = 1, 2, … up to B. The largest part has ceil(B / n) sequences; take the first n at which that fits.",
    line=(
        "return next((n for n in range(1, B + 1) "
        "if training_memory(config, -(-B // n), T, P).total <= room), None)"
    ),
    mistakes=[
        Mistake(
            wrong=parts_divisors,
            where="Look at batches that do not divide: 100 sequences in 3 parts?",
            what="You try divisors of B only. Parts may differ by a sequence, and the largest has ceil(B / n).",
        ),
        Mistake(
            wrong=parts_floor,
            where="Look at the largest of the parts, not the smallest.",
            what="You round down. With 100 sequences in 3 parts one of them has 34.",
        ),
        Mistake(
            wrong=parts_all_divided,
            where="Look at what does not become smaller when a batch is split.",
            what="You divide everything. Weights, gradients and moments are there whole, whatever the number of parts.",
        ),
        Mistake(
            wrong=parts_activations_only,
            where="Look at what is in memory beside the activations.",
            what="You give the whole room to activations. Weights, gradients and moments come first.",
        ),
    ],
)

# ---- The noise scale from two norms ----


def scale_right(small: float, large: float, b: int, B: int) -> float:
    return (small - large) / (1 / b - 1 / B) / ((B * large - b * small) / (B - b))


noise_scale = Exercise(
    right=scale_right,
    cases=[(10.0, 6.0, 1, 5), (3.0, 2.0, 16, 64), (18.5, 5.7, 16, 1024), (0.5, 0.25, 8, 32)],
    where="Look at the two equations: small = S + N / b, large = S + N / B, with two unknowns.",
    what="Subtract them: N = (small - large) / (1/b - 1/B). Then S = large - N / B, and the scale is N / S.",
    line="N = (small - large) / (1 / b - 1 / B); return N / (large - N / B)",
    mistakes=[
        Mistake(
            wrong=lambda small, large, b, B: (small - large) / (1 / b - 1 / B) / large,
            where="Look at what you take for |G|².",
            what="You take the large batch's norm. It holds noise too, N / B of it: take that off.",
        ),
        Mistake(
            wrong=lambda small, large, b, B: 1 / scale_right(small, large, b, B),
            where="Look at which is above the line.",
            what="This is signal over noise. The scale is noise over signal.",
        ),
        Mistake(
            wrong=lambda small, large, b, B: (small - large) / (1 / b - 1 / B),
            where="Look at what is left to do.",
            what="This is N, the noise of one sequence. Divide it by S, the squared length of the true gradient.",
        ),
        Mistake(
            wrong=lambda small, large, b, B: b * small / large,
            where="Look at the two equations instead of the ratio of the norms.",
            what="The ratio of norms is not it: both hold signal and noise. Solve for N and for S.",
        ),
    ],
)

# ---- How many windows? ----


def windows_right(T: int, size: int, stride: int) -> int:
    return 1 + max(0, math.ceil((T - size) / stride))


how_many = Exercise(
    right=windows_right,
    cases=[(1000, 100, 100), (1000, 100, 50), (855, 128, 64), (100, 128, 64), (129, 128, 64), (10, 128, 64)],
    where="Look at the first window: it covers `size` tokens. How many are left, and how many does each next add?",
    what="After the first, T - size tokens are left, and each further window adds `stride`. Round up; never below 1.",
    line="return 1 + max(0, -(-(T - size) // stride))",
    mistakes=[
        Mistake(
            wrong=lambda T, size, stride: math.ceil(T / stride),
            where="Look at the first window.",
            what="You let every window add `stride` tokens. The first covers `size` of them.",
        ),
        Mistake(
            wrong=lambda T, size, stride: 1 + math.ceil((T - size) / stride),
            where="Look at a text that fits into one window with room to spare.",
            what="T - size is negative there. A text needs one window at least.",
        ),
        Mistake(
            wrong=lambda T, size, stride: 1 + max(0, (T - size) // stride),
            where="Look at a rest that is shorter than the stride.",
            what="You round down, and the last tokens are never read.",
        ),
        Mistake(
            wrong=lambda T, size, stride: math.ceil(T / size),
            where="Look at the overlap.",
            what="This is right where stride = size only.",
        ),
        Mistake(
            wrong=lambda T, size, stride: 2 + max(0, (T - size) // stride),
            where="Look at texts that come out even.",
            what="You add a last window even where nothing is left. Round up instead.",
        ),
    ],
)

