"""The exercises of notebooks/01_words_before_bert.ipynb."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake

# ---- How many sentences in one bag ----

orders = Exercise(
    right=lambda counts: math.factorial(sum(counts)) // math.prod(math.factorial(n) for n in counts),
    cases=[([1, 1, 1],), ([2, 1, 1, 1],), ([1, 2, 3],), ([4],)],
    where="Take a bag of three different words first, and write all orders down. Then let two words be the same.",
    what="T words in a row have T! orders. Words that are the same can change places unseen: divide by n! for each.",
    line="return math.factorial(sum(counts)) // math.prod(math.factorial(n) for n in counts)",
    mistakes=[
        Mistake(
            wrong=lambda counts: math.factorial(sum(counts)),
            where="Look at a bag in which a word occurs twice.",
            what="You count *the dog bites the man* twice, once for each way to number its two *the*.",
        ),
        Mistake(
            wrong=lambda counts: math.factorial(len(counts)),
            where="Look at the length of the sentence.",
            what="You order the different words. A word that occurs twice takes two places: the length is sum(counts).",
        ),
        Mistake(
            wrong=lambda counts: math.factorial(sum(counts)) // math.prod(counts),
            where="Look at a bag in which a word occurs three times.",
            what="Three equal words can change places in 3! = 6 ways, not in 3.",
        ),
        Mistake(
            wrong=lambda counts: len(counts) ** sum(counts),
            where="Look at what may stand in the last place when all others are filled.",
            what="You let every place hold any word. The bag says how often each is there: once used up, it is gone.",
        ),
    ],
)

# ---- Search ----

BAGS = torch.tensor([[3, 1, 0, 0], [2, 0, 1, 0], [1, 1, 0, 4]])  # 3 texts, 4 words


def idf(bags: Tensor) -> Tensor:
    return torch.log(len(bags) / (bags > 0).sum(0))


def likeness(bags: Tensor, query: Tensor, weights: Tensor | float = 1.0) -> Tensor:
    return F.cosine_similarity(bags * weights, query * weights, dim=1)


search = Exercise(
    right=lambda bags, query: likeness(bags, query, idf(bags)),
    cases=[
        (BAGS, torch.tensor([1, 1, 1, 0])),
        (BAGS[:, 1:], torch.tensor([2, 0, 1])),
        (torch.tensor([[1, 2, 0], [0, 5, 1], [3, 1, 2], [0, 1, 3]]), torch.tensor([1, 1, 2])),
    ],
    where="Begin with the idf: one number a word, from the number of texts that the word stands in.",
    what="Weigh texts and query by the same idf; F.cosine_similarity(…, …, dim=1) compares each row with the query.",
    line="idf = torch.log(len(bags) / (bags > 0).sum(0)); return F.cosine_similarity(bags * idf, query * idf, dim=1)",
    mistakes=[
        Mistake(
            wrong=lambda bags, query: likeness(bags, query),
            where="Look at a word that stands in every text. What should it weigh?",
            what="These are the cosines of the counts. Multiply both sides by the idf first.",
        ),
        Mistake(
            wrong=lambda bags, query: likeness(bags, query, torch.log(len(bags) / bags.sum(0))),
            where="Look at a word that stands several times in one text.",
            what="You count how often the word occurs. Count in how many *texts* it does.",
        ),
        Mistake(
            wrong=lambda bags, query: likeness(bags, query, len(bags) / (bags > 0).sum(0)),
            where="Look at a word that stands in every text. What should it weigh?",
            what="You left the logarithm out: log 1 = 0, so that a word that is everywhere weighs nothing.",
        ),
        Mistake(
            wrong=lambda bags, query: likeness(bags * idf(bags), query),
            where="Look at the query.",
            what="You weigh the texts alone. The query's words need their idf, too.",
        ),
        Mistake(
            wrong=lambda bags, query: likeness(bags, query * idf(bags)),
            where="Look at the texts.",
            what="You weigh the query alone. The words of the texts need their idf, too.",
        ),
        Mistake(
            wrong=lambda bags, query: (bags * idf(bags)) @ (query * idf(bags)),
            where="Look at a long text: does it win only because it is long?",
            what="This is the dot product. The cosine divides it by the lengths of both vectors.",
        ),
        Mistake(
            wrong=lambda bags, query: likeness(bags, query, idf(bags)).argmax(),
            where="Look at how many numbers are wanted.",
            what="You name the best text. Wanted are the cosines of all texts, (N,).",
        ),
    ],
)

# ---- Pairs of a window ----


def pairs_right(words: list[int], size: int) -> list[list[int]]:
    places = range(len(words))
    return [[words[i], words[j]] for i in places for j in places if 0 < abs(i - j) <= size]


pairs = Exercise(
    right=pairs_right,
    cases=[([7, 8, 9], 1), ([5, 6, 7, 8], 2), ([4, 4, 6], 2)],
    where="Write down the pairs of [7, 8, 9] with one word on each side. There are four.",
    what="For every place i, take every place j that is at most `size` away, is not i, and lies within the text.",
    line="n = len(words); return [[words[i], words[j]] for i in range(n) for j in range(n) if 0 < abs(i - j) <= size]",
    mistakes=[
        Mistake(
            wrong=lambda words, size: [
                [words[i], words[j]]
                for i in range(len(words)) for j in range(max(0, i - size), min(len(words), i + size + 1))
            ],
            where="Look at the pairs of a word with itself.",
            what="The middle is no part of its own context: leave out j = i.",
        ),
        Mistake(
            wrong=lambda words, size: [
                [words[i], words[j]] for i in range(len(words)) for j in range(max(0, i - size), i)
            ],
            where="Look at the first word: what stands around it?",
            what="You look to the left only. A window has two sides.",
        ),
        Mistake(
            wrong=lambda words, size: [
                [words[i], words[j]] for i in range(len(words)) for j in range(i + 1, min(len(words), i + size + 1))
            ],
            where="Look at the last word: what stands around it?",
            what="You look to the right only. A window has two sides.",
        ),
        Mistake(
            wrong=lambda words, size: [
                [words[i], words[j]]
                for i in range(len(words)) for j in range(max(0, i - size), min(len(words), i + size)) if j != i
            ],
            where="Look at the last word of each window.",
            what="`range` stops before its end, so the window needs i + size + 1 there.",
        ),
        Mistake(
            wrong=lambda words, size: [
                [words[i], words[j]]
                for i in range(len(words)) for j in range(i - size, min(len(words), i + size + 1)) if j != i
            ],
            where="Look at the first word: what does words[-1] give?",
            what="A place before the text is negative, and Python then counts from the end. Begin at max(0, i - size).",
        ),
        Mistake(
            wrong=lambda words, size: [
                [a, b] for i, a in enumerate(words) for j, b in enumerate(words) if abs(i - j) <= size and a != b
            ],
            where="Look at a text in which a word stands beside itself.",
            what="You compare the words. Compare their places: a word can be in the context of its own double.",
        ),
    ],
)  # fmt: skip

# ---- What pulls, what pushes ----

H3, RIGHT3 = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([1.0, 0.5, 0.25])
NOISE3 = torch.tensor([[0.0, 1.0, 1.0], [-1.0, 0.5, -0.5]])

gradient = Exercise(
    right=lambda h, right, noise: (torch.sigmoid(right @ h) - 1) * right + torch.sigmoid(noise @ h) @ noise,
    cases=[(H3, RIGHT3, NOISE3), (-H3, RIGHT3, NOISE3), (torch.ones(2), torch.eye(2)[0], torch.eye(2)[1:])],
    where="The score of a row o is o · h. How does it change when h changes a little?",
    what="By the chain rule each row counts with its derivative: right with σ(s) - 1, each row of noise with σ(s).",
    line="return (torch.sigmoid(right @ h) - 1) * right + torch.sigmoid(noise @ h) @ noise",
    mistakes=[
        Mistake(
            wrong=lambda h, right, noise: (1 - torch.sigmoid(right @ h)) * right - torch.sigmoid(noise @ h) @ noise,
            where="Look at the sign.",
            what="That is the step that training takes. The gradient points the other way, to where the loss grows.",
        ),
        Mistake(
            wrong=lambda h, right, noise: torch.sigmoid(right @ h) * right + torch.sigmoid(noise @ h) @ noise,
            where="Look at the right word: what if its score is very high?",
            what="Then nothing is left to learn, and its share is 0: σ(s) - 1, not σ(s).",
        ),
        Mistake(
            wrong=lambda h, right, noise: (
                (torch.sigmoid(right @ h) - 1) * right + (torch.sigmoid(noise @ h) - 1) @ noise
            ),
            where="Look at a noise word whose score is very low.",
            what="It is told from the right word already, so its share is near 0: σ(s), not σ(s) - 1.",
        ),
        Mistake(
            wrong=lambda h, right, noise: (
                (torch.sigmoid(right @ h) - 1) * right + torch.sigmoid(noise @ h) @ noise / len(noise)
            ),
            where="Look at what is done with several noise words.",
            what="Their losses are added up, not averaged, and so are their gradients.",
        ),
        Mistake(
            wrong=lambda h, right, noise: (torch.sigmoid(right @ h) - 1) * right,
            where="Look at the noise words.",
            what="They push, too. Without them all rows would run together.",
        ),
        Mistake(
            wrong=lambda h, right, noise: (torch.sigmoid(right @ h) - 1) * h + torch.sigmoid(noise @ h).sum() * h,
            where="The score is a product of two vectors. Which one stays when you derive by h?",
            what="The derivative of o · h by h is o, the row. You multiplied by h.",
        ),
        Mistake(
            wrong=lambda h, right, noise: torch.sigmoid(right @ h) - 1 + torch.sigmoid(noise @ h).sum(),
            where="Look at the shape: h has H numbers, and each has a derivative.",
            what="These are the derivatives by the scores. Each one still multiplies its row.",
        ),
    ],
)
