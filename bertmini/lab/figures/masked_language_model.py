"""The figures of notebooks/06_masked_language_model.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle
from torch import Tensor

from bertmini.lab.figures import BLUE, FAINT, GREEN, INK, ORANGE, RED, blank, box

FATE = {"not chosen": FAINT, "[MASK]": INK, "kept": GREEN, "replaced": ORANGE}
HOLE = "#8F1D2C"  # what is not on the map


def three_views(true: Sequence[str], shown: Sequence[str], fates: Mapping[int, str]) -> None:
    """A text, what the model is shown of it, and what it has to guess. fates: position -> a key of FATE."""
    ax = blank(0.6 * (1.75 + len(true)), 2.3, 1.75 + len(true), 3.75)
    rows = {"text": true, "shown": shown, "to guess": [token if t in fates else "" for t, token in enumerate(true)]}
    for level, (name, tokens) in enumerate(rows.items()):
        y = 0.1 + 1.0 * level
        ax.text(1.5, y + 0.4, name, ha="right", va="center")
        for t, token in enumerate(tokens):
            fate = fates.get(t, "not chosen")
            if token:
                colour = FATE["not chosen"] if level == 0 else FATE[fate]
                box(ax, 1.7 + t, y, token, colour, size=10 if len(token) < 6 else 9)
    x = 1.7
    for fate in [*dict.fromkeys(fates.values())]:
        ax.add_patch(Rectangle((x, 3.25), 0.35, 0.35, facecolor=FATE[fate]))
        label = "shown as [MASK]" if fate == "[MASK]" else fate
        ax.text(x + 0.45, 3.43, label, va="center", size=10)
        x += 2.6


def fates(counts: Mapping[str, Mapping[str, int]]) -> None:
    """One bar of 100% a row: row -> fate -> how many tokens. A thin piece carries its label under the bar."""
    ax = plt.subplots(figsize=(5.8, 2.2))[1]
    for y, parts in enumerate(counts.values()):
        left, whole = 0.0, sum(parts.values())
        for name, number in parts.items():
            share = number / whole
            ax.barh(y, share, left=left, height=0.55, color=FATE[name], edgecolor="white")
            if share > 0.08:
                dark = FATE[name] in (INK, GREEN)
                text = f"{share:.0%}" if share < 0.2 else f"{name}\n{share:.0%}"
                look = {"ha": "center", "va": "center", "size": 10, "color": "white" if dark else INK}
                ax.text(left + share / 2, y, text, **look)
            left += share
    ax.set_yticks(range(len(counts)), list(counts))
    ax.set(xlim=(0, 1), ylim=(len(counts) - 0.5, -0.5), xticks=[])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    names = list(dict.fromkeys(name for parts in counts.values() for name in parts))
    handles = [Rectangle((0, 0), 1, 1, color=FATE[name]) for name in names]
    ax.figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=10)


def paths(L: int, seen: Mapping[str, Sequence[tuple[tuple[int, int], tuple[int, int]]]]) -> None:
    """Who looks at whom, in panels: dots are positions (left to right) and layers (upwards), lines are looks.

    seen: title -> the looks, ((position, layer below), (position, layer above)). The lines on a way from the middle
    token to the middle's last vector are thick and red.
    """
    at = (0, 1.25, 2)  # not in the middle: a line from corner to corner must miss the dot
    _, axes = plt.subplots(1, len(seen), figsize=(5.4, 2.3), sharey=True)
    for ax, (title, looks) in zip(axes, seen.items(), strict=True):
        below = {(1, 0)}
        for layer in range(1, L + 1):
            below |= {b for a, b in looks if a in below and b[1] == layer}
        above = {(1, max(b[1] for _, b in looks))}
        for layer in range(L - 1, -1, -1):
            above |= {a for a, b in looks if b in above and a[1] == layer}
        for a, b in looks:
            way = a in below and b in above and b in below
            look = {"color": RED, "linewidth": 2.6, "zorder": 2} if way else {"color": "#BBBBBB", "linewidth": 1}
            look["linestyle"] = ":" if a[0] == b[0] else "-"  # dotted: the residual
            ax.plot([at[a[0]], at[b[0]]], [a[1], b[1]], marker="", **look)
        top = max(b[1] for _, b in looks)
        for layer in range(top + 1):
            for x in range(3):
                colour = (RED if x == 1 else INK) if layer == 0 else BLUE
                ax.plot(at[x], layer, "o", color=colour, markersize=11, zorder=3)
        ax.set(xlim=(-0.4, 2.4), ylim=(-0.3, L + 0.3), xticks=at)
        ax.set_xticklabels(["old", "mill", "with"], size=10)
        ax.set_title(title, size=10)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    axes[0].set_yticks(range(L + 1), ["tokens", *(f"layer {i + 1}" for i in range(L))], size=10)


CURVE = {"next word, sees both sides": (RED, "o"), "next word, causal": (BLUE, "s"), "masked": (GREEN, "^")}


def learning(
    steps: Sequence[int],
    curves: Mapping[str, Sequence[Sequence[float]]],
    names: Sequence[str],
    floors: Mapping[str, tuple[float, str]],
) -> None:
    """Loss against steps, a line a seed, of the curves named. floors: label -> (nats, whose colour)."""
    ax = plt.subplots(figsize=(5.0, 2.5))[1]
    for name in names:
        colour, marker = CURVE[name]
        for number, line in enumerate(curves[name]):
            label = name if number == 0 else None
            ax.plot(steps, line, color=colour, marker=marker, markersize=5, markevery=5, linewidth=1.5, label=label)
    for label, (nats, of) in floors.items():
        ax.axhline(nats, color=CURVE[of][0], linestyle=":", linewidth=1.5)
        ax.text(steps[-1], nats - 0.05, label, ha="right", va="top", size=10, color=INK)
    ax.set(ylim=(-0.04, 1.45), xlabel="step", ylabel="loss (nats)", xticks=range(0, steps[-1] + 1, 500))
    ax.legend(loc="upper right", fontsize=10)


def cost(T: int, costs: Mapping[str, tuple[int, int]], P: int) -> None:
    """For each size a bar: FLOPs with scores at all T positions, as a multiple of those with scores at P of them."""
    ax = plt.subplots(figsize=(4.4, 2.2))[1]
    for x, (all_of_them, some) in enumerate(costs.values()):
        times = all_of_them / some
        ax.bar(x, times, width=0.6, color=BLUE, label=None if x else f"scores at all {T} positions")
        ax.text(x, times + 0.08, f"{times:.1f}", ha="center", size=10)
    ax.axhline(1, color=INK, linestyle=":", linewidth=1.5, marker="", label=f"scores at {P} positions, counted as 1")
    ax.set_xticks(range(len(costs)), list(costs))
    ax.set(ylabel="arithmetic, as a multiple", ylim=(0, 4.9))
    ax.legend(fontsize=10)


def ring(rows: Mapping[str, Mapping[str, Tensor]], firsts: Sequence[str], seconds: Sequence[str], real: Tensor) -> None:
    """Small multiples: rows of tables, first halves down and second halves across; real: bool, what can be.

    A cell holds its chance in percent. Cells off the map are framed, and their sum stands under the table.
    """
    columns = len(next(iter(rows.values())))
    _, axes = plt.subplots(len(rows), columns, figsize=(2.2 * columns + 0.5, 2.45 * len(rows)), squeeze=False)
    for line, (label, tables) in zip(axes, rows.items(), strict=True):
        for ax, (title, table) in zip(line, tables.items(), strict=True):
            ax.imshow(table.numpy(), cmap="Blues", vmin=0, vmax=0.3)
            for i in range(len(firsts)):
                for j in range(len(seconds)):
                    p = float(table[i, j])
                    colour = "white" if p > 0.17 else INK
                    percent = f"{100 * p:.3g}" if abs(400 * p - round(400 * p)) < 1e-4 else f"{100 * p:.0f}"  # 12.5, 16
                    text = percent if p > 0.005 else "·"
                    ax.text(j, i, text, ha="center", va="center", size=10, color=colour)
                    if not real[i, j] and p > 0.005:
                        look = {"fill": False, "edgecolor": HOLE, "linewidth": 2}
                        ax.add_patch(Rectangle((j - 0.44, i - 0.44), 0.88, 0.88, **look))
            ax.set_xticks(range(len(seconds)), seconds, size=9)
            ax.set_yticks(range(len(firsts)), firsts, size=9)
            ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
            ax.spines[:].set_visible(False)
            ax.set_xlabel(f"off the map: {float(table[~real].sum()):.0%}", size=10)
            ax.set_title(f"{label}:\n{title}", size=10)


def losses(nats: Mapping[str, float], colours: Mapping[str, str]) -> None:
    """Horizontal bars of losses in nats, largest first as given."""
    ax = plt.subplots(figsize=(5.0, 0.34 * len(nats) + 0.7))[1]
    for y, (name, value) in enumerate(nats.items()):
        ax.barh(y, value, color=colours.get(name, BLUE), height=0.68)
        ax.text(value + 0.01 * max(nats.values()), y, f"{value:.2f}", va="center", size=10)
    ax.set_yticks(range(len(nats)), list(nats), size=10)
    ax.set(ylim=(len(nats) - 0.5, -0.5), xlabel="loss at the gap (nats)", xlim=(0, 1.12 * max(nats.values())))


PLAYER = {"best possible": GREEN, "BERT (mini)": BLUE}
for _name in ("CBOW, whole text", "CBOW, 5 on each side", "CBOW, 2 on each side"):
    PLAYER[_name] = ORANGE


def pieces(losses: Mapping[str, Mapping[str, float]]) -> None:
    """Grouped bars: group -> player -> nats a word."""
    ax = plt.subplots(figsize=(4.4, 2.3))[1]
    names = list(next(iter(losses.values())))
    for k, name in enumerate(names):
        for x, group in enumerate(losses.values()):
            at = x + (k - (len(names) - 1) / 2) * 0.36
            ax.bar(at, group[name], width=0.34, color=PLAYER[name], label=name if x == 0 else None)
            ax.text(at, group[name] + 0.05, f"{group[name]:.1f}", ha="center", size=10)
    ax.set_xticks(range(len(losses)), list(losses), size=10)
    ax.set(ylabel="nats a word", ylim=(0, 1.25 * max(max(group.values()) for group in losses.values())))
    ax.legend(fontsize=10, loc="upper left")
