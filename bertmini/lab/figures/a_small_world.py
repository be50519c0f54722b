"""The figures of notebooks/00_a_small_world.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke

from bertmini.lab.figures import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, blank

VARIABLE = {"name": BLUE, "pronoun": "#767676", "town": ORANGE, "job": GREEN, "topic": PURPLE, "mood": RED}
PLAYER = {"word frequencies": FAINT, "the reader": PURPLE, "BERT": BLUE, "the best player": GREEN}


def story(hidden: Mapping[str, str], sentences: Sequence[Sequence[tuple[str, str | None]]]) -> None:
    """Hidden variables in a row, the sentences below; an arrow from each variable to the first word that it decides.

    sentences: of (phrase, the variable that decides it or None).
    """
    ax = blank(6.4, 0.36 * len(sentences) + 1.4, 70, len(sentences) + 3.4)
    letter, left, top = 0.98, 1.2, 3.2  # a letter's width in the axes' units; where the sentences begin
    first: dict[str, tuple[float, float]] = {}
    for y, sentence in enumerate(sentences, start=1):
        x = left
        for phrase, variable in sentence:
            look = {"family": "monospace", "size": 9.5, "va": "center"}
            if variable:
                corner, width = (x - 0.4, y + top - 1 + 0.12), letter * len(phrase) + 0.8
                tint = [0.7 + 0.3 * part for part in to_rgb(VARIABLE[variable])]  # opaque: an arrow passes behind it
                ax.add_patch(Rectangle(corner, width, 0.76, color=tint, lw=0, zorder=2))
                first.setdefault(variable, (x + width / 2 - 0.4, corner[1] - 0.02))
                look["weight"] = "bold"
            else:
                look["path_effects"] = [withStroke(linewidth=3, foreground="white")]
            ax.text(x, y + top - 0.5, phrase, **look)
            x += letter * (len(phrase) + 1)
    shown = sorted(first, key=lambda variable: first[variable][::-1])
    step = 69.4 / len(hidden)
    for i, variable in enumerate(shown + [variable for variable in hidden if variable not in first]):
        x, colour = step * i + 0.2, VARIABLE[variable]
        ax.add_patch(Rectangle((x, 0.1), step - 0.4, 1.5, facecolor=colour, alpha=0.3, lw=0))
        ax.add_patch(Rectangle((x, 0.1), 0.7, 1.5, facecolor=colour, lw=0))
        ax.text(x + 1, 0.52, variable, size=8.5, va="center", color="#444444")
        ax.text(x + 1, 1.16, hidden[variable], size=8.5, va="center", weight="bold")
        if variable in first:
            arrow = {"arrowstyle": "-|>", "mutation_scale": 9, "color": colour, "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
            bend = 0 if first[variable][1] < top + 1 else -0.25
            ax.add_patch(
                FancyArrowPatch(
                    (x + step / 2 - 0.2, 1.62), first[variable], connectionstyle=f"arc3,rad={bend}", **arrow
                )
            )


def chances(panels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Small multiples, one a text with a gap: for some words, the probability that each player gives (bars)."""
    titles = [text.replace(" / ", "\n/ ").replace(" . ", " .\n  ") for text in panels]  # a sentence a line
    rows = [len(next(iter(players.values()))) for players in panels.values()]
    height = 0.34 * sum(rows) + sum(0.42 + 0.17 * title.count("\n") for title in titles) + 0.4
    figure, axes = plt.subplots(len(panels), 1, figsize=(6.2, height), height_ratios=[n + 0.2 for n in rows])
    for ax, title, players in zip(axes, titles, panels.values(), strict=True):
        words = list(next(iter(players.values())))
        for i, (player, given) in enumerate(players.items()):
            y = [row - 0.2 + 0.4 * i for row in range(len(words))]
            shares = [given[word] for word in words]
            ax.barh(y, shares, height=0.36, color=PLAYER[player], label=player)
            for row, share in zip(y, shares, strict=True):
                ax.text(share + 0.01, row, f"{share:.0%}", va="center", size=9)
        ax.set_yticks(range(len(words)), words, size=10)
        ax.set(xlim=(0, 1.12), xticks=[], ylim=(len(words) - 0.4, -0.6))
        ax.set_title(title, loc="left", size=9, family="monospace")
        ax.spines["bottom"].set_visible(False)
        ax.tick_params(length=0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)


