"""The figures of notebooks/10_full_size.ipynb."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from bertmini.lab.figures import BLUE, GREEN, INK, ORANGE, PURPLE, RED, SKY, blank

PARTS = {"weights": BLUE, "gradients": SKY, "moments": "#A6A6A6", "activations": PURPLE}


def memory(panels: Mapping[str, Mapping], cards: Mapping[str, float]) -> None:
    """Panels of stacked memory against the batch: `batches`, `parts` (name -> GB each), `dots` (batch, GB measured).

    cards: name -> GB, a line in each panel that is high enough.
    """
    figure, axes = plt.subplots(2, 2, figsize=(6.4, 6.2))
    for ax, (title, panel) in zip(axes.flat, panels.items(), strict=True):
        ax.stackplot(panel["batches"], list(panel["parts"].values()), colors=[PARTS[name] for name in panel["parts"]])
        ax.plot(*zip(*panel["dots"], strict=True), "o", color="white", markeredgecolor=INK, markersize=6)
        top = 1.08 * max(map(sum, zip(*panel["parts"].values(), strict=True)))
        ax.set(xlim=(panel["batches"][0], panel["batches"][-1]), ylim=(0, top), title=title)
        for i, (name, size) in enumerate(cards.items()):
            if size < top:
                ax.axhline(size, color=RED, linestyle="--", linewidth=1.3, marker="")
                ax.annotate(name, (0.02 + 0.3 * (i % 2), size), (0, 3), xycoords=("axes fraction", "data"),
                            textcoords="offset points", size=9, color="#8A3300")  # fmt: skip
    for ax in axes[:, 0]:
        ax.set_ylabel("GB")
    for ax in axes[1]:
        ax.set_xlabel("B, sequences at a time")
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in PARTS.values()]
    handles.append(plt.Line2D([], [], marker="o", linestyle="", color="white", markeredgecolor=INK))
    figure.legend(handles, [*PARTS, "measured in a dry run"], loc="outside lower center", ncols=3, fontsize=9.5)


def remedies(rows: Mapping[str, tuple[float, float]], cards: Sequence[float]) -> None:
    """A bar for each remedy: what does not grow with the batch, then activations, in GB; a line for each card."""
    figure, ax = plt.subplots(figsize=(6.2, 0.42 * len(rows) + 1.3))
    for y, (fixed, activations) in enumerate(rows.values()):
        ax.barh(y, fixed, color="#A6A6A6", height=0.7)
        ax.barh(y, activations, left=fixed, color=PURPLE, height=0.7)
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        ax.text(fixed + activations + 0.8, y, f"{fixed + activations:.1f}", va="center", size=10, bbox=paper)
    for size in cards:
        ax.plot([size, size], [-0.5, len(rows) - 0.5], color=RED, linestyle="--", linewidth=1.3, marker="")
        ax.text(size, -0.62, f"{size:g}", ha="center", va="bottom", size=9.5, color="#8A3300")
    ax.set(ylim=(len(rows) - 0.5, -1.1), xlabel="GB; dashed: what a card holds", xlim=(0, 84))
    ax.set_yticks(range(len(rows)), rows, size=10)
    ax.tick_params(axis="y", length=0)
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in ("#A6A6A6", PURPLE)]
    figure.legend(handles, ["weights, gradients, moments", "activations"], loc="outside lower center", ncols=2,
                  fontsize=9.5)  # fmt: skip


def hours(panels: Mapping[str, Mapping[str, Sequence[float]]], gpus: Sequence[int]) -> None:
    """For each model hours against GPUs, one line a share of the peak; both axes logarithmic."""
    figure, axes = plt.subplots(1, len(panels), figsize=(6.4, 3.6), sharey=True)
    looks = [(ORANGE, "o", ":"), (BLUE, "s", "--"), (GREEN, "^", "-")]
    for ax, (title, lines) in zip(axes, panels.items(), strict=True):
        for (name, line), (colour, marker, dashes) in zip(lines.items(), looks, strict=True):
            ax.plot(gpus, line, dashes, color=colour, marker=marker, markersize=5, label=name)
        for name, length in {"a week": 168, "a day": 24, "an hour": 1}.items():
            ax.axhline(length, color="#999999", linewidth=0.8)
            where = {"ha": "left"} if length == 1 else {"ha": "right"}
            ax.annotate(name, (0.02 if length == 1 else 1, length), (0, 2), xycoords=("axes fraction", "data"),
                        textcoords="offset points", size=9, **where)  # fmt: skip
        ax.set(xscale="log", yscale="log", title=title, xlabel="GPUs of 989 TFLOP/s")
        ax.set_xticks(gpus, gpus)
        ax.minorticks_off()
    axes[0].set_ylabel("hours")
    axes[0].set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9.5)


def steps(runs: Mapping[str, Mapping[str, Sequence]], levels: Mapping[str, float]) -> None:
    """Recorded runs: the held-out loss against the step, and its distance to the floor against the arithmetic."""
    _, (above, below) = plt.subplots(2, 1, figsize=(6, 6))
    for (name, run), colour, marker in zip(runs.items(), (BLUE, PURPLE), "os", strict=True):
        above.plot(run["steps"], run["loss"], marker=marker, color=colour, markersize=5, label=name)
        below.plot(run["flops"], run["excess"], marker=marker, color=colour, markersize=5, label=name)
    for (name, level), colour, right in zip(levels.items(), (ORANGE, GREEN), (1, 0), strict=True):
        above.axhline(level, color=colour, linestyle=":")
        above.annotate(name, (right, level), (4 - 8 * right, 3), xycoords=("axes fraction", "data"),
                       textcoords="offset points", ha="right" if right else "left", size=9.5)  # fmt: skip
    above.set(xscale="log", xlabel="step", ylabel="held-out loss at [MASK], nats", ylim=(0.8, 1.8))
    above.set_xticks([1000, 2000, 4000, 8000], ["1,000", "2,000", "4,000", "8,000"])
    below.set(xscale="log", yscale="log", xlabel="FLOP", ylabel="nats above the floor")
    below.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1], ["0.02", "0.05", "0.1", "0.2", "0.5", "1"])
    for ax in (above, below):
        ax.minorticks_off()
        ax.legend()


def noise(norms: Mapping[str, tuple[float, float]], sizes: Sequence[int],
          way: Sequence[tuple[int, Sequence[float]]]) -> None:  # fmt: skip
    """Above: |G|² + tr(Σ)/b against the batch size b, name -> (|G|², tr(Σ)); below the noise scale on a run's way."""
    _, (above, below) = plt.subplots(2, 1, figsize=(6, 6.2))
    for (name, (signal, trace)), colour, marker in zip(norms.items(), (ORANGE, BLUE), "os", strict=True):
        above.plot(sizes, [signal + trace / b for b in sizes], color=colour, marker=marker, markersize=4, label=name)
        above.axhline(signal, color=colour, linestyle=":", linewidth=1.2)
        above.axvline(trace / signal, color=colour, linestyle="--", linewidth=1.2)
        above.annotate(f"{trace / signal:,.0f}", (trace / signal, 0.93), (4, 0), xycoords=("data", "axes fraction"),
                       textcoords="offset points", size=9.5)  # fmt: skip
    above.set(xscale="log", yscale="log", xlabel="b, sequences in a batch", ylabel="squared length of the gradient")
    above.legend(loc="lower left")
    for draw in range(len(way[0][1])):
        line = [scales[draw] for _, scales in way]
        below.plot([max(step, 10) for step, _ in way], line, color=BLUE, marker="os"[draw], markersize=5,
                   linestyle="-" if draw == 0 else "--", label=f"draw {draw + 1}")  # fmt: skip
    below.axhline(16, color=INK, linestyle=":")
    below.annotate("the batch it was trained with: 16", (0.98, 16), (0, 4), xycoords=("axes fraction", "data"),
                   textcoords="offset points", ha="right", size=9.5)  # fmt: skip
    below.set(xscale="log", yscale="log", xlabel="step", ylabel="noise scale, sequences")
    ticks = (0, 30, 100, 300, 1000, 3000, way[-1][0])
    below.set_xticks([max(step, 10) for step in ticks], [f"{step:,}" for step in ticks])
    below.minorticks_off()
    below.legend(loc="upper left")


