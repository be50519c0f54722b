"""Write notebooks to hand out, without solutions and outputs: python tools/handout.py [NOTEBOOK ...].

They go to the folder handout, which stands beside data as notebooks does, so that what they read is found.
"""

import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "handout"
STARTS, ENDS = (re.compile(r"^(`{3,}|:{3,})\{solution-" + word + r"\}") for word in ("start", "end"))


def without_solutions(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy without all that stands from a solution's start to its end, and without outputs.

    A solution may begin or end in the middle of a cell of text; what is before and behind it stays.
    """
    kept, inside = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text, inside = outside(cell.source, inside)
            if text:
                kept.append({**cell, "source": text})
        elif not inside:
            kept.append({**cell, "outputs": [], "execution_count": None} if cell.cell_type == "code" else cell)
    if inside:
        raise ValueError("a solution does not end")
    return nbformat.from_dict({**notebook, "cells": kept})


def outside(text: str, inside: bool) -> tuple[str, bool]:
    """The lines of a text that belong to no solution, and whether the text ends within one."""
    kept, fence = [], ""  # the fence that closes a start or an end is the next line that is nothing else
    for line in text.split("\n"):
        if fence:
            fence = "" if line == fence else fence
        elif found := STARTS.match(line):
            inside, fence = True, found[1]
        elif found := ENDS.match(line):
            inside, fence = False, found[1]
        elif not inside:
            kept.append(line)
    return "\n".join(kept).strip("\n"), inside


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path in [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = without_solutions(nbformat.read(path, as_version=4))
        (FOLDER / path.name).write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
        print(FOLDER / path.name)
