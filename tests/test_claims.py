"""Every claim of a written chapter is settled by a cell, and every cell that says so is known."""

import ast
import re
from pathlib import Path

import claims
import pytest

DATA = claims.load()
CLAIMS = {claim["id"]: claim for topic in DATA["topic"] for claim in topic["claim"]}
NOTEBOOKS = sorted((claims.ROOT / "notebooks").glob("*.ipynb"))
WRITTEN = [(claim["id"], number) for claim in CLAIMS.values() for number in claim["chapters"]
           if claims.notebook_of(number, DATA["chapters"])]


def test_the_file_is_complete():
    assert len(CLAIMS) == sum(len(topic["claim"]) for topic in DATA["topic"]), "an id is used twice"
    for claim in CLAIMS.values():
        assert set(claim) == {"id", "claim", "verdict", "chapters", "how"}, claim["id"]
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", claim["id"])
        assert claim["verdict"] in claims.VERDICTS, claim["id"]
        assert set(claim["chapters"]) <= {*DATA["chapters"], "later", "questions"}, claim["id"]


@pytest.mark.parametrize(("name", "number"), WRITTEN)
def test_a_cell_settles_it(name, number):
    cells = claims.tagged_cells(claims.notebook_of(number, DATA["chapters"]))[name]
    assert cells, f"no cell of chapter {number} carries the tag claim:{name}"
    assert all(cell["cell_type"] == "code" for cell, _ in cells)
    if CLAIMS[name]["verdict"] not in ("open", "cited"):
        for cell, _ in cells:
            tree = ast.parse("".join(cell["source"]))
            assert any(isinstance(node, ast.Assert) for node in ast.walk(tree)), f"claim:{name} asserts nothing"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_tag_is_a_claim_of_this_chapter(notebook: Path):
    number = notebook.name.partition("_")[0]
    assert set(claims.tagged_cells(notebook)) <= {name for name, chapter in WRITTEN if chapter == number}


def test_the_page_is_fresh():
    assert claims.PAGE.read_text(encoding="utf-8") == claims.page(), "book/claims.md is stale: run `make book`"
