"""The widget of notebooks/11_real_weights.ipynb: attention of a sentence of your own, head by head."""

from collections.abc import Sequence

import ipywidgets
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from bertmini.attention import record_attention
from bertmini.encoder import Bert
from bertmini.lab.figures.self_attention import maps as draw_maps
from bertmini.lab.widgets import Control, _row, spoken
from bertmini.tokenizer import Tokenizer

PLACES = ("the token before", "the token after", "itself", "[SEP]", "[CLS]")
LONGEST = 32  # tokens; more cannot be read in one picture


@torch.no_grad()
def look(model: Bert, tokenizer: Tokenizer, text: str) -> tuple[list[str], Tensor]:
    """The tokens of a text, and where every head looks when the model reads it alone: (L, A, T, T)."""
    encoded = tokenizer.encode(text, max_length=LONGEST)
    with record_attention(model) as maps:
        model(torch.tensor([encoded.token_ids]))
    return encoded.tokens, torch.cat(maps)


def shares(weights: Tensor) -> Tensor:
    """How much of their weight the words give to each of PLACES, on average; (..., T, T) -> (..., 5).

    Words are all tokens but [CLS], the first, and [SEP], the last. Neighbours count where they are words.
    """
    before, after, own = (weights.diagonal(offset, -2, -1)[..., 1:-1].mean(-1) for offset in (-1, 1, 0))
    return torch.stack([before, after, own, weights[..., 1:-1, -1].mean(-1), weights[..., 1:-1, 0].mean(-1)], -1)


def readout(tokens: Sequence[str], weights: Tensor, layer: int, head: int) -> str:
    """What one head does, in words: its average over the words, and where each token looks most. weights: (T, T)."""
    lines = [f"layer {layer}, head {head}, {len(tokens)} tokens (an even share is {1 / len(tokens):.2f})"]
    if len(tokens) > 3:
        average = [f"{place} {share:.2f}" for place, share in zip(PLACES, shares(weights).tolist(), strict=True)]
        lines.append("the words, on average: " + ", ".join(average))
    width = max(map(len, tokens))
    for token, row in zip(tokens, weights, strict=True):
        lines.append(f"{token:>{width}} -> {tokens[row.argmax()]} {row.max():.2f}")
    return "\n".join(lines)


def explorer(model: Bert, tokenizer: Tokenizer, text: str) -> ipywidgets.VBox:
    """Type a text, choose a layer and a head (counted from 1), and see where its tokens look."""
    writing = ipywidgets.Text(
        value=text, description="text", tooltip="text", continuous_update=False, style={"description_width": "15em"},
        layout={"width": "40em", "max_width": "100%"},
    )  # fmt: skip
    config = model.config
    layer, first = _row(Control("layer", 1, 1, config.num_hidden_layers, 1))
    head, second = _row(Control("head", 1, 1, config.num_attention_heads, 1))
    said, picture = ipywidgets.HTML(), ipywidgets.Output()
    read: dict[str, tuple[list[str], Tensor]] = {}  # the text that was read last

    def update(_change: object = None) -> None:
        if writing.value not in read:
            read.clear()
            read[writing.value] = look(model, tokenizer, writing.value)
        tokens, weights = read[writing.value]
        chosen = weights[layer.value - 1, head.value - 1]
        said.value = spoken(readout(tokens, chosen, layer.value, head.value))
        picture.clear_output(wait=True)
        with picture:
            draw_maps({f"layer {layer.value}, head {head.value}": (chosen, tokens)}, columns=1)
            plt.show()

    for box in (writing, layer, head):
        box.observe(update, "value")
    update()
    whole = ipywidgets.VBox([writing, first, second, said, picture])
    whole.controls, whole.readout = {"text": writing, "layer": layer, "head": head}, said
    return whole
