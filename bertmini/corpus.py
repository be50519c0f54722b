"""Documents become sentences, sentences become token ids in memory-mapped arrays."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from bertmini.config import InputError
from bertmini.tokenizer import Tokenizer

# A full stop, question or exclamation mark and the space after it, before a digit or a letter that is not small (Latin,
# Greek and Cyrillic have small ones); not after an initial, e.g. or i.e. Begins with the mark, for it is rare: an
# expression that begins by looking back would look back at every character, and take three times as long.
SENTENCE_END = re.compile(
    r"[.!?](?:[\"')\]”»’]|(?<!\b[A-Z]\.)(?<!e\.g\.)(?<!i\.e\.)(?<!\bvs\.)(?<!\b(?:Mr|Dr|St)\.))"
    r"\s+(?=[\"'(\[“«„]*(?![a-zß-öø-ÿа-яёα-ωά-ώ])[^\W_])|[。！？]"
)


def split_sentences(line: str) -> list[str]:
    """Split a line of text into its sentences; a line that holds one stays one."""
    ends = [0, *(end.end() for end in SENTENCE_END.finditer(line)), len(line)]
    return [sentence for start, end in pairwise(ends) if (sentence := line[start:end].strip())]


def read_documents(path: Path | str) -> Iterator[list[str]]:
    """The documents of a UTF-8 text file, each a list of sentences; a line of white space ends a document.

    Raises InputError for a file that is missing, binary or not UTF-8, with the line and column.
    """
    document: list[str] = []
    try:
        with Path(path).open("rb") as file:
            for number, raw in enumerate(file, 1):
                if b"\0" in raw:
                    raise InputError(f"{path}, line {number}: a zero byte, so this is not text; save it as UTF-8 text")
                try:
                    line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                except UnicodeDecodeError as error:
                    byte = error.object[error.start]  # in what follows a byte order mark, if there was one
                    column = len(error.object[: error.start].decode("utf-8")) + 1
                    raise InputError(
                        f"{path}, line {number}: not UTF-8 (byte 0x{byte:02x} at column {column}); save it as UTF-8"
                    ) from None
                if line:
                    document += split_sentences(line)
                elif document:
                    yield document
                    document = []
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give --corpus a text file, or manual") from None
    if document:
        yield document


class Corpus(NamedTuple):
    """Token ids on disk: sentence s is tokens[sentences[s] : sentences[s + 1]]; documents index sentences likewise."""

    tokens: np.ndarray
    sentences: np.ndarray  # (S + 1,)
    documents: np.ndarray  # (N + 1,)

    def between(self, start: int, end: int) -> np.ndarray:
        """The token ids of the sentences from start to end."""
        return self.tokens[self.sentences[start] : self.sentences[end]]

    @classmethod
    def open(cls, directory: Path) -> "Corpus":
        dtype = json.loads((directory / "corpus.json").read_text(encoding="utf-8"))["dtype"]
        return cls(
            np.memmap(directory / "tokens.bin", dtype, mode="r"),
            np.memmap(directory / "sentences.bin", np.int64, mode="r"),
            np.memmap(directory / "documents.bin", np.int64, mode="r"),
        )


def write_corpus(documents: Iterable[list[str]], tokenizer: Tokenizer, directory: Path) -> Corpus:
    """Tokenize documents into memory-mapped arrays in a directory; a sentence without a token is dropped.

    Needs the memory of one batch of documents, whatever the size of the corpus.
    """
    directory.mkdir(parents=True, exist_ok=True)
    dtype = np.dtype(np.uint16 if len(tokenizer) <= 2**16 else np.uint32)
    counts = [0, 0]  # tokens, sentences
    with (
        (directory / "tokens.bin").open("wb") as tokens,
        (directory / "sentences.bin").open("wb") as sentences,
        (directory / "documents.bin").open("wb") as ends,
    ):
        sentences.write(np.int64(0).tobytes())
        ends.write(np.int64(0).tobytes())
        for batch in ahead(batched(documents)):
            lines = iter(tokenizer.ids(list(chain.from_iterable(batch))))
            for document in batch:
                ids = [line for line in islice(lines, len(document)) if line]
                if not ids:
                    continue
                ends_of_lines = counts[0] + np.cumsum([len(line) for line in ids], dtype=np.int64)
                tokens.write(np.fromiter(chain.from_iterable(ids), dtype).tobytes())
                sentences.write(ends_of_lines.tobytes())
                counts = [int(ends_of_lines[-1]), counts[1] + len(ids)]
                ends.write(np.int64(counts[1]).tobytes())
    if not counts[0]:
        raise InputError(f"the {directory.name} part of the corpus has no words; add text")
    (directory / "corpus.json").write_text(json.dumps({"dtype": dtype.name}) + "\n", encoding="utf-8")
    return Corpus.open(directory)


def batched(documents: Iterable[list[str]], sentences: int = 10_000) -> Iterator[list[list[str]]]:
    """Group documents until they hold enough sentences to keep the tokenizer busy."""
    batch: list[list[str]] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document)
        if size >= sentences:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def ahead(items: Iterator[list]) -> Iterator[list]:
    """The same items, the next one made in a thread while this one is in use: text is split while text is tokenized."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


