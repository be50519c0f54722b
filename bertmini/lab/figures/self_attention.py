"""The figures of notebooks/04_self_attention.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle
from torch import Tensor

from bertmini.lab.figures import BLUE, GREEN, INK, ORANGE, PURPLE, RED, blank, box

WIDTH = 5.0  # inches: narrow enough that letters stay large on a telephone


def maps(
    panels: Mapping[str, tuple[Tensor, Sequence[str]]], columns: int = 2, frames: Sequence[int] = (), digits: int = 0
) -> None:
    """Attention weights as squares: a row for each token that looks, a column for each that is looked at.

    panels: title -> weights (T, T) and their T tokens. frames: a row to frame in each panel, if any. digits: of the
    numbers written into the squares; none at 0. Tokens are named once a row and once a column, where they are the same.
    """
    rows = -(-len(panels) // columns)
    longest = max(len(token) for _, tokens in panels.values() for token in tokens)
    shared = len({tuple(tokens) for _, tokens in panels.values()}) == 1
    upright = 0 if longest < 7 and all(len(tokens) < 5 for _, tokens in panels.values()) else 90
    height = rows * (WIDTH / columns + 0.1) + (1 if shared else rows) * (0.085 * longest if upright else 0.2)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False)
    for i, (ax, (title, (weights, tokens))) in enumerate(zip(axes.flat, panels.items(), strict=True)):
        image = ax.imshow(weights.numpy(), cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        ax.set_xticks(range(len(tokens)), tokens, rotation=upright, size=9.5)
        ax.set_yticks(range(len(tokens)), tokens, size=9.5)
        ax.set_title(title)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(True)
        if frames:
            edge = {"edgecolor": RED, "linewidth": 1.8, "clip_on": False}
            ax.add_patch(Rectangle((-0.5, frames[i] - 0.5), len(tokens), 1, fill=False, **edge))
        if digits:
            for y, row in enumerate(weights.tolist()):
                for x, weight in enumerate(row):
                    look = {"ha": "center", "va": "center", "size": 10.5, "color": "white" if weight > 0.55 else INK}
                    ax.text(x, y, f"{weight:.{digits}f}", **look)
    if shared:
        for ax in axes[:, 1:].flat:
            ax.set_yticks([])  # the same as on the left
        for ax in axes[:-1].flat:
            ax.set_xticks([])  # the same as below
    if not digits:
        figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=35, label="weight", ticks=[0, 0.5, 1])


def own_weight(widths: Sequence[int], lines: Mapping[str, Sequence[float]], share: float) -> None:
    """The mean weight of a token on itself (0 to 1) against H. share: what an even spread would give, dotted."""
    ax = plt.subplots(figsize=(WIDTH, 3.0))[1]
    for label, line in lines.items():
        ax.plot(widths, line, label=label, linewidth=2, markersize=6)
    ax.axhline(share, color=INK, linestyle=":", linewidth=1.2, label="an even share, 1/T")
    log_axis(ax, widths)
    ax.set(xlabel="hidden size, H", ylabel="mean weight on itself", ylim=(-0.03, 1.03))
    ax.legend(loc="center left", bbox_to_anchor=(0, 0.63), fontsize=9.5)


def entropy(sizes: Sequence[int], lines: Mapping[str, Sequence[float]], ceiling: float) -> None:
    """The mean entropy of a row of weights against D. ceiling: that of equal weights, dotted."""
    ax = plt.subplots(figsize=(WIDTH, 2.9))[1]
    for (label, line), colour in zip(lines.items(), (ORANGE, BLUE), strict=True):
        ax.plot(sizes, line, label=label, linewidth=2, markersize=6, color=colour)
    ax.axhline(ceiling, color=INK, linestyle=":", linewidth=1.2)
    ax.text(sizes[0], ceiling + 0.06, "all weights equal", size=9.5, va="bottom")
    ax.axhline(0, color=INK, linestyle=":", linewidth=1.2)
    ax.text(sizes[0], 0.06, "all weight on one token", size=9.5, va="bottom")
    log_axis(ax, sizes)
    ax.set(xlabel="head size, D", ylabel="entropy of a row", ylim=(-0.1, ceiling + 0.4))
    ax.legend(loc="center right", fontsize=9.5)


def score_rows(scores: Sequence[float], rows: Mapping[str, Sequence[float]]) -> None:
    """One panel a divisor: the weights (0 to 1) that one row of scores becomes."""
    _, axes = plt.subplots(1, len(rows), figsize=(1.57 * len(rows) + 0.3, 2.2), sharey=True, squeeze=False)
    for ax, (title, weights) in zip(axes[0], rows.items(), strict=True):
        ax.bar(range(len(scores)), weights, color=BLUE, width=0.7)
        for i, weight in enumerate(weights):
            ax.text(i, weight + 0.02, f"{weight:.2f}", ha="center", va="bottom", size=9.5)
        ax.set_xticks(range(len(scores)), [f"{score:g}".replace("-", "−") for score in scores])
        ax.set(title=title, xlabel="score", ylim=(0, 1.12), yticks=[0, 0.5, 1])
        ax.tick_params(axis="x", length=0)
    for ax in axes[0, 1:]:
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    axes[0, 0].set_ylabel("weight")


def heads(H: int, A: int) -> None:
    """Every number of a token's vector goes into every head; what is cut into A pieces is the result."""
    colours = [BLUE, ORANGE, GREEN, PURPLE]
    D = H // A
    ax = blank(WIDTH, 2.7, H + 3.1, 7.4)
    for i in range(H):
        box(ax, 3.0 + i, 0, "", "#767676", height=0.9)
    ax.text(2.8, 0.45, "x, one token\nH numbers", ha="right", va="center", size=10.5)
    for a in range(A):
        middle = 3.0 + D * (a + 0.5)
        for i in range(H):
            ax.plot([3.5 + i, middle], [0.95, 2.7], color=colours[a], linewidth=0.9, marker="")
        look = {"facecolor": colours[a], "edgecolor": "white", "linewidth": 2}
        ax.add_patch(Rectangle((3.0 + D * a, 2.7), D, 1.3, **look))
        text = {"ha": "center", "va": "center", "size": 10.5, "color": "white" if a == 0 else INK}
        ax.text(middle, 3.35, f"D columns\nfor head {a + 1}", **text)
        for i in range(D):
            box(ax, 3.0 + D * a + i, 5.0, "", colours[a], height=0.9)
        ax.annotate("", (middle, 4.95), (middle, 4.05), arrowprops={"arrowstyle": "->", "color": colours[a], "lw": 1.6})
        ax.text(middle, 6.65, f"head {a + 1}\nD numbers", ha="center", va="center", size=10.5)
    ax.text(2.8, 3.35, f"$W_Q$, {H} × {H}", ha="right", va="center", size=10.5)
    ax.text(2.8, 5.45, "x $W_Q$, cut\ninto A pieces", ha="right", va="center", size=10.5)


def times(timed: Sequence[int], lines: Mapping[str, Sequence[float]]) -> None:
    """Milliseconds of one layer against T. Both axes logarithmic."""
    ax = plt.subplots(figsize=(WIDTH, 3.0))[1]
    look = {"attention": (BLUE, "o"), "LSTM": (ORANGE, "s"), "GRU": (GREEN, "^")}
    for name, line in lines.items():
        colour, marker = look[name]
        ax.plot(timed, line, label=name, linewidth=2, markersize=6, color=colour, marker=marker)
    ax.set_yscale("log")
    log_axis(ax, timed)
    ax.set(xlabel="tokens, T", ylabel="milliseconds on one core")
    ax.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    ax.set_ylim(min(0.09, 0.7 * min(map(min, lines.values()))), 1.4 * max(map(max, lines.values())))
    ax.legend(loc="upper left", fontsize=9.5)


def log_axis(ax: plt.Axes, places: Sequence[int], every: int = 1) -> None:
    """A logarithmic x axis that names the places of the points."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(places[::every], [str(place) for place in places[::every]])
    ax.minorticks_off()
