"""The figures of notebooks/01_words_before_bert.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patheffects import withStroke
from torch import Tensor

from bertmini.lab.figures import BLUE, GREEN, INK, ORANGE, PURPLE, RED, SKY, blank, box

GREY = "#767676"
LOOKS = [*zip((BLUE, ORANGE, GREEN, RED, PURPLE, SKY, INK, GREY), "os^DvPX*", strict=True)]
FIRST, SECOND = BLUE, "#A65E00"  # the two senses of a word


def weights(panels: Mapping[str, Mapping[str, float]], signs: Sequence[str]) -> None:
    """The heaviest words of one text under several ways to weigh them, as bars; the words of `signs` stand out."""
    figure, axes = plt.subplots(1, len(panels), figsize=(6.2, 4.6), squeeze=False)
    for ax, (title, bars) in zip(axes[0], panels.items(), strict=True):
        colours = [RED if word in signs else "#9CC3DC" for word in bars]
        ax.barh(range(len(bars)), list(bars.values()), color=colours, height=0.75)
        ax.set_yticks(range(len(bars)), list(bars))
        for label, word in zip(ax.get_yticklabels(), bars, strict=True):
            label.set(color=INK, weight="bold" if word in signs else "normal")
        ax.invert_yaxis()
        ax.set(title=title)
        ax.tick_params(axis="y", length=0)
    figure.get_layout_engine().set(w_pad=0.12)


def readers(shares: Mapping[str, float], coin: float = 0.5) -> None:
    """How many texts each reader gets right (0 to 1), as bars, with the coin's share as a line."""
    ax = plt.subplots(figsize=(5.6, 0.5 * len(shares) + 0.9))[1]
    ax.barh(range(len(shares)), [100 * share for share in shares.values()], color=BLUE, height=0.65)
    for row, share in enumerate(shares.values()):
        ax.text(100 * share - 1.5, row, f"{share:.0%}", va="center", ha="right", color="white", weight="bold")
    ax.axvline(100 * coin, color=INK, linestyle=":", linewidth=1.5, zorder=0)
    ax.set_yticks(range(len(shares)), list(shares))
    ax.invert_yaxis()
    ax.set(xlim=(0, 104), xlabel="% of moods read right (dotted: a coin)")
    ax.set_xticks(range(0, 101, 25))
    ax.tick_params(axis="y", length=0)


