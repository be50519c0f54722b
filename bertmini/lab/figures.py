"""The figures of the notebooks. A function draws what it is given; its data is computed, and asserted, in the notebook.

Colours are those of Okabe and Ito, told apart by all common kinds of colour vision; lines differ in marker, too. One
thing keeps its colour from chapter to chapter. All is drawn on white: in dark mode a figure lies on a light card.
"""

import base64
import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image
from torch import Tensor

BLUE, ORANGE, GREEN, RED, SKY, PURPLE, INK, FAINT = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#222222", "#D9D9D9",
)  # fmt: skip
COLOUR = {"token": BLUE, "position": ORANGE, "segment": GREEN}  # fills; for thin lines and letters on white:
DARK = {"token": BLUE, "position": "#A65E00", "segment": "#00704F"}
MARKER = {"token": "o", "position": "s", "segment": "^"}


def style() -> None:
    """Set how all figures look, and that notebooks store them as PNG at twice the screen's resolution."""
    plt.rcParams.update({
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "figure.facecolor": "white",
        "font.size": 11,
        "axes.titlesize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": INK,
        "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY], marker=[*"os^DvP"]),
        "image.cmap": "cividis",
        "legend.frameon": False,
    })  # fmt: skip
    try:
        from IPython import get_ipython
    except ImportError:
        return
    if shell := get_ipython():
        plt.switch_backend(plt.get_backend())  # else the backend loads at the first figure, and sets its own format
        shell.display_formatter.formatters["image/png"].for_type(Figure, png)


def png(figure: Figure) -> tuple[str, dict[str, int]]:
    """A figure as notebooks store it: PNG at twice the screen's resolution, in base64, and its width on the screen
    (a height beside it would be kept where a narrow page cuts the width).

    256 colours are as good as all of them for drawings, and take a third of the bytes.
    """
    whole, small = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, dpi=2 * figure.dpi, bbox_inches="tight")
    picture = Image.open(whole).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii"), {"width": picture.width // 2}


def blank(width: float, height: float, right: float, top: float) -> plt.Axes:
    """An empty sheet to draw boxes on, x from 0 to `right`, y from `top` down to 0."""
    ax = plt.subplots(figsize=(width, height))[1]
    ax.set(xlim=(0, right), ylim=(top, 0))
    ax.axis("off")
    return ax


def box(ax: plt.Axes, x: float, y: float, text: str, colour: str, height: float = 0.8, **look) -> None:
    """A filled box, 1 wide, with its left upper corner at (x, y); the text is white or dark, whichever can be read."""
    red, green, blue = to_rgb(colour)
    light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 > 0.2  # dark letters contrast more
    ax.add_patch(Rectangle((x, y), 1, height, facecolor=colour, edgecolor="white", linewidth=1.5))
    look = {"color": INK if light else "white", "size": 10} | look
    ax.text(x + 0.5, y + height / 2, text, ha="center", va="center", **look)


# ---- 02 embeddings ----


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


# ---- 09 counting parameters ----

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


# ---- recorded runs ----


def run_curve(run: Mapping) -> Figure:
    """A pretraining run: held-out loss at [MASK], and next sentences right, each with what no reading would reach.

    In the microworld also the best that can be reached, and the best within a sentence, ± two standard errors.
    """
    evaluated = [line for line in run["metrics"] if "held_out_mlm_loss" in line]
    steps = [line["step"] for line in evaluated]
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
    right.plot(steps, [100 * line["held_out_nsp_accuracy"] for line in evaluated], "s-", color=RED)
    right.axhline(100 * evaluated[0]["held_out_random_share"], color=INK, linestyle="--")
    if "best_nsp_accuracy" in best:
        right.axhline(100 * best["best_nsp_accuracy"], color=GREEN, linestyle=":")
    right.set(xlabel="step", ylabel="next sentence right (%)", ylim=(40, 100))
    return figure
