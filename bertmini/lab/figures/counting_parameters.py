"""The figures of notebooks/09_counting_parameters.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from bertmini.lab.figures import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, blank

PART = {
    "token table": BLUE, "other tables": SKY, "attention": GREEN, "feed-forward": ORANGE, "pooler": PURPLE,
    "prediction head": "#F0E442", "biases and LayerNorms": INK,
}  # fmt: skip
MAPS = "#8F1D2C"  # attention's T²: a dark red, far from the orange beside it
SHADE = {
    "tables": BLUE, "prediction heads": "#F0E442", "T²": MAPS, "model": "#A6A6A6", "activations": PURPLE,
} | PART  # fmt: skip


def to_scale(before: Mapping[str, int], layer: Mapping[str, int], L: int) -> None:
    """A model as strips of one height, so that length is size: what comes before the layers, folded, then L layers.

    Both map names to numbers of columns. A strip is as long as a layer's matrices; a thin piece is drawn 7 times too
    wide, and the legend says so.
    """
    width = sum(columns for columns in layer.values() if columns > 100)
    part = dict.fromkeys("QKVO", "attention") | {"inner": "feed-forward", "outer": "feed-forward"}
    pieces = [(part.get(name, name), name, columns) for name, columns in layer.items()]
    strips = [(f"layer {i + 1}", pieces) for i in range(L)]
    room, folded = 0, []
    for name, columns in before.items():
        while columns > 0:
            if room == 0:
                folded.append(("" if folded else "tables", []))
                room = width
            piece = min(columns, room)
            folded[-1][1].append((name, "", piece))
            room, columns = room - piece, columns - piece
    ax = blank(5.2, 0.31 * len(folded + strips) + 1.3, 1.2 * width, len(folded + strips) + 4.1)
    names = {}
    for y, (title, pieces) in enumerate(folded + strips):
        ax.text(0.155 * width, y + 0.45, title, ha="right", va="center", size=11)
        x = 0.18 * width
        for name, text, columns in pieces:
            thin = columns < 0.01 * width
            names[name] = name + ", 7 × too wide" * thin
            columns *= 7 if thin else 1
            edge = {"edgecolor": "white", "linewidth": 0 if thin else 0.8}
            ax.add_patch(Rectangle((x, y), columns, 0.88, facecolor=PART[name], **edge))
            look = {"ha": "center", "va": "center", "size": 11, "color": INK if name == "feed-forward" else "white"}
            if title == "layer 1" and not thin:  # the others are the same
                ax.text(x + columns / 2, y + 0.45, text, **look)
            x += columns
    text = f"{before['token table']:,} rows, folded"
    ax.text(0.68 * width, 0.45, text, ha="center", va="center", size=11, color="white")
    for i, (name, said) in enumerate(names.items()):
        x, y = (0.18 + 0.48 * (i % 2)) * width, len(folded + strips) + 0.3 + 0.95 * (i // 2)
        ax.add_patch(Rectangle((x, y), 0.035 * width, 0.6, facecolor=PART[name]))
        ax.text(x + 0.05 * width, y + 0.3, said, va="center", size=11)


def stacked(ax: plt.Axes, rows: Mapping[str, Mapping[str, float]], totals: Sequence[str], least: float) -> None:
    """Horizontal bars of 100%; a piece carries its share where that is `least` or more."""
    for y, parts in enumerate(rows.values()):
        left, whole = 0.0, sum(parts.values())
        for part, number in parts.items():
            share = number / whole
            ax.barh(y, share, left=left, color=SHADE[part], edgecolor="white", height=0.72)
            if share >= least:
                look = {"ha": "center", "va": "center", "size": 10}
                dark = SHADE[part] in (BLUE, GREEN, MAPS)
                ax.text(left + share / 2, y, f"{share:.0%}", color="white" if dark else INK, **look)
            left += share
        ax.text(1.02, y, totals[y], va="center", size=10)
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xticks=[])
    ax.set_yticks(range(len(rows)), rows, size=10)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def where_they_sit(models: Mapping[str, Mapping[str, int]]) -> None:
    """One bar a model: which part holds which share of its parameters, and how many there are."""
    figure, ax = plt.subplots(figsize=(6.2, 3.6))
    stacked(ax, models, [f"{sum(parts.values()) / 1e6:.1f} M" for parts in models.values()], least=0.05)
    handles = [Rectangle((0, 0), 1, 1, color=SHADE[part]) for part in next(iter(models.values()))]
    figure.legend(handles, next(iter(models.values())), loc="outside lower center", ncols=3, fontsize=9.5)


def slices(H: int, counts: Mapping[int, int], T: int) -> None:
    """For each number of attention heads: one H × H matrix in that many stripes, and below it as many T × T maps."""
    _, axes = plt.subplots(2, len(counts), figsize=(6.2, 4.4), height_ratios=[1.5, 1])
    for (top, bottom), (A, count) in zip(axes.T, counts.items(), strict=True):
        for a in range(A):
            top.add_patch(Rectangle((a * H / A, 0), H / A, H, facecolor=[GREEN, "#8FD3BD"][a % 2], edgecolor="white"))
        top.set(xlim=(0, H), ylim=(H, 0), aspect="equal", xticks=[], yticks=[])
        top.set_title(f"A = {A}" + (" attention head" if A == 1 else " attention heads"), size=9.5, weight="bold")
        top.set_xlabel(f"{A} × ({H} × {H // A})\n= {count:,}", size=9.5)
        columns = max(1, min(A, 4))
        for a in range(A):
            corner = (1.12 * (a % columns), 1.12 * (a // columns))
            bottom.add_patch(Rectangle(corner, 1, 1, facecolor=MAPS))
        bottom.set(xlim=(-0.2, 4.5), ylim=(3.5, -0.2), aspect="equal", xticks=[], yticks=[])
        bottom.set_xlabel(f"{A} × ({T} × {T})\n= {A * T * T:,}", size=9.5)
        for ax in (top, bottom):
            ax.spines[:].set_visible(False)
    axes[0, 0].set_ylabel("query matrix", size=9.5)
    axes[1, 0].set_ylabel("attention maps", size=9.5)


def crossing(lines: Mapping, dots: Sequence, at: Mapping[str, int], unit: str) -> dict:
    """One panel of `crossings`: formulas of T, what was counted for each (lengths, numbers), where they cross."""
    return {"lines": lines, "dots": dots, "at": at, "unit": unit}


def crossings(panels: Mapping[str, dict], longest: int) -> None:
    """Panels one above the other, both axes logarithmic: lines by formula, dots as counted, dotted where lines cross.

    Up to the length `longest` the ground is grey.
    """
    _, axes = plt.subplots(len(panels), 1, figsize=(6.2, 6.4))
    lengths = [2**i for i in range(6, 15)]  # 64 to 16,384
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        looks = zip(panel["lines"].items(), panel["dots"], strict=True)
        for i, ((name, formula), (counted_at, counted)) in enumerate(looks):
            colour = MAPS if name == "T²" else [INK, GREEN][i]
            line = [formula(T) for T in lengths]
            ax.plot(lengths, line, "-" if name == "T²" else "--", color=colour, marker="", linewidth=2)
            marker = "o" if name == "T²" else "s"
            ax.plot(counted_at, counted, marker, color=colour, markersize=5)
            ax.plot([], [], f"{marker}-" if name == "T²" else f"{marker}--", color=colour, markersize=5, label=name)
        ax.axvspan(32, longest, color="#ECECEC", zorder=0)
        ax.set(xscale="log", yscale="log", title=title, xlabel="T, tokens in a sequence", ylabel=panel["unit"])
        ax.set_xlim(56, 18_000)
        ax.set_xticks(lengths, [f"{T:,}" for T in lengths], size=9)
        ax.minorticks_off()
        for name, T in panel["at"].items():
            ax.axvline(T, color="#555555", linestyle=":", linewidth=1.2)
            ax.annotate(f"{name} = {T:,}", (T, 0.04), xycoords=("data", "axes fraction"), xytext=(4, 0),
                        textcoords="offset points", size=9.5)  # fmt: skip
        ax.legend(loc="upper left", fontsize=10)


def budgets(settings: Mapping[str, Mapping[str, tuple[str, Mapping[str, float]]]]) -> None:
    """Small multiples: for each setting some bars (name -> total in words, parts), one below the other."""
    figure, axes = plt.subplots(len(settings), 1, figsize=(5.2, 1.8 * len(settings) + 0.9), squeeze=False)
    for ax, (title, bars) in zip(axes[:, 0], settings.items(), strict=True):
        totals = [total for total, _ in bars.values()]
        stacked(ax, {name: parts for name, (_, parts) in bars.items()}, totals, least=0.07)
        ax.set_title(title, loc="left", size=11, weight="bold")
    names = dict.fromkeys(part for bars in settings.values() for _, parts in bars.values() for part in parts)
    handles = [Rectangle((0, 0), 1, 1, color=SHADE[part]) for part in names]
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=10.5)