def from_chance_to_loss(marked: Mapping[float, str]) -> None:
    """−log p against p, with some chances marked: chance -> what is written beside it."""
    _, ax = plt.subplots(figsize=(5.6, 3.2))
    p = np.linspace(0.008, 1, 400)
    ax.plot(p, -np.log(p), color=BLUE, marker="", linewidth=2)
    for chance, text in marked.items():
        ax.plot([chance], [-np.log(chance)], "o", color=BLUE)
        ax.annotate(text, (chance, -np.log(chance)), (8, 5), textcoords="offset points", size=10)
    ax.set(xlabel="p, the chance that was given to the true word", ylabel="loss, −log p (nats)")
    ax.set(xlim=(0, 1.18), ylim=(-0.15, 5), xticks=[0, 0.25, 0.5, 0.75, 1])


def honesty(truths: Mapping[str, float]) -> None:
    """What saying q costs on average where a chance is really p: one curve a case, lowest at q = p."""
    _, ax = plt.subplots(figsize=(5.6, 3.4))
    q = np.linspace(0.005, 0.995, 400)
    for (name, p), colour, style in zip(truths.items(), (BLUE, RED, GREEN), ("-", "--", ":"), strict=False):
        ax.plot(q, -p * np.log(q) - (1 - p) * np.log(1 - q), style, color=colour, marker="", linewidth=2, label=name)
        lowest = -p * np.log(p) - (1 - p) * np.log(1 - p)
        ax.plot([p], [lowest], "o", color=colour)
        ax.annotate(f"{lowest:.2f}", (p, lowest), (0, 7), textcoords="offset points", ha="center", size=9.5)
    ax.set(xlabel="q, the chance that the player says", ylabel="average loss (nats)", ylim=(0, 3))
    ax.legend(title="the chance is really")


def made_of(parts: Mapping[str, tuple[float, float]]) -> None:
    """Where a loss comes from: kind of word -> (share of the guesses, share of the loss), two bars each."""
    figure, ax = plt.subplots(figsize=(6.0, 0.6 * len(parts) + 0.8))
    for i, (label, colour) in enumerate((("of all gaps", FAINT), ("of the best player's loss", GREEN))):
        y = [row - 0.19 + 0.38 * i for row in range(len(parts))]
        shares = [pair[i] for pair in parts.values()]
        ax.barh(y, shares, height=0.34, color=colour, label=label)
        for row, share in zip(y, shares, strict=True):
            ax.text(share + 0.008, row, f"{share:z.0%}", va="center", size=9)
    ax.set_yticks(range(len(parts)), parts, size=10)
    ax.set(xticks=[], ylim=(len(parts) - 0.4, -0.6))
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(length=0)
    figure.legend(loc="outside lower center", ncols=2)


def players(losses: Mapping[str, tuple[float, float]]) -> None:
    """A bar a player: name -> (mean loss, two standard errors), both in nats."""
    _, ax = plt.subplots(figsize=(5.6, 0.55 * len(losses) + 0.7))
    for y, (name, (loss, error)) in enumerate(losses.items()):
        ax.barh(y, loss, color=PLAYER[name], height=0.66, xerr=error, ecolor=INK, capsize=3)
        ax.text(loss + error + 0.06, y, f"{loss:.2f}", va="center", size=10)
    ax.set_yticks(range(len(losses)), losses)
    ax.set(xlabel="loss (nats per hidden word), ± two standard errors", ylim=(len(losses) - 0.5, -0.5))
    ax.set_xlim(0, 1.12 * max(loss + error for loss, error in losses.values()))
