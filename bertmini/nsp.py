"""Next-sentence prediction: does the second segment follow the first, or was it drawn from elsewhere?"""

from collections.abc import Iterator

import numpy as np
from torch import Tensor, nn

from bertmini.config import BertConfig

SHORT = 0.1  # the share of documents cut into segments of a shorter length (create_pretraining_data.py)


def pair_segments(
    document: int, documents: np.ndarray, sentences: np.ndarray, room: int, rng: np.random.Generator
) -> Iterator[tuple[int, int, int, int, int]]:
    """Cut one document into pairs of segments; a coin decides if the second comes from another document.

    documents: (N + 1,), document n holds the sentences from documents[n] to documents[n + 1]. sentences: (S + 1,), the
    same for tokens. room: how many tokens both segments may hold, T - 3. Yields (first, split, second, end, is_random):
    the first segment is sentences first to split, the second is second to end. Whole sentences; the last one may
    reach over the room and is trimmed later (Devlin et al. 2019, appendix A.2; create_pretraining_data.py).
    """

    def fill(start: int, end: int, size: int) -> int:
        """The end of the whole sentences from `start` that hold `size` tokens or more, at least one sentence."""
        return min(end, max(start + 1, int(np.searchsorted(sentences, sentences[start] + size))))

    start, end = int(documents[document]), int(documents[document + 1])
    target = int(rng.integers(2, room + 1)) if rng.random() < SHORT else room
    while start < end:
        stop = fill(start, end, target)
        split = start + (1 if stop - start == 1 else int(rng.integers(1, stop - start)))
        if stop - start == 1 or rng.random() < 0.5:
            # Any other document. The original tries ten times and may still draw the same one.
            other = int(rng.integers(len(documents) - 2))
            other += other >= document
            second = int(rng.integers(documents[other], documents[other + 1]))
            yield (
                start,
                split,
                second,
                fill(second, documents[other + 1], target - (sentences[split] - sentences[start])),
                1,
            )
            start = split  # the sentences that were not used go back
        else:
            yield start, split, split, stop, 0
            start = stop


def trimmed_lengths(first: int, second: int, room: int) -> tuple[int, int]:
    """How long two segments are once the longer one has lost a token at a time until both fit the room."""
    second_kept = min(second, max(room - first, room // 2))
    return min(first, room - second_kept), second_kept


def trim(segment: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a segment to `length`; each token that goes leaves the front or the back by a fair coin."""
    front = rng.binomial(len(segment) - length, 0.5)
    return segment[front : front + length]


class NSPHead(nn.Module):
    """One linear layer on the pooled vector of [CLS] (Devlin et al. 2019, section 3.1)."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.score = nn.Linear(config.hidden_size, 2)

    def forward(self, pooled: Tensor) -> Tensor:
        """pooled: (B, H) -> logits (B, 2): 0 follows, 1 is random."""
        return self.score(pooled)
