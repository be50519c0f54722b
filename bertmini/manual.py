"""Real text without a download: the English prose that every Python carries."""

import ast
import inspect
import re
import sysconfig
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from bertmini.corpus import split_sentences

SKIPPED = {"site-packages", "dist-packages", "test", "tests", "idle_test", "lib2to3", "pydoc_data", "__pycache__"}


def manual_documents() -> Iterator[list[str]]:
    """The language reference and the docstrings of the standard library, as documents of sentences.

    Read from the running Python (PSF licence), about 245,000 words; nothing is imported but the reference, nothing
    redistributed. A document is a topic of the reference or a module's docstrings, in the order of their names; code,
    grammar, tables and paragraphs that occurred before are dropped.
    """
    from pydoc_data.topics import topics

    library = Path(sysconfig.get_path("stdlib"))
    modules = sorted(p for p in library.rglob("*.py") if not SKIPPED.intersection(p.relative_to(library).parts))
    seen: set[str] = set()
    for texts in chain(([topics[name]] for name in sorted(topics)), map(docstrings, modules)):
        fresh = [
            paragraph for text in texts for paragraph in prose(text) if not (paragraph in seen or seen.add(paragraph))
        ]
        if document := [sentence for paragraph in fresh for sentence in split_sentences(paragraph)]:
            yield document


def docstrings(path: Path) -> list[str]:
    """All docstrings of a Python file; none where it cannot be parsed."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return []
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [text for node in ast.walk(tree) if isinstance(node, kinds) and (text := ast.get_docstring(node))]


def prose(text: str) -> Iterator[str]:
    """The paragraphs of a documentation text that read as English, each joined to one line without markup.

    English is five words or more, more than three quarters of them letters only, and a sign at the end.
    """
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        joined = re.sub(r"[`*]+|^\W+(?=\w)", "", " ".join(paragraph.split()))
        words = joined.split()
        plain = [re.fullmatch(r"\W*[^\W\d_]+([-'’][^\W\d_]+)*\W*", word) for word in words]
        if joined.endswith((".", "!", "?", ":")) and len(words) > 4 and sum(map(bool, plain)) > 0.75 * len(words):
            yield joined
