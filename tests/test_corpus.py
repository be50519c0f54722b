"""Text to memory-mapped ids: one rule for files, every sentence kept where it was."""

import io
import sys
import tracemalloc

import numpy as np
import pytest

from bertmini import InputError
from bertmini.corpus import Corpus, Repeatable, prepare, read_documents, split_sentences, write_corpus
from bertmini.tokenizer import Tokenizer

STORIES = [
    ["the cat sat.", "it slept."],
    ["a dog ran home.", "it ate.", "it slept."],
    ["rain fell.", "the river rose."],
    ["we sang.", "the dog sang too."],
    ["the sun rose.", "the cat ran."],
]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("One. Two? Three! Four", ["One.", "Two?", "Three!", "Four"]),
        ("a line that holds one stays one", ["a line that holds one stays one"]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("See e.g. Section 2. It is short.", ["See e.g. Section 2.", "It is short."]),
        ("J. Smith met Dr. Jones.", ["J. Smith met Dr. Jones."]),
        ("It cost 3.5 pounds. 12 were sold.", ["It cost 3.5 pounds.", "12 were sold."]),
        ("词向量。注意力！", ["词向量。", "注意力！"]),
        ("Это первое. Это второе. и третье.", ["Это первое.", "Это второе. и третье."]),
        ("Ende. “Über alles.” Élan vital.", ["Ende.", "“Über alles.”", "Élan vital."]),
        ("(See plan B.) Then go. ok? No", ["(See plan B.)", "Then go. ok?", "No"]),
        ("Wait... What?! 词。 Yes", ["Wait...", "What?!", "词。", "Yes"]),
        ("   ", []),
    ],
)
def test_sentences_end_at_a_sign_before_a_capital_or_a_digit(line, sentences):
    assert split_sentences(line) == sentences


def test_a_line_of_white_space_ends_a_document(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeffOne. Two.\nthree\n \t \n\n\nFour.\r\n\r\nfive")
    assert list(read_documents(path)) == [["One.", "Two.", "three"], ["Four."], ["five"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fine\ncaf\xe9 au lait\n", r"a.txt, line 2: not UTF-8 \(byte 0xe9 at column 4\); save it as UTF-8"),
        (b"\xef\xbb\xbfabcdef\xff", r"a.txt, line 1: not UTF-8 \(byte 0xff at column 7\)"),
        (b"\x89PNG\x00\x01", r"a.txt, line 1: a zero byte, so this is not text"),
        ("one. Two.".encode("utf-16"), r"a.txt, line 1: a zero byte"),
    ],
)
def test_a_file_that_is_not_utf8_text_is_named_with_line_and_column(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(read_documents(tmp_path / "a.txt"))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(InputError, match="give --corpus a text file, or manual"):
            list(read_documents(path))


def test_the_arrays_hold_every_sentence_in_its_document(tmp_path):
    tokenizer = Tokenizer.train([s for story in STORIES for s in story], 80)
    corpus = write_corpus(STORIES, tokenizer, tmp_path / "c")
    assert isinstance(corpus.tokens, np.memmap) and corpus.tokens.dtype == np.uint16
    assert corpus.documents.tolist() == [0, 2, 5, 7, 9, 11]
    for document, story in enumerate(STORIES):
        for offset, sentence in enumerate(story):
            number = corpus.documents[document] + offset
            expected = tokenizer.encode(sentence).token_ids[1:-1]  # without [CLS] and [SEP]
            assert corpus.between(number, number + 1).tolist() == expected
    reopened = Corpus.open(tmp_path / "c")
    assert all(np.array_equal(a, b) for a, b in zip(corpus, reopened, strict=True))


def test_a_sentence_or_document_without_a_token_is_dropped(tmp_path):
    tokenizer = Tokenizer.train(["the cat sat."], 40)
    corpus = write_corpus([["the cat", "\u200b"], ["\u200b"], ["sat"]], tokenizer, tmp_path)
    assert corpus.documents.tolist() == [0, 1, 2]


def test_preparing_needs_the_memory_of_a_part_not_of_the_corpus(tmp_path):
    tokenizer = Tokenizer.train(["the cat sat on the mat."], 60)
    document = ["the cat sat on the mat."] * 50

    def peak(count):
        tracemalloc.start()
        write_corpus(Repeatable(lambda: (list(document) for _ in range(count))), tokenizer, tmp_path / str(count))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(2_000) < 1.3 * peak(500)  # 100,000 sentences take no more than 25,000


def test_held_out_documents_are_not_trained_on_and_none_is_lost(tmp_path):
    prepare(STORIES, None, 80, 0, tmp_path)
    tokenizer = Tokenizer.load(tmp_path)
    train, held_out = Corpus.open(tmp_path / "train"), Corpus.open(tmp_path / "held_out")

    def texts(corpus):
        bounds = zip(corpus.documents, corpus.documents[1:], strict=False)
        return [tokenizer.decode(corpus.between(start, end).tolist()) for start, end in bounds]

    assert len(texts(train)) == 3 and len(texts(held_out)) == 2
    whole = {tokenizer.decode(tokenizer.encode(" ".join(story)).token_ids[1:-1]) for story in STORIES}
    assert set(texts(train)) | set(texts(held_out)) == whole


@pytest.mark.parametrize(
    ("documents", "held_out", "message"),
    [
        ([], None, "has no sentences"),
        ([["one."]], None, "has 1 sentence: a pair needs two"),
        ([["one.", "two."]], None, "is one document, so there is no other to draw a random second segment from"),
        (STORIES[:3], None, "3 documents, and 4 are needed"),
        (STORIES, STORIES[:1], "the held-out corpus is one document"),
    ],
)
def test_too_little_text_is_refused_in_a_sentence(tmp_path, documents, held_out, message):
    with pytest.raises(InputError, match=message):
        prepare(documents, held_out, 80, 0, tmp_path)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_who_looks_sees_how_far_it_is(tmp_path, monkeypatch):
    for screen in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", screen)
        prepare(STORIES, None, 60, 0, tmp_path / str(screen.isatty()))
        for part in ("learning words", "writing train", "writing held_out"):
            assert (part in screen.getvalue()) == screen.isatty()
