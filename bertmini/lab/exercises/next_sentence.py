"""The exercises of notebooks/07_next_sentence.ipynb."""

import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake

# ---- The share of random pairs ----

share = Exercise(
    right=lambda single: (1 + single) / 2,
    cases=[(0.0,), (0.2,), (0.5,), (1.0,)],
    where="Look at the two kinds of chunks one by one: how often does each of them give a random pair?",
    what="A chunk of one sentence always gives one, any other chunk every second time. Weigh the two by their shares.",
    line="return single + (1 - single) / 2",
    mistakes=[
        Mistake(
            wrong=lambda single: 0.5,
            where="Look at a text in which every chunk is a single sentence.",
            what="That is what the paper says. The coin is tossed only where a chunk has two sentences or more.",
        ),
        Mistake(
            wrong=lambda single: 0.5 + single,
            where="Look at single = 1: can more than all pairs be random?",
            what="The single sentences' share is added whole; half of it was in the 0.5 already.",
        ),
        Mistake(
            wrong=lambda single: (1 - single) / 2,
            where="Look at single = 1.",
            what="This counts the chunks that toss the coin. The others are missing, and all of them are random.",
        ),
    ],
)

# ---- Trimming ----


def trimmed_right(first: int, second: int, room: int) -> list[int]:
    while first + second > room:
        if first > second:
            first -= 1
        else:
            second -= 1
    return [first, second]


def trimmed_from_first(first: int, second: int, room: int) -> list[int]:
    while first + second > room:
        if first >= second:
            first -= 1
        else:
            second -= 1
    return [first, second]


def trimmed_a_token_more(first: int, second: int, room: int) -> list[int]:
    return trimmed_right(first, second, room - 1)


