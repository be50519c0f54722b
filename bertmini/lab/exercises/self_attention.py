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


def padded_right(weights: Tensor, keep: Tensor) -> Tensor:
    return weights * keep / (weights * keep).sum(-1, keepdim=True)


padded = Exercise(
    right=padded_right,
    cases=[
        (SCORES.softmax(-1), torch.tensor([True, True, True, False])),
        (SCORES[:3, :3].softmax(-1), torch.tensor([True, False, True])),
        (SCORES.softmax(-1), torch.tensor([True, True, True, True])),
    ],
    where="Look at the columns: whose column must be 0? And look at the sum of each row.",
    what="Set the padded columns to 0, and divide each row by what it still sums to.",
    line="return weights * keep / (weights * keep).sum(-1, keepdim=True)",
    mistakes=[
        Mistake(
            wrong=lambda weights, keep: weights * keep,
            where="Look at the sum of each row.",
            what="The padded columns are 0, and the rest of a row sums to less than 1. Divide it by its sum.",
        ),
        Mistake(
            wrong=lambda weights, keep: (weights * keep).softmax(-1),
            where="Look at the weight of a padded token: is it 0?",
            what="These are weights already, and e to the power of 0 is 1. Divide by the sum, without a softmax.",
        ),
        Mistake(
            wrong=lambda weights, keep: weights.masked_fill(~keep, -torch.inf).softmax(-1),
            where="Look at what goes into your softmax: scores, or weights?",
            what="Minus infinity is for scores, before the softmax. Weights are set to 0, and divided by their sum.",
        ),
        Mistake(
            wrong=lambda weights, keep: weights * keep[:, None] / weights.sum(-1, keepdim=True),
            where="Look at which way the shape of keep runs: down the rows, or along the columns?",
            what="You hide rows, those who look. Hidden must be columns, those who are looked at.",
        ),
        Mistake(
            wrong=lambda weights, keep: weights,
            where="Look at the padded columns.",
            what="You have not used keep. Padded columns must be 0, and the others of a row sum to 1.",
        ),
        Mistake(
            wrong=lambda weights, keep: padded_right(weights, keep) * keep[:, None],
            where="Look at the rows of the padded tokens.",
            what="You have emptied them, too. `keep` says who may be looked at, and not who looks: these rows stay.",
        ),
    ],
)

# ---- What one head says ----

A, T, D = 3, 4, 2
MIXED = (torch.arange(A * T * D) % 7 - 3.0).reshape(A, T, D)
W_O = (torch.arange((A * D) ** 2) % 11 - 5.0).reshape(A * D, A * D)


def contribution_right(mixed: Tensor, W_O: Tensor, head: int) -> Tensor:
    return mixed[head] @ W_O.unflatten(0, (len(mixed), -1))[head]


contribution = Exercise(
    right=contribution_right,
    cases=[(MIXED, W_O, 0), (MIXED, W_O, 2), (MIXED[:2, :3], W_O[:4, :4], 1)],
    where="Look at where the D columns of this head stand when all heads are side by side.",
    what="Head a fills the columns from a · D to (a + 1) · D, and these meet the rows of W_O with the same numbers.",
    line="return mixed[head] @ W_O[head * mixed.shape[-1] : (head + 1) * mixed.shape[-1]]",
    mistakes=[
        Mistake(
            wrong=lambda mixed, W_O, head: mixed.transpose(0, 1).flatten(1) @ W_O,
            where="Look at how many heads have a part in your result.",
            what="This is the sum over all heads. Take one head's (T, D), and the D rows of W_O that it meets.",
        ),
        Mistake(
            wrong=lambda mixed, W_O, head: mixed[head] @ W_O[: mixed.shape[-1]],
            where="Look at a head that is not the first.",
            what="These are the rows of W_O for head 0. Head a meets those from a · D on.",
        ),
        Mistake(
            wrong=lambda mixed, W_O, head: mixed[head] @ W_O[head :: len(mixed)],
            where="Look at which rows of W_O you take: neighbours, or every A-th?",
            what="The heads stand side by side, so a head meets D neighbouring rows of W_O.",
        ),
        Mistake(
            wrong=lambda mixed, W_O, head: mixed[head] @ W_O.unflatten(1, (len(mixed), -1))[:, head].T,
            where="Look at whether your piece of W_O consists of rows or of columns.",
            what="You cut W_O into columns. In a product, columns on the left meet rows on the right: cut rows.",
        ),
        Mistake(
            wrong=lambda mixed, W_O, head: mixed[head],
            where="Look at the shape of your result.",
            what="This is what the head found, (T, D). Multiply it by its D rows of W_O.",
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
