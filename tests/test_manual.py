"""The prose that Python carries: English, in documents, without code."""

from bertmini.manual import docstrings, manual_documents, prose

TEXT = """
    Assignment binds a name to a value, and may do so again later.

       >>> x = 1
       >>> x

    The target is `evaluated` first; *then* the value is stored in it.

    augop: "+=" | "-=" | "*="

    +-------+------+
    | value | kind |
    +-------+------+

    Too short.
"""


def test_prose_is_kept_and_code_grammar_and_tables_are_not():
    assert list(prose(TEXT)) == [
        "Assignment binds a name to a value, and may do so again later.",
        "The target is evaluated first; then the value is stored in it.",
    ]


def test_docstrings_are_read_without_running_the_file(tmp_path):
    path = tmp_path / "module.py"
    code = '"""Module."""\nraise SystemExit\nclass A:\n    """Class."""\n    async def f(self):\n        """Method."""'
    path.write_text(code, encoding="utf-8")
    assert docstrings(path) == ["Module.", "Class.", "Method."]
    path.write_text("print 1", encoding="utf-8")
    assert docstrings(path) == []


def test_the_manual_is_a_corpus_of_english():
    documents = list(manual_documents())
    sentences = [sentence for document in documents for sentence in document]
    words = " ".join(sentences).split()
    assert len(documents) > 300 and 150_000 < len(words) < 400_000  # 245,000 with Python 3.11
    assert not any(">>>" in sentence or "::=" in sentence for sentence in sentences)
    frequent = sum(word.lower() in {"the", "of", "a", "is", "to", "and", "in"} for word in words)
    assert 0.15 < frequent / len(words) < 0.35
