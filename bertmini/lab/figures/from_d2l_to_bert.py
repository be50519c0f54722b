"""The figures of notebooks/a1_from_d2l_to_bert.ipynb; most of its others are drawn by d2l's own functions."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt

from bertmini.lab.figures import BLUE, FAINT, INK, ORANGE


def departures(runs: Mapping[str, Mapping[str, Sequence[float]]], frequencies: float) -> None:
    """A bar a run, at the mean of its seeds, which are dots; a second bar where its time was measured, too.

    runs: name -> {"equal steps": losses, perhaps "equal seconds": losses}; the first is what the others are measured
    by. frequencies: the loss of word frequencies alone.
    """
    ax = plt.subplots(figsize=(5.6, 0.47 * len(runs) + 1.1))[1]
    looks = {"equal steps": (BLUE, "o"), "equal seconds": (ORANGE, "s")}
    labelled = set()
    for row, run in enumerate(runs.values()):
        kinds = [kind for kind in looks if kind in run]
        height = 0.74 / max(1, len(kinds))
        for i, kind in enumerate(kinds):
            losses, (colour, marker) = run[kind], looks[kind]
            y = row - 0.37 + height * (i + 0.5)
            label = None if kind in labelled else f"at {kind}"
            labelled.add(kind)
            ax.barh(y, sum(losses) / len(losses), height * 0.92, color=colour, alpha=0.55, label=label)
            ax.plot(losses, [y] * len(losses), marker, color=INK, markersize=3.5, linestyle="")
    ours = next(iter(runs.values()))["equal steps"]
    ax.axvline(sum(ours) / len(ours), color=INK, linestyle="-", linewidth=1, marker="")
    ax.axvline(frequencies, color=INK, linestyle=":", linewidth=1.4, marker="", label="word frequencies")
    ax.set_yticks(range(len(runs)), [fill(name, 24) for name in runs], size=10)
    ax.tick_params(axis="y", length=0)
    ax.set(ylim=(len(runs) - 0.5, -0.5), xlabel="held-out loss (nats)")
    ax.set_xlim(left=0)
    ax.set_axisbelow(True)
    ax.grid(axis="x", color=FAINT, linewidth=0.8)
    ax.figure.legend(loc="outside lower center", ncols=3, fontsize=9.5, columnspacing=1.2, handletextpad=0.5)
