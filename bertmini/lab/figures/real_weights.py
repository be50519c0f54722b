"""The figures of notebooks/11_real_weights.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from torch import Tensor

from bertmini.lab.figures import BLUE, GREEN, INK, ORANGE, PURPLE, RED
from bertmini.lab.figures.self_attention import WIDTH, maps

__all__ = ["heads", "histogram", "maps", "norms", "positions", "similarities"]

KINDS = {  # the kinds of entries in a vocabulary: colour and marker
    "special": (RED, "P"),
    "unused": (PURPLE, "s"),
    "character": (ORANGE, "^"),
    "whole word": (BLUE, "o"),
    "## piece": (GREEN, "v"),
}


def norms(lengths: Sequence[float], kinds: Sequence[str], every: int = 12) -> None:
    """The length of each row of the token table against its number; one row in `every`, and all special ones.

    kinds: a key of KINDS for each row.
    """
    ax = plt.subplots(figsize=(WIDTH, 3.3))[1]
    for kind, (colour, marker) in KINDS.items():
        rows = [i for i, k in enumerate(kinds) if k == kind][:: 1 if kind == "special" else every]
        size = {"special": 40, "whole word": 3.5}.get(kind, 8)
        look = {"s": size, "color": colour, "marker": marker, "linewidths": 0, "alpha": 1 if kind == "special" else 0.6}
        ax.scatter(rows, [lengths[i] for i in rows], label=kind, zorder=3 if kind == "special" else 2, **look)
    ax.set(xlabel="row of the token table (token id)", ylabel="length of the row", ylim=(0, None))
    ticks = [0, 10_000, 20_000, 30_000]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.legend(loc="lower center", ncols=3, fontsize=9.5, markerscale=1.6, handletextpad=0.2, columnspacing=1)


def positions(cosines: Tensor, windows: Sequence[tuple[int, int]], lengths: Tensor, marked: Sequence[int]) -> None:
    """Above, the cosines of position rows with each other, in some windows; below, the length of every row.

    cosines: (positions, positions). windows: from, to (not included). marked: rows to name in the lower panel.
    """
    figure = plt.figure(figsize=(WIDTH, 4.9))
    above, below = figure.subfigures(2, 1, height_ratios=[2.55, 2.2])
    axes = above.subplots(1, len(windows), squeeze=False)[0]
    for ax, (begin, end) in zip(axes, windows, strict=True):
        part = cosines[begin:end, begin:end].numpy()
        image = ax.imshow(part, cmap="cividis", vmin=-0.2, vmax=1, interpolation="nearest")
        ticks = range(0, end - begin, 16)
        ax.set_xticks(ticks, [str(begin + tick) for tick in ticks], size=9.5)
        ax.set_yticks(ticks, [str(begin + tick) for tick in ticks], size=9.5)
        ax.spines[:].set_visible(True)
        ax.set_title(f"positions {begin} to {end - 1}")
    above.colorbar(image, ax=axes, location="right", shrink=0.8, aspect=18, label="cosine", ticks=[0, 0.5, 1])
    ax = below.subplots()
    ax.plot(range(len(lengths)), lengths.tolist(), color=BLUE, marker="", linewidth=1.3)
    for i in marked:
        ax.plot([i], [float(lengths[i])], color=RED, marker="o", markersize=5)
        side = "right" if i > len(lengths) / 2 else "left"
        ax.annotate(str(i), (i, float(lengths[i])), (-7 if side == "right" else 7, 2), textcoords="offset points",
                    ha=side, color=INK, size=10)  # fmt: skip
    ax.set(xlabel="position", ylabel="length of the row", ylim=(0, None))


def heads(shares: Mapping[str, Tensor], even: float, named: Mapping[str, Sequence[tuple[int, int]]]) -> None:
    """Every head as a point: how much of its weight goes where, against its layer.

    shares: where -> (L, A), 0 to 1, drawn two panels a row, the last of an odd number in full width. even: an even
    share, dotted. named: where -> the heads to name, layer and head counted from 0.
    """
    rows = -(-len(shares) // 2)
    figure = plt.figure(figsize=(WIDTH, 1.75 * rows))
    grid, flat = figure.add_gridspec(rows, 2), []
    for i in range(len(shares)):
        last = i == len(shares) - 1 and i % 2 == 0  # alone in its row: as wide as two
        flat.append(figure.add_subplot(grid[i // 2, slice(0, 2) if last else i % 2]))
    for ax, (where, table) in zip(flat, shares.items(), strict=True):
        L, A = table.shape
        for layer in range(L):
            places = [layer + 1 + 0.5 * (head / max(1, A - 1) - 0.5) for head in range(A)]
            look = {"color": BLUE if layer % 2 == 0 else ORANGE, "marker": "o" if layer % 2 == 0 else "s"}
            ax.plot(places, table[layer].tolist(), linestyle="", markersize=3.8, alpha=0.85, **look)
        ax.axhline(even, color=INK, linestyle=":", linewidth=1.2)
        for layer, head in named.get(where, ()):
            place = layer + 1 + 0.5 * (head / max(1, A - 1) - 0.5), float(table[layer, head])
            plate = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # over the dotted line
            ax.annotate(f"{layer + 1}.{head + 1}", place, (5, -1), textcoords="offset points", size=9.5, color=INK,
                        bbox=plate)  # fmt: skip
        ax.set_title(where, pad=3)
        ax.set(ylim=(-0.04, 1.09), yticks=[0, 0.5, 1])
        ax.set_xticks(range(1, L + 1) if L <= 6 else range(1, L + 1, 2))
    flat[-1].set_xlabel("layer")
    figure.supylabel("share of the weight", size=11)


def histogram(distances: Mapping[str, Sequence[float]], most: float = 1.0) -> None:
    """How far apart two heads are, for several sorts of pairs: one panel each, under each other, with the mean."""
    rows = len(distances)
    _, axes = plt.subplots(rows, 1, figsize=(WIDTH, 1.15 * rows + 0.5), sharex=True, squeeze=False)
    for ax, (label, values), colour in zip(axes[:, 0], distances.items(), (BLUE, ORANGE, PURPLE, GREEN), strict=False):
        bins = [most * i / 50 for i in range(51)]
        heights, _, _ = ax.hist(values, bins=bins, color=colour, weights=[1 / len(values)] * len(values))
        mean = sum(values) / len(values)
        ax.axvline(mean, color=INK, linestyle=":", linewidth=1.4)
        ax.text(0.99, 0.9, f"{label}\nmean {mean:.2f}", transform=ax.transAxes, ha="right", va="top", size=10)
        ax.set(yticks=[], ylim=(0, 1.08 * max(heights)))
        ax.spines["left"].set_visible(False)
    axes[-1, 0].set_xlabel("distance of two heads, in bits")


def similarities(panels: Mapping[str, Tensor]) -> None:
    """Cosines of first with second sentences, as squares; on the diagonal those that belong together.

    panels: title -> (N, N), row i the first sentence of pair i, column j the second of pair j.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.0), squeeze=False)
    for ax, (title, table) in zip(axes[0], panels.items(), strict=True):
        image = ax.imshow(table.numpy(), cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        N = len(table)
        ax.set_xticks(range(0, N, 2), [str(i + 1) for i in range(0, N, 2)], size=9.5)
        ax.set_yticks(range(0, N, 2), [str(i + 1) for i in range(0, N, 2)], size=9.5)
        ax.set_title(title)
        ax.set_xlabel("second sentence of pair")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(True)
    axes[0, 0].set_ylabel("first sentence of pair")
    figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=35, label="cosine", ticks=[0, 0.5, 1])
