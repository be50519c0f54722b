"""Two scorers of a pair of segments that see bags: which words there are, and never where they stand."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Bags(NamedTuple):
    """The words of each segment, 1 where it holds the word and 0 elsewhere, and what is to be told from them."""

    first: Tensor  # (B, V)
    second: Tensor  # (B, V)
    labels: Tensor  # (B,) 0 or 1

    def exchanged(self) -> "Bags":
        """The same pairs with their segments in the other order, and so with the other label."""
        return Bags(self.second, self.first, 1 - self.labels)


def bags(token_ids: Tensor, segment_ids: Tensor, labels: Tensor, size: int, special_ids: Sequence[int]) -> Bags:
    """Forget all order, and how often a word occurs.

    token_ids, segment_ids: (B, T), padded or not. size: V. special_ids: the tokens that count as no words, [PAD] and
    [MASK] among them.
    """
    words = ~torch.isin(token_ids, torch.tensor(special_ids))  # (B, T)
    table = torch.zeros(2, len(token_ids), size)
    for segment in (0, 1):
        rows, columns = (words & (segment_ids == segment)).nonzero(as_tuple=True)
        table[segment, rows, token_ids[rows, columns]] = 1
    return Bags(table[0], table[1], labels)


class OneBag(nn.Module):
    """A weight for every word that occurs in both segments.

    It is symmetric: it cannot know which segment came first.
    """

    def __init__(self, size: int):
        super().__init__()
        self.score = nn.Linear(size, 2)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """first, second: (B, V) -> logits (B, 2)."""
        return self.score(first * second)


class TwoBags(nn.Module):
    """A network with one hidden layer on both bags and their product.

    It knows which bag is the first one's.
    """

    def __init__(self, size: int, hidden: int = 256):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(3 * size, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """first, second: (B, V) -> logits (B, 2)."""
        return self.score(torch.cat([first, second, first * second], dim=-1))


def fit(scorer: nn.Module, epoch: Callable[[int], Bags], epochs: int, lr: float = 1e-3, batch_size: int = 64) -> None:
    """Train a scorer by Adam, its rate falling to zero in a line. epoch: the bags of one pass, by the pass's number."""
    optimizer = torch.optim.Adam(scorer.parameters(), lr)
    for number in range(epochs):
        pairs = epoch(number)
        for step, rows in enumerate(chunks := torch.randperm(len(pairs.labels)).split(batch_size)):
            optimizer.param_groups[0]["lr"] = lr * (1 - (number + step / len(chunks)) / epochs)
            loss = F.cross_entropy(scorer(pairs.first[rows], pairs.second[rows]), pairs.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


@torch.no_grad()
def accuracy(scorer: nn.Module, pairs: Bags) -> float:
    """The share of pairs that a scorer tells right."""
    return float((scorer(pairs.first, pairs.second).argmax(-1) == pairs.labels).double().mean())
