"""The figures of notebooks/05_encoder.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.colors import LogNorm
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from bertmini.lab.figures import BLUE, GREEN, INK, ORANGE, PURPLE, RED, blank

PART = {"self-attention": GREEN, "Linear": ORANGE, "GELU": "#F0E442", "LayerNorm": "#BFD9EA"}
LINES = {  # colour, marker, dashes, size of the marker: what lies on another line is smaller
    "post-LN, with residuals": (BLUE, "o", "-", 5),
    "pre-LN, with residuals": (GREEN, "s", "-", 9),
    "no LayerNorm, with residuals": (ORANGE, "d", "-", 12),
    "post-LN, without": (RED, "^", "--", 5),
    "pre-LN, without": (PURPLE, "D", ":", 9),
    "no LayerNorm, without": (INK, "v", "--", 5),
}


def one_layer(start: str, steps: Sequence[tuple[str, str]]) -> None:
    """A layer from top to bottom: a box a step, its output's shape beside it, a road past the parts to each "+".

    start: the shape that comes in. steps: (name, shape of what leaves it). A road begins where the last "+" was
    normalised, or at the top.
    """
    ax = blank(4.9, 0.58 * len(steps) + 1.0, 10, 1.25 * len(steps) + 1.6)
    middle, x, fork = 4.6, 1.15, 0.75
    ax.text(middle, 0.3, "x", ha="center", va="center", size=12, style="italic")
    ax.text(8.6, 0.3, start, ha="center", va="center", size=11)
    for i, (name, shape) in enumerate(steps):
        y = 1.25 * i + 1.6
        ax.annotate("", (middle, y - 0.43), (middle, y - 1.25 + (0.43 if i else 0.2)),
                    arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.3})  # fmt: skip
        if name == "+":
            ax.plot([middle, x, x], [fork, fork, y], color=BLUE, linewidth=2.2, marker="")
            ax.annotate("", (middle - 0.36, y), (x - 0.02, y),
                        arrowprops={"arrowstyle": "-|>", "color": BLUE, "linewidth": 2.2})  # fmt: skip
            ax.text(x - 0.3, (fork + y) / 2, "residual", rotation=90, ha="center", va="center", size=10.5, color=BLUE)
            ax.plot([middle], [y], "o", markersize=19, color="white", markeredgecolor=BLUE, markeredgewidth=2)
            ax.text(middle, y + 0.02, "+", ha="center", va="center", size=16, color=BLUE)
        else:
            colour = PART[name.split(",")[0]]
            frame = FancyBboxPatch((middle - 2.1, y - 0.4), 4.2, 0.8, boxstyle="round,pad=0,rounding_size=0.15",
                                   facecolor=colour, edgecolor="white")  # fmt: skip
            ax.add_patch(frame)
            ax.text(middle, y, name, ha="center", va="center", size=11, color="white" if colour == GREEN else INK)
        ax.text(8.6, y, shape, ha="center", va="center", size=11)
        if name == "LayerNorm":
            fork = y + 0.52
    end = 1.25 * len(steps) + 1.55
    ax.annotate("", (middle, end), (middle, end - 0.75),
                arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.3})  # fmt: skip


def bends(u: Sequence[float], curves: Mapping[str, Sequence[float]]) -> None:
    """Curves over one axis, through a cross at the origin."""
    ax = plt.subplots(figsize=(5.0, 2.9))[1]
    ax.axhline(0, color="#BBBBBB", linewidth=1, marker="")
    ax.axvline(0, color="#BBBBBB", linewidth=1, marker="")
    for (name, curve), (colour, dash) in zip(curves.items(), ((BLUE, "-"), (RED, "--")), strict=True):
        ax.plot(u, curve, dash, color=colour, marker="", linewidth=2.4, label=name)
    ax.set(xlabel="u, a number before the bend", ylabel="after it")
    ax.legend(loc="upper left")


def through_the_depth(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Panels one above the other: a number a layer against the layer, logarithmic, a line for each way to build."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(5.2, 2.9 * len(panels) + 1.0), sharex=True)
    for ax, (title, lines) in zip(axes, panels.items(), strict=True):
        for name, line in lines.items():
            colour, marker, dash, size = LINES[name]
            look = {"markerfacecolor": "white", "zorder": 3 - size / 10} if size > 5 else {"zorder": 3}
            layers = range(1, len(line) + 1)
            ax.plot(layers, line, dash, color=colour, marker=marker, markersize=size, linewidth=2, label=name, **look)
            ax.set_xticks(layers)
        ax.set_yscale("log")
        ax.margins(y=0.1)
        ax.set_title(title, loc="left", weight="bold", size=11)
        ax.minorticks_off()
    axes[-1].set_xlabel("layer")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, fontsize=9.5, labelspacing=0.7)


def who_sees_whom(panels: Mapping[str, Tensor], tokens: Sequence[str]) -> None:
    """(T, T) panels, two in a row: how strongly each output (row) moves with each input (column); white is nothing."""
    figure, axes = plt.subplots((len(panels) + 1) // 2, 2, figsize=(5.3, 6.3), sharex=True, sharey=True, squeeze=False)
    for ax, (title, seen) in zip(axes.flat, panels.items(), strict=True):
        share = (seen / seen.amax(-1, keepdim=True)).numpy()
        image = ax.imshow(share, cmap="cividis_r", norm=LogNorm(1e-3, 1))  # 0 has no logarithm, and stays white
        ax.set_title(title, size=11, weight="bold")
        ax.set_xticks(range(len(tokens)), tokens, rotation=90, size=10)
        ax.set_yticks(range(len(tokens)), tokens, size=10)
        ax.set_xticks([i + 0.5 for i in range(len(tokens) - 1)], minor=True)
        ax.set_yticks([i + 0.5 for i in range(len(tokens) - 1)], minor=True)
        ax.grid(which="minor", color="#DDDDDD", linewidth=0.6)
        ax.tick_params(which="both", length=0)
    for ax in axes[:, 0]:
        ax.set_ylabel("output at")
    for ax in axes[-1]:
        ax.set_xlabel("input at")
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=35)
    bar.set_label("gradient, as a share of the row's largest; white: 0", size=10)
