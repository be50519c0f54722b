"""The measurements of notebooks/12_vectors_in_context.ipynb: vectors by layer, probes, misspellings, missing spaces.

Probes are ridge regressions on frozen vectors. They are trained and tested on different sentences. The thresholds were
written before the recorded run, after a trial with other seeds (0 and 1).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini import Bert, Tokenizer, load
from bertmini.microworld.labels import Agreement

DATA = Path(__file__).resolve().parents[3] / "data"
MISSPELLED = 0.05, 0.1, 0.3, 0.5  # share of the words
LOST = 0.1, 0.3, 0.5, 1.0  # share of the spaces between two words
SEEDS = 10, 11, 12, 13, 14
FOLDS = 8
MOST_LOST_AT_5 = 0.04  # of the accuracy, with 5% of the words misspelled: what counts as little
LEAST_LOST_AT_50 = 0.10  # with half of them: what counts as a lot
MOST_RIGHT_WITHOUT_SPACES = 0.70
LEAST_RECOVERED = 0.5  # of what misspellings at 50%, or missing spaces, had cost
LETTERS = "abcdefghijklmnopqrstuvwxyz"
KEYBOARD = "qwertyuiop", "asdfghjkl", "zxcvbnm"
LONGEST = 20  # letters in a word that the segmenter looks for


def labelled(name: str) -> list[list[str]]:
    """The rows of a file in data/labelled, cut at tabs."""
    return [line.split("\t") for line in (DATA / "labelled" / name).read_text(encoding="utf-8").splitlines()]


# ---- Vectors ----


def padded(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """token_ids (B, T) and keep, bool (B, T)."""
    rows = [encoding.token_ids for encoding in tokenizer.encode_batch(texts)]
    width = max(map(len, rows))
    token_ids = torch.tensor([row + [tokenizer.pad_id] * (width - len(row)) for row in rows])
    return token_ids, torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows])


@torch.no_grad()
def all_layers(bert: Bert, token_ids: Tensor, keep: Tensor | None = None) -> Tensor:
    """(1 + L, B, T, H): what leaves the embeddings, and what leaves each layer."""
    seen: list[Tensor] = []
    hooks = [
        part.register_forward_hook(lambda module, given, left: seen.append(left))
        for part in (bert.embeddings, *bert.layers)
    ]
    try:
        bert(token_ids, keep=keep)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(seen)


@torch.no_grad()
def sentence_vectors(bert: Bert, tokenizer: Tokenizer, texts: Sequence[str], batch: int = 32) -> Tensor:
    """(texts, H): the mean over a text's tokens, of length 1, as this checkpoint was tuned to be read."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    found = torch.empty(len(texts), bert.config.hidden_size)
    for part in (order[i : i + batch] for i in range(0, len(order), batch)):
        token_ids, keep = padded(tokenizer, [texts[i] for i in part])
        hidden = bert(token_ids, keep=keep).hidden * keep[..., None]
        found[part] = F.normalize(hidden.sum(1) / keep.sum(1, keepdim=True))
    return found


# ---- Probes ----


def fit(x: Tensor, labels: Tensor, ridge: float = 1.0) -> Callable[[Tensor], Tensor]:
    """x: (N, H), labels: (N,) -> a function from (M, H) to M labels: ridge regression on one-hot labels."""
    x = x.double()
    mean, deviation = x.mean(0), x.std(0).clamp(min=1e-6)
    z, y = (x - mean) / deviation, F.one_hot(labels).double()
    inside = z.T @ z + ridge * len(z) * torch.eye(z.shape[1], dtype=torch.double)
    weights = torch.linalg.solve(inside, z.T @ (y - y.mean(0)))
    return lambda new: (((new.double() - mean) / deviation) @ weights + y.mean(0)).argmax(1)


def cross_validated(x: Tensor, labels: Tensor, folds: Tensor, ridge: float = 1.0) -> Tensor:
    """x: (N, H), labels, folds: (N,) -> (N,) answers, each from a probe that has not seen the item's fold."""
    answers = torch.empty_like(labels)
    for fold in folds.unique():
        inside = folds == fold
        answers[inside] = fit(x[~inside], labels[~inside], ridge)(x[inside])
    return answers


def folds_of(count: int) -> Tensor:
    """(count,): which of FOLDS blocks of neighbours in the file an item belongs to."""
    return torch.arange(count) * FOLDS // count


def ambiguous(words: Sequence[str], tags: Tensor) -> Tensor:
    """(N,), bool: whether the word has another tag somewhere else."""
    of_word: dict[str, set[int]] = {}
    for word, tag in zip(words, tags.tolist(), strict=True):
        of_word.setdefault(word, set()).add(tag)
    return torch.tensor([len(of_word[word]) > 1 for word in words])


