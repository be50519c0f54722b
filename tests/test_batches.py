"""The epoch's plan, its instances and their batches: every instance once, and all of it a function of the seed."""

import numpy as np
import pytest
import torch

from bertmini.batches import Epoch
from bertmini.corpus import Corpus, prepare, write_corpus
from bertmini.manual import manual_documents
from bertmini.tokenizer import Tokenizer

WORDS = [f"w{i}" for i in range(200)]
T = 24


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """60 documents of 1 to 9 sentences; word number d * 3 + s tells where a sentence stood."""
    rng = np.random.default_rng(0)
    documents = [
        [" ".join(rng.choice(WORDS, rng.integers(2, 9))) for _ in range(rng.integers(1, 10))] for _ in range(60)
    ]
    tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])
    return write_corpus(documents, tokenizer, tmp_path_factory.mktemp("corpus")), tokenizer


@pytest.mark.parametrize("share", [0.15, 0.3])
def test_an_instance_has_the_form_of_a_pair(data, share):
    epoch = Epoch(*data, T, seed=3, epoch=0, share=share)
    tokenizer = data[1]
    for i in range(len(epoch)):
        instance = epoch[i]
        true = instance.token_ids.copy()
        true[instance.positions] = instance.labels
        first = int(np.flatnonzero(true == tokenizer.sep_id)[0])
        assert true[0] == tokenizer.cls_id and true[-1] == tokenizer.sep_id and len(true) <= T
        assert (true == tokenizer.sep_id).sum() == 2
        assert instance.segment_ids.tolist() == [0] * (first + 1) + [1] * (len(true) - first - 1)
        assert len(instance.positions) == max(1, round(share * len(true)))
        assert instance.is_random == epoch.plan[i, 4]


def test_the_text_of_a_pair_stands_in_the_corpus(data):
    corpus, tokenizer = data
    epoch = Epoch(corpus, tokenizer, T, seed=3, epoch=0)
    for i, (start, split, second, end, _) in enumerate(epoch.plan):
        instance = epoch[i]
        true = instance.token_ids.copy()
        true[instance.positions] = instance.labels
        a, b = true[instance.segment_ids == 0][1:-1], true[instance.segment_ids == 1][:-1]
        for part, whole in ((a, corpus.between(start, split)), (b, corpus.between(second, end))):
            assert any(np.array_equal(part, whole[k : k + len(part)]) for k in range(len(whole) - len(part) + 1))


def test_instances_are_a_pure_function_of_seed_epoch_and_number(data):
    def everything(**where):
        epoch = Epoch(*data, T, **where)
        return [[part.tolist() if hasattr(part, "tolist") else part for part in epoch[i]] for i in range(len(epoch))]

    assert everything(seed=3, epoch=5) == everything(seed=3, epoch=5)
    assert everything(seed=3, epoch=5) != everything(seed=3, epoch=6)
    assert everything(seed=3, epoch=5) != everything(seed=4, epoch=5)


def test_an_epoch_holds_every_instance_once_in_batches_of_like_length(data):
    epoch = Epoch(*data, T, seed=3, epoch=0)
    batches = epoch.batches(8)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(epoch)))
    assert [len(batch) for batch in batches].count(8) >= len(batches) - 1
    lengths = [[len(epoch[i].token_ids) for i in batch] for batch in batches]
    assert max(max(row) - min(row) for row in lengths) <= 3  # bucketed
    assert [max(row) for row in lengths] != sorted(max(row) for row in lengths)  # and mixed
    assert all(np.array_equal(a, b) for a, b in zip(batches, epoch.batches(8), strict=True))


def test_collate_pads_to_the_longest_and_marks_what_is_real(data):
    epoch = Epoch(*data, T, seed=3, epoch=0)
    lengths = [len(epoch[i].token_ids) for i in range(len(epoch))]
    short, long = int(np.argmin(lengths)), int(np.argmax(lengths))
    batch = epoch.collate([epoch[short], epoch[long]])
    assert batch.token_ids.shape == (2, lengths[long]) and batch.positions.shape == (2, 4)  # P = ceil(0.15 * 24)
    assert batch.keep.sum(1).tolist() == [lengths[short], lengths[long]]
    assert batch.tokens() == lengths[short] + lengths[long]
    padded = ~batch.keep[0]
    assert (batch.token_ids[0][padded] == 0).all() and (batch.segment_ids[0][padded] == 0).all()
    used = len(epoch[short].positions)
    assert (batch.labels[0, used:] == -100).all() and (batch.positions[0, used:] == 0).all()
    assert (batch.labels[0, :used] >= 0).all()
    alone = epoch.collate([epoch[long], epoch[long]])
    assert alone.keep is None and alone.tokens() == 2 * lengths[long]
    assert all(part.dtype == torch.int64 for part in alone if part is not None)


@pytest.mark.soak
def test_little_of_the_manual_corpus_is_padding(tmp_path):
    prepare(list(manual_documents()), None, 4000, 0, tmp_path / "data")
    tokenizer, corpus = Tokenizer.load(tmp_path / "data"), Corpus.open(tmp_path / "data/train")
    for max_length, batch_size in ((128, 32), (32, 128)):
        epoch = Epoch(corpus, tokenizer, max_length, 0, 0)
        batches = [epoch.collate([epoch[i] for i in rows]) for rows in epoch.batches(batch_size)]
        padding = 1 - sum(batch.tokens() for batch in batches) / sum(batch.token_ids.numel() for batch in batches)
        assert 0 < padding < 0.05


def test_on_a_gpu_batches_have_four_lengths_at_most(data):
    free, few = (Epoch(*data, T, seed=3, epoch=0, widths=widths) for widths in (None, 4))
    lengths = set()
    for rows in few.batches(3):
        tight, batch = (epoch.collate([epoch[i] for i in rows]) for epoch in (free, few))
        width = tight.token_ids.shape[1]
        assert torch.equal(batch.token_ids[:, :width], tight.token_ids) and not batch.token_ids[:, width:].any()
        assert batch.tokens() == tight.tokens() and torch.equal(batch.positions, tight.positions)
        lengths.add(batch.token_ids.shape[1])
    assert lengths <= {6, 12, 18, 24} and len(lengths) > 1