class Repeatable:
    """An iterable that can be read again and again, so that a corpus need not fit into memory."""

    def __init__(self, make: Callable[[], Iterable]):
        self.make = make

    def __iter__(self) -> Iterator:
        return iter(self.make())


HELD_OUT = 0.05  # the share of documents that are held out, at least 2 and at most MOST
MOST = 2_000


def prepare(
    documents: Iterable[list[str]], held_out: Iterable[list[str]] | None, vocab_size: int, seed: int, directory: Path
) -> None:
    """Train a tokenizer on documents, and write it and two corpora into a directory: train/ and held_out/.

    documents, held_out: can be read more than once. Without held_out, some of the documents are held out, drawn by the
    seed. The vocabulary is learned from the training documents alone.
    """
    count = require_documents(documents, "the corpus", 2 if held_out else 4)
    chosen: set[int] = set()
    if held_out is None:
        size = min(MOST, max(2, round(HELD_OUT * count)))
        chosen = set(np.random.default_rng(seed).choice(count, size, replace=False).tolist())
        held_out = Repeatable(lambda: (document for i, document in enumerate(documents) if i in chosen))
    else:
        size = require_documents(held_out, "the held-out corpus", 2)
    training = Repeatable(lambda: (document for i, document in enumerate(documents) if i not in chosen))
    bar = partial(tqdm, unit=" documents", disable=None, leave=False)  # none where nobody looks
    words = Repeatable(lambda: chain.from_iterable(bar(training, "learning words", count - len(chosen))))
    tokenizer = Tokenizer.train(words, vocab_size)
    tokenizer.save(directory)
    for name, part, total in (("train", training, count - len(chosen)), ("held_out", held_out, size)):
        if len(write_corpus(bar(part, f"writing {name}", total), tokenizer, directory / name).documents) < 3:
            raise InputError(f"the {name} part of the corpus has fewer than two documents with words; add more text")


def require_documents(documents: Iterable[list[str]], name: str, least: int) -> int:
    """Count the documents; InputError where there are too few to draw random second segments from."""
    count = sentences = 0
    for document in documents:
        count += 1
        sentences += len(document)
    if sentences < 2:
        raise InputError(f"{name} has {sentences or 'no'} sentence{'s' * (not sentences)}: a pair needs two; add text")
    if count == 1:
        raise InputError(
            f"{name} is one document, so there is no other to draw a random second segment from: "
            "separate its documents by empty lines"
        )
    if count < least:
        raise InputError(
            f"{name} has {count} documents, and {least} are needed, two to train on and two to hold out: "
            "add documents, or give --held-out a file of its own"
        )
    return count
