"""Vectors of words from the words around them: CBOW, skip-gram and GloVe.

Words are row numbers; row 0 is [PAD], which stands where the text has ended. W is the number of words that a window
shows on each side, K that of the noise words drawn beside each right one.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def windows(texts: Iterable[Sequence[int]], size: int) -> tuple[Tensor, Tensor]:
    """Every word, and the W = `size` words on each side of it, 0 beyond the ends of its text.

    texts: of row numbers, none of them 0. Returns centre (N,) and context (N, 2W).
    """
    gap = [0] * size
    run = torch.tensor([*gap, *(word for text in texts for word in (*text, *gap))])
    all_windows = run.unfold(0, 2 * size + 1, 1)  # (N + gaps, 2W + 1)
    all_windows = all_windows[all_windows[:, size] != 0]
    return all_windows[:, size], torch.cat([all_windows[:, :size], all_windows[:, size + 1 :]], 1)


def cooccurrences(centre: Tensor, context: Tensor, V: int) -> Tensor:
    """How often words stand near each other, a meeting at d words' distance counting 1/d.

    centre: (N,), context: (N, 2W), as `windows` gives them -> (V, V) float64
    (Pennington et al. 2014, sections 3 and 4.2).
    """
    size = context.shape[1] // 2
    distance = torch.tensor([*range(size, 0, -1), *range(1, size + 1)])
    share = (1 / distance.double()).expand(context.shape)
    cells, real = centre[:, None] * V + context, context != 0
    return torch.zeros(V * V, dtype=torch.float64).index_add_(0, cells[real], share[real]).view(V, V)


def noise_words(counts: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Words drawn in proportion to counts^0.75 (Mikolov et al. 2013b, section 2.2). counts: (V,), 0 at [PAD]."""
    draws = torch.Size(shape).numel()
    return torch.multinomial(counts.double() ** 0.75, draws, replacement=True, generator=generator).view(shape)


class TwoTables(nn.Module):
    """A table for words that are read and one for words that are predicted: two vectors a word."""

    def __init__(self, V: int, H: int):
        super().__init__()
        self.input = nn.Embedding(V, H, padding_idx=0)
        self.output = nn.Embedding(V, H, padding_idx=0)
        for table in (self.input, self.output):
            nn.init.normal_(table.weight.detach()[1:], std=0.1)  # row 0 stays zero


class CBOW(TwoTables):
    """The mean of the words around predicts the middle one (Mikolov et al. 2013a, 3.1)."""

    def hidden(self, context: Tensor) -> Tensor:
        """context: (B, 2W) -> (B, H), the mean over the words that are there, without [PAD]."""
        real = (context != 0).sum(1, keepdim=True).clamp(min=1)  # (B, 1)
        return self.input(context).sum(1) / real  # row 0 is zero

    def forward(self, centre: Tensor, context: Tensor, noise: Tensor) -> Tensor:
        """centre: (B,), context: (B, 2W), noise: (B, K) -> the mean loss of a centre."""
        hidden = self.hidden(context)  # (B, H)
        right, wrong = sampled_losses(hidden, self.output(centre)[:, None], self.output(noise))
        return (right + wrong).mean()


class SkipGram(TwoTables):
    """The word in the middle predicts each around it (Mikolov et al. 2013a, 3.2, and 2013b)."""

    def forward(self, centre: Tensor, context: Tensor, noise: Tensor) -> Tensor:
        """centre: (B,), context: (B, 2W), noise: (B, K) -> the mean loss of a pair.

        All pairs of a window share its K noise words; the paper draws K for each pair.
        """
        right, wrong = sampled_losses(self.input(centre), self.output(context), self.output(noise))
        real = context != 0
        return ((right + wrong) * real).sum() / real.sum()


def sampled_losses(hidden: Tensor, right: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Tell right from noise: -log σ(right score), and the sum of -log σ(-noise score).

    hidden: (B, H), right: (B, C, H), noise: (B, K, H) -> (B, C) and (B, 1), for C right words
    (Mikolov et al. 2013b, eq. 4). Their code leaves out noise that equals the right word.
    """
    right_scores = (right @ hidden[..., None])[..., 0]  # (B, C)
    noise_scores = (noise @ hidden[..., None])[..., 0]  # (B, K)
    return -F.logsigmoid(right_scores), -F.logsigmoid(-noise_scores).sum(-1, keepdim=True)


class GloVe(TwoTables):
    """Two tables and two biases fit the log of co-occurrences (Pennington et al. 2014, eq. 8)."""

    def __init__(self, V: int, H: int, x_max: float = 100.0, alpha: float = 0.75):
        super().__init__(V, H)
        self.input_bias = nn.Parameter(torch.zeros(V))
        self.output_bias = nn.Parameter(torch.zeros(V))
        self.x_max, self.alpha = x_max, alpha

    def weight(self, counts: Tensor) -> Tensor:
        """How much a cell of the table of counts matters: rising up to x_max, then 1 (eq. 9)."""
        return (counts / self.x_max).clamp(max=1) ** self.alpha

    def fit(self, rows: Tensor, columns: Tensor) -> Tensor:
        """What the model says for log counts[rows, columns]. rows, columns: (B,) -> (B,)."""
        product = (self.input(rows) * self.output(columns)).sum(-1)
        return product + self.input_bias[rows] + self.output_bias[columns]

    def forward(self, rows: Tensor, columns: Tensor, counts: Tensor) -> Tensor:
        """rows, columns: (B,), counts: (B,), all above 0 -> the mean weighted square."""
        return (self.weight(counts) * (self.fit(rows, columns) - counts.log()) ** 2).mean()

    def vectors(self) -> Tensor:
        """(V, H): the sum of both tables, as the paper uses it (section 4.2)."""
        return (self.input.weight + self.output.weight).detach()


def train(
    model: nn.Module, data: Sequence[Tensor], steps: int, batch: int,
    counts: Tensor | None = None, noise: int = 5, lr: float = 0.01, seed: int = 0,
) -> list[float]:  # fmt: skip
    """Train on random rows of `data`, at a rate that falls to 0 in a line; the loss of each step.

    data: (centre, context), or (rows, columns, counts) for GloVe. counts: (V,), how frequent
    each word is, where noise is wanted; `noise` words a row. (The papers use SGD and AdaGrad.)
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    losses = []
    for _ in range(steps):
        chosen = torch.randint(len(data[0]), (batch,), generator=generator)
        arguments = [tensor[chosen] for tensor in data]
        if counts is not None:
            arguments.append(noise_words(counts, (batch, noise), generator))
        loss = model(*arguments)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def neighbours(vectors: Tensor, word: int, k: int = 5) -> tuple[Tensor, Tensor]:
    """The k rows that point most nearly as row `word` does, and their cosines, best first.

    vectors: (V, H) -> (k,) and (k,). Row 0, [PAD], and the word itself are left out.
    """
    likeness = F.cosine_similarity(vectors, vectors[word], dim=-1)  # (V,)
    likeness[[0, word]] = -torch.inf
    cosines, rows = likeness.topk(k)
    return rows, cosines
