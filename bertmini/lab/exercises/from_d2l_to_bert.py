"""The exercises of notebooks/a1_from_d2l_to_bert.ipynb."""

import torch
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake

# ---- The right mean ----

SLOTS = torch.tensor([[2.0, 4.0, 0.5], [6.0, 0.5, 0.5]])  # nats, (B, P)
WEIGHTS = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
ROW, ONE = torch.tensor([[3.0, 1.0, 7.0, 0.2]]), torch.tensor([[0.0, 1.0, 0.0, 0.0]])
FULL = torch.arange(6.0).reshape(3, 2)


def mean_of_means(nats: Tensor, weights: Tensor) -> Tensor:
    return ((nats * weights).sum(1) / weights.sum(1)).mean()


right_mean = Exercise(
    right=lambda nats, weights: (nats * weights).sum() / weights.sum(),
    cases=[(SLOTS, WEIGHTS), (ROW, ONE), (FULL, torch.ones(3, 2))],
    where="Look at which slots may count, and at how many these are.",
    what="Each slot's nats times its weight, summed; divided by the sum of the weights.",
    line="return (nats * weights).sum() / weights.sum()",
    mistakes=[
        Mistake(
            wrong=lambda nats, weights: nats.mean() * weights.sum() / weights.sum(),
            where="Look at when the weights come in: before the mean or after it?",
            what="You take the mean first. What has been averaged cannot be told apart, and the weights cancel: d2l's.",
        ),
        Mistake(
            wrong=lambda nats, weights: (nats * weights).mean(),
            where="Look at what you divide by.",
            what="You divide by all B·P slots. Divide by the number of guesses, the sum of the weights.",
        ),
        Mistake(
            wrong=lambda nats, weights: (nats.reshape(-1) * weights.reshape(-1, 1)).sum() / weights.sum(),
            where="Look at the shape of your product.",
            what="(N,) times (N, 1) is (N, N). Give both the same shape; here they have it already.",
        ),
        Mistake(
            wrong=mean_of_means,
            where="Look at a sequence with two guesses beside one with one.",
            what="You average within each sequence, then over sequences: guesses in short ones would count for more.",
        ),
        Mistake(
            wrong=lambda nats, weights: (nats * weights).sum(),
            where="Look at whether it is a mean.",
            what="This is the sum of the nats. It still has to be divided, by the sum of the weights.",
        ),
    ],
)

# ---- What the loop's number hides ----

unmix = Exercise(
    right=lambda reported, share, padding: (reported - (1 - share) * padding) / share,
    cases=[(1.7, 0.3, 0.2), (1.0, 0.5, 0.0), (4.0, 1.0, 9.0), (2.5, 0.68, 0.1)],
    where="Look at the reported number as a mean of two kinds of slots, in their shares.",
    what="reported = share · true + (1 − share) · padding. Solve for true.",
    line="return (reported - (1 - share) * padding) / share",
    mistakes=[
        Mistake(
            wrong=lambda reported, share, padding: reported / share,
            where="Look at the slots that are padding: do they lose nothing?",
            what="You take their loss as 0. Subtract their part, (1 − share) · padding, first.",
        ),
        Mistake(
            wrong=lambda reported, share, padding: (reported - padding) / share,
            where="Look at how much of the reported number comes from padding.",
            what="Padding counts with its share only: subtract (1 − share) · padding.",
        ),
        Mistake(
            wrong=lambda reported, share, padding: share * reported + (1 - share) * padding,
            where="Look at which number you have and which you want.",
            what="You mix once more. The reported number is mixed already; undo it.",
        ),
        Mistake(
            wrong=lambda reported, share, padding: (reported - share * padding) / (1 - share) if share < 1 else 0.0,
            where="Look at which slots the share is of.",
            what="share is the part of the slots that hold a guess; the padding's part is 1 − share.",
        ),
    ],
)

# ---- More parameters ----

more_at_base = Exercise(
    right=30_522 * 768 - 2 * 768 + (1000 - 512) * 768,
    where="Look at the two tables and the LayerNorm in which they differ; all the rest has the same shapes.",
    what="A decoder of its own holds V·H more (both have its bias). A LayerNorm of 2H is missing. 1,000 position rows.",
    line="30_522 * 768 - 2 * 768 + (1000 - 512) * 768",
    mistakes=[
        Mistake(
            wrong=30_522 * 768 + 30_522 - 2 * 768 + (1000 - 512) * 768,
            where="Look at the decoder's bias.",
            what="You count it as something more. Ours has one too, of V numbers; it cancels.",
        ),
        Mistake(
            wrong=30_522 * 768 + (1000 - 512) * 768,
            where="Look at what theirs has not.",
            what="The LayerNorm on the sum of the embeddings, a gain and a shift of 768 each.",
        ),
        Mistake(
            wrong=30_522 * 768 - 2 * 768,
            where="Look at the position tables.",
            what="Theirs has max_len = 1,000 rows unless told otherwise, ours 512.",
        ),
        Mistake(
            wrong=30_522 * 768 + 2 * 768 + (1000 - 512) * 768,
            where="Look at the sign of the LayerNorm's part.",
            what="It is ours that has the LayerNorm. Its 2H must be taken away from the difference.",
        ),
        Mistake(
            wrong=30_522 * 768,
            where="Look beyond the decoder.",
            what="The decoder is the largest part. The position tables and a LayerNorm differ, too.",
        ),
    ],
)

# ---- The chance of the true next one ----


def chance_right(lengths: list[int]) -> float:
    pairs = sum(n - 1 for n in lengths)
    return 0.5 * sum((n - 1) / (len(lengths) * n) for n in lengths) / pairs


def chance_of_sentences(lengths: list[int]) -> float:
    return 0.5 / sum(lengths)


def chance_among_random(lengths: list[int]) -> float:
    return 2 * chance_right(lengths)


def chance_by_paragraph(lengths: list[int]) -> float:
    return 0.5 * sum(1 / (len(lengths) * n) for n in lengths) / len(lengths)


def chance_of_paragraph(lengths: list[int]) -> float:
    return 0.5 / len(lengths)


mislabelled = Exercise(
    right=chance_right,
    cases=[([2, 2],), ([2, 10],), ([7, 7, 7, 7],), ([3, 5, 8, 2, 20],)],
    where="Look at one pair first, in a paragraph of n sentences among N paragraphs; then average over all pairs.",
    what="A draw is random half of the time; then the paragraph is right with 1/N, the sentence with 1/n. "
    "A paragraph of n sentences makes n − 1 pairs.",
    line="pairs = sum(n - 1 for n in lengths)\nreturn 0.5 * sum((n - 1) / (len(lengths) * n) for n in lengths) / pairs",
    mistakes=[
        Mistake(
            wrong=chance_of_sentences,
            where="Look at how a sentence is drawn: all sentences at once, or a paragraph first?",
            what="A paragraph is drawn first. A sentence of a short paragraph is drawn more often than one of a long.",
        ),
        Mistake(
            wrong=chance_among_random,
            where="Look at how many of all pairs are drawn at random at all.",
            what="This is the share among the pairs called random. Of all pairs it is half of that.",
        ),
        Mistake(
            wrong=chance_by_paragraph,
            where="Look at how many pairs each paragraph makes.",
            what="You average over paragraphs. A long one makes more pairs, n − 1, and must count for more.",
        ),
        Mistake(
            wrong=chance_of_paragraph,
            where="Look at what has to be drawn after the paragraph.",
            what="The right paragraph is not enough: the one right sentence among its n has to be drawn, too.",
        ),
    ],
)
