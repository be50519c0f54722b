"""The tokenizer to use: WordPiece in the Rust library `tokenizers`, with the files of a BERT checkpoint.

How it works is in bertmini/wordpiece.py, in plain Python; the tests assert that both give the same ids. These are also
the ids of `transformers`; where they differ from those of the code released with BERT, a table there says how.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from bertmini.config import InputError
from bertmini.wordpiece import LONGEST_WORD, SPECIAL_TOKENS, first_tokens


class Encoding(NamedTuple):
    """One text, or two, as the model reads it: four lists of length T."""

    token_ids: list[int]
    segment_ids: list[int]  # 0 in [CLS] first [SEP], 1 in second [SEP]
    tokens: list[str]
    offsets: list[tuple[int, int]]  # text[start:end], in characters of its own text; (0, 0) for [CLS] and [SEP]


class Tokenizer:
    """Text to token ids and back. `tokens` holds the vocabulary in id order, `vocab` maps token to id."""

    def __init__(
        self,
        tokens: Sequence[str],
        lowercase: bool = True,
        strip_accents: bool | None = None,  # None: where it lowercases
        tokenize_chinese_chars: bool = True,
    ):
        check_tokens(tokens, "the vocabulary")
        self.tokens = list(tokens)
        self.vocab = {token: i for i, token in enumerate(self.tokens)}
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (self.vocab[t] for t in SPECIAL_TOKENS)
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars

        model = models.WordPiece(self.vocab, unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD)
        self._library = tokenizers.Tokenizer(model)
        self._library.normalizer = normalizers.BertNormalizer(True, tokenize_chinese_chars, strip_accents, lowercase)
        self._library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._library.post_processor = processors.BertProcessing(("[SEP]", self.sep_id), ("[CLS]", self.cls_id))
        self._library.decoder = decoders.WordPiece(prefix="##")
        self._library.add_special_tokens(list(SPECIAL_TOKENS))  # inside a text they are kept whole

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def from_vocab(cls, path: str | Path, lowercase: bool = True) -> "Tokenizer":
        """Read a vocab.txt: UTF-8, one token a line, the first line is id 0. Raises InputError naming the line."""
        return cls(read_vocab(Path(path)), lowercase)

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, lowercase: bool = True) -> "Tokenizer":
        """Learn a vocabulary: the one that `train_wordpiece` finds, in less time and memory.

        The texts are read twice (an iterator is put into a list first). Less text than the vocabulary needs gives fewer
        tokens: the number is `len(tokenizer)`. Raises InputError if the characters alone do not fit.
        """
        if isinstance(texts, str):
            raise InputError("the texts to learn a vocabulary from are a single string; give a list of strings")
        if iter(texts) is texts:
            texts = list(texts)
        # The library numbers the `##` characters in the order of a hash table, which changes from run to run, and lets
        # the numbers decide ties. So a first run finds the characters, and a second one is told their order.
        characters = learn(texts, 0, lowercase, [])
        tokens = learn(texts, vocab_size, lowercase, first_tokens([characters], vocab_size))
        return cls(tokens, lowercase)

    @classmethod
    def load(cls, directory: str | Path) -> "Tokenizer":
        """Read a checkpoint's tokenizer: vocab.txt, else tokenizer.json; the settings of tokenizer_config.json count.

        Raises InputError naming file and line.
        """
        directory = Path(directory)
        whole = read_json(directory / "tokenizer.json")
        config = read_json(directory / "tokenizer_config.json")
        if (directory / "vocab.txt").is_file():
            tokens = read_vocab(directory / "vocab.txt")
        elif whole:
            tokens = tokens_of(whole, directory / "tokenizer.json")
        else:
            raise InputError(f"{directory}: neither vocab.txt nor tokenizer.json; give a folder that holds one")
        normalizer = whole.get("normalizer")
        normalizer = normalizer if isinstance(normalizer, dict) else {}
        settings = {
            "do_lower_case": normalizer.get("lowercase", True),
            "strip_accents": normalizer.get("strip_accents"),
            "tokenize_chinese_chars": normalizer.get("handle_chinese_chars", True),
        }
        settings |= {key: config[key] for key in settings if key in config}
        for key, value in settings.items():
            if not isinstance(value, bool) and not (value is None and key == "strip_accents"):
                raise InputError(f"{directory}: its tokenizer's {key} is {value!r}; it must be true or false")
        return cls(tokens, *settings.values())

    def save(self, directory: str | Path) -> None:
        """Write vocab.txt, tokenizer.json and tokenizer_config.json, as `transformers` reads them."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        config = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": self.lowercase,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": self.tokenize_chinese_chars,
            **{f"{token[1:-1].lower()}_token": token for token in SPECIAL_TOKENS},
        }
        for name, text in (
            ("vocab.txt", "\n".join(self.tokens)),
            ("tokenizer.json", self._library.to_str(pretty=True)),
            ("tokenizer_config.json", json.dumps(config, indent=2)),
        ):
            (directory / name).write_text(text + "\n", encoding="utf-8", newline="\n")

    def encode(self, first: str, second: str | None = None, max_length: int | None = None) -> Encoding:
        """[CLS] first [SEP], or [CLS] first [SEP] second [SEP], in at most `max_length` tokens.

        While it is too long, the longer text loses its last token; of two equally long, the one that was shorter at
        first, or the first (as in `transformers`).
        """
        return self.encode_batch([first if second is None else (first, second)], max_length)[0]

    def encode_batch(self, texts: Iterable[str | tuple[str, str]], max_length: int | None = None) -> list[Encoding]:
        """`encode` for many texts, or pairs of texts."""
        pairs = [(text,) if isinstance(text, str) else text for text in texts]
        encoded = iter(self._run(self._library.encode_batch, [text for pair in pairs for text in pair]))
        return [self._assemble([next(encoded) for _ in pair], max_length) for pair in pairs]

    def ids(self, texts: Iterable[str]) -> list[list[int]]:
        """The bare token ids of many texts, without [CLS] and [SEP], as a corpus needs them."""
        return [encoded.ids for encoded in self._run(self._library.encode_batch_fast, list(texts))]

    def decode(self, token_ids: Iterable[int]) -> str:
        """Ids to text: pieces joined, special tokens shown. Case, accents and some spaces do not come back."""
        token_ids = [int(i) for i in token_ids]
        for i in token_ids:
            if not 0 <= i < len(self):
                raise InputError(f"token id {i} is not in the vocabulary, whose ids run from 0 to {len(self) - 1}")
        return self._library.decode(token_ids, skip_special_tokens=False)

    def _run(self, encode: Callable, texts: list[str]) -> list[tokenizers.Encoding]:
        """Call the library, on all cores; say which text it cannot read."""
        try:
            return encode(texts, add_special_tokens=False)
        except TypeError:
            for number, text in enumerate(texts, start=1):
                if not isinstance(text, str):
                    raise InputError(f"text {number} of {len(texts)} is {text!r}; give strings") from None
                for place, char in enumerate(text):
                    if "\ud800" <= char <= "\udfff":
                        raise InputError(
                            f"text {number} of {len(texts)}: character {place} is half of a surrogate pair "
                            f"(U+{ord(char):04X}), which stands for nothing; read the text as UTF-8, or remove it"
                        ) from None
            raise

    def _assemble(self, parts: list[tokenizers.Encoding], max_length: int | None) -> Encoding:
        """Cut one or two tokenized texts to length, and set [CLS] and [SEP] around them."""
        lengths = [len(part) for part in parts]
        if max_length is not None:
            room = max_length - 1 - len(parts)  # [CLS], and a [SEP] after each
            if room < 0:
                raise InputError(f"max_length {max_length} cannot hold [CLS] and [SEP]; give {1 + len(parts)} or more")
            shorter_first = sorted(range(len(parts)), key=lengths.__getitem__)
            while sum(lengths) > room:
                lengths[max(shorter_first, key=lengths.__getitem__)] -= 1
        result = Encoding([self.cls_id], [0], ["[CLS]"], [(0, 0)])
        for segment, (part, length) in enumerate(zip(parts, lengths, strict=True)):
            result.token_ids.extend([*part.ids[:length], self.sep_id])
            result.segment_ids.extend([segment] * (length + 1))
            result.tokens.extend([*part.tokens[:length], "[SEP]"])
            result.offsets.extend([*part.offsets[:length], (0, 0)])
        return result


