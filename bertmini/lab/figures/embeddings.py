"""The figures of notebooks/02_embeddings.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from bertmini.lab.figures import COLOUR, DARK, INK, MARKER, blank, box


def one_matrix(one_hot: Tensor, tables: Mapping[str, Tensor], total: Tensor, columns: int = 7) -> None:
    """A row of zeros and three ones, times three stacked tables: the chosen rows, and their sum below."""
    ax = blank(7.5, 5.2, 13.3, 12.6)
    y, shown = 1.0, [*range(columns), -1]
    ax.text(1.0, 0.4, "one-hots", ha="center", va="center")
    ax.text(7.0, 0.4, f"one matrix, {len(one_hot)} × {len(total)}", ha="center", va="center")
    entries = iter(one_hot.long().tolist())
    for name, table in tables.items():
        ax.text(12.3, y + len(table) / 2, f"{name}\n{len(table)} rows", ha="center", va="center", color=DARK[name])
        for row in table.long().tolist():
            chosen = next(entries)
            box(ax, 0.5, y, str(chosen), COLOUR[name] if chosen else "#F2F2F2", height=0.85)
            for i, column in enumerate(shown):
                x = 2.6 + i + (column == -1) * 0.8
                text = {"weight": "bold"} if chosen else {"color": "#767676"}
                box(ax, x, y, str(row[column]), COLOUR[name] if chosen else "#F2F2F2", height=0.85, **text)
            ax.text(2.6 + columns + 0.4, y + 0.42, "…", ha="center", va="center", color=INK)
            y += 1
        y += 0.25
    ax.text(2.05, 5.9, "×", ha="center", va="center", size=18)
    ax.text(1.0, y + 0.85, "the sum", ha="center", va="center", weight="bold")
    for i, column in enumerate(shown):
        box(ax, 2.6 + i + (column == -1) * 0.8, y + 0.4, str(int(total[column])), INK, height=0.9, weight="bold")
    ax.text(2.6 + columns + 0.4, y + 0.85, "…", ha="center", va="center")
    ax.text(12.3, y + 0.85, f"{len(total)}\nnumbers", ha="center", va="center")


def three_rows(tokens: Sequence[str], segment_ids: Sequence[int]) -> None:
    """BERT's input for one sequence: above each other the token's, the position's and the segment's row."""
    ax = blank(7.5, 2.9, 2.1 + len(tokens), 4.5)
    rows = {"token": list(tokens), "position": list(range(len(tokens))), "segment": list(segment_ids)}
    for level, (name, entries) in enumerate(rows.items()):
        y = 0.1 + 1.1 * level
        ax.text(1.8, y + 0.4, name, ha="right", va="center", color=DARK[name])
        for i, entry in enumerate(entries):
            colour = "#7FCEB8" if name == "segment" and entry == 0 else COLOUR[name]
            box(ax, 2 + i, y, str(entry), colour, size=10 if len(str(entry)) < 6 else 9)
            if level:
                ax.text(2.5 + i, y - 0.15, "+", ha="center", va="center", size=11)
    for i in range(len(tokens)):
        ax.text(2.5 + i, 3.3, "=", ha="center", va="center", size=11)
        ax.add_patch(FancyBboxPatch((2.08 + i, 3.58), 0.84, 0.7, boxstyle="round,pad=0,rounding_size=0.1", color=INK))
    ax.text(1.8, 3.93, "sum", ha="right", va="center", weight="bold")


def positions(tables: Mapping[str, Tensor], likeness: Mapping[str, Tensor]) -> None:
    """Position tables above, the likeness of every two of their rows below; one column a table."""
    figure, axes = plt.subplots(2, len(tables), figsize=(6.8, 5.8), squeeze=False, height_ratios=[1, 1.6])
    for column, (name, table) in enumerate(tables.items()):
        top, bottom = axes[:, column]
        limit = float(table.abs().max())
        image = top.imshow(table.numpy(), cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
        top.set(title=name, xlabel="column of the table", ylabel="position")
        figure.colorbar(image, ax=top, shrink=0.9)
        image = bottom.imshow(likeness[name].numpy(), vmin=-1, vmax=1, cmap="PuOr", interpolation="nearest")
        bottom.set(xlabel="position", ylabel="position", title="cosine of every two rows")
        figure.colorbar(image, ax=bottom, shrink=0.75)


def recovery(widths: Sequence[int], shares: Mapping[str, Sequence[float]], marked: Mapping[str, int]) -> None:
    """How often a sum is read back right (0 to 1) against its width H, a line for each size of tables."""
    ax = plt.subplots(figsize=(6.2, 3.7))[1]
    for label, line in shares.items():
        ax.plot(widths, [100 * share for share in line], label=label, linewidth=2, markersize=6)
    for name, width in marked.items():
        ax.axvline(width, color="#767676", linestyle=":", linewidth=1.2)
        ax.text(width, 103, name, ha="center", va="bottom", color="#555555")
    ax.set_xscale("log", base=2)
    ax.set_xticks(widths, [str(width) for width in widths])
    ax.set(xlabel="width of the sum, H", ylabel="% of sums read back right", ylim=(-3, 103))
    ax.legend(loc="upper left", fontsize=9.5)


def recovery_by_size(
    widths: Sequence[int], panels: Mapping[str, Mapping[str, Sequence[float]]], guess: Mapping[str, float]
) -> None:
    """Small multiples: for each size of the position rows, how often each of the three is read back right.

    guess: what guessing gets (0 to 1), by name, as a dotted line.
    """
    _, axes = plt.subplots(1, len(panels), figsize=(6.8, 3.1), sharey=True)
    for ax, (title, shares) in zip(axes, panels.items(), strict=True):
        for name, line in shares.items():
            look = {"color": DARK[name], "marker": MARKER[name], "linewidth": 2, "markersize": 5}
            ax.plot(widths, [100 * share for share in line], label=name, **look)
        for name, share in guess.items():
            ax.axhline(100 * share, color=DARK[name], linestyle=":", linewidth=1.2, label=f"{name}, guessed")
        ax.set_xscale("log", base=2)
        ax.set_xticks(widths[::2], [str(width) for width in widths[::2]])
        ax.minorticks_off()
        ax.set(title=title, xlabel="H", ylim=(-3, 103))
    axes[0].set_ylabel("% read back right")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def moved_rows(moved: Mapping[str, Tensor], labels: Mapping[str, Sequence[str]]) -> None:
    """One strip a table: which rows one step of training moved."""
    ax = blank(7.5, 3.0, 14.1, 4.2)
    for level, (name, flags) in enumerate(moved.items()):
        y = 0.1 + 1.4 * level
        ax.text(1.85, y + 0.4, name, ha="right", va="center", color=DARK[name])
        for i, (flag, label) in enumerate(zip(flags.tolist(), labels[name], strict=True)):
            look = {"colour": COLOUR[name]} if flag else {"colour": "#F2F2F2", "color": "#767676"}
            box(ax, 2 + i, y, label, size=8, **look)
            ax.text(2.5 + i, y + 1.0, "moved" if flag else "–", ha="center", va="center", size=8, color=INK)
