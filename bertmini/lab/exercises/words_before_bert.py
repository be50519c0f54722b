"""The exercises of notebooks/01_words_before_bert.ipynb."""

import math

import torch
import torch.nn.functional as F

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

# ---- TF-IDF ----

BAGS = torch.tensor([[3, 1, 0, 0], [2, 0, 1, 0], [1, 1, 0, 4]])  # 3 texts, 4 words

tf_idf = Exercise(
    right=lambda bags: bags * torch.log(len(bags) / (bags > 0).sum(0)),
    cases=[(BAGS,), (BAGS[:2, :3],), (torch.tensor([[1, 2], [0, 5], [0, 1], [0, 1]]),)],
    where="Look at one word at a time: in how many of the texts does it stand?",
    what="(bags > 0).sum(0) is the number of texts with each word. Its inverse share, in a logarithm, weighs a count.",
    line="return bags * torch.log(len(bags) / (bags > 0).sum(0))",
    mistakes=[
        Mistake(
            wrong=lambda bags: bags * torch.log(len(bags) / bags.sum(0)),
            where="Look at a word that stands several times in one text.",
            what="You count how often the word occurs. Count in how many *texts* it does.",
        ),
        Mistake(
            wrong=lambda bags: bags * (len(bags) / (bags > 0).sum(0)),
            where="Look at a word that stands in every text. What should it weigh?",
            what="You left the logarithm out: log 1 = 0, so that a word that is everywhere weighs nothing.",
        ),
        Mistake(
            wrong=lambda bags: bags * torch.log((bags > 0).sum(0) / len(bags)),
            where="Look at the sign.",
            what="The fraction stands on its head. The number of texts is above, the texts with the word below.",
        ),
        Mistake(
            wrong=lambda bags: torch.log(len(bags) / (bags > 0).sum(0)),
            where="Look at the shape.",
            what="This is the idf alone, one number a word. It still has to weigh the counts of each text.",
        ),
        Mistake(
            wrong=lambda bags: (bags > 0) * torch.log(len(bags) / (bags > 0).sum(0)),
            where="Look at a word that stands several times in one text.",
            what="Its count is lost: you ask only whether it is there. That is the idf, without the tf.",
        ),
        Mistake(
            wrong=lambda bags: bags * torch.log10(len(bags) / (bags > 0).sum(0)),
            where="Look at which logarithm you take.",
            what="Any base gives the same order; the natural one, torch.log, is meant here, as in the whole book.",
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

# ---- The loss of one pair ----

pair_loss = Exercise(
    right=lambda right, noise: -F.logsigmoid(right) - F.logsigmoid(-noise).sum(),
    cases=[
        (torch.tensor(0.0), torch.zeros(5)),
        (torch.tensor(2.0), torch.tensor([-1.0, 0.5])),
        (torch.tensor(-3.0), torch.tensor([4.0, 0.0, 1.0])),
    ],
    where="Take all scores to be 0 first: each of the six answers is then a coin's, and costs ln 2.",
    what="The right word costs -log s(right). Each noise word costs -log s(-its score), for the answer there is *no*.",
    line="return -F.logsigmoid(right) - F.logsigmoid(-noise).sum()",
    mistakes=[
        Mistake(
            wrong=lambda right, noise: -F.logsigmoid(right) - F.logsigmoid(noise).sum(),
            where="Look at a noise word with a high score: should it cost much or little?",
            what="You reward high scores of noise. The probability of *no* is s(-score).",
        ),
        Mistake(
            wrong=lambda right, noise: -F.logsigmoid(right) - F.logsigmoid(-noise).mean(),
            where="Look at what is done with several noise words.",
            what="Their losses are added up, not averaged.",
        ),
        Mistake(
            wrong=lambda right, noise: F.logsigmoid(right) + F.logsigmoid(-noise).sum(),
            where="Look at the sign.",
            what="The logarithm of a probability is below 0. A loss is minus that.",
        ),
        Mistake(
            wrong=lambda right, noise: -F.logsigmoid(right),
            where="Look at the noise words.",
            what="They cost something, too. Without them, high scores for everything would win.",
        ),
        Mistake(
            wrong=lambda right, noise: -F.logsigmoid(right) + F.logsigmoid(noise).sum(),
            where="Look at log s(x) and log s(-x): is one minus the other?",
            what="A minus in front of the logarithm is not a minus in front of the score: s(-x) is 1 - s(x).",
        ),
    ],
)
