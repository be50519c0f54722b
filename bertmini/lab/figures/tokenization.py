"""The figures of notebooks/03_tokenization.ipynb."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from bertmini.lab.figures import BLUE, FAINT, GREEN, INK, ORANGE, RED, SKY, blank

Boxes = Sequence[tuple[str, str]]  # what stands in each box, and its kind
KINDS = {"first": (BLUE, "white"), "inside": (SKY, INK), "unknown": (ORANGE, INK)}
LETTER, LINE = 6.33, 27.0  # points: the width of a letter at size 10.5, and from one line of boxes to the next


def wordpiece_boxes(tokens: Sequence[str], marks: bool = True) -> Boxes:
    """Pieces with their kind; without `marks` the ## is left to the colour."""
    kinds = ["unknown" if t == "[UNK]" else "inside" if t.startswith("##") else "first" for t in tokens]
    shown = [token if marks or kind != "inside" else token[2:] for token, kind in zip(tokens, kinds, strict=True)]
    return list(zip(shown, kinds, strict=True))


def bpe_boxes(tokens: Sequence[str], space: str = "▁") -> Boxes:
    """The same for tokenizers that mark the space before a word. A byte that is no ASCII letter is shown in hex."""
    kinds = ["unknown" if t == "[UNK]" else "first" if t.startswith(space) or not i else "inside"
             for i, t in enumerate(tokens)]  # fmt: skip
    names = byte_names() if space == "Ġ" else {}
    shown = [token if token == "[UNK]" else "".join(names.get(char, char) for char in token) for token in tokens]
    return list(zip(shown, kinds, strict=True))


def byte_names() -> dict[str, str]:
    """Byte-level BPE writes each byte as one visible character: that character -> how we show the byte."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(0x100) if byte not in visible]  # these are moved up, to 256 and on
    names = {chr(byte): f"{byte:02X}" for byte in visible if byte > 0x7F}
    return names | {chr(0x100 + i): "␣" if byte == 0x20 else f"{byte:02X}" for i, byte in enumerate(hidden)}


def cuts(rows: Mapping[str, Boxes], width: float = 5.4) -> None:
    """Rows of boxes, one a token, each under its label: a text as different tokenizers cut it."""
    right = 72 * width
    placed, y = [], 0.0
    for label, boxes in rows.items():
        placed.append((label, None, 0.0, y, 0.0))
        x, y = 0.0, y + 17
        for text, kind in boxes:
            wide = LETTER * len(text) + 7
            if x and x + wide > right:
                x, y = 0.0, y + LINE
            placed.append((text, kind, x, y, wide))
            x += wide + 2
        y += LINE + 9
    ax = blank(width, y / 72, right, y)
    for text, kind, x, top, wide in placed:
        if kind is None:
            ax.text(x, top + 7, text, ha="left", va="center", size=11, color=INK)
            continue
        fill, ink = KINDS[kind]
        ax.add_patch(Rectangle((x, top), wide, LINE - 5, facecolor=fill, edgecolor="none"))
        ax.text(x + wide / 2, top + (LINE - 5) / 2, text, ha="center", va="center", size=10.5, color=ink,
                family="DejaVu Sans Mono")  # fmt: skip


def merge_tree(history: Sequence[tuple[int, Sequence[str]]]) -> None:
    """How a word grew. history: (number of the merge, the word's pieces after it); the first entry has the characters.

    Characters stand at the bottom; each merge is a box above the two pieces that it joined, with its number.
    """
    letters = [piece.removeprefix("##") for piece in history[0][1]]
    centre = {(i, i + 1): (i + 0.5, 0) for i in range(len(letters))}  # span of characters -> x, level
    joins = []
    for (_, before), (number, after) in pairwise(history):
        old, new = spans(before), spans(after)
        for span in [span for span in new if span not in old]:
            left, right = [part for part in old if span[0] <= part[0] and part[1] <= span[1]]
            (x1, level1), (x2, level2) = centre[left], centre[right]
            centre[span] = ((x1 + x2) / 2, max(level1, level2) + 1)
            joins.append((number, span, left, right))
    top = max(level for _, level in centre.values())
    ax = blank(5.0, 0.7 * (top + 1), len(letters), top)
    ax.set(xlim=(-0.1, len(letters) + 0.1), ylim=(-0.4, top + 0.5))
    for number, span, *parts in joins:
        x, level = centre[span]
        for part in parts:
            ax.plot([centre[part][0], x], [centre[part][1], level], color="#999999", linewidth=1.3, marker="", zorder=1)
        text = f"{''.join(letters[slice(*span)])}\n{number}"
        look = {"facecolor": BLUE if span[0] == 0 else SKY, "edgecolor": "white", "boxstyle": "round,pad=0.25"}
        ax.text(x, level, text, ha="center", va="center", size=10.5, color="white" if span[0] == 0 else INK, bbox=look)
    for i, letter in enumerate(letters):
        look = {"facecolor": FAINT, "edgecolor": "white", "boxstyle": "round,pad=0.3"}
        ax.text(i + 0.5, 0, letter, ha="center", va="center", size=11, color=INK, bbox=look)


def spans(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Where each piece of a word begins and ends, in characters."""
    ends = [*accumulate(len(piece.removeprefix("##")) for piece in pieces)]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def curves(sizes: Sequence[int], lines: Mapping[str, Sequence[float | None]]) -> None:
    """Tokens a word against the size of the vocabulary, a line for each language; None where there is no vocabulary."""
    ax = plt.subplots(figsize=(5.2, 3.5))[1]
    looks = {"marker": "o", "color": BLUE}, {"marker": "s", "color": RED}, {"marker": "^", "color": GREEN}
    for (name, line), look in zip(lines.items(), looks, strict=True):
        points = [(size, value) for size, value in zip(sizes, line, strict=True) if value is not None]
        ax.plot(*zip(*points, strict=True), label=name, linewidth=2, markersize=6, **look)
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.minorticks_off()
    ax.set(xlabel="vocabulary asked for", ylabel="tokens a word, new sentences", ylim=(0.9, None))
    ax.legend()
