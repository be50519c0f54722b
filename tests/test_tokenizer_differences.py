"""Where the `tokenizers` library, and so bertmini, departs from the code released with BERT: one literal row each."""

import unicodedata

import pytest
from transformers import BertTokenizerFast

from bertmini.config import InputError
from bertmini.tokenizer import Tokenizer
from bertmini.wordpiece import IDEOGRAPHS, SPECIAL_TOKENS, basic_tokenize, is_punctuation, tokenize, wordpiece

LETTERS = ["a", "b", "mask", "[", "]", "ο", "δ", "σ", "ς", "\ue000", "\U0002b820", "東", "߽", "⹅"]
TOKENS = [*SPECIAL_TOKENS, *LETTERS, *("##" + letter for letter in LETTERS)]


def released(text: str, vocab: dict[str, int], lowercase: bool = True) -> list[str]:
    """The released tokenizer, written after its description: clean, split, lower-case and strip each word, cut it."""
    spaced = ""
    for char in text:
        category, code = unicodedata.category(char), ord(char)
        if char in " \t\n\r" or category == "Zs":
            spaced += " "
        elif any(code in block for block in IDEOGRAPHS) or code in range(0x2B820, 0x2B920):
            spaced += f" {char} "
        elif char not in "\x00\ufffd" and category not in ("Cc", "Cf"):
            spaced += char
    pieces = []
    for word in spaced.split():
        if lowercase:
            word = unicodedata.normalize("NFD", word.lower())
            word = "".join(char for char in word if unicodedata.category(char) != "Mn")
        parts = "".join(f" {char} " if is_punctuation(char) else char for char in word).split()
        for part in parts:
            if 100 < len(part) <= 200:
                pieces += wordpiece(part[:1], vocab) + ["##" + char for char in part[1:]]  # enough for the rows below
            else:
                pieces += wordpiece(part, vocab)
    return pieces


ROWS = {
    "a word of 101 characters": ("a" * 101, ["a"] + ["##a"] * 100, ["[UNK]"]),
    "a word of 200 characters": ("a" * 200, ["a"] + ["##a"] * 199, ["[UNK]"]),
    "private use": ("a\ue000b", ["a", "##\ue000", "##b"], ["a", "##b"]),
    "ideographs of U+2B820": ("a\U0002b820b", ["a", "\U0002b820", "b"], ["a", "##\U0002b820", "##b"]),
    "final sigma": ("ΟΔΟΣ", ["ο", "##δ", "##ο", "##ς"], ["ο", "##δ", "##ο", "##σ"]),
}
BY_UNICODE_VERSION = {  # the readable code sides with Python here, so with the released one
    "a mark of Unicode 11": ("a\u07fdb", ["a", "##b"], ["a", "##\u07fd", "##b"]),
    "a punctuation mark of Unicode 10": ("a\u2e45b", ["a", "\u2e45", "b"], ["a", "##\u2e45", "##b"]),
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(TOKENS)


@pytest.mark.parametrize(
    ("text", "original", "library"), (ROWS | BY_UNICODE_VERSION).values(), ids=ROWS | BY_UNICODE_VERSION
)
def test_the_library(tokenizer, text, original, library):
    assert released(text, tokenizer.vocab) == original
    assert tokenizer.encode(text).tokens[1:-1] == library
    assert BertTokenizerFast(vocab=tokenizer.vocab).tokenize(text) == library


@pytest.mark.parametrize(("text", "original", "library"), ROWS.values(), ids=ROWS)
def test_the_readable_code_follows_the_library(tokenizer, text, original, library):
    assert tokenize(text, tokenizer.vocab) == library


@pytest.mark.parametrize(("text", "original", "library"), BY_UNICODE_VERSION.values(), ids=BY_UNICODE_VERSION)
def test_the_readable_code_follows_python(tokenizer, text, original, library):
    assert tokenize(text, tokenizer.vocab) == original


def test_special_tokens_inside_a_text(tokenizer):
    assert released("a [MASK] b", tokenizer.vocab) == ["a", "[", "mask", "]", "b"]
    assert tokenize("a [MASK] b", tokenizer.vocab) == ["a", "[", "mask", "]", "b"]
    assert tokenizer.encode("a [MASK] b").tokens == ["[CLS]", "a", "[MASK]", "b", "[SEP]"]


def test_a_lone_surrogate(tokenizer):
    assert released("a \ud800", tokenizer.vocab) == ["a", "[UNK]"]
    assert tokenize("a \ud800", tokenizer.vocab) == ["a", "[UNK]"]
    with pytest.raises(InputError, match=r"half of a surrogate pair \(U\+D800\)"):
        tokenizer.encode("a \ud800")


def test_a_pair_too_long_by_one(tokenizer):
    """The released code takes a token from the second of two equally long texts, the library from the first."""
    assert tokenizer.encode("a a", "b b", max_length=6).tokens == ["[CLS]", "a", "[SEP]", "b", "b", "[SEP]"]
    hf = BertTokenizerFast(vocab=tokenizer.vocab)
    assert hf("a a", "b b", truncation="longest_first", max_length=6)["input_ids"] == [2, 5, 3, 6, 6, 3]


def test_without_a_difference(tokenizer):
    for text in ("Ab\tb", "a東b", "a\u2028b", "a\xadb", "a\x85b", "A\u0301b", "[a]", "οδος", "b" * 100, "b" * 201):
        assert released(text, tokenizer.vocab) == tokenize(text, tokenizer.vocab) == tokenizer.encode(text).tokens[1:-1]
    assert basic_tokenize("a\u2028b") == ["a", "b"]
