"""The exercises of notebooks/02_embeddings.ipynb."""

import torch
import torch.nn.functional as F

from bertmini.embeddings import one_hot_times
from bertmini.lab.check import Exercise, Mistake

# ---- One-hot by hand ----

TABLE = torch.arange(12.0).reshape(4, 3) ** 2  # V = 4, H = 3

one_hot = Exercise(
    right=one_hot_times,
    cases=[(torch.tensor([2, 0]), TABLE), (torch.tensor([1, 1, 3, 0, 2]), TABLE), (torch.tensor([3]), TABLE[:, :2])],
    where="Look at the shapes: ids is (T,), table is (V, H), and (T, H) is wanted.",
    what="The product needs T rows of V numbers on its left, each with a single 1, and the table on its right.",
    line="return F.one_hot(ids, len(table)).to(table.dtype) @ table",
    mistakes=[
        Mistake(
            wrong=lambda ids, table: F.one_hot(ids, len(table)) @ table,
            where="Look at the dtype of what F.one_hot gives.",
            what="It gives whole numbers (int64), the table holds floats, and `@` wants one kind on both sides.",
        ),
        Mistake(
            wrong=lambda ids, table: F.one_hot(ids, len(table)),
            where="Look at what you return: how long is a row of it, V or H?",
            what="These are the one-hot rows. They have not met the table yet.",
        ),
        Mistake(
            wrong=lambda ids, table: F.one_hot(ids).to(table.dtype) @ table,
            where="Look at the width of your one-hot rows where the largest id does not occur.",
            what="F.one_hot guesses V from the largest id it sees; tell it V, the number of rows of the table.",
        ),
        Mistake(
            wrong=lambda ids, table: F.one_hot(ids, table.shape[1]).to(table.dtype) @ table,
            where="Look at the width of your one-hot rows: is it V or H?",
            what="The width must be the number of rows of the table, V. table.shape[1] is H.",
        ),
        Mistake(
            wrong=lambda ids, table: F.one_hot(ids, len(table)).to(table.dtype) @ table.mT,
            where="Look at which way the table lies.",
            what="The table is (V, H) already: (T, V) times (V, H) is (T, H). Nothing needs transposing.",
        ),
    ],
)

# ---- Segment numbers ----

PAIR = ["[CLS]", "the", "dog", "bites", "[SEP]", "the", "man", "cries", "[SEP]"]
SINGLE = ["[CLS]", "the", "dog", "bites", "the", "man", "[SEP]"]
SHORT = ["[CLS]", "man", "[SEP]", "dog", "[SEP]"]


def segments_right(tokens: list[str]) -> list[int]:
    first = tokens.index("[SEP]") + 1
    return [0] * first + [1] * (len(tokens) - first)


def segments_early(tokens: list[str]) -> list[int]:
    first = tokens.index("[SEP]")
    return [0] * first + [1] * (len(tokens) - first)


def segments_counting(tokens: list[str]) -> list[int]:
    return [tokens[: i + 1].count("[SEP]") for i in range(len(tokens))]


def segments_back_to_zero(tokens: list[str]) -> list[int]:
    return [0 if token in ("[CLS]", "[SEP]") else s for token, s in zip(tokens, segments_right(tokens), strict=True)]


def segments_from_one(tokens: list[str]) -> list[int]:
    return [1 + s for s in segments_right(tokens)]


def segments_of_words(tokens: list[str]) -> list[int]:
    return [s for token, s in zip(tokens, segments_right(tokens), strict=True) if token not in ("[CLS]", "[SEP]")]


segments = Exercise(
    right=segments_right,
    cases=[(PAIR,), (SINGLE,), (SHORT,)],
    where="Look at the place of the first [SEP]: everything up to there, and it too, is the first segment.",
    what="There must be one number for each token: 0 through the first [SEP], 1 after it.",
    line="first = tokens.index('[SEP]') + 1; return [0] * first + [1] * (len(tokens) - first)",
    mistakes=[
        Mistake(
            wrong=segments_early,
            where="Look at the first [SEP] itself.",
            what="You give it 1. It closes the first segment and belongs to it, so it gets 0.",
        ),
        Mistake(
            wrong=segments_counting,
            where="Look at the [SEP]s: which number does each of them get?",
            what="You count a [SEP] before giving it its number, so each is one too high. Count those before it only.",
            line="return [tokens[:i].count('[SEP]') for i in range(len(tokens))]",
        ),
        Mistake(
            wrong=segments_back_to_zero,
            where="Look at the last [SEP].",
            what="You give every special token 0. The last [SEP] closes the second segment and gets 1.",
        ),
        Mistake(
            wrong=segments_from_one,
            where="Look at the smallest number you give.",
            what="They are row numbers of a table with two rows, and rows are counted from 0.",
        ),
        Mistake(
            wrong=lambda tokens: [0] * len(tokens),
            where="Look at the tokens after the first [SEP].",
            what="All of yours are 0, which is right for a single text. After the first [SEP] they must be 1.",
        ),
        Mistake(
            wrong=segments_of_words,
            where="Look at the length of your list.",
            what="[CLS] and [SEP] are tokens like the others: they take a place, and need a segment number.",
        ),
    ],
)

