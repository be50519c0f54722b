"""Where the `tokenizers` library, and so bertmini, departs from the code released with BERT: one literal row each."""

import unicodedata

import pytest
from transformers import BertTokenizerFast

from bertmini.config import InputError
from bertmini.tokenizer import Tokenizer
from bertmini.wordpiece import SPECIAL_TOKENS, basic_tokenize, tokenize, wordpiece

LETTERS = ["a", "b", "mask", "[", "]", "ο", "δ", "σ", "ς", "\ue000", "\U0002b820", "東", "߽", "⹅"]
TOKENS = [*SPECIAL_TOKENS, *LETTERS, *("##" + letter for letter in LETTERS)]
ASCII_SIGNS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
BLOCKS = (  # first and last ideograph of each block in the released code
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


def released(text: str, vocab: dict[str, int], lowercase: bool = True) -> list[str]:
    """The released tokenizer, written after its description: clean, split, lower-case and strip each word, cut it."""
    spaced = ""
    for char in text:
        category, code = unicodedata.category(char), ord(char)
        if char in " \t\n\r" or category == "Zs":
            spaced += " "
        elif any(first <= code <= last for first, last in BLOCKS):
            spaced += f" {char} "
        elif char not in "\x00\ufffd" and category not in ("Cc", "Cf"):
            spaced += char
    pieces = []
    for word in spaced.split():
        if lowercase:
            word = unicodedata.normalize("NFD", word.lower())
            word = "".join(char for char in word if unicodedata.category(char) != "Mn")
        alone = {char for char in word if char in ASCII_SIGNS or unicodedata.category(char).startswith("P")}
        for part in "".join(f" {char} " if char in alone else char for char in word).split():
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


def pieces(text: str, lowercase: bool) -> tuple[list[str], list[str]]:
    """What the released code makes of a text, and what the other three make of it, in a vocabulary of its characters.

    The other three: the readable code, the tokenizer to use, and the one of `transformers`; all must agree.
    """
    letters = sorted({*text, *unicodedata.normalize("NFD", text.lower()), *"ab"} - {"\n", "\r"})
    tokenizer = Tokenizer([*SPECIAL_TOKENS, *letters, *("##" + letter for letter in letters)], lowercase)
    ours = tokenizer.encode(text).tokens[1:-1]
    assert ours == tokenize(text, tokenizer.vocab, lowercase), repr(text)
    assert ours == BertTokenizerFast(vocab=tokenizer.vocab, do_lower_case=lowercase).tokenize(text), repr(text)
    return released(text, tokenizer.vocab, lowercase), ours


CONTROL = "\x00\x01\x07\x08\x0b\x0c\x1b\x1c\x1f\x7f\x80\x85\x9f\xad\u200b\u200d\u200f\u202e\u2060\ufeff\ufffd\U000e0001"
SPACE = " \t\n\r\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"
PUNCTUATION = "¡§«¶·»¿–—‘’“”„†•…‰‹›‿⁂、。「」〜・！，？؟،।"
IN_A_WORD = "09€£¥©®°±¬×÷½²ªßæœøłðþıʼ々〇ーꙮ＄＋０\u0903\u20dd\U0001f600"  # signs (S*) outside ASCII; Mc and Me
ACCENTED = "é=e É=e ñ=n ç=c Ű=u ế=e İ=i \u212b=a \u212a=k \u2126=ω ά=α й=и が=か ǅ=ǆ Ø=ø ẞ=ß Я=я Σ=σ"
MARKS = "\u0300\u0301\u0308\u0327\u0338\u0345\u0483\u05b0\u064b\u0e31\u20d0\ufe20"


@pytest.mark.parametrize("lowercase", [True, False], ids=["uncased", "cased"])
@pytest.mark.parametrize(
    ("characters", "made"),
    [
        (CONTROL, lambda char: ["a", "##b"]),
        (SPACE, lambda char: ["a", "b"]),
        (PUNCTUATION, lambda char: ["a", char, "b"]),
        (IN_A_WORD, lambda char: ["a", "##" + char, "##b"]),
    ],
    ids=["control", "space", "punctuation", "in a word"],
)
def test_what_the_original_does_with_one_character(characters, made, lowercase):
    for char in characters:
        assert pieces(f"a{char}b", lowercase) == (made(char), made(char)), f"U+{ord(char):04X}"


def test_every_ascii_sign_is_a_word():
    assert "".join(chr(code) for code in range(0x21, 0x7F) if not chr(code).isalnum()) == ASCII_SIGNS
    for char in ASCII_SIGNS:
        assert pieces(f"a{char}b", True) == (["a", char, "b"], ["a", char, "b"]), char
    assert pieces("a...b", True)[0] == pieces("a...b", True)[1] == ["a", ".", ".", ".", "b"]


def test_accents_and_capitals_go_where_it_lower_cases_and_stay_where_it_does_not():
    for before, after in (pair.split("=") for pair in ACCENTED.split()):
        assert pieces(f"a{before}b", True) == (["a", "##" + after, "##b"], ["a", "##" + after, "##b"]), before
        assert pieces(f"a{before}b", False) == (["a", "##" + before, "##b"], ["a", "##" + before, "##b"]), before
    for mark in MARKS:
        assert pieces(f"a{mark}b", True) == (["a", "##b"], ["a", "##b"]), f"U+{ord(mark):04X}"
        assert pieces(f"a{mark}b", False) == (["a", "##" + mark, "##b"],) * 2, f"U+{ord(mark):04X}"


def test_the_ends_of_every_block_of_ideographs():
    """The first and the last are words of their own, and their neighbours outside are parts of a word.

    Cased, for lower-casing turns the block of U+F900 into ideographs of other blocks.
    """
    inside = {code for block in BLOCKS for code in block}
    outside = {code for first, last in BLOCKS for code in (first - 1, last + 1)} - inside
    assert len(inside) == 16 and len(outside) == 12  # U+2B73F and U+2B740 are neighbours, U+2B81F and U+2B820 too
    for code in inside | outside:
        char = chr(code)
        own, part = ["a", char, "b"], ["a", "##" + char, "##b"]
        expected = (own, own) if code in inside else (part, part)
        if code == 0x2B820:
            expected = (own, part)  # in the library this block begins at U+2B920
        if code == 0xF8FF:
            expected = (part, ["a", "##b"])  # the last of the private ones
        assert pieces(f"a{char}b", False) == expected, f"U+{code:04X}"
    assert pieces("a\U0002b91fb", False)[1] == ["a", "##\U0002b91f", "##b"]
    assert pieces("a\U0002b920b", False)[1] == ["a", "\U0002b920", "b"]


def test_without_a_difference(tokenizer):
    for text in ("Ab\tb", "a東b", "a\u2028b", "a\xadb", "a\x85b", "A\u0301b", "[a]", "οδος", "b" * 100, "b" * 201):
        assert released(text, tokenizer.vocab) == tokenize(text, tokenizer.vocab) == tokenizer.encode(text).tokens[1:-1]
    assert basic_tokenize("a\u2028b") == ["a", "b"]