trimmed = Exercise(
    right=trimmed_right,
    cases=[(10, 4, 20), (10, 4, 14), (10, 4, 9), (3, 10, 9), (7, 7, 9), (1, 9, 2)],
    where="Look at one token at a time: which of the two segments is the longer one now?",
    what="While both together are more than the room, take one token from the longer; of two equal ones, the second.",
    line=(
        "while first + second > room:\n"
        "    first, second = (first - 1, second) if first > second else (first, second - 1)\n"
        "return [first, second]"
    ),
    mistakes=[
        Mistake(
            wrong=trimmed_from_first,
            where="Look at two segments that are equally long.",
            what="Yours takes from the first then. The original takes from the second.",
        ),
        Mistake(
            wrong=trimmed_a_token_more,
            where="Look at a pair that fills the room exactly.",
            what="It fits, so nothing has to go: trim while the sum is greater than the room, not when it is equal.",
        ),
        Mistake(
            wrong=lambda first, second, room: [min(first, room - second), second],
            where="Look at which segment loses the tokens.",
            what="Yours always takes from the first. The longer one has to give, and which one that is can change.",
        ),
        Mistake(
            wrong=lambda first, second, room: [first, min(second, room - first)],
            where="Look at which segment loses the tokens.",
            what="Yours always takes from the second. The longer one has to give, and which one that is can change.",
        ),
        Mistake(
            wrong=lambda first, second, room: [min(first, room // 2), min(second, room // 2)],
            where="Look at a pair that fits, with one long and one short segment.",
            what="Half the room each is more than is needed: a short segment leaves its share to the long one.",
        ),
    ],
)

# ---- Find the bug: two heads, one loss ----

# Two heads on random scores: the first two rows have an unused slot, with the label 0.
NUMBERS = torch.Generator().manual_seed(7)
MLM_LOGITS = torch.randn(3, 4, 6, generator=NUMBERS)  # (B, P, V)
LABELS = torch.tensor([[5, 2, 3, 0], [1, 4, 0, 0], [2, 2, 5, 1]])  # (B, P)
NSP_LOGITS = torch.randn(3, 2, generator=NUMBERS)  # (B, 2)


def two_losses(mlm_ignores: int, nsp_ignores: int):
    def answer(mlm_logits: Tensor, labels: Tensor, nsp_logits: Tensor, is_random: Tensor) -> list[Tensor]:
        return [
            F.cross_entropy(mlm_logits.mT, labels, ignore_index=mlm_ignores),
            F.cross_entropy(nsp_logits, is_random, ignore_index=nsp_ignores),
        ]

    return answer


both_heads = Exercise(
    right=two_losses(0, -100),
    cases=[
        (MLM_LOGITS, LABELS, NSP_LOGITS, torch.tensor([1, 0, 0])),
        (MLM_LOGITS, LABELS, NSP_LOGITS, torch.tensor([0, 1, 0])),
        (MLM_LOGITS, LABELS, NSP_LOGITS, torch.tensor([1, 1, 1])),
    ],
    where="Look at what the number 0 means in `labels`, and at what it means in `is_random`.",
    what="In `labels` 0 marks an unused slot. In `is_random` it is an answer: ignored, every pair that follows drops.",
    line=(
        "return [F.cross_entropy(mlm_logits.mT, labels, ignore_index=0),\n"
        "        F.cross_entropy(nsp_logits, is_random)]"
    ),
    mistakes=[
        Mistake(
            wrong=two_losses(0, 0),
            where="Look at the second loss: which pairs does it see?",
            what="This is the bug itself: 0 is ignored in `is_random`, where it is an answer and no unused slot.",
        ),
        Mistake(
            wrong=two_losses(-100, -100),
            where="Look at the first loss: which slots must it leave out?",
            what="The second loss is mended, and now the first counts its unused slots. There 0 has to be ignored.",
        ),
        Mistake(
            wrong=two_losses(0, 1),
            where="Look at the second loss: which pairs does it see now?",
            what="Now the random pairs are dropped instead. Both of its labels are answers: it has nothing to ignore.",
        ),
        Mistake(
            wrong=two_losses(-100, 0),
            where="Look at which of the two losses needs to ignore the number 0.",
            what="They have changed places: `labels` has the unused slots, `is_random` has none.",
        ),
    ],
)

# ---- Find the bug: a loss that is too large ----

USED = torch.tensor([[1.0, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]])  # (B, P)


def losses_of(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")  # (N,)


def weighted_right(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    return (losses_of(logits, labels) * weights.flatten()).sum() / weights.sum()


weighted = Exercise(
    right=weighted_right,
    cases=[(MLM_LOGITS, LABELS, USED), (MLM_LOGITS[:1], LABELS[:1], USED[:1]), (MLM_LOGITS[2:], LABELS[2:], USED[2:])],
    where="Look at the shape of the product of the losses and the weights.",
    what="(N,) times (N, 1) is (N, N): every loss meets every weight. Both have to be (N,).",
    line=(
        "losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction='none')\n"
        "return (losses * weights.flatten()).sum() / weights.sum()"
    ),
    mistakes=[
        Mistake(
            wrong=lambda logits, labels, weights: (
                (losses_of(logits, labels) * weights.reshape(-1, 1)).sum() / weights.sum()
            ),
            where="Look at the shape of losses * weights.reshape(-1, 1).",
            what="This is the bug itself: (N,) times (N, 1) is (N, N), so every loss meets every weight.",
        ),
        Mistake(
            wrong=lambda logits, labels, weights: losses_of(logits, labels).mean(),
            where="Look at the unused slots.",
            what="A plain mean counts them. Their losses have to be multiplied by 0 before anything is added.",
        ),
        Mistake(
            wrong=lambda logits, labels, weights: (losses_of(logits, labels) * weights.flatten()).mean(),
            where="Look at what you divide by.",
            what="The mean divides by all N slots. Divide by the number of used ones, weights.sum().",
        ),
        Mistake(
            wrong=lambda logits, labels, weights: (losses_of(logits, labels) * weights.flatten()).sum(),
            where="Look at what you divide by.",
            what="This is a sum. The mean over the used slots divides it by weights.sum().",
        ),
        Mistake(
            wrong=lambda logits, labels, weights: (
                (losses_of(logits, labels).view(labels.shape) * weights).sum(1) / weights.sum(1)
            ).mean(),
            where="Look at two rows with different numbers of used slots.",
            what="You average each row, and then the rows. Every slot should weigh the same: divide once, at the end.",
        ),
    ],
)

# ---- Find the bug: random, or not ----

BORDERS = [0, 3, 5, 9]  # three documents, of 3, 2 and 4 sentences


def starts_right(home: int, documents: list[int]) -> list[int]:
    return [s for s in range(documents[-1]) if not documents[home] <= s < documents[home + 1]]


starts = Exercise(
    right=starts_right,
    cases=[(0, BORDERS), (1, BORDERS), (2, BORDERS), (1, [0, 4, 8])],
    where="Look for the sentences of the document `home` in your list.",
    what="Document `home` holds the sentences from documents[home] to documents[home + 1] - 1: leave these out.",
    line="return [s for s in range(documents[-1]) if not documents[home] <= s < documents[home + 1]]",
    mistakes=[
        Mistake(
            wrong=lambda home, documents: list(range(documents[-1])),
            where="Look for the sentences of the document `home` in your list.",
            what="This is the bug itself: all sentences are offered, those of the home document among them.",
        ),
        Mistake(
            wrong=lambda home, documents: [s for s in range(documents[-1]) if s not in documents[home : home + 2]],
            where="Look at how many sentences you leave out, and at how many the document has.",
            what="You leave out its first sentence and the next document's first. All between the borders must go.",
        ),
        Mistake(
            wrong=lambda home, documents: [
                s for s in range(documents[-1]) if not documents[home] <= s <= documents[home + 1]
            ],
            where="Look at the first sentence of the document after `home`.",
            what="It is missing. documents[home + 1] is where the next document begins, so it may be drawn.",
        ),
        Mistake(
            wrong=lambda home, documents: list(range(documents[home], documents[home + 1])),
            where="Look at whose sentences these are.",
            what="These are the ones that must *not* be drawn. Everything else is wanted.",
        ),
        Mistake(
            wrong=lambda home, documents: list(range(documents[home + 1], documents[-1])),
            where="Look at the documents before `home`.",
            what="They are missing: a random segment may come from before as well as from behind.",
        ),
    ],
)
