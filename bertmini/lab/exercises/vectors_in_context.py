"""The exercises of notebooks/12_vectors_in_context.ipynb."""

from collections import Counter

import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake

# ---- The vector of a word in several pieces ----


def gathered(tokens: list[str], vectors: Tensor) -> list[list[int]]:
    groups: list[list[int]] = []
    for place, token in enumerate(tokens):
        if token.startswith("##"):
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def words_right(tokens: list[str], vectors: Tensor) -> Tensor:
    return torch.stack([vectors[group].mean(0) for group in gathered(tokens, vectors)])


COUNTING = torch.arange(12.0).view(6, 2) ** 2

pieces = Exercise(
    right=words_right,
    cases=[
        (["a", "te", "##dious", "novel"], COUNTING[:4]),
        (["un", "##drink", "##able", "tea", "is", "cold"], COUNTING),
        (["good", "tea"], COUNTING[:2]),
    ],
    where="Write down which rows belong to which word for `te ##dious novel`. How do you see that a word begins?",
    what="A token without ## begins a word, one with ## belongs to the word before. Collect row numbers, then average.",
    line="""groups = []
for place, token in enumerate(tokens):
    if token.startswith("##"):
        groups[-1].append(place)
    else:
        groups.append([place])
return torch.stack([vectors[group].mean(0) for group in groups])""",
    mistakes=[
        Mistake(
            wrong=lambda tokens, vectors: torch.stack([vectors[group[0]] for group in gathered(tokens, vectors)]),
            where="Look at a word of two pieces: what became of the second one?",
            what="This is the first piece's vector. That is a common choice, too, but the mean is wanted.",
        ),
        Mistake(
            wrong=lambda tokens, vectors: torch.stack([vectors[group[-1]] for group in gathered(tokens, vectors)]),
            where="Look at a word of two pieces: what became of the first one?",
            what="This is the last piece's vector; the mean is wanted.",
        ),
        Mistake(
            wrong=lambda tokens, vectors: torch.stack([vectors[group].sum(0) for group in gathered(tokens, vectors)]),
            where="Look at how long the vector of a word of three pieces is.",
            what="You add the pieces. Divide by how many there are: mean, not sum.",
        ),
        Mistake(
            wrong=lambda tokens, vectors: vectors,
            where="Count the rows: one a word is wanted.",
            what="You return one row a token. The rows of tokens that begin with ## belong to the word before.",
        ),
    ],
)

# ---- Leave one out, by means ----


def to_means(vectors: Tensor, senses: Tensor, with_itself: bool = False) -> float:
    right = 0
    for i in range(len(vectors)):
        kept = torch.ones(len(vectors), dtype=torch.bool)
        kept[i] = with_itself
        means = torch.stack([vectors[kept & (senses == sense)].mean(0) for sense in (0, 1)])
        right += int(F.cosine_similarity(means, vectors[i], dim=1).argmax() == senses[i])
    return right / len(vectors)


def by_distance(vectors: Tensor, senses: Tensor) -> float:
    right = 0
    for i in range(len(vectors)):
        kept = torch.arange(len(vectors)) != i
        means = torch.stack([vectors[kept & (senses == sense)].mean(0) for sense in (0, 1)])
        right += int((means - vectors[i]).norm(dim=1).argmin() == senses[i])
    return right / len(vectors)


ANGLES = torch.tensor([0.0, 0.5, 1.3, 1.0, 1.6, 0.6])
AROUND = torch.stack([ANGLES.cos(), ANGLES.sin()], 1) * torch.tensor([[1.0], [4.0], [1.0], [0.2], [3.0], [1.0]])
FEW = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.2], [0.2, 1.0]])

leave_one_out = Exercise(
    right=lambda vectors, senses: to_means(vectors, senses),
    cases=[
        (FEW, torch.tensor([0, 1, 0, 1])),
        (AROUND, torch.tensor([0, 0, 0, 1, 1, 1])),
        (torch.cos(1.11 * torch.arange(24.0)).view(6, 4), torch.tensor([0, 1, 0, 1, 0, 1])),
    ],
    where="Begin with one vector: which vectors may the two means be made of, if it is to be judged fairly?",
    what="For each i: the mean of sense 0 and of sense 1, both without vector i; the greater cosine is the answer.",
    line="""right = 0
for i in range(len(vectors)):
    others = torch.arange(len(vectors)) != i
    means = torch.stack([vectors[others & (senses == sense)].mean(0) for sense in (0, 1)])
    right += int(F.cosine_similarity(means, vectors[i], dim=1).argmax() == senses[i])
return right / len(vectors)""",
    mistakes=[
        Mistake(
            wrong=lambda vectors, senses: to_means(vectors, senses, with_itself=True),
            where="Look at the mean of the vector's own sense: who is in it?",
            what="The vector helps to make the mean that it is compared with, so it draws it nearer. Leave it out.",
        ),
        Mistake(
            wrong=lambda vectors, senses: to_means(vectors, senses) * len(vectors),
            where="Look at what is wanted: a share.",
            what="This is how many are right. Divide by how many there are.",
        ),
        Mistake(
            wrong=by_distance,
            where="Look at a long vector and a short one that point the same way.",
            what="You take the smaller distance. The page compares directions: take the greater cosine.",
        ),
        Mistake(
            wrong=lambda vectors, senses: 1 - to_means(vectors, senses),
            where="Look at two senses that are far apart: what should come out?",
            what="This is the share that is wrong: the greater cosine is the nearer one (argmax, not argmin).",
        ),
    ],
)

