"""The exercises of notebooks/06_masked_language_model.ipynb."""

import torch
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake

# ---- Can you trust a visible word? ----

trust = Exercise(
    right=lambda chosen, masked, kept: (1 - chosen + chosen * kept) / (1 - chosen * masked),
    cases=[(0.15, 0.8, 0.1), (0.15, 0.8, 0.0), (0.4, 0.5, 0.3), (0.15, 1.0, 0.0), (1.0, 0.5, 0.25)],
    where="Look at two shares of all tokens: those that are visible, and those that are visible and true.",
    what="Visible are all but chosen * masked. True are those not chosen, and of the chosen ones the kept. Divide.",
    line="return (1 - chosen + chosen * kept) / (1 - chosen * masked)",
    mistakes=[
        Mistake(
            wrong=lambda chosen, masked, kept: 1 - chosen + chosen * kept,
            where="Look at what you take the share of: all tokens, or those that are visible?",
            what="This is the share of true tokens among all. Divide by the share of the visible ones.",
        ),
        Mistake(
            wrong=lambda chosen, masked, kept: 1 - chosen * (1 - masked - kept),
            where="Look at what you take the share of: all tokens, or those that are visible?",
            what="You take away the replaced ones from all tokens, but a [MASK] is not true either, and not visible.",
        ),
        Mistake(
            wrong=lambda chosen, masked, kept: (1 - chosen) / (1 - chosen * masked),
            where="Look at the kept tokens: are they true?",
            what="A token that was chosen and kept is true, too. Add chosen * kept above the line.",
        ),
        Mistake(
            wrong=lambda chosen, masked, kept: chosen * kept / (1 - chosen * masked),
            where="Look at the tokens that were not chosen: are they true?",
            what="This is how likely a visible token was chosen and kept. Those not chosen are true as well.",
        ),
        Mistake(
            wrong=lambda chosen, masked, kept: kept / (1 - masked) if masked < 1 else 0.0,
            where="Look at the tokens that were not chosen: can the model tell them from the others?",
            what="You look at the chosen ones only. Most visible tokens were not chosen, and all of those are true.",
        ),
    ],
)

# ---- Whole words ----


def words_of(tokens: list[str]) -> list[list[int]]:
    """The positions of each word's pieces."""
    words: list[list[int]] = []
    for t, token in enumerate(tokens):
        if token.startswith("##"):
            words[-1].append(t)
        else:
            words.append([t])
    return words


def whole_right(tokens: list[str], positions: list[int]) -> list[int]:
    return [t for word in words_of(tokens) if set(word) & set(positions) for t in word]


def whole_forwards(tokens: list[str], positions: list[int]) -> list[int]:
    found = set(positions)
    for t in range(1, len(tokens)):
        if tokens[t].startswith("##") and t - 1 in found:
            found.add(t)
    return sorted(found)


def whole_backwards(tokens: list[str], positions: list[int]) -> list[int]:
    found = set(positions)
    for t in range(len(tokens) - 1, 0, -1):
        if tokens[t].startswith("##") and t in found:
            found.add(t - 1)
    return sorted(found)


def whole_neighbours(tokens: list[str], positions: list[int]) -> list[int]:
    found = set(positions)
    for t in positions:
        if tokens[t].startswith("##"):
            found.add(t - 1)
        if t + 1 < len(tokens) and tokens[t + 1].startswith("##"):
            found.add(t + 1)
    return sorted(found)


SHORT = ["the", "light", "##house", "."]
LONG = ["[CLS]", "air", "##ship", "##s", "saw", "the", "light", "##house", ".", "[SEP]"]

whole = Exercise(
    right=whole_right,
    cases=[(SHORT, [2]), (SHORT, [1]), (SHORT, [0, 3]), (LONG, [1]), (LONG, [3, 4]), (LONG, [2, 6]), (LONG, [6, 7])],
    where="Look at the words first: which positions belong to the same word?",
    what="Go through the tokens and start a new word at each that does not begin with ##. Return the touched words.",
    line=(
        "words = []\nfor t, token in enumerate(tokens):\n"
        "    words[-1].append(t) if token.startswith('##') else words.append([t])\n"
        "return [t for word in words if set(word) & set(positions) for t in word]"
    ),
    mistakes=[
        Mistake(
            wrong=lambda tokens, positions: list(positions),
            where="Look at the tokens beside the chosen ones.",
            what="You return the positions as they came. A chosen piece brings the other pieces of its word.",
        ),
        Mistake(
            wrong=whole_forwards,
            where="Look at a chosen token that begins with ##: where does its word begin?",
            what="You go from a chosen piece to the right only. The pieces before it belong to the word, too.",
        ),
        Mistake(
            wrong=whole_backwards,
            where="Look at the token after a chosen one: does it begin with ##?",
            what="You go from a chosen piece to the left only. The pieces after it belong to the word, too.",
        ),
        Mistake(
            wrong=whole_neighbours,
            where="Look at air ##ship ##s with the first piece chosen.",
            what="You take one piece on each side. A word may have three pieces or more.",
        ),
        Mistake(
            wrong=lambda tokens, positions: [word for word in words_of(tokens) if set(word) & set(positions)],
            where="Look at the shape: a list of positions, or a list of lists?",
            what="These are the right words. Return their positions in one list.",
        ),
        Mistake(
            wrong=lambda tokens, positions: [t for p in positions for w in words_of(tokens) if p in w for t in w],
            where="Look at a text in which both pieces of a word have been chosen.",
            what="A word that is chosen twice comes twice in your list. Each position belongs there once.",
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
        Mistake(
            wrong=lambda joint: pseudo_right(joint) / pseudo_right(joint).sum(),
            where="Look at the sum of your table.",
            what="You have divided by the sum, so that it is 1. What it is without that is the point of the exercise.",
        ),
    ],
)
