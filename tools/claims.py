"""Write book/claims.md from data/claims.toml and the tags in the notebooks: python tools/claims.py."""

import json
import re
import tomllib
from collections import defaultdict
from pathlib import Path

from myst_parser.mdit_to_docutils.base import default_slugify

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "claims.md"
VERDICTS = {  # verdict -> what the page calls it, and the colour of its badge
    "true": ("true", "success"),
    "corrected": ("true, with a correction", "warning"),
    "false": ("false, as usually said", "danger"),
    "open": ("open", "info"),
    "measured": ("to be measured", "secondary"),
    "cited": ("cited", "secondary"),
}
INTRO = """\
# The claims

Notes, course slides and interview questions about BERT say many things. Some are true, some are half true, and some are
passed on because nobody ran them. Here they are, in our words, with what this book makes of each.

A claim is settled by a cell: it carries the claim's name and asserts the verdict, and the test suite runs it again.
*Live* means that the cell measures while you watch. *Recorded* means that the measurement takes too long for a page:
the cell reads the stored run, asserts its result, and names the command that repeats it. *Cited* means that we rely on
others and say on whom.

A full badge is a verdict that has been settled, an outlined one is the verdict we expect. It stands beside the
measurement that may prove us wrong, and the chapter that will make it.

This page is generated from `data/claims.toml` and from the notebooks; {settled} of {total} claims are settled so far.
"""


def load() -> dict:
    """The contents of data/claims.toml: chapters (number -> name) and topics with their claims."""
    return tomllib.loads((ROOT / "data" / "claims.toml").read_text(encoding="utf-8"))


def notebook_of(number: str, chapters: dict[str, str]) -> Path | None:
    """The chapter's notebook, or None where it is not written yet."""
    path = ROOT / "notebooks" / f"{number}_{chapters.get(number)}.ipynb"
    return path if path.exists() else None


def tagged_cells(notebook: Path) -> dict[str, list[tuple[dict, str]]]:
    """Claim id -> the cells of a notebook that carry its tag, each with the anchor of the heading above it."""
    found, anchor = defaultdict(list), ""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            for title in re.findall(r"^##+ (.+)$", "".join(cell["source"]), flags=re.MULTILINE):
                anchor = "#" + default_slugify(re.sub(r"\$[^$]*\$", "", title))  # MyST's anchors leave out formulas
        for tag in cell["metadata"].get("tags", []):
            if tag.startswith("claim:"):
                found[tag.removeprefix("claim:")].append((cell, anchor))
    return found


def settled_in(claim: dict, number: str, chapters: dict[str, str]) -> str | None:
    """How and where one chapter settles a claim, as Markdown; None if it does not yet."""
    notebook = notebook_of(number, chapters)
    cells = tagged_cells(notebook)[claim["id"]] if notebook else []
    if not cells:
        return None
    cell, anchor = cells[0]
    how = next((tag for tag in cell["metadata"]["tags"] if tag in ("recorded", "cited")), "live")
    return f"{how}, in [chapter {int(number)}](../notebooks/{notebook.name}{anchor})"


def entry(claim: dict, chapters: dict[str, str]) -> tuple[str, bool]:
    """One claim as an item of a definition list, and whether some cell settles it."""
    places = [settled_in(claim, number, chapters) for number in claim["chapters"]]
    done = [place for place in places if place]
    names = {"later": "a later chapter", "questions": "the page of questions"}
    names |= {n: f"chapter {int(n)}, {name.replace('_', ' ').replace('bert', 'BERT')}" for n, name in chapters.items()}
    waits = [names[number] for number, place in zip(claim["chapters"], places, strict=True) if not place]
    words, colour = VERDICTS[claim["verdict"]]
    lines = [f"{{bdg-{colour}{'' if done else '-line'}}}`{words}` {claim['how']}"]
    lines += [f"*Settled {' and '.join(done)}.*"] if done else []
    lines += [f"*Awaits {' and '.join(waits)}.*"] if waits else []
    return f"{claim['claim']}\n: {' '.join(lines)}\n", bool(done)


def page() -> str:
    """The whole of book/claims.md."""
    data, blocks, count = load(), [], []
    for topic in data["topic"]:
        blocks.append(f"\n## {topic['title']}\n")
        for claim in topic["claim"]:
            text, done = entry(claim, data["chapters"])
            blocks.append(text)
            count.append(done)
    return INTRO.format(settled=sum(count), total=len(count)) + "\n".join(blocks)


def write() -> None:
    """Bring book/claims.md up to date; an unchanged page is not touched, so that it is not built again."""
    text = page()
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