# ---- A probe's control ----


def control_right(words: list[str], tags: list[int], new: list[str]) -> list[int]:
    most = Counter(tags).most_common(1)[0][0]
    seen: dict[str, Counter] = {}
    for word, tag in zip(words, tags, strict=True):
        seen.setdefault(word, Counter())[tag] += 1
    return [seen[word].most_common(1)[0][0] if word in seen else most for word in new]


KNOWN = ["light", "the", "light", "runs", "light", "dog", "the", "runs", "cat", "runs"]
TAGS = [1, 2, 3, 4, 3, 1, 2, 4, 1, 1]

control = Exercise(
    right=control_right,
    cases=[
        (KNOWN, TAGS, ["light", "the", "bird"]),
        (KNOWN, TAGS, ["runs", "cat", "cat", "stone"]),
        (["a", "b", "b"], [0, 1, 1], ["a", "c"]),
    ],
    where="Look at the three kinds of new words: always one tag, several tags, never met.",
    what="Count the tags of each word (a Counter a word), and the tags of all; unknown words get the second.",
    line="""most = Counter(tags).most_common(1)[0][0]
seen = {}
for word, tag in zip(words, tags):
    seen.setdefault(word, Counter())[tag] += 1
return [seen[word].most_common(1)[0][0] if word in seen else most for word in new]""",
    mistakes=[
        Mistake(
            wrong=lambda words, tags, new: [Counter(tags).most_common(1)[0][0]] * len(new),
            where="Look at a word that always had the same tag.",
            what="You give every word the most frequent tag of all. That is for words that were never met.",
        ),
        Mistake(
            wrong=lambda words, tags, new: [
                dict(zip(words, tags, strict=True)).get(word, Counter(tags).most_common(1)[0][0]) for word in new
            ],
            where="Look at a word with several tags: which of them do you give?",
            what="A dictionary keeps the tag that came last. Wanted is the one that came most often.",
        ),
        Mistake(
            wrong=lambda words, tags, new: [
                Counter(t for w, t in zip(words, tags, strict=True) if w == word).most_common(1)[0][0] for word in new
            ],
            where="Look at a word that was never met: its Counter is empty.",
            what="most_common of an empty Counter is an empty list. Such words get the most frequent tag of all.",
        ),
    ],
)

# ---- In how many ways? ----


def ways_right(run: str, words: list[str]) -> int:
    count = [1]
    for end in range(1, len(run) + 1):
        count.append(sum(count[n] for n in range(end) if run[n:end] in words))
    return count[-1]


def one_way(run: str, words: list[str]) -> int:
    possible = [True]
    for end in range(1, len(run) + 1):
        possible.append(any(possible[n] and run[n:end] in words for n in range(end)))
    return int(possible[-1])


ways = Exercise(
    right=ways_right,
    cases=[
        ("notable", ["no", "not", "able", "table", "notable"]),
        ("aaaa", ["a", "aa"]),
        ("abc", ["ab", "b"]),
        ("nowhere", ["now", "here", "no", "where", "nowhere", "her", "e"]),
    ],
    where="Begin with a very short run, and write down in how many ways its first 0, 1, 2, 3 letters can be cut.",
    what="count[end] is the sum of count[n] over all n where run[n:end] is a word; count[0] is 1.",
    line="""count = [1]
for end in range(1, len(run) + 1):
    count.append(sum(count[n] for n in range(end) if run[n:end] in words))
return count[-1]""",
    mistakes=[
        Mistake(
            wrong=one_way,
            where="Look at `aaaa` with the words a and aa: how often can it be cut?",
            what="You say whether there is a way. Add the ways up instead of asking whether one exists.",
        ),
        Mistake(
            wrong=lambda run, words: 0,
            where="Look at the beginning: in how many ways can no letters at all be cut?",
            what="If count[0] is 0, all sums are 0. There is one way to cut nothing.",
        ),
        Mistake(
            wrong=lambda run, words: sum(run[:n] in words and run[n:] in words for n in range(1, len(run))),
            where="Look at cuts into one word, or into three.",
            what="You count the ways to cut it into two words. There may be any number.",
        ),
        Mistake(
            wrong=lambda run, words: sum(run[n:end] in words for end in range(len(run) + 1) for n in range(end)),
            where="Look at `abc` with the words ab and b: can it be cut at all?",
            what="You count the words that lie somewhere in the run. Only those count that leave nothing over.",
        ),
    ],
)
