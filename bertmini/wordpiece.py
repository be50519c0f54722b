"""WordPiece, to be read: words from a text, pieces from a word, a vocabulary from many words.

`bertmini.tokenizer.Tokenizer` does the same in the Rust library `tokenizers`, faster; the tests tie the two together.
Both follow that library, whose ids are those of `transformers`. The code released with BERT (google-research/bert)
differs in a few corners; tests/test_tokenizer_differences.py has a literal test for each row:

| text                                       | the released code           | the library, and here              |
|--------------------------------------------|-----------------------------|------------------------------------|
| a word of 101 to 200 characters            | cut into pieces             | [UNK]                              |
| [MASK] and its like inside a text          | three words: [ mask ]       | one token (in `Tokenizer`)         |
| a private-use character, such as U+E000    | kept                        | dropped                            |
| an ideograph from U+2B820 to U+2B91F       | a word of its own           | joined to its neighbours           |
| a capital sigma at the end of a word       | its final form, ς           | σ                                  |
| a mark or sign newer than Unicode 8        | by Python's Unicode tables  | by the library's, here by Python's |
| a lone surrogate                           | kept                        | an error (in `Tokenizer`)          |
| a pair too long by one, both equally long  | the second loses a token    | the first does (in `Tokenizer`)    |
"""

import heapq
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

from bertmini.config import InputError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # ids 0 to 4 of a vocabulary trained here
LONGEST_WORD = 100  # characters
IDEOGRAPHS = (  # Chinese characters: written without spaces, so each is a word. Kana and Hangul are not among them.
    range(0x3400, 0x4DC0),
    range(0x4E00, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2B740),
    range(0x2B740, 0x2B820),
    range(0x2B920, 0x2CEB0),
    range(0x2F800, 0x2FA20),
)


def is_ideograph(char: str) -> bool:
    return any(ord(char) in block for block in IDEOGRAPHS)


def is_punctuation(char: str) -> bool:
    """True for Unicode's punctuation (P), and for every ASCII sign that is neither letter nor digit: $ + < ^ too."""
    return unicodedata.category(char).startswith("P") or ("!" <= char <= "~" and not char.isalnum())


def clean(text: str) -> str:
    """Turn all white space into plain spaces; drop control, format and private-use characters (Cc, Cf, Co)."""
    kept = []
    for char in text:
        category = unicodedata.category(char)
        if char in "\t\n\r" or category.startswith("Z"):
            kept.append(" ")
        elif category not in ("Cc", "Cf", "Co") and char != "\ufffd":
            kept.append(char)
    return "".join(kept)


def strip_accents(text: str) -> str:
    """Take letters apart into base and marks (Unicode's form NFD), and drop the marks: é becomes e."""
    return "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")


def basic_tokenize(text: str, lowercase: bool = True) -> list[str]:
    """Split a text into words: at white space, and around every punctuation mark and ideograph.

    `lowercase` strips accents as well, as the uncased models do. Source: google-research/bert, tokenization.py.
    """
    text = clean(text)
    if lowercase:
        text = "".join(char.lower() for char in strip_accents(text))  # one at a time, which makes no final sigma
    words = [""]
    for char in text:
        if char == " ":
            words.append("")
        elif is_punctuation(char) or is_ideograph(char):
            words += [char, ""]
        else:
            words[-1] += char
    return [word for word in words if word]


def wordpiece(word: str, vocab: dict[str, int]) -> list[str]:
    """Cut a word into pieces of the vocabulary from the left, each the longest that fits; `##` marks all but the first.

    A word that cannot be cut to its end is [UNK] as a whole. Source: Wu et al. 2016, section 4.1; google-research/bert.
    """
    if len(word) > LONGEST_WORD:
        return ["[UNK]"]
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        end = len(word)
        while end > start and prefix + word[start:end] not in vocab:
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


def tokenize(text: str, vocab: dict[str, int], lowercase: bool = True) -> list[str]:
    """Cut a whole text into pieces: its words, then the pieces of each."""
    return [piece for word in basic_tokenize(text, lowercase) for piece in wordpiece(word, vocab)]


def train_wordpiece(word_counts: dict[str, int], vocab_size: int) -> dict[str, int]:
    """Grow a vocabulary from single characters: join the most frequent pair of neighbours, again and again.

    word_counts: how often each word occurs. Returns token -> id: special tokens, characters, `##` characters, then what
    was joined, in order; fewer than `vocab_size` tokens if nothing is left to join. Of equally frequent pairs the one
    with the smaller ids wins, so the result is always the same. Raises InputError if the characters alone do not fit.
    BERT's own training code was not released. This is byte-pair encoding (Sennrich et al. 2016, algorithm 1), as in the
    `tokenizers` library; Schuster and Nakajima (2012), where WordPiece began, choose the pair by likelihood instead.
    """
    pieces = {word: [word[0], *("##" + char for char in word[1:])] for word in word_counts}
    vocab = {token: i for i, token in enumerate(first_tokens(pieces.values(), vocab_size))}
    counts, words_with = Counter(), defaultdict(set)
    for word, count in word_counts.items():
        for pair in pairwise(pieces[word]):
            counts[pair] += count
            words_with[pair].add(word)

    def entry(pair):  # the smallest entry of the heap is the pair to join
        return -counts[pair], vocab[pair[0]], vocab[pair[1]], pair

    heap = [entry(pair) for pair in counts]
    heapq.heapify(heap)
    while heap and len(vocab) < vocab_size:
        smallest = heapq.heappop(heap)
        pair = smallest[-1]
        if counts[pair] == 0 or smallest != entry(pair):
            continue  # the count has changed since; an entry with the new one is in the heap
        vocab.setdefault(joined(pair), len(vocab))
        changed = set()
        for word in words_with.pop(pair):  # only these words change
            for sign, split in ((-1, pieces[word]), (+1, join(pieces[word], pair))):
                for neighbours in pairwise(split):
                    counts[neighbours] += sign * word_counts[word]
                    words_with[neighbours].add(word)
                    changed.add(neighbours)
            pieces[word] = split
        for neighbours in changed:
            heapq.heappush(heap, entry(neighbours))
    return vocab


def first_tokens(splits: Iterable[list[str]], vocab_size: int) -> list[str]:
    """Where training begins: the special tokens, every character, and every `##` character, by code point."""
    alphabet = {piece for split in splits for piece in split}
    alphabet |= {piece.removeprefix("##") for piece in alphabet if len(piece) == 3}
    tokens = [*SPECIAL_TOKENS, *sorted(alphabet, key=lambda piece: (len(piece), piece))]
    if not alphabet:
        raise InputError("the text holds no words to learn a vocabulary from; give a text with letters in it")
    if vocab_size < len(tokens):
        raise InputError(
            f"a vocabulary of {vocab_size} tokens is smaller than the alphabet: special tokens and single characters "
            f"(with and without ##) of this text are {len(tokens)}; ask for that many or more"
        )
    return tokens


def joined(pair: tuple[str, str]) -> str:
    """("ab", "##c") becomes "abc"."""
    return pair[0] + pair[1].removeprefix("##")


def join(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """Join every occurrence of a pair of neighbours, from the left."""
    result = []
    for piece in pieces:
        if result and (result[-1], piece) == pair:
            result[-1] = joined(pair)
        else:
            result.append(piece)
    return result
