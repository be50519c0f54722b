"""The exercises of notebooks/05_encoder.ipynb."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake


def numbers(*shape: int, step: int = 7) -> Tensor:
    """Numbers from -1.2 to 1.2 without chance, no two neighbours alike."""
    count = int(torch.tensor(shape).prod())
    return ((torch.arange(count) * step % 13 - 6) / 5).reshape(shape)


# ---- Feed-forward, one position at a time ----


def matrices(H: int, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W_1, b_1, W_2, b_2 for vectors of H numbers and `size` inner ones."""
    return numbers(H, size), numbers(size, step=5), numbers(size, H, step=4), numbers(H, step=3)


def feed_forward_right(x, W_1, b_1, W_2, b_2):
    return F.gelu(x @ W_1 + b_1) @ W_2 + b_2


feed_forward = Exercise(
    right=feed_forward_right,
    cases=[(numbers(3, 4), *matrices(4, 6)), (numbers(1, 2), *matrices(2, 8)), (numbers(5, 3), *matrices(3, 5))],
    where="Look at the formula above: two products, two biases, and one bend between them.",
    what="First out to F numbers, x W_1 + b_1; then GELU of each; then back to H numbers, times W_2, plus b_2.",
    line="return F.gelu(x @ W_1 + b_1) @ W_2 + b_2",
    mistakes=[
        Mistake(
            wrong=lambda x, W_1, b_1, W_2, b_2: F.relu(x @ W_1 + b_1) @ W_2 + b_2,
            where="Look at the bend.",
            what="That is ReLU, the choice of the first Transformer. BERT takes GELU.",
        ),
        Mistake(
            wrong=lambda x, W_1, b_1, W_2, b_2: (x @ W_1 + b_1) @ W_2 + b_2,
            where="Look between the two products.",
            what="Nothing bends there. Without GELU the two products are one product, and F = 4H buys nothing.",
        ),
        Mistake(
            wrong=lambda x, W_1, b_1, W_2, b_2: F.gelu((x @ W_1 + b_1) @ W_2 + b_2),
            where="Look at the place of GELU.",
            what="You bend the H numbers at the end. The bend belongs to the F numbers in the middle.",
        ),
        Mistake(
            wrong=lambda x, W_1, b_1, W_2, b_2: F.gelu(F.gelu(x @ W_1 + b_1) @ W_2 + b_2),
            where="Look at how often you bend.",
            what="Once is enough: after the second product nothing follows but its bias.",
        ),
        Mistake(
            wrong=lambda x, W_1, b_1, W_2, b_2: F.gelu(x @ W_1) @ W_2,
            where="Look at the biases.",
            what="b_1 is added before GELU, b_2 at the end.",
        ),
        Mistake(
            wrong=lambda x, W_1, b_1, W_2, b_2: x + F.gelu(x @ W_1 + b_1) @ W_2 + b_2,
            where="Look at the first term.",
            what="The plus sign of the residual belongs to the layer, not to the feed-forward part. It comes later.",
        ),
        Mistake(
            wrong=lambda x, W_1, b_1, W_2, b_2: F.gelu(x @ W_1.T + b_1) @ W_2.T + b_2,
            where="Look at the shapes: x is (T, H), W_1 is (H, F).",
            what="Here the matrices lie ready as (in, out). Only nn.Linear keeps them the other way, (out, in).",
        ),
    ],
)

# ---- Add and norm ----

ROW = torch.tensor([[1.0, 4, 2, 4, 5, 3, 7, 8]])


def normalised(x: Tensor, correction: int = 0, dim: int = -1) -> Tensor:
    return (x - x.mean(dim, keepdim=True)) / x.std(dim, correction=correction, keepdim=True)


add_and_norm = Exercise(
    right=lambda x, y: normalised(x + y),
    cases=[(numbers(*shape), numbers(*shape, step=4)) for shape in ((3, 8), (4, 3), (5, 6))],
    where="Look at the order in BERT: first the sum, then LayerNorm of the sum.",
    what="Take s = x + y. From each row subtract its mean, then divide by its standard deviation (over H, not H - 1).",
    line="s = x + y; return (s - s.mean(-1, keepdim=True)) / s.std(-1, correction=0, keepdim=True)",
    mistakes=[
        Mistake(
            wrong=lambda x, y: normalised(y),
            where="Look for x in what you return.",
            what="The plus sign is missing: what the part computed is added to what went in.",
        ),
        Mistake(
            wrong=lambda x, y: x + normalised(y),
            where="Look at what LayerNorm is taken of.",
            what="You normalise the change and add it afterwards. In BERT the sum comes first, and is normalised.",
        ),
        Mistake(
            wrong=lambda x, y: normalised(x) + y,
            where="Look at what LayerNorm is taken of.",
            what="You normalise x and add the change afterwards. In BERT the sum comes first, and is normalised.",
        ),
        Mistake(
            wrong=lambda x, y: normalised(x + y, correction=1),
            where="Look at the standard deviation: what do you divide the sum of squares by?",
            what="PyTorch's std divides by H - 1 unless told correction=0. LayerNorm divides by H.",
        ),
        Mistake(
            wrong=lambda x, y: normalised(x + y, dim=0),
            where="Look at which numbers share a mean: those of a token, or those of a column?",
            what="You normalise over the tokens. LayerNorm treats each token, each row, by itself: dim -1.",
        ),
        Mistake(
            wrong=lambda x, y: (x + y) - (x + y).mean(-1, keepdim=True),
            where="Look at the size of your rows.",
            what="The mean is gone. They still have to be divided by their standard deviation.",
        ),
        Mistake(
            wrong=lambda x, y: x + y,
            where="Look at the mean of your rows.",
            what="That is the residual sum. LayerNorm of it is wanted.",
        ),
    ],
)

