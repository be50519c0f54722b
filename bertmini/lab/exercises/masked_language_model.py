"""The exercises of notebooks/06_masked_language_model.ipynb."""

import math

import torch
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake

# ---- Hide them yourself ----

MASK = 4
TEN = [2, 11, 12, 13, 14, 15, 16, 17, 18, 3]


def hidden_by(masked: float, kept: float):
    """Hide below `masked`, keep from there to below `kept`, replace above."""

    def show(token_ids: list[int], positions: list[int], coins: list[float], drawn: list[int]) -> list[int]:
        shown = list(token_ids)
        for t, coin, other in zip(positions, coins, drawn, strict=True):
            shown[t] = MASK if coin < masked else token_ids[t] if coin < kept else other
        return shown

    return show


def hidden_swapped(token_ids: list[int], positions: list[int], coins: list[float], drawn: list[int]) -> list[int]:
    shown = list(token_ids)
    for t, coin, other in zip(positions, coins, drawn, strict=True):
        shown[t] = MASK if coin < 0.8 else other if coin < 0.9 else token_ids[t]
    return shown


def hidden_by_place(token_ids: list[int], positions: list[int], coins: list[float], drawn: list[int]) -> list[int]:
    shown = list(token_ids)
    for i in range(len(positions)):
        shown[i] = MASK if coins[i] < 0.8 else token_ids[i] if coins[i] < 0.9 else drawn[i]
    return shown


def only_the_chosen(token_ids: list[int], positions: list[int], coins: list[float], drawn: list[int]) -> list[int]:
    shown = hidden_by(0.8, 0.9)(token_ids, positions, coins, drawn)
    return [shown[t] for t in positions]


LOOP = "shown = list(token_ids)\nfor t, coin, other in zip(positions, coins, drawn):\n"

hide = Exercise(
    right=hidden_by(0.8, 0.9),
    cases=[
        (TEN, [1, 4, 6], [0.10, 0.85, 0.95], [30, 31, 32]),
        (TEN, [2, 8], [0.79, 0.80], [4, 33]),
        (TEN, [3, 5, 7], [0.90, 0.90, 0.20], [2, 15, 34]),
    ],
    where="Look at what each coin decides: below 0.8, from 0.8 to below 0.9, and from 0.9 on.",
    what="Make a copy of token_ids; at each chosen position write MASK, or leave it, or write the drawn token.",
    line=LOOP + "    shown[t] = MASK if coin < 0.8 else token_ids[t] if coin < 0.9 else other\nreturn shown",
    mistakes=[
        Mistake(
            wrong=hidden_swapped,
            where="Look at the coins 0.85 and 0.95: which of the two keeps the token?",
            what="Keeping and replacing have changed places. From 0.8 to below 0.9 the token stays.",
        ),
        Mistake(
            wrong=hidden_by_place,
            where="Look at which tokens have changed: are they the chosen ones?",
            what="The first coin belongs to the first chosen position, positions[0], and not to token 0.",
        ),
        Mistake(
            wrong=hidden_by(1.0, 1.0),
            where="Look at the coins of 0.8 and more.",
            what="You hide every chosen token. One in five of them is not shown as [MASK].",
        ),
        Mistake(
            wrong=hidden_by(0.8, 0.8),
            where="Look at the coins from 0.8 to below 0.9.",
            what="You replace them. A coin in this range keeps the token.",
        ),
        Mistake(
            wrong=only_the_chosen,
            where="Look at the length of your list.",
            what="The model is shown the whole text, not the chosen tokens alone.",
        ),
    ],
)

# ---- How many are predicted? ----

predictions = Exercise(
    right=lambda length, limit: min(limit, max(1, round(0.15 * length))),
    cases=[(128, 20), (10, 20), (8, 20), (3, 20), (512, 20), (64, 20), (53, 20), (512, 77)],
    where="Look at the shortest and the longest text: at least one is predicted, and never more than limit.",
    what="Round 15% of the length, raise it to 1 where it is 0, and cut it at limit.",
    line="return min(limit, max(1, round(0.15 * length)))",
    mistakes=[
        Mistake(
            wrong=lambda length, limit: min(limit, max(1, math.ceil(0.15 * length))),
            where="Look at a length of 8: 15% of it is 1.2.",
            what="You round up. P, the number of slots, is rounded up; the number of predictions is rounded.",
        ),
        Mistake(
            wrong=lambda length, limit: min(limit, max(1, int(0.15 * length))),
            where="Look at a length of 64: 15% of it is 9.6.",
            what="int() cuts the decimals off; round() goes to the nearest whole number.",
        ),
        Mistake(
            wrong=lambda length, limit: min(limit, round(0.15 * length)),
            where="Look at a length of 3.",
            what="15% of 3 is 0.45, which rounds to 0, and a text without a prediction would teach nothing.",
        ),
        Mistake(
            wrong=lambda length, limit: max(1, round(0.15 * length)),
            where="Look at a length of 512 with 20 slots.",
            what="There is no room for more than limit predictions.",
        ),
        Mistake(
            wrong=lambda length, limit: min(limit, max(1, round(0.15 * (length - 3)))),
            where="Look at which tokens the 15% are taken of.",
            what="[CLS] and [SEP] are never chosen, but they do count in the length.",
        ),
        Mistake(
            wrong=lambda length, limit: 0.15 * length,
            where="Look at a length of 10.",
            what="One and a half tokens cannot be hidden; the number must be whole, from 1 to limit.",
        ),
    ],
)

# ---- From chances to perplexity ----


