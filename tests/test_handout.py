"""Notebooks to hand out: no solution is left, nothing else is lost, and nothing that is left needs a solution."""

import ast
import builtins
import re

import handout
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

NOTEBOOKS = sorted((handout.ROOT / "notebooks").glob("*.ipynb"))


def test_a_solution_goes_and_its_neighbours_stay():
    opens, shuts = "````{solution-start} ex-a\n:label: sol-a\n:class: dropdown\n````", "````{solution-end}\n````"
    cells = [
        new_markdown_cell("Before.\n\n```\ncode\n```"),
        new_code_cell("stub = ...", execution_count=3),
        new_markdown_cell(f"````{{exercise-end}}\n````\n\n{opens}\nIn the same cell."),
        new_code_cell("solved = 1"),
        new_markdown_cell("Why it is 1."),
        new_markdown_cell(f"Said at the end.\n\n{shuts}\n\n## What to remember"),
        new_code_cell("print(2)", outputs=[nbformat.v4.new_output("stream", text="2\n")]),
        new_markdown_cell(f"{opens}\n\nShort.\n\n{shuts}"),
    ]
    left = handout.without_solutions(new_notebook(cells=cells))
    assert [cell.source for cell in left.cells] == [
        "Before.\n\n```\ncode\n```", "stub = ...", "````{exercise-end}\n````", "## What to remember", "print(2)",
    ]  # fmt: skip
    assert all(cell.outputs == [] and cell.execution_count is None for cell in left.cells if cell.cell_type == "code")
    with pytest.raises(ValueError, match="does not end"):
        handout.without_solutions(new_notebook(cells=cells[:4]))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_without_its_solutions(path):
    whole = nbformat.read(path, as_version=4)
    left = handout.without_solutions(whole)
    nbformat.validate(left)
    before, text = ("\n".join(cell.source for cell in book.cells) for book in (whole, left))
    assert "{solution" not in text and "_solved" not in text
    for mark in ("{exercise-start}", "{exercise-end}", "return ...", " = ...", "\n## "):
        assert before.count(mark) == text.count(mark), mark
    checks = re.findall(r"^check\.\w+\(\w+\)$", text, flags=re.MULTILINE)
    assert len(checks) == text.count("{exercise-start}") == before.count("{solution-start}")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_that_is_left_needs_a_solution(path):
    """Names that only a solution makes are read nowhere else."""
    whole = nbformat.read(path, as_version=4)
    left = [cell.source for cell in handout.without_solutions(whole).cells if cell.cell_type == "code"]
    gone = [cell.source for cell in whole.cells if cell.cell_type == "code" and cell.source not in left]
    assert gone
    made, made_by_solutions = names(left)[0], names(gone)[0]
    assert not (made_by_solutions - made - set(dir(builtins))) & names(left)[1]


def names(sources: list[str]) -> tuple[set[str], set[str]]:
    """The names that some code makes, and those that it reads."""
    made, read = set(), set()
    for node in ast.walk(ast.parse("\n".join(sources))):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).split(".")[0])
    return made, read
