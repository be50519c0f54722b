"""The exercises of notebooks/04_self_attention.ipynb."""

import torch
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake

# ---- Weights by hand ----

mixture = Exercise(
    right=[7.0, 4.0],
    where="Look at the three scores after the division by √D, and then at e to the power of each.",
    what="√D = 2, so the scores are ln 6, ln 3 and 0, and e to their powers is 6, 3 and 1: weights 0.6, 0.3 and 0.1.",
    line="[0.6 * 10 + 0.3 * 0 + 0.1 * 10, 0.6 * 0 + 0.3 * 10 + 0.1 * 10]",
    rtol=1e-3,
    mistakes=[
        Mistake(
            wrong=[370 / 46, 100 / 46],
            where="Look at what comes between the dot product and the softmax.",
            what="You have not divided by √D. With D = 4 the scores are halved: ln 6, ln 3 and 0.",
        ),
        Mistake(
            wrong=[(6**0.5 + 1) / (6**0.5 + 3**0.5 + 1) * 10, (3**0.5 + 1) / (6**0.5 + 3**0.5 + 1) * 10],
            where="Look at what you divide by.",
            what="You have divided by D = 4. The divisor is its root, 2.",
        ),
        Mistake(
            wrong=[20 / 3, 20 / 3],
            where="Look at the weights: are they all the same?",
            what="This is the plain average of the three values. Weigh them by 0.6, 0.3 and 0.1.",
        ),
        Mistake(
            wrong=[10.0, 0.0],
            where="Look at the weights of the second and the third token.",
            what="You took the value with the largest score. Softmax takes some of each: 0.6, 0.3 and 0.1 of them.",
        ),
        Mistake(
            wrong=[0.6, 0.3, 0.1],
            where="Look at what is asked for: the weights, or what they make of the values?",
            what="These are the weights, and they are right. Multiply each value by its weight, and add.",
        ),
        Mistake(
            wrong=[70.0, 40.0],
            where="Look at the sum of your weights.",
            what="You weigh by 6, 3 and 1. Divide by their sum, 10, so that the weights sum to 1.",
        ),
    ],
)

# ---- The right divisor ----

divisor = Exercise(
    right=lambda D, s: s * s * D**0.5,
    cases=[(16, 2.0), (64, 1.0), (4, 3.0), (64, 0.5)],
    where="Look at one of the D products: what is its variance, if both factors have the deviation s?",
    what="A product has the variance s² · s², D of them have D times that; the deviation is its root.",
    line="return s * s * D**0.5",
    mistakes=[
        Mistake(
            wrong=lambda D, s: D**0.5,
            where="Look at the case s = 1, and then at s = 2.",
            what="That is right for s = 1 alone. Each of the two factors brings its s.",
        ),
        Mistake(
            wrong=lambda D, s: s * D**0.5,
            where="Look at how many factors a product has.",
            what="Two numbers are multiplied, and each has the deviation s. So s comes twice.",
        ),
        Mistake(
            wrong=lambda D, s: s * s * D,
            where="Look at how the size of a sum of D random terms grows.",
            what="Their variances add up to D times one; the deviation grows with the root of D.",
        ),
        Mistake(
            wrong=lambda D, s: s**4 * D,
            where="Look at the difference between variance and standard deviation.",
            what="This is the variance of the score. The divisor is the deviation, its root.",
        ),
        Mistake(
            wrong=lambda D, s: D,
            where="Look at how the size of a sum of D random terms grows.",
            what="It grows with the root of D, not with D. And s has its part in it.",
        ),
    ],
)

# ---- Padding ----

SCORES = torch.tensor([[1.0, 2.0, 0.5, 3.0], [0.0, -1.0, 2.0, 1.0], [2.0, 2.0, 1.0, -1.0], [1.0, 0.0, 0.0, 2.0]])


def padded_right(scores: Tensor, keep: Tensor) -> Tensor:
    return scores.masked_fill(~keep, -torch.inf).softmax(-1)


def padded_afterwards(scores: Tensor, keep: Tensor) -> Tensor:
    return scores.softmax(-1) * keep


