"""Widgets for the notebooks: controls with a label and a typed value, and a readout in text beside every picture.

In Jupyter a reader moves things here; in the HTML a figure with several settings stands in their place.
"""

import html
from collections.abc import Callable
from typing import NamedTuple

import ipywidgets
import matplotlib.pyplot as plt

from bertmini.config import InputError


class Control(NamedTuple):
    """One number to change: a box to type in, and a slider; both obey the arrow keys."""

    label: str
    value: float  # an int makes it a whole number
    low: float
    high: float
    step: float


def panel(
    readout: Callable[..., str], controls: dict[str, Control], draw: Callable[..., None] | None = None
) -> ipywidgets.VBox:
    """A widget: the controls, what `readout` says of their values, and the picture that `draw` makes of them.

    Both are called with the values by name. An InputError is shown as its sentence, and the picture stays as it was.
    """
    boxes, rows = {}, []
    for name, control in controls.items():
        box, row = _row(control)
        boxes[name] = box
        rows.append(row)
    text = ipywidgets.HTML()
    picture = ipywidgets.Output()

    def update(_change: object = None) -> None:
        values = {name: box.value for name, box in boxes.items()}
        try:
            said = readout(**values)
        except InputError as error:
            text.value = spoken(f"Not possible: {error}.")
            return
        text.value = spoken(said)
        if draw is not None:
            picture.clear_output(wait=True)
            with picture:
                draw(**values)
                plt.show()

    for box in boxes.values():
        box.observe(update, "value")
    update()
    whole = ipywidgets.VBox([*rows, text, picture] if draw else [*rows, text])
    whole.controls, whole.readout = boxes, text  # for tests, and for readers who want to set values from code
    return whole


def _row(control: Control) -> tuple[ipywidgets.Widget, ipywidgets.HBox]:
    """A labelled box and the slider that moves with it."""
    whole = isinstance(control.value, int)
    make_box, make_slider = (
        (ipywidgets.BoundedIntText, ipywidgets.IntSlider)
        if whole
        else (ipywidgets.BoundedFloatText, ipywidgets.FloatSlider)
    )
    limits = {"value": control.value, "min": control.low, "max": control.high, "step": control.step}
    box = make_box(
        **limits,
        description=control.label,
        tooltip=control.label,
        style={"description_width": "15em"},
        layout={"width": "24em"},
    )
    slider = make_slider(
        **limits, tooltip=f"{control.label}, slider", readout=False, continuous_update=False, layout={"width": "14em"}
    )
    ipywidgets.link((box, "value"), (slider, "value"))
    return box, ipywidgets.HBox([box, slider], layout={"flex_flow": "row wrap"})


def spoken(text: str) -> str:
    """Plain text as HTML, in a region that screen readers read out when it changes."""
    style = "line-height: 1.5; white-space: pre-wrap"
    return f'<pre role="status" aria-live="polite" style="{style}">{html.escape(text)}</pre>'