def plans(rows: Mapping[str, tuple[float, str]]) -> None:
    """For each plan its hours as a bar on a logarithmic axis, and what is said of it."""
    _, ax = plt.subplots(figsize=(6.2, 0.68 * len(rows) + 0.7))
    for y, (title, (length, said)) in enumerate(rows.items()):
        ax.barh(y, length, left=0.001, color=BLUE, height=0.32)
        ax.text(0.0012, y - 0.33, f"{title}: {said}", size=9.5, va="center")
    marks = {"a minute": 1 / 60, "an hour": 1, "a day": 24, "a month": 730, "ten years": 87_660}
    ax.set(xscale="log", xlim=(0.001, 200_000), ylim=(len(rows) - 0.6, -0.65))
    ax.set_xticks(list(marks.values()), list(marks), size=9.5)
    ax.set_yticks([])
    ax.minorticks_off()
    ax.grid(axis="x", color="#CCCCCC")
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)


def cover(T: int, spans: Sequence[tuple[int, int]], owners: Sequence[int]) -> None:
    """A text as a strip, and below it its windows; dark is what is read from a window, pale what it sees beside."""
    ax = blank(6.2, 0.36 * len(spans) + 0.9, T * 1.22, len(spans) + 1.7)
    ax.add_patch(Rectangle((0, 0), T, 0.7, facecolor=INK))
    ax.text(T / 2, 0.35, f"the text, {T} tokens", color="white", ha="center", va="center", size=10)
    for n, (start, end) in enumerate(spans):
        ax.add_patch(Rectangle((start, n + 1), end - start, 0.7, facecolor="#BBD9EE"))
        mine = [place for place, owner in enumerate(owners) if owner == n]
        ax.add_patch(Rectangle((mine[0], n + 1), mine[-1] + 1 - mine[0], 0.7, facecolor=BLUE))
        ax.text(T * 1.02, n + 1.35, f"{start} to {end}", va="center", size=10)


def by_place(panels: Mapping[str, tuple[Sequence[float], str]]) -> None:
    """Panels, each a measurement, with its unit, against the place in the window; grey: the middle half."""
    _, axes = plt.subplots(len(panels), 1, figsize=(6, 2.7 * len(panels)))
    for ax, (title, (line, unit)) in zip(axes, panels.items(), strict=True):
        ax.plot(line, color=BLUE, marker="o", markersize=3)
        ax.axvspan(len(line) / 4, 3 * len(line) / 4, color="#ECECEC", zorder=0)
        ax.set(title=title, ylabel=unit, xlabel="place in the window")
