"""The exercises of notebooks/05_encoder.ipynb."""

from collections.abc import Callable

import torch
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake


def numbers(*shape: int, step: int = 7) -> Tensor:
    """Numbers from -1.2 to 1.2 without chance, no two neighbours alike."""
    count = int(torch.tensor(shape).prod())
    return ((torch.arange(count) * step % 13 - 6) / 5).reshape(shape)


# ---- The feed-forward part without its bend ----


def biases(H: int, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W_1, b_1, W_2, b_2 for vectors of H numbers and `size` inner ones."""
    return numbers(H, size), numbers(size, step=5), numbers(size, H, step=4), numbers(H, step=3)


bias = Exercise(
    right=lambda W_1, b_1, W_2, b_2: b_1 @ W_2 + b_2,
    cases=[biases(4, 6), biases(3, 3), biases(2, 8)],
    where="Write both linear layers one after the other, with brackets, and multiply out.",
    what="(x W_1 + b_1) W_2 + b_2 has three terms. Those without x are the bias.",
    line="return b_1 @ W_2 + b_2",
    mistakes=[
        Mistake(
            wrong=lambda W_1, b_1, W_2, b_2: b_2,
            where="Put x = 0 in: is what comes out b_2?",
            what="The first layer adds b_1, and that does not stop at the second: it is multiplied by W_2.",
        ),
        Mistake(
            wrong=lambda W_1, b_1, W_2, b_2: b_1 + b_2,
            where="Look at the shapes: b_1 is (F,), b_2 is (H,).",
            what="b_1 is added before the second product, so it goes through W_2.",
        ),
        Mistake(
            wrong=lambda W_1, b_1, W_2, b_2: b_1 @ W_2,
            where="Put x = 0 in: what does the second layer add?",
            what="b_2 is missing: nothing comes after it, so it stays as it is.",
        ),
        Mistake(
            wrong=lambda W_1, b_1, W_2, b_2: b_1 @ W_2.T + b_2,
            where="Look at the shapes: b_1 is (F,), W_2 is (F, H).",
            what="Here the matrices lie ready as (in, out). Only nn.Linear keeps them the other way, (out, in).",
        ),
        Mistake(
            wrong=lambda W_1, b_1, W_2, b_2: b_1 @ W_2 + b_2 @ W_2,
            where="Look at the place of b_2: before the second product or after it?",
            what="b_2 is added at the very end. Nothing multiplies it.",
        ),
    ],
)

# ---- A mask for a question and its answer ----


def prefix_right(T: int, S: int) -> Tensor:
    mask = torch.ones(T, T).tril().bool()
    mask[:, :S] = True
    return mask


prefix = Exercise(
    right=prefix_right,
    cases=[(5, 2), (4, 4), (6, 1), (7, 3)],
    where="Begin with the causal mask. Which columns does everybody see besides?",
    what="True on the diagonal, below it, and in all of the first S columns.",
    line="return torch.ones(T, T).tril().bool() | (torch.arange(T) < S)",
    mistakes=[
        Mistake(
            wrong=lambda T, S: torch.ones(T, T).tril().bool(),
            where="Look at the first row: the first token of the question may see the rest of the question.",
            what="That is the causal mask. The first S columns have to be True in every row.",
        ),
        Mistake(
            wrong=lambda T, S: torch.ones(T, T).bool(),
            where="Look at the first row: which columns belong to the answer?",
            what="Everything sees everything there: that is BERT. Nobody may see an answer that is not written yet.",
        ),
        Mistake(
            wrong=lambda T, S: torch.ones(T, T).tril().bool() | (torch.arange(T)[:, None] < S),
            where="Look at the first row: which columns belong to the answer?",
            what="You let the question see everything, the answer too. S counts columns (looked at), not rows.",
        ),
        Mistake(
            wrong=lambda T, S: (torch.arange(T) < S).expand(T, T),
            where="Look at the last row: what of the answer may it see?",
            what="Inside the answer each token sees itself and what is to the left of it: add the causal mask.",
        ),
        Mistake(
            wrong=lambda T, S: torch.ones(T, T).tril().bool() & (torch.arange(T) < S),
            where="Look at the last row: what of the answer may it see?",
            what="A place is seen if it belongs to the question *or* lies to the left. You ask for both.",
        ),
        Mistake(
            wrong=lambda T, S: ~prefix_right(T, S),
            where="Look at what True means in this book.",
            what="Yours marks what is hidden, as nn.TransformerDecoderLayer wants it. Here True is what may be seen.",
        ),
    ],
)

# ---- How far in how many layers ----

reach = Exercise(
    right=lambda i, j, w: -(-abs(i - j) // w),
    cases=[(0, 9, 3), (0, 9, 4), (7, 2, 1), (4, 4, 2), (3, 5, 8), (8, 1, 2)],
    where="How far apart are i and j, and how far does one layer carry?",
    what="One layer carries w places, so divide the distance by w, and round up.",
    line="return (abs(i - j) + w - 1) // w",
    mistakes=[
        Mistake(
            wrong=lambda i, j, w: abs(i - j) // w,
            where="Try a distance of 9 with w = 4: how far have two layers come?",
            what="You round down. What is left over of the way needs a layer, too.",
        ),
        Mistake(
            wrong=lambda i, j, w: abs(i - j) // w + 1,
            where="Try a distance of 9 with w = 3.",
            what="You add a layer even where the division comes out even.",
        ),
        Mistake(
            wrong=lambda i, j, w: abs(i - j) / w,
            where="Look at the kind of number: layers are counted.",
            what="A layer can only be taken whole: round up.",
        ),
        Mistake(
            wrong=lambda i, j, w: -(-(j - i) // w),
            where="Try i = 7 and j = 2.",
            what="It works only for j to the right of i. The window opens to both sides: take the distance, unsigned.",
        ),
        Mistake(
            wrong=lambda i, j, w: -(-abs(i - j) // (2 * w)),
            where="Look at what w counts: places to each side, or all together?",
            what="The window is 2 w wide, but in one direction a layer carries only w places.",
        ),
    ],
)

# ---- A decoder layer ----


def normalised(x: Tensor) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / x.std(-1, correction=0, keepdim=True)


def running_mean(x: Tensor) -> Tensor:
    """Each row the mean of those up to it: a self-attention that looks to the left."""
    return x.cumsum(0) / torch.arange(1, len(x) + 1)[:, None]


def mixed(x: Tensor, source: Tensor) -> Tensor:
    """The rows of `source`, mixed as the rows of x ask."""
    return (x @ source.T).softmax(-1) @ source


def squared(x: Tensor) -> Tensor:
    return x * x


NORMS = [normalised, lambda x: 2 * normalised(x) + 1, lambda x: normalised(x) - 3]


def decoder_right(x, source, own, cross, feed, norms):
    x = norms[0](x + own(x))
    x = norms[1](x + cross(x, source))
    return norms[2](x + feed(x))


def decoder_pre_ln(x, source, own, cross, feed, norms):
    x = x + own(norms[0](x))
    x = x + cross(norms[1](x), source)
    return x + feed(norms[2](x))


def decoder_without_plus(x, source, own, cross, feed, norms):
    return norms[2](feed(norms[1](cross(norms[0](own(x)), source))))


def decoder_swapped(x, source, own, cross, feed, norms):
    x = norms[0](x + own(x))
    x = norms[1](x + cross(source, x))
    return norms[2](x + feed(x))


def decoder_of_itself(x, source, own, cross, feed, norms):
    x = norms[0](x + own(x))
    x = norms[1](x + cross(x, x))
    return norms[2](x + feed(x))


def decoder_feeds_first(x, source, own, cross, feed, norms):
    x = norms[0](x + own(x))
    x = norms[1](x + feed(x))
    return norms[2](x + cross(x, source))


def encoder_again(x, source, own, cross, feed, norms):
    x = norms[0](x + own(x))
    return norms[2](x + feed(x))


def decoder_from_the_start(x, source, own, cross, feed, norms):
    return norms[2](x + feed(norms[1](x + cross(norms[0](x + own(x)), source))))


decoder = Exercise(
    right=decoder_right,
    cases=[(numbers(R, 4), numbers(T, 4, step=4), running_mean, mixed, squared, NORMS) for R, T in ((3, 5), (1, 6))],
    where="Look at the layer by hand: two parts there, each with a plus sign and a LayerNorm. Here are three.",
    what="Three times x = norm(x + part(x)): first own, then cross with the source, then feed.",
    line="x = norms[0](x + own(x)); x = norms[1](x + cross(x, source)); return norms[2](x + feed(x))",
    mistakes=[
        Mistake(
            wrong=decoder_pre_ln,
            where="Look at what comes last, the plus sign or LayerNorm.",
            what="That is pre-LN. In post-LN each sum goes through LayerNorm.",
        ),
        Mistake(
            wrong=decoder_without_plus,
            where="Look for the plus signs.",
            what="Each part computes a change, which is added to what went into it.",
        ),
        Mistake(
            wrong=decoder_swapped,
            where="Look at who asks in the cross-attention.",
            what="You let the source ask. Queries come from what is being written, x; keys and values from the source.",
        ),
        Mistake(
            wrong=decoder_of_itself,
            where="Look for the source in what you return.",
            what="You let x look at itself twice. The second attention looks at the source.",
        ),
        Mistake(
            wrong=decoder_feeds_first,
            where="Look at the order of the parts.",
            what="Cross-attention stands between self-attention and the feed-forward part.",
        ),
        Mistake(
            wrong=encoder_again,
            where="Look for the source in what you return.",
            what="That is an encoder layer. A decoder layer has cross-attention in the middle.",
        ),
        Mistake(
            wrong=decoder_from_the_start,
            where="Look at what each plus sign adds to.",
            what="A part's change is added to what that part was given, not to the x at the very start.",
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