def tagged(bert: Bert, tokenizer: Tokenizer) -> tuple[Tensor, list[str], Tensor, Tensor]:
    """Each word of data/labelled/tags.txt: vectors (1 + L, N, H), the words, their tags and their folds, both (N,).

    A word of several pieces has the mean of their vectors.
    """
    sentences = [[item.split("/") for item in row.split()] for (row,) in labelled("tags.txt")]
    texts = [" ".join(word for word, _ in sentence) for sentence in sentences]
    names = sorted({tag for sentence in sentences for _, tag in sentence})
    hidden = all_layers(bert, *padded(tokenizer, texts))
    vectors, words, tags, folds = [], [], [], []
    for i, encoding in enumerate(tokenizer.encode_batch(texts)):
        starts = [k for k, token in enumerate(encoding.tokens) if not token.startswith("##")][1:]  # without [CLS]
        for (word, tag), start, end in zip(sentences[i], starts, starts[1:], strict=False):
            vectors.append(hidden[:, i, start:end].mean(1))
            words.append(word)
            tags.append(names.index(tag))
            folds.append(i)
    return torch.stack(vectors, 1), words, torch.tensor(tags), folds_of(len(texts))[folds]


NOUNS = [
    "key", "car", "tree", "picture", "letter", "chair", "bottle", "door", "lamp", "flower", "shirt", "wall", "garden",
    "ship", "stone", "bird", "horse", "teacher", "king", "girl", "engine", "tower", "machine", "cloud",
]  # fmt: skip
FELL = ["fell", "vanished", "burned", "moved", "disappeared", "remained", "shook", "waited", "broke", "froze"]


def subjects(pairs: int = 150, seed: int = 0) -> tuple[list[str], Tensor, Tensor, Tensor]:
    """Sentences such as: the keys near the tower fell . In pairs, one with a plural subject, all else the same.

    Returns the texts, and, each of shape (2 * pairs,): whether the subject is plural, the half of the nouns that the
    sentence is made of, and whether the noun beside the verb has the other number.
    """
    random = Random(seed)
    texts, plural, half, other = [], [], [], []
    for number in range(pairs):
        subject, near = random.sample(NOUNS[number % 2 :: 2], 2)
        near_plural = random.random() < 0.5
        rest = f"{random.choice(('near', 'behind', 'beside', 'under'))} the {near}{'s' * near_plural}"
        verb = random.choice(FELL)
        for many in (False, True):
            texts.append(f"the {subject}{'s' * many} {rest} {verb} .")
            plural.append(many)
            half.append(number % 2)
            other.append(many != near_plural)
    return texts, torch.tensor(plural).long(), torch.tensor(half), torch.tensor(other)