# ---- Three tables in one ----

rows = Exercise(
    right=lambda token, position, segment, V, N: [token, V + position, V + N + segment],
    cases=[(0, 0, 0, 4, 3), (3, 1, 1, 4, 3), (2023, 7, 1, 30522, 512)],
    where="Look at where each of the three tables begins in the stacked one.",
    what="The token table fills rows 0 to V − 1; the position table comes next, and then the segment table.",
    line="return [token, V + position, V + N + segment]",
    mistakes=[
        Mistake(
            wrong=lambda token, position, segment, V, N: [token, position, segment],
            where="Look at row 0: whose row 0 is it?",
            what="These are the rows in the three separate tables. In the stacked one, V rows lie above the positions.",
        ),
        Mistake(
            wrong=lambda token, position, segment, V, N: [token, V + position, N + segment],
            where="Look at the third number.",
            what="Two tables lie above the segments, not one.",
        ),
        Mistake(
            wrong=lambda token, position, segment, V, N: [token, V + position, V + segment],
            where="Look at the third number.",
            what="It points into the position table, which begins at V. The segments begin N rows later.",
        ),
        Mistake(
            wrong=lambda token, position, segment, V, N: [token, V + 1 + position, V + N + 1 + segment],
            where="Look at the first row after the token table: what is its number?",
            what="You are one too far. Rows 0 to V − 1 are tokens, so the first position is row V.",
        ),
        Mistake(
            wrong=lambda token, position, segment, V, N: [token, V - 1 + position, V + N - 1 + segment],
            where="Look at the last row of the token table: what is its number?",
            what="You are one too low. Row V − 1 is still a token; the first position is row V.",
        ),
        Mistake(
            wrong=lambda token, position, segment, V, N: [token, V + N + position, V + segment],
            where="Look at the order of the tables.",
            what="You have the segments before the positions. Here it is token, position, segment.",
        ),
    ],
)

# ---- Which rows move ----

moved = Exercise(
    right=lambda token_ids: sorted(set(token_ids) - {0}),
    cases=[([2, 7, 3],), ([2, 64, 1996, 64, 33, 3],), ([2, 8, 3, 0, 0],)],
    where="Look at the cell that took one step: which rows had moved, and which had not?",
    what="A row moves if its id occurs, padding aside. List it once, in rising order; [PAD], row 0, stays where it is.",
    line="return sorted(set(token_ids) - {0})",
    mistakes=[
        Mistake(
            wrong=lambda token_ids: sorted(set(token_ids)),
            where="Look at the sequence with padding.",
            what="You list row 0. That is [PAD]: with `keep` the loss does not depend on it, so its row stays.",
        ),
        Mistake(
            wrong=lambda token_ids: sorted(token_ids),
            where="Look at the sequence in which a token occurs twice.",
            what="A token that occurs twice is still one row of the table.",
        ),
        Mistake(
            wrong=lambda token_ids: [i for i in token_ids if i],
            where="Look at the sequence in which a token occurs twice, and at the order.",
            what="A token that occurs twice is still one row of the table, and rising order is wanted.",
        ),
        Mistake(
            wrong=lambda token_ids: list(token_ids),
            where="Look at order, at repetitions, and at padding.",
            what="You return the input. Rows are wanted: each once, rising, without [PAD].",
        ),
        Mistake(
            wrong=lambda token_ids: sorted(set(token_ids) - {0, 2, 3}),
            where="Look at [CLS] and [SEP], ids 2 and 3.",
            what="They are read like any other token, so they learn like any other. Only padding does not count.",
        ),
        Mistake(
            wrong=lambda token_ids: list(range(len(token_ids))),
            where="Look at what the question asks for: places in the sequence, or rows of the token table?",
            what="These are the rows of the position table. The rows of the token table are the ids.",
        ),
    ],
)

# ---- Two inputs, one vector ----

same_sum = Exercise(
    right=lambda token, position, segment: (position, token, segment),
    cases=[(1, 0, 0), (5, 9, 1), (3, 4, 0)],
    where="Look at t[token] + t[position]: both rows come from the same table now. When do two such sums agree?",
    what="The two rows may change places, for a + b = b + a. The segment has a table of its own and must stay.",
    line="return position, token, segment",
    mistakes=[
        Mistake(
            wrong=lambda token, position, segment: (token, position, segment),
            where="Look for *another* input.",
            what="This is the same one. It has the same sum, but that is no news. Token and position differ: use that.",
        ),
        Mistake(
            wrong=lambda token, position, segment: (position, token, 1 - segment),
            where="Look at the segment.",
            what="The first two are right. The segment's row is added to both sums, so it must be the same row.",
        ),
        Mistake(
            wrong=lambda token, position, segment: (token, position, 1 - segment),
            where="Look at the table that is not doubled.",
            what="The segment table is a third, different table: another segment gives another sum.",
        ),
        Mistake(
            wrong=lambda token, position, segment: (token + 1, position - 1, segment),
            where="Look at what is added: the rows, or their numbers?",
            what="The row *numbers* have the same sum. The rows themselves are random, and theirs have not.",
        ),
    ],
)