# ---- The causal mask ----

causal = Exercise(
    right=lambda T: torch.ones(T, T).tril().bool(),
    cases=[(3,), (1,), (6,)],
    where="Look at row i: which columns may it see?",
    what="Row i says True at columns 0 to i: itself and everything before. So True on the diagonal and below it.",
    line="return torch.ones(T, T).tril().bool()",
    mistakes=[
        Mistake(
            wrong=lambda T: torch.ones(T, T).triu().bool(),
            where="Look at the last row: the last token has everything before it.",
            what="Yours looks to the right. Rows ask, columns are looked at; so True lies on and below the diagonal.",
        ),
        Mistake(
            wrong=lambda T: torch.ones(T, T).tril(-1).bool(),
            where="Look at the diagonal.",
            what="A token may see itself. Without the diagonal the first row has nothing at all to look at.",
        ),
        Mistake(
            wrong=lambda T: ~torch.ones(T, T).tril().bool(),
            where="Look at what True means in this book.",
            what="Yours marks what is hidden, as nn.TransformerDecoderLayer wants it. Here True is what may be seen.",
        ),
        Mistake(
            wrong=lambda T: torch.ones(T, T).bool(),
            where="Look at the first row: what comes after it?",
            what="Everything sees everything there: that is BERT. What lies to the right must be False.",
        ),
        Mistake(
            wrong=lambda T: torch.eye(T).bool(),
            where="Look at the last row: the last token has everything before it.",
            what="Each token sees itself and no other. Everything before it belongs there, too.",
        ),
    ],
)

# ---- The other order ----


def twice(x: Tensor) -> Tensor:
    return 2 * x + 1


def squared(x: Tensor) -> Tensor:
    return x * x


pre_ln = Exercise(
    right=lambda x, part, norm: x + part(norm(x)),
    cases=[(ROW, twice, normalised), (numbers(3, 8), squared, normalised), (numbers(2, 4), twice, squared)],
    where="Look at the two formulas: where does the plus sign stand in each, inside LayerNorm or outside?",
    what="LayerNorm goes on what the part reads. The sum comes last, and nothing touches it.",
    line="return x + part(norm(x))",
    mistakes=[
        Mistake(
            wrong=lambda x, part, norm: norm(x + part(x)),
            where="Look at what comes last.",
            what="That is post-LN, BERT's own order. In pre-LN the sum comes last.",
        ),
        Mistake(
            wrong=lambda x, part, norm: norm(x) + part(norm(x)),
            where="Look at the first term.",
            what="You add the normalised x. The road past the part must be free: x itself.",
        ),
        Mistake(
            wrong=lambda x, part, norm: part(norm(x)),
            where="Look for the plus sign.",
            what="What went in is not added.",
        ),
        Mistake(
            wrong=lambda x, part, norm: x + norm(part(x)),
            where="Look at what the part reads.",
            what="LayerNorm comes before the part, not after it.",
        ),
    ],
)

# ---- What [CLS] sees ----


def seen_right(keep: list, i: int, kind: str) -> int:
    if kind in ("forward", "causal"):
        keep = keep[: i + 1]
    elif kind == "backward":
        keep = keep[i:]
    return sum(keep)


def counting_padding(answer: Callable) -> Callable:
    return lambda keep, i, kind: answer([True] * len(keep), i, kind)


REAL = [True] * 6 + [False] * 2

seen = Exercise(
    right=seen_right,
    cases=[(REAL, 0, "bert"), (REAL, 0, "causal"), (REAL, 3, "bert"), (REAL, 3, "forward"), (REAL, 3, "causal"),
           (REAL, 3, "backward"), (REAL, 0, "backward")],
    where="Look at row i of the four panels above, and count what is coloured. Then think of padding.",
    what="bert: all real tokens. forward and causal: the real ones up to i, i included. backward: those from i on.",
    line="return sum({'bert': keep, 'backward': keep[i:]}.get(kind, keep[: i + 1]))",
    mistakes=[
        Mistake(
            wrong=counting_padding(seen_right),
            where="Look at the last two places of `keep` in the cases.",
            what="You count padding. Nobody sees it: count only where `keep` is True.",
        ),
        Mistake(
            wrong=lambda keep, i, kind: sum({"bert": keep, "backward": keep[i + 1 :]}.get(kind, keep[:i])),
            where="Look at the diagonal of the panels.",
            what="A token's own input counts, too: every model here sees it.",
        ),
        Mistake(
            wrong=lambda keep, i, kind: sum(keep),
            where="Look at the panels with a white triangle.",
            what="You give every model both sides. Only BERT has them.",
        ),
        Mistake(
            wrong=lambda keep, i, kind: sum({"bert": keep, "backward": keep[: i + 1]}.get(kind, keep[i:])),
            where="Look at which way forward and backward run.",
            what="You have them the wrong way round. The forward half has read what stands to the left of i.",
        ),
        Mistake(
            wrong=lambda keep, i, kind: i + 1,
            where="Look at the case i = 0 for BERT.",
            what="i + 1 is right for one-way models only. [CLS] stands at 0, and BERT's sees the whole input.",
        ),
    ],
)
