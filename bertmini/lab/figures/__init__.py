"""The figures of the notebooks: how they look, here, and one module a chapter, named after it.

A function draws what it is given; its data is computed, and asserted, in the notebook.

Colours are those of Okabe and Ito, told apart by all common kinds of colour vision; lines differ in marker, too. One
thing keeps its colour from chapter to chapter. All is drawn on white: in dark mode a figure lies on a light card.
"""

import base64
import io
from functools import partial

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

BLUE, ORANGE, GREEN, RED, SKY, PURPLE, INK, FAINT = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#222222", "#D9D9D9",
)  # fmt: skip
COLOUR = {"token": BLUE, "position": ORANGE, "segment": GREEN}  # fills; for thin lines and letters on white:
DARK = {"token": BLUE, "position": "#A65E00", "segment": "#00704F"}
MARKER = {"token": "o", "position": "s", "segment": "^"}


def style(colours: int = 256) -> None:
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
        shell.display_formatter.formatters["image/png"].for_type(Figure, partial(png, colours=colours))


def png(figure: Figure, colours: int = 256) -> tuple[str, dict[str, int]]:
    """A figure as notebooks store it: PNG at twice the screen's resolution, in base64, and its width on the screen
    (a height beside it would be kept where a narrow page cuts the width).

    256 colours are as good as all of them for drawings, and take a third of the bytes. For lines alone 64 will do.
    """
    whole, small = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, dpi=2 * figure.dpi, bbox_inches="tight")
    picture = Image.open(whole).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
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
