"""What a chapter must be before nbval runs it: executed, in order, small enough to read, and whole."""

import ast
import io
import json
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
QUIET = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def source(cell: dict) -> str:
    return "".join(cell["source"])


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def has_image(cell: dict) -> bool:
    return any("image/png" in output.get("data", {}) for output in cell["outputs"])


def code_lines(code: str) -> int:
    """Lines of a cell, not counting blanks, comments and asserts."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type not in QUIET:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Assert):
            lines.difference_update(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def must_print(code: str) -> bool:
    """Whether a cell is bound to have an output: it prints or shows, or ends with a value (a call may return None)."""
    body = ast.parse(code).body
    calls = [ast.unparse(node.value.func) for node in body
             if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    ends_with_a_value = isinstance(body[-1], ast.Expr) and not isinstance(body[-1].value, ast.Call)
    return ends_with_a_value or bool({"print", "plt.show"} & set(calls))


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request) -> dict:
    """The notebook, with its code cells (those that are not empty) and its text at hand."""
    loaded = json.loads(request.param.read_text(encoding="utf-8"))
    loaded["bytes"] = request.param.stat().st_size
    loaded["code"] = [cell for cell in loaded["cells"] if cell["cell_type"] == "code"]
    loaded["text"] = [source(cell) for cell in loaded["cells"] if cell["cell_type"] == "markdown"]
    return loaded


def test_there_are_chapters():
    assert NOTEBOOKS


def test_executed_from_top_to_bottom(notebook):
    assert [cell["execution_count"] for cell in notebook["code"]] == list(range(1, len(notebook["code"]) + 1))


def test_outputs_are_where_they_should_be(notebook):
    for cell in notebook["code"]:
        assert cell["outputs"] or not must_print(source(cell)), f"no output stored: {source(cell)}"


def test_outputs_are_of_the_kinds_that_are_compared(notebook):
    """Errors and stderr never; SVG never, for its ids change. A widget's text may change, so it is not compared."""
    for cell in notebook["code"]:
        for output in cell["outputs"]:
            assert output["output_type"] != "error", source(cell)
            assert output.get("name") != "stderr", source(cell)
            assert "image/svg+xml" not in output.get("data", {}), source(cell)
    assert "widgets" not in notebook["metadata"]


def test_nothing_is_skipped(notebook):
    for cell in notebook["code"]:
        assert not {"nbval-skip", "raises-exception"} & set(tags(cell)), source(cell)
        assert not re.search(r"#\s*NBVAL_", source(cell)), source(cell)


def test_cells_are_short(notebook):
    for cell in notebook["code"]:
        statements = [node for node in ast.parse(source(cell)).body if not isinstance(node, ast.Assert)]
        limit = 25 if len(statements) == 1 and isinstance(statements[0], ast.ClassDef) else 15
        assert code_lines(source(cell)) <= limit, source(cell)
        assert not source(cell).rstrip().endswith(";"), source(cell)


def test_figures_can_be_read_without_eyes_and_are_checked(notebook):
    """nbval does not compare pictures, so each cell that draws one asserts what it drew."""
    figures = [cell for cell in notebook["code"] if has_image(cell)]
    assert len(figures) >= 2
    for cell in figures:
        mystnb = cell["metadata"].get("mystnb", {})
        assert len(mystnb.get("image", {}).get("alt", "")) >= 20, source(cell)
        assert len(mystnb.get("figure", {}).get("caption", "")) >= 20, source(cell)
        name = mystnb["figure"].get("name", "")
        assert any(f"`{name}`" in text or f"<{name}>" in text or f"(#{name})" in text for text in notebook["text"]), \
            f"no sentence refers to the figure {name!r}"
        assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source(cell)))), source(cell)


def test_a_widget_has_its_still_twin(notebook):
    """The HTML leaves out what is tagged remove-cell: the widget. The figure after it says the same."""
    for cell, after in zip(notebook["code"], [*notebook["code"][1:], None], strict=True):
        if "remove-cell" in tags(cell):
            assert "nbval-ignore-output" in tags(cell), source(cell)
            assert after and has_image(after), f"no figure follows the widget: {source(cell)}"


def test_head_and_exercises(notebook):
    head = "\n".join(notebook["text"][:2]).replace("*", "")
    assert re.search(r"Needs: .+ Time: \d+ min reading, \d+ min exercises\. Needed by: .+", head)
    exercises = re.findall(r"^(?:`{3,}|:{3,})\{exercise(?:-start)?\}", "\n".join(notebook["text"]), flags=re.MULTILINE)
    assert len(exercises) >= 3


def test_size(notebook):
    assert notebook["bytes"] <= 400_000


def test_an_exercise_s_name_is_the_reader_s_to_the_end(notebook):
    """No cell behind a check gives the name that it checks to something else: it can be run again, with a hint."""
    for i, cell in enumerate(notebook["code"]):
        if checked := re.fullmatch(r"check\.\w+\((\w+)\)", source(cell)):
            later = ast.parse("\n".join(source(cell) for cell in notebook["code"][i + 1 :]))
            assert checked[1] not in {
                node.id for node in ast.walk(later) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }


def test_the_way_to_the_next_hint_can_be_copied(notebook):
    """The text before the exercises shows the first check with `hint=2`, under the name that the stub has."""
    first = next(source(cell) for cell in notebook["code"] if re.fullmatch(r"check\.\w+\(\w+\)", source(cell)))
    assert f"`{first[:-1]}, hint=2)`" in "\n".join(notebook["text"])