def learn(texts: Iterable[str], vocab_size: int, lowercase: bool, first: list[str]) -> list[str]:
    """Run the library's trainer; `first` are the tokens to begin with. Returns the tokens in id order."""
    library = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=first, show_progress=False)
    library.train_from_iterator(texts, trainer)
    vocab = library.get_vocab()
    return sorted(vocab, key=vocab.get)


def read_vocab(path: Path) -> list[str]:
    """The tokens of a vocab.txt in id order."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the path of a vocab.txt") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not UTF-8; save it as UTF-8") from None
    # Only \n and \r\n end a line: other separators of lines, such as U+2028, are tokens of real vocabularies.
    tokens = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    check_tokens(tokens, path)
    return tokens


def tokens_of(whole: dict, path: Path) -> list[str]:
    """The tokens of a tokenizer.json in id order."""
    try:
        if whole["model"].get("type", "WordPiece") != "WordPiece":
            raise TypeError
        vocab = whole["model"]["vocab"] | {token["content"]: token["id"] for token in whole.get("added_tokens", [])}
        tokens = sorted(vocab, key=vocab.get)
        "".join(tokens).encode("utf-8")  # all of them are strings, and none holds half of a character
    except (AttributeError, KeyError, TypeError, UnicodeEncodeError):
        raise InputError(f"{path}: not a WordPiece tokenizer; give the tokenizer of a BERT checkpoint") from None
    if [vocab[token] for token in tokens] != list(range(len(tokens))):
        raise InputError(f"{path}: its ids do not run from 0 upwards without a gap; put a vocab.txt beside it")
    check_tokens(tokens, path)
    return tokens


def check_tokens(tokens: Sequence[str], where: Path | str) -> None:
    """Refuse empty and repeated tokens, and a vocabulary without the special ones."""
    lines: dict[str, int] = {}
    for line, token in enumerate(tokens, start=1):
        if not token:
            raise InputError(f"{where}, line {line}: empty; every line holds one token, so remove it or fill it")
        if token in lines:
            raise InputError(f"{where}, line {line}: {token!r} stands on line {lines[token]} too; remove one of them")
        lines[token] = line
    missing = [token for token in SPECIAL_TOKENS if token not in lines]
    if missing:
        raise InputError(f"{where}: no {', '.join(missing)} in its {len(tokens)} lines; add a line for each")


def read_json(path: Path) -> dict:
    """The object in a JSON file, or {} where there is no file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{path}: not a JSON object; download or save the tokenizer again")
    return value
