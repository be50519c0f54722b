"""The figures of notebooks/12_vectors_in_context.ipynb."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from torch import Tensor

from bertmini.lab.figures import BLUE, GREEN, INK, PURPLE, RED

FIRST, SECOND = BLUE, "#A65E00"  # the two senses of a word, as in chapter 1
LOOKS = [(BLUE, "o"), ("#A65E00", "s"), (GREEN, "^"), (PURPLE, "D"), (RED, "v")]
AS_IT_IS, MENDED = RED, BLUE


def planes(panels: Mapping[str, Tensor], is_second: Sequence[bool], names: tuple[str, str]) -> None:
    """The vectors of one word as points (N, 2), one panel a layer; a colour and a marker for each sense."""
    columns = 4
    rows = math.ceil(len(panels) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(6.0, 1.65 * rows + 0.4))
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    for ax, (title, points) in zip(axes.flat, panels.items(), strict=False):
        for second, (colour, marker) in enumerate(((FIRST, "o"), (SECOND, "s"))):
            chosen = [point for point, label in zip(points.tolist(), is_second, strict=True) if label == bool(second)]
            x, y = zip(*chosen, strict=True)
            size, width, inside = (38, 1.6, "none") if second else (22, 0, colour)
            label = names[second] if ax is axes.flat[0] else None  # a dot can be seen through a square
            look = {"marker": marker, "edgecolors": colour, "linewidths": width, "alpha": 0.8}
            ax.scatter(x, y, size, inside, label=label, **look)
        reach = max(1.15 * float(points.abs().max()), 1e-2)  # no microscope for one spot's last digits
        ax.set(title=title, xticks=[], yticks=[], xlim=(-reach, reach), ylim=(-reach, reach))
        ax.spines[["top", "right"]].set_visible(True)
    figure.legend(loc="outside lower center", ncols=2, fontsize=11, handletextpad=0.2)


def by_layer(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    level: Mapping[str, tuple[float, str]],
    ylabel: str = "% right",
    low: float = 40,
) -> None:
    """Shares (0 to 1) by layer from 0 on: a panel for each group of lines, a dotted line at a level with its name."""
    axes = plt.subplots(1, len(panels), figsize=(6.2, 4.0), sharey=True, squeeze=False)[1]
    for ax, (title, lines) in zip(axes[0], panels.items(), strict=True):
        for (name, values), (colour, marker) in zip(lines.items(), LOOKS, strict=False):
            ax.plot(range(len(values)), [100 * x for x in values], color=colour, marker=marker, markersize=6,
                    linewidth=2, label=name, clip_on=False)  # fmt: skip
        height, name = level[title]
        ax.axhline(100 * height, color=INK, linestyle=":", linewidth=1.5, label=name)
        ax.set(title=title, xlabel="layer", ylim=(low, 101))
        ax.set_xticks(range(max(map(len, lines.values()))))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=10, handlelength=1.6)
    axes[0, 0].set(ylabel=ylabel)


def harm(
    rows: Sequence[Mapping], clean: Mapping[str, float], clean_mended: Mapping[str, float], xlabel: str, mended: str
) -> None:
    """What spoiling costs, by the share that is spoiled: sentences read right, and the cosine to the clean vector.

    rows: each with its share and, for some seeds, what was read of the spoiled and of the mended text. clean and
    clean_mended: what was read where nothing was spoiled, as it is and after mending what needed none.
    """
    figure, axes = plt.subplots(1, 2, figsize=(5.8, 3.4))
    shares = [0.0, *(row["share"] for row in rows)]
    looks = (("spoiled", clean, "as it is", AS_IT_IS, "v"), ("mended", clean_mended, mended, MENDED, "o"))
    for ax, key, scale in zip(axes, ("right", "cosine"), (100, 1), strict=True):
        for kind, first, name, colour, marker in looks:
            seeds = [[first[key]], *([read[key] for read in row[kind]] for row in rows)]
            means = [scale * sum(values) / len(values) for values in seeds]
            ax.plot([100 * x for x in shares], means, color=colour, marker=marker, linewidth=2, markersize=7,
                    label=name if ax is axes[0] else None)  # fmt: skip
            for share, values in zip(shares, seeds, strict=True):
                ends = [scale * min(values), scale * max(values)]
                ax.plot([100 * share] * 2, ends, color=colour, marker="", linewidth=1.2)
        ax.set(xlabel=xlabel, xticks=[round(100 * x) for x in shares])
    axes[0].axhline(50, color=INK, linestyle=":", linewidth=1.5)
    axes[0].set(title="sentences read right, %", ylim=(45, 100))
    axes[1].set(title="cosine to the clean vector", ylim=(0, 1.03))
    figure.legend(loc="outside lower center", ncols=2, fontsize=11)
