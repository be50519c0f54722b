"""The exercises of notebooks/11_real_weights.ipynb."""

import json

import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini.lab.check import Exercise, Mistake

# ---- One tensor out of the bytes ----


def a_file(tensors: dict[str, Tensor]) -> bytes:
    """Some tensors as the bytes of a safetensors file."""
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        data = tensor.numpy().tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        body += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def read_tensor(raw: bytes, name: str, first: int | None = None, form: bool = True) -> Tensor:
    """One tensor; the other arguments are for the mistakes."""
    size = int.from_bytes(raw[:8], "little")
    entry = json.loads(raw[8 : 8 + size])[name]
    begin, end = entry["data_offsets"]
    start = 8 + size if first is None else first
    flat = torch.frombuffer(bytearray(raw[start + begin : start + end]), dtype=torch.float32)
    return flat.reshape(entry["shape"]) if form else flat


SMALL = a_file({"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([7.0, 8.0]), "c": torch.ones(1, 1)})
OTHER = a_file({"weight": torch.arange(8.0).reshape(4, 2) - 3})

tensor = Exercise(
    right=read_tensor,
    cases=[(SMALL, "a"), (SMALL, "b"), (OTHER, "weight")],
    where="Look at the three parts of the file: where does the third one begin?",
    what="The numbers begin after 8 + size bytes, and the two offsets count from there.",
    line="size = int.from_bytes(raw[:8], 'little'); entry = json.loads(raw[8 : 8 + size])[name]; "
    "begin, end = entry['data_offsets']; "
    "return torch.frombuffer(bytearray(raw[8 + size + begin : 8 + size + end]), dtype=torch.float32)"
    ".reshape(entry['shape'])",
    mistakes=[
        Mistake(
            wrong=lambda raw, name: read_tensor(raw, name, first=0),
            where="Look at what the offsets count from: the beginning of the file?",
            what="They count from the end of the header. Add 8 + size to both.",
        ),
        Mistake(
            wrong=lambda raw, name: read_tensor(raw, name, first=8),
            where="Look at what stands between the first eight bytes and the numbers.",
            what="You have skipped the eight bytes and not the header. Add 8 + size to both offsets.",
        ),
        Mistake(
            wrong=lambda raw, name: read_tensor(raw, name, form=False),
            where="Look at the shape.",
            what="The numbers are right and lie in one line. Give them the shape that the header names.",
        ),
    ],
)

# ---- Three matrices in one ----

PARTS = {
    f"encoder.layer.{layer}.attention.self.{part}.weight": torch.arange(4.0).reshape(2, 2) + 10 * i + 100 * layer
    for layer in range(2)
    for i, part in enumerate(("key", "query", "value"))  # in the alphabet's order, as files hold them
}


def stacked_right(tensors: dict, layer: int, order: tuple = ("query", "key", "value"), axis: int = 0) -> Tensor:
    """The three matrices as one; the other arguments are for the mistakes."""
    return torch.cat([tensors[f"encoder.layer.{layer}.attention.self.{part}.weight"] for part in order], axis)


stacked = Exercise(
    right=stacked_right,
    cases=[(PARTS, 0), (PARTS, 1)],
    where="Look at the three names of this layer, and at the order of our rows: queries, keys, values.",
    what="Take the query's weight, the key's and the value's, in this order, and stack their rows with torch.cat.",
    line="return torch.cat([tensors[f'encoder.layer.{layer}.attention.self.{part}.weight'] "
    "for part in ('query', 'key', 'value')])",
    mistakes=[
        Mistake(
            wrong=lambda tensors, layer: stacked_right(tensors, layer, ("key", "query", "value")),
            where="Look at the order of the three: that of the file is the alphabet's.",
            what="The shape is right, the order is not: queries come first, then keys, then values.",
        ),
        Mistake(
            wrong=lambda tensors, layer: stacked_right(tensors, layer, axis=1),
            where="Look at the shape of your matrix: is it (3H, H)?",
            what="You have set the matrices side by side. PyTorch keeps a weight as (out, in), so stack the rows.",
        ),
        Mistake(
            wrong=lambda tensors, layer: torch.stack(
                [tensors[f"encoder.layer.{layer}.attention.self.{part}.weight"] for part in ("query", "key", "value")]
            ),
            where="Look at how many axes your tensor has.",
            what="torch.stack makes a new axis. torch.cat puts the rows under each other.",
        ),
        Mistake(
            wrong=lambda tensors, layer: stacked_right(tensors, 0),
            where="Look at the second case: which layer is asked for?",
            what="You always read layer 0. Write the layer's number into the name.",
        ),
    ],
)

# ---- The nearest rows ----

TABLE = torch.tensor([[1.0, 0.0], [3.0, 0.3], [0.2, 0.0], [1.0, 1.0], [-2.0, 0.1], [5.0, 4.0]])


def nearest_right(table: Tensor, row: int, k: int) -> Tensor:
    cosines = F.cosine_similarity(table, table[row][None])
    cosines[row] = -torch.inf
    return cosines.topk(k).indices


nearest = Exercise(
    right=nearest_right,
    cases=[(TABLE, 3, 2), (TABLE, 1, 3), (TABLE + 0.5, 4, 2)],
    where="Look at what a cosine is, and at which row is most like row `row`.",
    what="Divide the dot products by the lengths of both rows, leave the row itself out, and take the k largest.",
    line="c = F.cosine_similarity(table, table[row][None]); c[row] = -torch.inf; return c.topk(k).indices",
    mistakes=[
        Mistake(
            wrong=lambda table, row, k: F.cosine_similarity(table, table[row][None]).topk(k).indices,
            where="Look at the first one that you give back.",
            what="A row is nearest to itself. Leave it out.",
        ),
        Mistake(
            wrong=lambda table, row, k: (
                (table @ table[row]).index_fill(0, torch.tensor(row), -torch.inf).topk(k).indices
            ),
            where="Look at a long row: does it win everywhere?",
            what="These are dot products, and long rows win. Divide by the lengths.",
        ),
        Mistake(
            wrong=lambda table, row, k: (
                (-torch.cdist(table, table[row][None])[:, 0])
                .index_fill(0, torch.tensor(row), -torch.inf)
                .topk(k)
                .indices
            ),
            where="Look at two rows of one direction, a short one and a long one.",
            what="You measure the distance. The cosine forgets how long rows are: divide by the lengths.",
        ),
        Mistake(
            wrong=lambda table, row, k: F.cosine_similarity(table, table[row][None]).topk(k, largest=False).indices,
            where="Look at the sign: is a large cosine near or far?",
            what="You give the rows that are least alike. The largest cosine is the nearest.",
        ),
    ],
)

# ---- Where does a head look? ----

HEAD = torch.tensor(
    [
        [0.5, 0.1, 0.1, 0.1, 0.2],
        [0.3, 0.1, 0.4, 0.1, 0.1],
        [0.2, 0.2, 0.1, 0.4, 0.1],
        [0.1, 0.1, 0.6, 0.1, 0.1],
        [0.1, 0.1, 0.1, 0.1, 0.6],
    ]
)


def to_content(weights: Tensor) -> Tensor:
    inner = weights[1:-1, 1:-1]
    others = inner.sum(1) - inner.diagonal()
    return others.mean()


content = Exercise(
    right=to_content,
    cases=[(HEAD,), (HEAD.T.softmax(-1),), (torch.full((7, 7), 1 / 7),)],
    where="Look at which rows and which columns belong to words, and at the diagonal.",
    what="Keep rows and columns 1 to -1, add up each row without its diagonal, and average over the rows.",
    line="inner = weights[1:-1, 1:-1]; return (inner.sum(1) - inner.diagonal()).mean()",
    mistakes=[
        Mistake(
            wrong=lambda weights: weights[1:-1, 1:-1].sum(1).mean(),
            where="Look at the diagonal.",
            what="You have counted what a word gives to itself. Take the diagonal away.",
        ),
        Mistake(
            wrong=lambda weights: (weights.sum(1) - weights.diagonal())[1:-1].mean(),
            where="Look at the first and the last column.",
            what="You have counted the weight on [CLS] and [SEP]. Only columns 1 to -1 are words.",
        ),
        Mistake(
            wrong=lambda weights: (weights[:, 1:-1].sum(1) - weights.diagonal()).mean(),
            where="Look at the first and the last row.",
            what="Those rows are [CLS] and [SEP]. Average over the rows of words.",
        ),
        Mistake(
            wrong=lambda weights: (
                (weights[1:-1, 1:-1].sum(0) - weights.diagonal()[1:-1]).mean() / max(1, len(weights) - 3)
            ),
            where="Look at what is asked for: the sum over the other words, or a mean over them?",
            what="Add up what a word gives to all the others; only then average, over the words that look.",
        ),
    ],
)

# ---- A sentence's vector, in a padded batch ----

HIDDEN = (torch.arange(2 * 4 * 3) * 7 % 11 - 4.0).reshape(2, 4, 3)
KEEP = torch.tensor([[True, True, True, True], [True, True, False, False]])


def sentence_right(hidden: Tensor, keep: Tensor) -> Tensor:
    kept = hidden * keep[..., None]
    return F.normalize(kept.sum(1) / keep.sum(1, keepdim=True), dim=-1)


sentence = Exercise(
    right=sentence_right,
    cases=[(HIDDEN, KEEP), (HIDDEN[:1], KEEP[1:]), (HIDDEN + 1, KEEP)],
    where="Look at the padded tokens: do their vectors take part?",
    what="Set the padded vectors to 0, divide the sum by the number of real tokens, then divide by the length.",
    line="kept = hidden * keep[..., None]; return F.normalize(kept.sum(1) / keep.sum(1, keepdim=True), dim=-1)",
    mistakes=[
        Mistake(
            wrong=lambda hidden, keep: F.normalize(hidden.mean(1), dim=-1),
            where="Look at the second sequence, which is padded.",
            what="The padding has been averaged in. Its vectors must count as 0.",
        ),
        Mistake(
            wrong=lambda hidden, keep: (hidden * keep[..., None]).sum(1) / keep.sum(1, keepdim=True),
            where="Look at the length of your vectors.",
            what="The mean is right. Divide it by its length, so that a dot product is a cosine.",
        ),
        Mistake(
            wrong=lambda hidden, keep: F.normalize(hidden[:, 0], dim=-1),
            where="Look at which tokens take part.",
            what="This is the vector at [CLS]. This model was tuned on the mean over all real tokens.",
        ),
        Mistake(
            wrong=lambda hidden, keep: F.normalize((hidden * keep[..., None]).sum(1), dim=1).mean(0, keepdim=True),
            where="Look at the axis of your mean: tokens, or sequences?",
            what="There is one vector for each sequence: average over tokens, axis 1.",
        ),
    ],
)
