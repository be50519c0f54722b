"""From a corpus to batches: the epoch's plan, the instances drawn from it, and their collation.

Everything is a pure function of the corpus, the seed and the epoch, so the state of the data is two integers (epoch and
batch) and a resumed run goes on exactly where it stopped.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from bertmini.corpus import Corpus
from bertmini.mlm import CHOSEN, choose_positions, corrupt, predictions_per_sequence
from bertmini.nsp import pair_segments, trim, trimmed_lengths
from bertmini.tokenizer import Tokenizer

# A way to cut a corpus into pairs of segments: (corpus, room, seed, epoch) -> (instances, 5), see `pair_segments`.
Pairs = Callable[[Corpus, int, int, int], np.ndarray]

POOL = 64  # batches sorted by length together: more saves padding, fewer mixes better


class Instance(NamedTuple):
    token_ids: np.ndarray  # (T,) as shown to the model
    segment_ids: np.ndarray  # (T,)
    positions: np.ndarray  # the predicted positions, at most P
    labels: np.ndarray  # the true tokens there
    is_random: int


class Batch(NamedTuple):
    token_ids: Tensor  # (B, T)
    segment_ids: Tensor  # (B, T)
    keep: Tensor | None  # (B, T) bool, None where nothing is padded
    positions: Tensor  # (B, P), 0 in unused slots
    labels: Tensor  # (B, P), -100 in unused slots
    is_random: Tensor  # (B,)

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(None if part is None else part.to(device, non_blocking=True) for part in self))

    def tokens(self) -> int:
        """How many real tokens the batch holds."""
        return self.token_ids.numel() if self.keep is None else int(self.keep.sum())

    def counts(self) -> Tensor:
        """(2,): how many tokens are predicted, and how many pairs there are: what the two losses are divided by."""
        return torch.stack([(self.labels != -100).sum(), (self.is_random != -100).sum()])

    def split(self, parts: int) -> list["Batch"]:
        """The rows in parts, whose sizes differ by one at most; where there are too few rows, the last are BLANK."""
        columns = [[None] * parts if column is None else column.tensor_split(parts) for column in self]
        return [Batch(*part) if len(part[0]) else BLANK for part in zip(*columns, strict=True)]


# One row that counts nowhere, for a process that has no row in a step: it takes part in the exchange of gradients.
BLANK = Batch(
    token_ids=torch.zeros(1, 1, dtype=torch.long),
    segment_ids=torch.zeros(1, 1, dtype=torch.long),
    keep=None,
    positions=torch.zeros(1, 1, dtype=torch.long),
    labels=torch.full((1, 1), -100),
    is_random=torch.full((1,), -100),
)


def document_pairs(corpus: Corpus, room: int, seed: int, epoch: int) -> np.ndarray:
    """The pairs of all documents, one after the other, cut as the original cuts them."""
    return np.fromiter(  # row by row: a list of all would take ten times the memory
        (
            pair
            for document in range(len(corpus.documents) - 1)
            for pair in pair_segments(
                document, corpus.documents, corpus.sentences, room, np.random.default_rng([seed, epoch, document])
            )
        ),
        np.dtype((np.int64, 5)),
    )


class Epoch(Dataset):
    """The instances of one epoch: pairs and masks are drawn anew in each."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        max_length: int,
        seed: int,
        epoch: int,
        pairs: Pairs = document_pairs,
        widths: int | None = None,
        share: float = CHOSEN,
    ):
        self.corpus, self.tokenizer, self.seed, self.epoch, self.share = corpus, tokenizer, seed, epoch, share
        self.room = max_length - 3  # [CLS], [SEP], [SEP]
        self.limit = predictions_per_sequence(max_length, share)
        self.rounded = math.ceil(max_length / widths) if widths else 1  # a batch's length is a multiple of this
        self.plan = pairs(corpus, self.room, seed, epoch)  # (instances, 5)

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, i: int) -> Instance:
        """Instance i: [CLS] first [SEP] second [SEP], trimmed and corrupted."""
        rng = np.random.default_rng([self.seed, self.epoch, i, 1])
        start, split, other, end, is_random = self.plan[i]
        first, second = self.corpus.between(start, split), self.corpus.between(other, end)
        lengths = trimmed_lengths(len(first), len(second), self.room)
        first, second = trim(first, lengths[0], rng), trim(second, lengths[1], rng)
        cls_id, sep_id = [self.tokenizer.cls_id], [self.tokenizer.sep_id]
        token_ids = np.concatenate([cls_id, first, sep_id, second, sep_id])
        segment_ids = np.repeat([0, 1], [lengths[0] + 2, lengths[1] + 1])
        special_ids = self.tokenizer.cls_id, self.tokenizer.sep_id
        positions = choose_positions(token_ids, special_ids, self.limit, rng, self.share)
        shown = corrupt(token_ids, positions, self.tokenizer.mask_id, len(self.tokenizer), rng)
        return Instance(shown, segment_ids, positions, token_ids[positions], int(is_random))

    def batches(self, batch_size: int) -> list[np.ndarray]:
        """The epoch's instance numbers in batches of like length, in random order; every instance once."""
        sizes = np.diff(self.corpus.sentences[self.plan[:, :4]])[:, [0, 2]].sum(1)
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(len(self))
        batches = []
        for pool in np.split(order, range(POOL * batch_size, len(order), POOL * batch_size)):
            pool = pool[np.argsort(sizes[pool].clip(max=self.room), kind="stable")]
            batches += np.split(pool, range(batch_size, len(pool), batch_size))
        return [batches[i] for i in rng.permutation(len(batches))]

    def collate(self, instances: list[Instance]) -> Batch:
        """Pad a list of instances to the longest one and stack them; no instance makes BLANK."""
        if not instances:
            return BLANK

        def stack(rows: list[np.ndarray], width: int, filler: int) -> Tensor:
            table = np.full((len(rows), width), filler)
            for row, values in zip(table, rows, strict=True):
                row[: len(values)] = values
            return torch.from_numpy(table)

        token_ids, segment_ids, positions, labels, is_random = zip(*instances, strict=True)
        lengths = torch.tensor([len(ids) for ids in token_ids])
        width = math.ceil(int(lengths.max()) / self.rounded) * self.rounded
        return Batch(
            stack(token_ids, width, self.tokenizer.pad_id),
            stack(segment_ids, width, 0),
            None if lengths.min() == width else torch.arange(width) < lengths[:, None],
            stack(positions, self.limit, 0),
            stack(labels, self.limit, -100),
            torch.tensor(is_random),
        )
