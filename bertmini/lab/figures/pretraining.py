"""The figures of notebooks/08_pretraining.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from bertmini.lab.figures import BLUE, GREEN, INK, ORANGE, PURPLE, RED, SKY

Curve = Sequence[tuple[float, float]]  # (step, value), one after the other
PLAIN = {"marker": "", "linewidth": 2}


def draw(ax: plt.Axes, curve: Curve, **look) -> None:
    ax.plot(*zip(*curve, strict=True), **look)


def rates(shares: Mapping[str, Curve], lengths: Mapping[str, Curve]) -> None:
    """Above: the share of the full rate over the share of the run. Below: how long the first steps are."""
    _, (above, below) = plt.subplots(2, 1, figsize=(4.8, 4.0))
    for (name, curve), colour, dash in zip(shares.items(), (BLUE, INK), ("-", "--"), strict=False):
        draw(above, curve, label=name, color=colour, linestyle=dash, **PLAIN)
    above.set(xlabel="share of the steps", ylabel="share of the full rate", ylim=(0, 1.05), xlim=(0, 1))
    above.legend(fontsize=10)
    for (name, curve), colour, dash in zip(lengths.items(), (RED, GREEN, BLUE), ("-", ":", "--"), strict=False):
        draw(below, curve, label=name, color=colour, linestyle=dash, **PLAIN)
    below.set(
        xscale="log", xlabel="step", ylabel="length of the step,\nin full rates", ylim=(-0.3, 10.5), yticks=[0, 1, 3, 6]
    )
    below.set_xticks([1, 10, 100, 1000, 10_000], ["1", "10", "100", "1,000", "10,000"])
    below.minorticks_off()
    below.legend(fontsize=10)


def first_fall(curve: Curve, lines: Mapping[str, float]) -> None:
    """A training loss, and levels to read it by."""
    ax = plt.subplots(figsize=(5.0, 3.0))[1]
    draw(ax, curve, color=BLUE, marker="o", markersize=4, linewidth=1.5, label="training loss")
    for (name, value), colour, dash in zip(lines.items(), (INK, GREEN), ("--", ":"), strict=True):
        ax.axhline(value, color=colour, linestyle=dash, linewidth=1.6, marker="", label=name)
    ax.set(xlabel="step", ylabel="loss at all predictions (nats)", ylim=(0, 6.8))
    ax.legend(fontsize=10, loc="lower left", bbox_to_anchor=(0, 0.12))


def by_phenomenon(panels: Mapping[str, Mapping], highest: float = 2.6) -> None:
    """Small multiples: for each phenomenon a model's curve, where a larger one ended, and the two best players.

    panels: name -> {"curve": curve, "larger": (step, nats), "floor": nats, "own sentence": nats}.
    """
    rows = (len(panels) + 1) // 2
    figure, axes = plt.subplots(rows, 2, figsize=(5.0, 1.5 * rows + 0.8), sharex=True, sharey=True, squeeze=False)
    for ax, (name, panel) in zip(axes.flat, panels.items(), strict=False):
        thousands = [(step / 1000, nats) for step, nats in panel["curve"]]
        ax.axhline(panel["own sentence"], color=ORANGE, linestyle="-.", marker="", label="best that sees one sentence")
        ax.axhline(panel["floor"], color=GREEN, linestyle=":", linewidth=2, marker="", label="floor")
        draw(ax, thousands, label="tiny in training", marker="s", markersize=3.5, color=PURPLE, linewidth=1.5)
        step, nats = panel["larger"]
        draw(ax, [(step / 1000, nats)], color=BLUE, marker="*", markersize=10, linestyle="", label="mini, trained")
        ax.set_title(name, size=11)
        ax.set(ylim=(-0.12, highest))
    for ax in axes[:, 0]:
        ax.set_ylabel("nats at [MASK]", size=10)
    for ax in axes[-1]:
        ax.set_xlabel("thousands of steps", size=10)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=10)


def gaps(panels: Mapping[str, Mapping]) -> None:
    """Small multiples: the chance that a model in training gives to the word that stood in a gap.

    panels: text -> {"word": word, "curve": (step, chance) …, "larger": the chance that a larger model gives,
    "best": the best possible}. The axis is logarithmic, so step 0 is drawn at 20; the larger model stands at the right.
    """
    rows = (len(panels) + 1) // 2
    figure, axes = plt.subplots(rows, 2, figsize=(5.6, 1.5 * rows + 0.6), sharex=True, sharey=True, squeeze=False)
    for ax, (text, panel) in zip(axes.flat, panels.items(), strict=False):
        ax.axhline(panel["best"], color=GREEN, linestyle=":", linewidth=2, marker="", label="best possible")
        curve = [(max(step, 20), chance) for step, chance in panel["curve"]]
        draw(ax, curve, color=PURPLE, marker="s", markersize=4, linewidth=1.5, label="tiny in training")
        draw(
            ax, [(17_000, panel["larger"])], color=BLUE, marker="*", markersize=12, linestyle="", label="mini, trained"
        )
        ax.set(xscale="log", ylim=(-0.06, 1.1), yticks=[0, 0.5, 1])
        ax.set_title(f"{text} ({panel['word']})", size=9.5)
        ax.set_xticks([20, 100, 1000, 10_000], ["0", "100", "1,000", "10,000"], size=9)
        ax.minorticks_off()
    for ax in axes[-1]:
        ax.set_xlabel("step", size=10)
    for ax in axes[:, 0]:
        ax.set_ylabel("chance", size=10)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)


def warm_up(panels: Mapping[str, Mapping[str, Sequence[Curve]]], frequencies: float) -> None:
    """Small multiples: training losses with and without warm-up, a thin line a seed."""
    rows = (len(panels) + 1) // 2
    figure, axes = plt.subplots(rows, 2, figsize=(5.0, 1.7 * rows + 0.6), sharey=True, squeeze=False)
    for ax, (title, kinds) in zip(axes.flat, panels.items(), strict=False):
        for (name, curves), colour, dash in zip(kinds.items(), (BLUE, RED), ("-", "--"), strict=False):
            for i, curve in enumerate(curves):
                label = {"none": "no warm-up"}.get(name, name) if i == 0 else None
                draw(ax, curve, color=colour, linestyle=dash, linewidth=1.4, marker="", label=label)
        ax.axhline(frequencies, color=INK, linestyle=":", marker="", label="word frequencies")
        ax.set_title(title, size=10.5)
    for ax in axes[-1]:
        ax.set_xlabel("step", size=10)
    for ax in axes[:, 0]:
        ax.set_ylabel("training loss (nats)", size=10)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)


def by_heart(panels: Mapping[str, Mapping]) -> None:
    """One panel a run: loss on stories seen and unseen, and the floor of the seen ones.

    panels: title -> {"seen": curve, "unseen": curve, "floor": nats}.
    """
    figure, axes = plt.subplots(len(panels), 1, figsize=(5.0, 1.6 * len(panels) + 0.6), sharex=True, sharey=True)
    for ax, (title, panel) in zip(axes, panels.items(), strict=True):
        draw(ax, panel["unseen"], color=RED, marker="s", markersize=4, label="stories never seen")
        draw(ax, panel["seen"], color=BLUE, marker="o", markersize=4, label="stories trained on")
        ax.axhline(panel["floor"], color=GREEN, linestyle=":", linewidth=2, marker="", label="floor")
        ax.set_title(title, size=11)
        ax.set_ylabel("nats at [MASK]", size=10)
        ax.set_ylim(0, 2.6)  # it begins at 6
    axes[-1].set_xlabel("step")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)


def manual(training: Curve, unseen: Curve, frequencies: float, change: int) -> None:
    """A run on text: training and held-out loss, word frequencies, and the step at which the sequences grow."""
    ax = plt.subplots(figsize=(5.2, 3.3))[1]
    draw(ax, training, color=SKY, marker="", linewidth=1.2, label="training loss")
    draw(ax, unseen, color=BLUE, marker="o", markersize=5, linewidth=2, label="held-out loss")
    ax.axhline(frequencies, color=INK, linestyle="--", marker="", label="word frequencies alone")
    ax.axvline(change, color="#767676", linestyle=":", marker="")
    ax.text(change + 25, 7.6, "from here on\nT = 128, not 32", size=10, va="center")
    ax.set(xlabel="step", ylabel="loss at all predictions (nats)", ylim=(4, 8.5))
    ax.legend(fontsize=10, loc="lower left")