def mean_nats(chances: list[float]) -> float:
    return -sum(math.log(p) for p in chances) / len(chances)


perplexity = Exercise(
    right=lambda chances: math.exp(mean_nats(chances)),
    cases=[([0.25, 0.25, 0.25],), ([1.0, 0.5, 0.125],), ([0.9, 0.01],), ([0.2],)],
    where="Look at the definition: e to the power of the mean loss.",
    what="The loss of one guess is −log p, with the natural logarithm. Take the mean of them, then math.exp.",
    line="return math.exp(-sum(math.log(p) for p in chances) / len(chances))",
    mistakes=[
        Mistake(
            wrong=mean_nats,
            where="Look at three chances of 1/4: you should get 4.",
            what="This is the loss in nats. The perplexity is e to that power.",
        ),
        Mistake(
            wrong=lambda chances: sum(1 / p for p in chances) / len(chances),
            where="Look at the chances 1, 1/2, 1/8: the losses are 0, log 2, log 8.",
            what="You average 1/p. The mean is taken of the losses, −log p, and only then comes e.",
        ),
        Mistake(
            wrong=lambda chances: len(chances) / sum(chances),
            where="Look at the chances 1, 1/2, 1/8: the losses are 0, log 2, log 8.",
            what="You average the chances. The mean is taken of the losses, −log p, and only then comes e.",
        ),
        Mistake(
            wrong=lambda chances: 2 ** mean_nats(chances),
            where="Look at the base: which number is raised to the power?",
            what="A loss with the natural logarithm goes with e; 2 goes with losses in bits.",
        ),
        Mistake(
            wrong=lambda chances: math.exp(mean_nats(chances) * len(chances)),
            where="Look at three chances of 1/4: you should get 4, however many they are.",
            what="You add the losses up. Divide by their number before taking e.",
        ),
    ],
)

# ---- What two guesses lose ----

RING = torch.tensor([[1.0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1]], dtype=torch.float64) / 8
APART = torch.tensor([[0.1, 0.3], [0.15, 0.45]], dtype=torch.float64)  # independent
UNEVEN = torch.tensor([[0.5, 0.0, 0.1], [0.0, 0.3, 0.1]], dtype=torch.float64)


def two_guesses(joint: Tensor) -> Tensor:
    return joint.sum(1, keepdim=True) * joint.sum(0)


def lost_right(joint: Tensor) -> float:
    there = joint > 0
    return float((joint[there] * (joint[there] / two_guesses(joint)[there]).log()).sum())


lost = Exercise(
    right=lost_right,
    cases=[(RING,), (torch.eye(4, dtype=torch.float64) / 4,), (APART,), (UNEVEN,)],
    where="Look at the product first: the sum of each row, times the sum of each column.",
    what="Add up joint · log(joint / product), where joint is above 0: elsewhere Python gives nan, and the loss is 0.",
    line=(
        "product = joint.sum(1, keepdim=True) * joint.sum(0)\nthere = joint > 0\n"
        "return (joint[there] * (joint[there] / product[there]).log()).sum()"
    ),
    mistakes=[
        Mistake(
            wrong=lambda joint: float(-(joint[joint > 0] * joint[joint > 0].log()).sum()),
            where="Look at the second factor: with what is the joint compared?",
            what="This is what the best player of both words loses. Asked is how much more two guesses lose.",
        ),
        Mistake(
            wrong=lambda joint: float(-(joint[joint > 0] * two_guesses(joint)[joint > 0].log()).sum()),
            where="Look at the two tables that are independent: nothing is lost there.",
            what="This is all that the two guesses lose. Take away what the best player loses.",
        ),
        Mistake(
            wrong=lambda joint: 1 - float(two_guesses(joint)[joint > 0].sum()),
            where="Look at the unit: a share of the mass, or nats?",
            what="This is the mass on pairs that cannot be. The loss is a mean of logarithms.",
        ),
    ],
)

# ---- A sum that is no probability ----


def pseudo_right(joint: Tensor) -> Tensor:
    return joint / joint.sum(0) * (joint / joint.sum(1, keepdim=True))


pseudo = Exercise(
    right=pseudo_right,
    cases=[(RING,), (APART,), (UNEVEN,)],
    where="Look at both conditionals: one divides by the sums of the columns, the other by those of the rows.",
    what="p(a | b) is joint / joint.sum(0), p(b | a) is joint / joint.sum(1, keepdim=True). Multiply them.",
    line="return joint / joint.sum(0) * (joint / joint.sum(1, keepdim=True))",
    mistakes=[
        Mistake(
            wrong=lambda joint: joint / joint.sum(0) * (joint / joint.sum(1)) if len(joint) == joint.shape[1] else None,
            where="Look at the second division: are rows divided by the sums of rows?",
            what="joint.sum(1) lies flat and is laid along the columns. keepdim=True makes it stand.",
        ),
        Mistake(
            wrong=two_guesses,
            where="Look at what is known in each guess: is it the other word, or nothing?",
            what="These are p(a) p(b), the two guesses of one pass. Here each word is guessed with the other in sight.",
        ),
        Mistake(
            wrong=lambda joint: joint / joint.sum(0) * joint.sum(0),
            where="Look at the second factor.",
            what="p(a | b) p(b) is the joint again. The second factor is p(b | a).",
        ),
        Mistake(
            wrong=lambda joint: pseudo_right(joint).sum(),
            where="Look at the shape: a table is wanted, with one number a pair.",
            what="You have added them up already. Return the table.",
        ),
    ],
)
