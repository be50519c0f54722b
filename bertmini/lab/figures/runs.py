"""The figures of recorded runs, in README and book."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from bertmini.lab.figures import BLUE, GREEN, INK, ORANGE


def run_curve(run: Mapping, stacked: bool = False) -> Figure:
    """A pretraining run: held-out loss at [MASK], and next sentences right, each with what no reading would reach.

    In the microworld also the best that can be reached, and the best within a sentence, ± two standard errors.
    stacked: one panel above the other, for a narrow page.
    """
    evaluated = [line for line in run["metrics"] if "held_out_mlm_loss" in line]
    steps = [line["step"] for line in evaluated]
    if stacked:
        figure, (left, right) = plt.subplots(2, 1, figsize=(5.6, 5.6), height_ratios=[3, 2], layout="constrained")
    else:
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=[3, 2], layout="constrained")
    left.plot(steps, [line["held_out_mlm_loss_masked"] for line in evaluated], "o-", color=BLUE, label="BERT")
    frequencies = evaluated[0]["unigram_mlm_loss_masked"]
    left.axhline(frequencies, color=INK, linestyle="--", label="word frequencies alone")
    best = evaluated[0]
    if "floor_mlm_loss_masked" in best:
        for key, colour, label in (
            ("own_sentence", ORANGE, "the best that sees one sentence"),
            ("floor", GREEN, "the best that sees all"),
        ):
            value, error = best[f"{key}_mlm_loss_masked"], 2 * best[f"{key}_standard_error"]
            left.axhline(value, color=colour, linestyle=":", label=label)
            left.axhspan(value - error, value + error, color=colour, alpha=0.2, linewidth=0)
        left.set(yscale="log", yticks=[0.5, 1, 2, 4], yticklabels=["0.5", "1", "2", "4"])
        left.minorticks_off()
    left.set(xlabel="step", ylabel="held-out loss at [MASK] (nats)")
    left.legend()
    label = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", "va": "top"}
    right.plot(steps, [100 * line["held_out_nsp_accuracy"] for line in evaluated], "s-", color=BLUE)
    right.axhline(100 * evaluated[0]["held_out_random_share"], color=INK, linestyle="--")
    right.annotate('always "random"', (1, 100 * evaluated[0]["held_out_random_share"]), (0, -4), **label)
    if "best_nsp_accuracy" in best:
        right.axhline(100 * best["best_nsp_accuracy"], color=GREEN, linestyle=":")
        right.annotate("the best possible", (1, 100 * best["best_nsp_accuracy"]), (0, 4), **label | {"va": "bottom"})
    right.set(xlabel="step", ylabel="next sentence right (%)", ylim=(40, 100))
    return figure
