"""The figures of notebooks/07_next_sentence.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from bertmini.lab.figures import BLUE, FAINT, GREEN, INK, ORANGE, RED, blank

FIRST, FOLLOWS, RANDOM = BLUE, GREEN, ORANGE  # the first segment; a second one that follows; one from elsewhere
PLAYER = {"bag": ORANGE, "tiny": "#56B4E9", "mini": BLUE, "best": INK, "chance": "#8C8C8C"}


def document_to_pairs(lengths: Sequence[int], cuts: Sequence[tuple], elsewhere: Sequence[Sequence[int]]) -> None:
    """A document as a strip of sentences, as wide as they are long, and below it the pairs it was cut into, in order.

    lengths: tokens of each sentence. cuts: (size, start, split, is_random), a chunk of `size` sentences from `start`,
    of which those before `split` are the first segment. elsewhere: for each pair the lengths of its second segment's
    sentences, where these come from another document.
    """
    ends = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    right = ends[-1] + max([sum(lengths) for lengths in elsewhere] + [0]) + 6
    ax = blank(5.5, 0.6 * len(cuts) + 1.4, right + 1, len(cuts) + 1.35)

    def sentence(x: float, y: float, width: float, text: str, colour: str, dashed: bool = False) -> None:
        look = {"facecolor": "white", "edgecolor": "#777777", "linestyle": (0, (2, 2)), "linewidth": 1.2}
        look = look if dashed else {"facecolor": colour, "edgecolor": "white", "linewidth": 1.5}
        ax.add_patch(Rectangle((x, y), width, 0.66, **look))
        dark = colour in (FAINT, RANDOM, "white") or dashed
        ax.text(x + width / 2, y + 0.33, text, ha="center", va="center", size=10, color=INK if dark else "white")

    ax.text(0, 0.05, "the document, sentence by sentence", size=11, va="center")
    for i, length in enumerate(lengths):
        sentence(ends[i], 0.32, length, str(i + 1), FAINT)
    for row, ((size, start, split, is_random), strange) in enumerate(zip(cuts, elsewhere, strict=True)):
        y = 1.35 + row
        for i in range(start, start + size):
            in_first, kept = i < split, i < split or not is_random
            sentence(ends[i], y, lengths[i], str(i + 1), FIRST if in_first else FOLLOWS, dashed=not kept)
        x = ends[-1] + 6
        for length in strange:
            sentence(x, y, length, "?", RANDOM)
            x += length
    if any(elsewhere):
        ax.text(ends[-1] + 6, 0.85, "from another\ndocument", size=10.5, va="center")
    names = {"first segment": FIRST, "second, follows": FOLLOWS, "second, random": RANDOM, "goes back": "white"}
    handles = [
        Rectangle((0, 0), 1, 1, facecolor=colour, edgecolor="#777777" if colour == "white" else colour,
                  linestyle="--" if colour == "white" else "-")
        for colour in names.values()
    ]  # fmt: skip
    ax.legend(handles, names, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2, fontsize=10.5)


def shares(by_size: Mapping[int, tuple[int, int]], exact: Sequence[float], drawn: Mapping[int, float]) -> None:
    """Above: how many pairs are random, by the sentences in the chunk (size -> pairs, random pairs). Below: the same
    for whole documents of n = 1, 2, ... sentences that fit in one chunk, by calculation (a line) and drawn (dots)."""
    _, (top, bottom) = plt.subplots(2, 1, figsize=(5.6, 5.4))
    sizes = list(by_size)
    heights = [100 * count / pairs for pairs, count in by_size.values()]
    top.bar(sizes, heights, color=[RED if size == 1 else RANDOM for size in sizes], width=0.75)
    for size, height in zip(sizes, heights, strict=True):
        top.text(size, max(height, 50) + 2, f"{height:.0f}", ha="center", size=10)
    top.set(ylim=(0, 118), xticks=sizes, xlabel="sentences in the chunk", ylabel="random, %")
    top.set_xticklabels([*map(str, sizes[:-1]), f"{sizes[-1]}+"])
    lines = range(1, len(exact) + 1)
    bottom.plot(lines, [100 * p for p in exact], "-", color=INK, marker="", label="calculated")
    bottom.plot(list(drawn), [100 * p for p in drawn.values()], "o", color=RED, markersize=6, label="counted")
    bottom.set(ylim=(40, 105), xlabel="sentences in a document that is one chunk", ylabel="random, %")
    bottom.legend(loc="upper right", fontsize=10.5)
    for ax in (top, bottom):
        ax.axhline(50, color="#555555", linestyle=":", linewidth=1.4)


def segments(counts: Mapping[str, Mapping[int, float]]) -> None:
    """For each panel, the share of segments that hold 1, 2, ... sentences; the last bar holds all that are longer."""
    _, axes = plt.subplots(len(counts), 1, figsize=(5.6, 2.3 * len(counts)), sharey=True)
    for ax, (title, by_size) in zip(axes, counts.items(), strict=True):
        sizes = list(by_size)
        ax.bar(sizes, [100 * share for share in by_size.values()], width=0.75,
               color=[RED if size == 1 else BLUE for size in sizes])  # fmt: skip
        for size, share in by_size.items():
            ax.text(size, 100 * share + 1, f"{100 * share:.0f}", ha="center", size=10)
        ax.set_title(title, loc="left", weight="bold")
        ax.set(xticks=sizes, ylabel="segments, %")
        ax.set_xticklabels([*map(str, sizes[:-1]), f"{sizes[-1]}+"])
    axes[-1].set_xlabel("sentences in the segment")
    axes[0].set_ylim(0, 1.18 * max(100 * share for by_size in counts.values() for share in by_size.values()))


def players(panels: Mapping[str, Mapping[str, float]]) -> None:
    """Bars of right answers for each question, from chance on; a player that was not taught the question is hatched."""
    _, axes = plt.subplots(
        len(panels), 1, figsize=(5.8, 0.42 * sum(map(len, panels.values())) + 1.5),
        height_ratios=[len(bars) for bars in panels.values()],
    )  # fmt: skip
    for ax, (title, bars) in zip(axes, panels.items(), strict=True):
        for y, (name, share) in enumerate(bars.items()):
            colour = next(colour for key, colour in PLAYER.items() if key in name)
            untaught = "not taught" in name
            look = {"facecolor": "white", "hatch": "////", "edgecolor": colour} if untaught else {"facecolor": colour}
            ax.barh(y, 100 * share, height=0.72, linewidth=0, **look)
            ax.text(max(100 * share, 50) + 1, y, f"{100 * share:.0f}", va="center", size=10.5)  # beside the line
        ax.axvline(50, color="#555555", linestyle=":", linewidth=1.4)
        ax.set(xlim=(0, 108), ylim=(len(bars) - 0.5, -0.5), xticks=range(0, 101, 25))
        ax.set_yticks(range(len(bars)), bars, size=10.5)
        ax.tick_params(axis="y", length=0)
        ax.set_title(title, loc="left", weight="bold")
    axes[-1].set_xlabel("right answers, %")
