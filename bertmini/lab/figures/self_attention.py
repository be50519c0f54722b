"""The figures of notebooks/04_self_attention.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle
from torch import Tensor

from bertmini.lab.figures import BLUE, GREEN, INK, ORANGE, PURPLE, RED, blank, box


def maps(
    panels: Mapping[str, tuple[Tensor, Sequence[str]]], columns: int = 2, frames: Sequence[int] = (), digits: int = 0
) -> None:
    """Attention weights as squares: a row for each token that looks, a column for each that is looked at.

    panels: title -> weights (T, T) and their T tokens. frames: a row to frame in each panel, if any. digits: of the
    numbers written into the squares; none at 0.
    """
    rows = -(-len(panels) // columns)
    longest = max(len(token) for _, tokens in panels.values() for token in tokens)
    height = rows * (5.7 / columns + 0.25 + 0.03 * longest)
    figure, axes = plt.subplots(rows, columns, figsize=(5.7, height), squeeze=False)
    for i, (ax, (title, (weights, tokens))) in enumerate(zip(axes.flat, panels.items(), strict=True)):
        image = ax.imshow(weights.numpy(), cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        upright = 0 if longest < 7 and len(tokens) < 5 else 90
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
    for ax in axes[:, 1:].flat:
        if [label.get_text() for label in ax.get_yticklabels()] == list(next(iter(panels.values()))[1]):
            ax.set_yticks([])  # the same as on the left
    if not digits:
        figure.colorbar(image, ax=axes, location="bottom", shrink=0.6, aspect=35, label="weight")


def own_weight(widths: Sequence[int], lines: Mapping[str, Sequence[float]], share: float) -> None:
    """The mean weight of a token on itself (0 to 1) against H. share: what an even spread would give, dotted."""
    ax = plt.subplots(figsize=(5.7, 3.7))[1]
    for label, line in lines.items():
        ax.plot(widths, line, label=label, linewidth=2, markersize=6)
    ax.axhline(share, color=INK, linestyle=":", linewidth=1.2, label="an even share, 1/T")
    log_axis(ax, widths)
    ax.set(xlabel="length of a vector, H", ylabel="mean weight on itself", ylim=(-0.03, 1.03))
    ax.legend(loc="center left", bbox_to_anchor=(0, 0.63), fontsize=9.5)


def entropy(sizes: Sequence[int], lines: Mapping[str, Sequence[float]], ceiling: float) -> None:
    """The mean entropy of a row of weights against D. ceiling: that of equal weights, dotted."""
    ax = plt.subplots(figsize=(5.7, 3.5))[1]
    for (label, line), colour in zip(lines.items(), (ORANGE, BLUE), strict=True):
        ax.plot(sizes, line, label=label, linewidth=2, markersize=6, color=colour)
    ax.axhline(ceiling, color=INK, linestyle=":", linewidth=1.2)
    ax.text(sizes[0], ceiling + 0.06, "all weights equal", size=9.5, va="bottom")
    ax.axhline(0, color=INK, linestyle=":", linewidth=1.2)
    ax.text(sizes[0], 0.06, "all weight on one token", size=9.5, va="bottom")
    log_axis(ax, sizes)
    ax.set(xlabel="head size, D", ylabel="entropy of a row, in nats", ylim=(-0.1, ceiling + 0.4))
    ax.legend(loc="center right", fontsize=9.5)


def score_rows(scores: Sequence[float], rows: Mapping[str, Sequence[float]]) -> None:
    """One panel a divisor: the weights (0 to 1) that one row of scores becomes."""
    _, axes = plt.subplots(1, len(rows), figsize=(1.8 * len(rows) + 0.3, 2.5), sharey=True, squeeze=False)
    for ax, (title, weights) in zip(axes[0], rows.items(), strict=True):
        ax.bar(range(len(scores)), weights, color=BLUE, width=0.7)
        for i, weight in enumerate(weights):
            ax.text(i, weight + 0.02, f"{weight:.2f}", ha="center", va="bottom", size=9.5)
        ax.set_xticks(range(len(scores)), [f"{score:g}".replace("-", "−") for score in scores])
        ax.set(title=title, xlabel="score", ylim=(0, 1.12), yticks=[0, 0.5, 1])
        ax.tick_params(axis="x", length=0)
    axes[0, 0].set_ylabel("weight")


def heads(H: int, A: int) -> None:
    """Every number of a token's vector goes into every head; what is cut into A pieces is the result."""
    colours = [BLUE, ORANGE, GREEN, PURPLE]
    D = H // A
    ax = blank(5.7, 3.6, H + 3.4, 8.4)
    for i in range(H):
        box(ax, 3.2 + i, 0.5, "", "#767676", height=0.9)
    ax.text(3.0, 0.95, "x, one token\nH numbers", ha="right", va="center", size=10)
    for a in range(A):
        middle = 3.2 + D * (a + 0.5)
        for i in range(H):
            ax.plot([3.7 + i, middle], [1.45, 3.2], color=colours[a], linewidth=0.9, marker="")
        look = {"facecolor": colours[a], "edgecolor": "white", "linewidth": 2}
        ax.add_patch(Rectangle((3.2 + D * a, 3.2), D, 1.5, **look))
        text = {"ha": "center", "va": "center", "size": 10, "color": "white" if a == 0 else INK}
        ax.text(middle, 3.95, f"D columns for head {a + 1}", **text)
        for i in range(D):
            box(ax, 3.2 + D * a + i, 5.7, "", colours[a], height=0.9)
        ax.annotate("", (middle, 5.65), (middle, 4.75), arrowprops={"arrowstyle": "->", "color": colours[a], "lw": 1.6})
        ax.text(middle, 7.1, f"head {a + 1}\nD numbers", ha="center", va="center", size=10)
    ax.text(3.0, 3.95, f"$W_Q$, {H} × {H}", ha="right", va="center", size=10)
    ax.text(3.0, 6.15, "x $W_Q$, cut\ninto A pieces", ha="right", va="center", size=10)