def verb_gaps(told: Iterable[Agreement], count: int = 200) -> tuple[list[str], Tensor, Tensor]:
    """Sentences of the microworld such as: mara said the barrels near the kettle [MASK] sticky . Half want were.

    Returns the texts, and, each of shape (count,): whether were was there, and in which half of the alphabet (every
    second letter) the subject begins: a fold, so that a probe is tested on nouns that it has not seen.
    """
    right = sorted({pair.right for pair in told if " near the " in pair.right})
    Random(0).shuffle(right)
    gaps: list[str] = []
    for verb in ("was", "were"):
        gaps += [text.replace(f" {verb} ", " [MASK] ") for text in right if f" {verb} " in text][: count // 2]
    subjects = [text.partition(" said the ")[2] for text in gaps]
    return gaps, torch.arange(count) // (count // 2), torch.tensor([ord(subject[0]) % 2 for subject in subjects])


# ---- Misspellings ----


def beside(letter: str) -> str:
    """The letters left and right of a letter on the keyboard."""
    row = next(row for row in KEYBOARD if letter in row)
    place = row.index(letter)
    return row[max(0, place - 1) : place] + row[place + 1 : place + 2]


def misspell(word: str, random: Random) -> str:
    """One slip: letters exchanged, or one dropped, doubled, or hit beside it on the keyboard."""
    place, last = random.randrange(len(word)), len(word) - 1
    kinds = ("swap", "drop", "double", "neighbour") if last else ("double", "neighbour")
    kind = random.choice(kinds)
    if kind == "swap":
        place = min(place, last - 1)
        wrong = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
        return wrong if wrong != word else misspell(word, random)
    letter, near = word[place], random.choice(beside(word[place]))
    middle = {"drop": "", "double": letter + letter, "neighbour": near}[kind]
    return word[:place] + middle + word[place + 1 :]


def with_typos(text: str, share: float, random: Random) -> str:
    """A text of lower-case words and stops: each word is misspelled with a probability of `share`."""
    return " ".join(
        misspell(word, random) if word.isalpha() and random.random() < share else word for word in text.split()
    )


def without_spaces(text: str, share: float, random: Random) -> str:
    """Each space between two words is lost with a probability of `share`; the one before the stop stays."""
    words = text.split()
    kept = [" " if not word.isalpha() or random.random() >= share else "" for word in words[1:]]
    return words[0] + "".join(space + word for space, word in zip(kept, words[1:], strict=True))


# ---- Their remedy ----


class Unigram:
    """The chance of a word by its place in BERT's vocabulary, which is ordered by frequency, most frequent first.

    Zipf's law: the word of rank r has a chance in proportion to 1 / r. All single characters stand in front of the
    vocabulary, whatever their frequency, so the two words of one letter, a and i, are put in place by hand.
    """

    def __init__(self, tokens: Sequence[str]):
        words = [t for t in tokens if t.isascii() and t.isalpha() and t.islower() and len(t) > 1]
        words[5:5] = ["a", "i"]  # after the, of, and, in, to
        total = sum(1 / rank for rank in range(1, len(words) + 1))
        self.chance = {word: 1 / (rank * total) for rank, word in enumerate(words, start=1)}

    def correct(self, word: str) -> str:
        """A known word stays. Another becomes the most frequent known word that is one slip away, if there is one."""
        if word in self.chance:
            return word
        known = [other for other in edits(word) if other in self.chance]
        return max(known, key=self.chance.__getitem__, default=word)

    def cost(self, word: str) -> float:
        """-log p; a string that is no word costs more, the longer it is."""
        return -math.log(self.chance[word]) if word in self.chance else 14.0 + 2 * len(word)

    def segment(self, run: str) -> list[str]:
        """The cheapest way to cut a run of letters into words (Viterbi 1967)."""
        best, start = [0.0], [0]  # of the first n letters: the least cost, and where the last word begins
        for end in range(1, len(run) + 1):
            costs = {n: best[n] + self.cost(run[n:end]) for n in range(max(0, end - LONGEST), end)}
            start.append(min(costs, key=costs.__getitem__))
            best.append(costs[start[-1]])
        words, end = [], len(run)
        while end:
            words.insert(0, run[start[end] : end])
            end = start[end]
        return words


def edits(word: str) -> set[str]:
    """All that one slip can make of a word (Damerau 1964): a letter dropped, two exchanged, one replaced, one more."""
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    return (
        {a + b[1:] for a, b in cuts if b}
        | {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
        | {a + letter + b[1:] for a, b in cuts if b for letter in LETTERS}
        | {a + letter + b for a, b in cuts for letter in LETTERS}
    )


def corrected(unigram: Unigram, text: str) -> str:
    return " ".join(unigram.correct(word) if word.isalpha() else word for word in text.split())


def segmented(unigram: Unigram, text: str) -> str:
    return " ".join(" ".join(unigram.segment(run)) if run.isalpha() else run for run in text.split())


# ---- The recorded run ----


class Judge:
    """Reads the sentences of data/labelled/sentiment.tsv with probes that were trained on the clean ones."""

    def __init__(self, bert: Bert, tokenizer: Tokenizer) -> None:
        self.bert, self.tokenizer = bert, tokenizer
        self.texts = [text for _, text in labelled("sentiment.tsv")]
        self.labels = torch.tensor([mood == "positive" for mood, _ in labelled("sentiment.tsv")]).long()
        self.folds = folds_of(len(self.texts))
        self.clean = sentence_vectors(self.bert, self.tokenizer, self.texts)
        self.probes = [fit(self.clean[self.folds != k], self.labels[self.folds != k]) for k in range(FOLDS)]

    def read(self, texts: Sequence[str]) -> dict[str, float]:
        """How many of the texts, each a version of one sentence, are read right; the mean cosine to the clean ones."""
        vectors = sentence_vectors(self.bert, self.tokenizer, texts)
        answers = torch.empty_like(self.labels)
        for k, probe in enumerate(self.probes):
            answers[self.folds == k] = probe(vectors[self.folds == k])
        return {
            "right": (answers == self.labels).double().mean().item(),
            "cosine": (vectors * self.clean).sum(1).mean().item(),
        }


def noise() -> dict:
    """What misspellings and lost spaces cost, and what the remedies bring back: a list over seeds for each share."""
    model, tokenizer = load("minilm")
    judge = Judge(model.bert, tokenizer)
    unigram = Unigram(judge.tokenizer.tokens)
    result: dict = {"clean": judge.read(judge.texts), "sentences": len(judge.texts), "seeds": list(SEEDS)}
    result["clean, corrected"] = judge.read([corrected(unigram, text) for text in judge.texts])
    result["clean, segmented"] = judge.read([segmented(unigram, text) for text in judge.texts])
    for name, shares, spoil, mend in (
        ("typos", MISSPELLED, with_typos, corrected),
        ("spaces", LOST, without_spaces, segmented),
    ):
        result[name] = []
        for share in shares:
            row: dict = {"share": share, "spoiled": [], "mended": [], "identical": []}
            for seed in SEEDS:
                random = Random(seed)
                spoiled = [spoil(text, share, random) for text in judge.texts]
                mended = [mend(unigram, text) for text in spoiled]
                row["spoiled"].append(judge.read(spoiled))
                row["mended"].append(judge.read(mended))
                row["identical"].append(sum(map(str.__eq__, mended, judge.texts)) / len(judge.texts))
            result[name].append(row)
    return result


RUNS = {"vectors-in-context": noise}
