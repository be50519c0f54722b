"""The widget of notebooks/03_tokenization.ipynb: a text of your own, and a vocabulary that grows."""

from collections.abc import Sequence

import ipywidgets
import matplotlib.pyplot as plt

from bertmini.lab.figures.tokenization import cuts, wordpiece_boxes
from bertmini.lab.widgets import Control, _row, spoken
from bertmini.wordpiece import basic_tokenize, tokenize


def readout(text: str, tokens: Sequence[str]) -> str:
    """The pieces of a text under a vocabulary, and how many there are."""
    pieces = tokenize(text, {token: i for i, token in enumerate(tokens)})
    words = len(basic_tokenize(text))
    unknown = pieces.count("[UNK]")
    return f"V = {len(tokens)}: {words} words, {len(pieces)} tokens, {unknown} unknown\n{' '.join(pieces)}"


def growing(tokens: Sequence[str], smallest: int, text: str) -> ipywidgets.VBox:
    """Type a text and choose how many of the vocabulary's tokens there are; in order of merging, the first V of them.

    smallest: where the merges begin, the number of special tokens and characters.
    """
    writing = ipywidgets.Text(
        value=text, description="text", tooltip="text", continuous_update=False, style={"description_width": "15em"},
        layout={"width": "40em", "max_width": "100%"},
    )  # fmt: skip
    size, row = _row(Control("V, vocabulary", 100, smallest, len(tokens), 1))
    said, picture = ipywidgets.HTML(), ipywidgets.Output()

    def update(_change: object = None) -> None:
        chosen = tokens[: size.value]
        said.value = spoken(readout(writing.value, chosen))
        picture.clear_output(wait=True)
        with picture:
            cuts({"": wordpiece_boxes(tokenize(writing.value, {token: i for i, token in enumerate(chosen)}))})
            plt.show()

    for box in (writing, size):
        box.observe(update, "value")
    update()
    whole = ipywidgets.VBox([writing, row, said, picture])
    whole.controls, whole.readout = {"text": writing, "V": size}, said
    return whole
