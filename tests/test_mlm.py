"""Which tokens are chosen, how they are hidden, and the head that guesses them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bertmini import BertConfig, BertForPreTraining, InputError, Tokenizer
from bertmini.mlm import MLMHead, choose_positions, corrupt, fill_mask, predictions_per_sequence

CLS, SEP, MASK = 2, 3, 4
SPECIAL = (CLS, SEP)


def within(count: int, n: int, p: float, deviations: float = 5) -> bool:
    """Is `count` of `n` what a coin of chance p gives? Beyond 5 deviations it is not, but once in two million."""
    return abs(count - n * p) < deviations * (n * p * (1 - p)) ** 0.5


@pytest.mark.parametrize(("longest", "slots"), [(8, 2), (20, 3), (64, 10), (128, 20), (512, 77)])
def test_slots(longest, slots):
    assert predictions_per_sequence(longest) == slots


@pytest.mark.parametrize(
    ("length", "limit", "count"),
    [(3, 20, 1), (8, 20, 1), (10, 20, 2), (64, 20, 10), (128, 20, 19), (300, 20, 20), (512, 77, 77), (512, 20, 20)],
)
def test_how_many_are_chosen(length, limit, count):
    token_ids = np.concatenate([[CLS], np.full(length - 2, 9), [SEP]])
    for seed in range(20):  # the count is fixed by the length: no coin a token
        assert len(choose_positions(token_ids, SPECIAL, limit, np.random.default_rng(seed))) == count


def test_another_share():
    token_ids = np.concatenate([[CLS], np.full(62, 9), [SEP]])
    assert predictions_per_sequence(64, 0.3) == 20
    assert len(choose_positions(token_ids, SPECIAL, 20, np.random.default_rng(0), 0.3)) == 19


@given(first=st.integers(1, 60), second=st.integers(1, 60), limit=st.integers(1, 20), seed=st.integers(0, 10**6))
def test_chosen_positions_are_sorted_distinct_and_never_special(first, second, limit, seed):
    token_ids = np.array([CLS] + [9] * first + [SEP] + [MASK] * second + [SEP])
    positions = choose_positions(token_ids, SPECIAL, limit, np.random.default_rng(seed))
    assert 1 <= len(positions) <= limit
    assert (np.diff(positions) > 0).all()
    assert not np.isin(token_ids[positions], SPECIAL).any()


def test_never_more_than_there_are():
    positions = choose_positions(np.array([CLS, 9, SEP, SEP] + [SEP] * 20), SPECIAL, 20, np.random.default_rng(0))
    assert positions.tolist() == [1]


def test_every_token_is_as_likely_as_another():
    token_ids, rng = np.array([CLS] + [9] * 8 + [SEP]), np.random.default_rng(0)
    counts = np.bincount(np.concatenate([choose_positions(token_ids, SPECIAL, 20, rng) for _ in range(20000)]))
    assert counts[0] == 0
    assert len(counts) == 9
    assert all(within(count, 20000, 2 / 8) for count in counts[1:])


def test_eighty_ten_ten_over_a_million_tokens():
    n, vocab_size = 1_000_000, 50
    token_ids = np.full(n, 30)
    shown = corrupt(token_ids, np.arange(n), MASK, vocab_size, np.random.default_rng(0))
    assert (token_ids == 30).all(), "the original is left alone"
    counts = np.bincount(shown, minlength=vocab_size)
    drawn = 0.1 / vocab_size  # each token of the whole vocabulary, [MASK] and the true one included
    assert within(counts[MASK], n, 0.8 + drawn)
    assert within(counts[30], n, 0.1 + drawn)
    assert all(within(counts[i], n, drawn) for i in range(vocab_size) if i not in (MASK, 30))
    assert counts[:5].min() > 0, "special tokens are drawn too, as in the original release"
    assert len(counts) == vocab_size


def test_what_was_not_chosen_is_shown_as_it_is():
    token_ids, positions = np.arange(5, 105), np.array([3, 50, 99])
    rest = np.setdiff1d(np.arange(100), positions)
    fates = set()
    for seed in range(200):
        shown = corrupt(token_ids, positions, MASK, 1000, np.random.default_rng(seed))
        assert (shown[rest] == token_ids[rest]).all()
        fates |= {"masked" if s == MASK else "kept" if s == t else "drawn"
                  for s, t in zip(shown[positions], token_ids[positions], strict=True)}  # fmt: skip
    assert fates == {"masked", "kept", "drawn"}


def test_the_head_by_hand():
    """An identity, numbers where GELU changes nothing, a LayerNorm of two numbers, three words."""
    head = MLMHead(BertConfig(3, 2, 1, 1, 4))
    with torch.no_grad():
        head.transform.weight.copy_(torch.eye(2))
        head.transform.bias.copy_(torch.tensor([5.0, 0]))
        head.norm.weight.copy_(torch.tensor([2.0, 3]))
        head.norm.bias.copy_(torch.tensor([0.0, 1]))
        head.bias.copy_(torch.tensor([0.5, 0, -1]))
    table = torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    # (10, 30) + (5, 0) = (15, 30); GELU: the same; LayerNorm: (-1, 1), times (2, 3) plus (0, 1): (-2, 4)
    torch.testing.assert_close(head(torch.tensor([[[10.0, 30]]]), table), torch.tensor([[[-1.5, 4, 1]]]))


@pytest.mark.parametrize("name", ["gelu", "gelu_new"])
def test_the_head_uses_the_configured_gelu(name, shake):
    head = shake(MLMHead(BertConfig(7, 4, 1, 1, 4, hidden_act=name)))
    x, table = torch.randn(2, 3, 4), torch.randn(7, 4)
    inner = torch.nn.functional.gelu(head.transform(x), approximate="none" if name == "gelu" else "tanh")
    torch.testing.assert_close(head(x, table), head.norm(inner) @ table.T + head.bias, rtol=0, atol=1e-6)


# fill_mask

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat"]


@pytest.fixture
def model(shake) -> BertForPreTraining:
    return shake(BertForPreTraining(BertConfig(10, 12, 2, 3, 20, max_position_embeddings=8))).eval()


def test_fill_mask_gives_the_likeliest_tokens(model):
    guesses = fill_mask(model, Tokenizer(WORDS), "the [MASK] sat on [MASK]", top=3)
    logits = model(torch.tensor([[CLS, 5, MASK, 7, 8, MASK, SEP]])).mlm_logits[0]  # at all positions
    assert len(guesses) == 2
    for guess, at in zip(guesses, (2, 5), strict=True):
        chances = logits[at].double().softmax(-1)
        order = chances.argsort(descending=True)[:3]
        assert [token for token, _ in guess] == [WORDS[i] for i in order]
        assert [chance for _, chance in guess] == pytest.approx(chances[order].tolist(), abs=1e-6)


def test_fill_mask_with_more_asked_for_than_there_are(model):
    (guess,) = fill_mask(model, Tokenizer(WORDS), "[MASK]", top=50)
    assert sorted(token for token, _ in guess) == sorted(WORDS)
    assert sum(chance for _, chance in guess) == pytest.approx(1, abs=1e-5)


def test_fill_mask_says_what_it_cannot_do(model):
    tokenizer = Tokenizer(WORDS)
    with pytest.raises(InputError, match=r"the text holds no \[MASK\]"):
        fill_mask(model, tokenizer, "the cat")
    with pytest.raises(InputError, match="the text has 9 tokens, the model reads 8 at most"):
        fill_mask(model, tokenizer, "[MASK] cat sat on the mat on")
    assert fill_mask(model, tokenizer, "[MASK] cat sat on the mat"), "8 tokens still fit"
    model.mlm = None
    with pytest.raises(InputError, match="no masked-language-model head"):
        fill_mask(model, tokenizer, "the [MASK]")