def chain_and_time(
    lengths: Sequence[int],
    chains: Mapping[str, Sequence[int]],
    timed: Sequence[int],
    times: Mapping[str, Sequence[float]],
) -> None:
    """Left: how many matrix products wait for each other. Right: milliseconds. Both axes logarithmic."""
    _, (left, right) = plt.subplots(1, 2, figsize=(6.0, 3.5))
    look = {"attention": {"color": BLUE, "marker": "o"}, "LSTM": {"color": ORANGE, "marker": "s"}}
    look["GRU"] = {"color": GREEN, "marker": "^"}
    for name, line in chains.items():
        left.plot(lengths, line, label=name, linewidth=2, markersize=6, **look[name])
    for name, line in times.items():
        right.plot(timed, line, label=name, linewidth=2, markersize=6, **look[name])
    for ax, places in ((left, lengths), (right, timed)):
        log_axis(ax, places, every=1 if len(places) < 6 else 2)
        ax.set_yscale("log", base=10 if ax is right else 2)
        ax.set_xlabel("tokens, T")
        ax.legend(loc="upper left", fontsize=9.5)
    left.set_yticks([2, 4, 8, 16, 32], ["2", "4", "8", "16", "32"])
    left.set(title="products that must wait", ylabel="length of the longest chain", ylim=(1.7, 110))
    right.set(title="time on one core", ylabel="milliseconds")
    right.set_ylim(top=right.get_ylim()[1] * 4)
    right.set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    right.set_ylim(bottom=0.7 * min(map(min, times.values())))


def log_axis(ax: plt.Axes, places: Sequence[int], every: int = 1) -> None:
    """A logarithmic x axis that names the places of the points."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(places[::every], [str(place) for place in places[::every]])
    ax.minorticks_off()