padded = Exercise(
    right=padded_right,
    cases=[
        (SCORES, torch.tensor([True, True, True, False])),
        (SCORES[:3, :3], torch.tensor([True, False, True])),
        (SCORES, torch.tensor([True, True, True, True])),
    ],
    where="Look at the columns: whose column must be 0? And look at the sum of each row.",
    what="Set the scores of padded columns to minus infinity before the softmax: e to that power is 0.",
    line="return scores.masked_fill(~keep, -torch.inf).softmax(-1)",
    mistakes=[
        Mistake(
            wrong=padded_afterwards,
            where="Look at the sum of each row.",
            what="You set weights to 0 after the softmax, so the rest of a row sums to less than 1. Go before it.",
        ),
        Mistake(
            wrong=lambda scores, keep: (scores * keep).softmax(-1),
            where="Look at the weight of a padded token: is it 0?",
            what="A score of 0 is not a weight of 0, for e to the power of 0 is 1. The score must be minus infinity.",
        ),
        Mistake(
            wrong=lambda scores, keep: scores.masked_fill(~keep[:, None], -1e9).softmax(-1),
            where="Look at which way the shape of keep runs: down the rows, or along the columns?",
            what="You hide rows, those who look. Hidden must be columns, those who are looked at.",
        ),
        Mistake(
            wrong=lambda scores, keep: scores.masked_fill(keep, -1e9).softmax(-1),
            where="Look at what True means in keep.",
            what="masked_fill fills where it reads True, and keep is True at real tokens. Turn it round with ~.",
        ),
        Mistake(
            wrong=lambda scores, keep: scores.softmax(-1),
            where="Look at the padded columns.",
            what="You have not used keep. Their weights must be 0, and those of the others sum to 1.",
        ),
    ],
)

# ---- Into heads ----


def into_heads_right(y: Tensor, A: int) -> Tensor:
    return y.unflatten(-1, (A, -1)).transpose(0, 1)


into_heads = Exercise(
    right=into_heads_right,
    cases=[(torch.arange(24.0).reshape(4, 6), 2), (torch.arange(24.0).reshape(2, 12), 3), (torch.eye(6)[:4], 6)],
    where="Look at row t of y: its first D numbers belong to head 0, the next D to head 1. Where do they end up?",
    what="Cut the last axis into (A, D) first, which gives (T, A, D); then change the places of the first two axes.",
    line="return y.unflatten(-1, (A, -1)).transpose(0, 1)",
    mistakes=[
        Mistake(
            wrong=lambda y, A: y.reshape(A, len(y), -1),
            where="Look at the first row of your head 0: are all its numbers from token 0?",
            what="The shape is right, but reshape reads on row by row: a head gets whole tokens. Cut, then transpose.",
        ),
        Mistake(
            wrong=lambda y, A: y.unflatten(-1, (A, -1)),
            where="Look at the order of the axes.",
            what="This is (T, A, D): cut, but not yet turned. (A, T, D) is wanted.",
        ),
        Mistake(
            wrong=lambda y, A: y.unflatten(-1, (-1, A)).permute(2, 0, 1),
            where="Look at which columns your head 0 has: 0, 1, 2, …, or 0, A, 2A, …?",
            what="You deal the columns out in turns. A head has D neighbouring columns: cut into (A, D), not (D, A).",
        ),
        Mistake(
            wrong=lambda y, A: y.unflatten(-1, (A, -1)).permute(1, 2, 0),
            where="Look at the last two axes.",
            what="You have (A, D, T). Only the first two axes change places.",
        ),
    ],
)

# ---- In order again ----

ROWS = torch.tensor([[10.0, 1.0], [20.0, 2.0], [30.0, 3.0], [40.0, 4.0]])

in_order = Exercise(
    right=lambda shuffled, order: shuffled[order.argsort()],
    cases=[(ROWS, torch.tensor([2, 0, 3, 1])), (ROWS[:3], torch.tensor([1, 2, 0])), (ROWS, torch.tensor([3, 0, 1, 2]))],
    where="Look at row 0 of the result: at which place in `order` does the 0 stand?",
    what="Row t of the result stands in `shuffled` where `order` has t. order.argsort() lists these places.",
    line="return shuffled[order.argsort()]",
    mistakes=[
        Mistake(
            wrong=lambda shuffled, order: shuffled[order],
            where="Look at what happens if you shuffle twice.",
            what="That shuffles once more. To undo it you need the places where `order` has 0, 1, 2, …",
        ),
        Mistake(
            wrong=lambda shuffled, order: shuffled,
            where="Look at the order of your rows.",
            what="Attention gives row i of its output for row i of its input, and that was shuffled. So this is, too.",
        ),
        Mistake(
            wrong=lambda shuffled, order: shuffled.flip(0),
            where="Look at a shuffle that is not the reverse.",
            what="You turn the rows round. The places are those where `order` has 0, 1, 2, …",
        ),
        Mistake(
            wrong=lambda shuffled, order: order.argsort(),
            where="Look at what you return.",
            what="These are the right places. Now take the rows that stand there.",
        ),
    ],
)