def two_tasks(words: Sequence[str], centre: int) -> None:
    """One window, read by CBOW (the words around predict the middle) and by skip-gram (the other way round)."""
    ax = blank(5.6, 4.5, 1.18 * len(words) + 0.2, 7.1)
    middle = 1.18 * centre + 0.6
    for name, top, hub, inwards in (("CBOW", 0.7, "mean", True), ("skip-gram", 4.6, None, False)):
        ax.text(0.1, top - 0.35, name, weight="bold", va="center", size=12)
        target = top + 2.0 if hub else top + 1.6
        for i, word in enumerate(words):
            x = 1.18 * i + 0.1
            if i == centre:
                box(ax, x, target, word, ORANGE if inwards else BLUE, height=0.6, size=11)
                continue
            box(ax, x, top, word, BLUE if inwards else ORANGE, height=0.6, size=11)
            end = (middle, top + 1.25) if inwards else (middle, target)
            line = ((x + 0.5, top + 0.6), end)
            start, stop = line if inwards else line[::-1]
            ax.annotate("", stop, start, arrowprops={"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 2})
        if hub:
            ax.text(middle, top + 1.4, hub, ha="center", va="center", size=11,
                    bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": INK})  # fmt: skip
            arrow = {"arrowstyle": "-|>", "color": INK, "shrinkA": 0, "shrinkB": 1}
            ax.annotate("", (middle, target), (middle, top + 1.62), arrowprops=arrow)


def word_map(points: Tensor, groups: Mapping[str, Sequence[int]], labels: Mapping[int, str]) -> None:
    """Words as points of a plane, (words, 2); a colour and a marker a group, and some words by name."""
    figure, ax = plt.subplots(figsize=(6.2, 4.9))
    for (name, rows), (colour, marker) in zip(groups.items(), LOOKS, strict=False):
        x, y = points[list(rows)].T.tolist()
        ax.scatter(x, y, s=34, color=colour, marker=marker, label=name, alpha=0.85, linewidths=0)
    group_of = {row: next(list(rows) for rows in groups.values() if row in rows) for row in labels}
    middles = {row: points[rows].mean(0) for row, rows in group_of.items()}
    wide = float(points[:, 0].max() - points[:, 0].min())
    for row, word in labels.items():  # above its group, so that it lies on no point; away from a group close by
        gaps = [(middles[other] - middles[row]).tolist() for other in labels if other != row]
        beside = [x for x, y in gaps if abs(x) < 0.08 * wide and abs(y) < 0.08 * wide]
        ax.annotate(word, (float(middles[row][0]), float(points[group_of[row], 1].max())), xytext=(0, 6),
                    textcoords="offset points", size=10.5, color=INK,
                    ha=("right" if beside[0] > 0 else "left") if beside else "center",
                    path_effects=[withStroke(linewidth=3, foreground="white")])  # fmt: skip
    ax.margins(y=0.1)
    ax.set(xticks=[], yticks=[], xlabel="first direction of the plane", ylabel="second direction")
    figure.legend(loc="outside lower center", ncols=4, fontsize=10, handletextpad=0.2, columnspacing=1.0)


def glove_fit(counts: Tensor, weights: Tensor, fitted: Tensor) -> None:
    """GloVe's weight of a count, and what the trained model says for the logarithm of each. All (pairs,)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 3.2))
    order = counts.argsort()
    left.plot(counts[order], weights[order], color=BLUE, linewidth=2, marker="")
    left.set(title="weight of a pair", xlabel="count", xlim=(0, 300), ylim=(0, 1.05))
    right.hexbin(counts.log(), fitted, gridsize=40, bins="log", cmap="cividis_r", mincnt=1, linewidths=0.1)
    low, high = float(counts.log().min()), float(counts.log().max())
    right.plot([low, high], [low, high], color=RED, linewidth=1.5, linestyle="--", marker="")
    right.set(title="the fit (darker: more pairs)", xlabel="log count", ylabel="what the model says")
    figure.get_layout_engine().set(w_pad=0.1)


def companions(likeness: Mapping[str, tuple[Sequence[float], Sequence[float]]], names: tuple[str, str]) -> None:
    """For some words, their cosines with two camps of words: a row a word, a dot a companion, a bar at each mean."""
    ax = plt.subplots(figsize=(5.8, 0.85 * len(likeness) + 1.3))[1]
    for row, camps in enumerate(likeness.values()):
        looks = ((FIRST, "o", -0.14, names[0]), (SECOND, "s", 0.14, names[1]))
        for camp, (colour, marker, shift, name) in zip(camps, looks, strict=True):
            heights = [row + shift] * len(camp)
            ax.scatter(camp, heights, s=36, color=colour, marker=marker, alpha=0.75, linewidths=0,
                       label=name if row == 0 else None)  # fmt: skip
            mean = sum(camp) / len(camp)
            ax.plot([mean, mean], [row + shift - 0.13, row + shift + 0.13], color=INK, linewidth=2.5, marker="")
    ax.set_yticks(range(len(likeness)), list(likeness))
    ax.invert_yaxis()
    ax.set(xlabel="cosine with each of these words (bar: the mean)")
    ax.tick_params(axis="y", length=0)
    ax.figure.legend(loc="outside upper center", ncols=2, fontsize=10, handletextpad=0.2)


def leanings(rows: Mapping[str, tuple[float, float, float]], names: tuple[str, str, str]) -> None:
    """For each word, how far it leans in its first sense, with its one vector, and in its second: three dots a row."""
    ax = plt.subplots(figsize=(5.8, 0.36 * len(rows) + 1.6))[1]
    ax.axvline(0, color=INK, linewidth=1, linestyle=":")
    for row, three in enumerate(rows.values()):
        ax.plot([min(three), max(three)], [row, row], color="#D9D9D9", linewidth=2, zorder=0, marker="")
        looks = ((FIRST, "o"), (INK, "D"), (SECOND, "s"))
        for value, (colour, marker), name in zip(three, looks, names, strict=True):
            ax.scatter(value, row, s=60, color=colour, marker=marker, label=name if row == 0 else None, linewidths=0)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.invert_yaxis()
    ax.set(xlabel="← expects parrot, poodle          expects heron, badger →")
    ax.tick_params(axis="y", length=0)
    ax.figure.legend(loc="outside upper center", ncols=3, fontsize=10, handletextpad=0.2, columnspacing=1.0)
