"""Real weights: the same token ids, hidden states and sentence similarities as `transformers`."""

import random

import pytest
import torch
import torch.nn.functional as F
import transformers

from bertmini import Bert, load
from bertmini.hub import locate
from bertmini.manual import manual_documents

WRITTEN = [
    "",
    "a",
    "The bank raised its rates; the river burst its bank.",
    "东京 是 日本的首都。我喜欢 BERT！",
    "ひらがなとカタカナ、漢字",
    "안녕하세요 세계",
    "Ærøskøbing, naïve café, Größe, Übermut, España",
    "Мама мыла раму. Ελληνικά, עברית, العربية, हिन्दी",
    "🙂🚀 emoji 👩‍👩‍👧 and ☃ signs €£¥ ½ ² ™",
    "[MASK] and [SEP] inside a text, and [mask] that is none",
    "don't split-me_up: e-mail@example.org, https://example.org/a?b=c#d",
    "antidisestablishmentarianism floccinaucinihilipilification " + "x" * 150,
    "tabs\tnew\nlines\r\nand\u00a0odd\u2003spaces\u200b",
    "1,234.56 % of 2^10 = 1024 (approximately)",
]


@pytest.fixture(scope="module")
def texts() -> list[str | tuple[str, str]]:
    """200 texts: written ones, pairs, a word to ten sentences of the manual, and a few that must be cut."""
    chance = random.Random(0)
    sentences = [sentence for document in manual_documents() for sentence in document]

    def some(most: int) -> str:
        return " ".join(chance.choices(sentences, k=chance.randint(1, most)))

    pairs = [(some(2), some(3)) for _ in range(41)] + list(zip(WRITTEN[1:], reversed(WRITTEN[1:]), strict=True))
    single = WRITTEN + [some(1) for _ in range(90)] + [some(5) for _ in range(39)] + [some(200) for _ in range(3)]
    return sorted(single + pairs, key=lambda text: len("".join(text)))


@pytest.fixture(scope="module")
def theirs() -> transformers.BertModel:
    return transformers.BertModel.from_pretrained(locate("minilm")).eval()


def sentence_vectors(hidden: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """The mean over real tokens, of length 1: what this model was tuned to compare."""
    return F.normalize((hidden * keep[..., None]).sum(1) / keep.sum(1, keepdim=True))


@torch.no_grad()
def test_two_hundred_texts(texts, theirs):
    assert len(texts) == 200
    model, tokenizer = load("minilm", Bert)
    their_tokenizer = transformers.BertTokenizerFast.from_pretrained(locate("minilm"))
    mine, other = [], []
    for batch in (texts[i : i + 20] for i in range(0, 200, 20)):
        encodings = tokenizer.encode_batch(batch, max_length=512)
        width = max(len(encoding.token_ids) for encoding in encodings)

        def padded(rows: list[list[int]], width: int = width) -> torch.Tensor:
            return torch.tensor([row + [0] * (width - len(row)) for row in rows])

        token_ids = padded([encoding.token_ids for encoding in encodings])
        segment_ids = padded([encoding.segment_ids for encoding in encodings])
        keep = padded([[1] * len(encoding.token_ids) for encoding in encodings])
        wanted = [
            their_tokenizer(*([text] if isinstance(text, str) else text), truncation=True, max_length=512)["input_ids"]
            for text in batch
        ]
        assert [encoding.token_ids for encoding in encodings] == wanted

        got = model(token_ids, segment_ids, keep.bool())
        expected = theirs(token_ids, keep, segment_ids)
        difference = (got.hidden - expected.last_hidden_state)[keep.bool()].abs().max()
        assert difference < 1e-5, difference
        torch.testing.assert_close(got.pooled, expected.pooler_output, rtol=0, atol=1e-5)
        mine.append(sentence_vectors(got.hidden, keep))
        other.append(sentence_vectors(expected.last_hidden_state, keep))
    mine, other = torch.cat(mine), torch.cat(other)
    torch.testing.assert_close(mine @ mine.T, other @ other.T, rtol=0, atol=1e-5)
    assert (mine @ mine.T).std() > 0.1, "the texts differ"
