"""Windows over texts that are longer than the position table."""

import pytest
import torch

from bertmini import BertConfig, BertForPreTraining, InputError, Tokenizer
from bertmini.windows import context, read_long, windows


@pytest.mark.parametrize(("T", "size", "stride", "spans"), [
    (10, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10)]),
    (11, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10), (7, 11)]),
    (10, 4, 4, [(0, 4), (4, 8), (6, 10)]),
    (4, 4, 1, [(0, 4)]),
    (3, 4, 2, [(0, 3)]),
    (1, 1, 1, [(0, 1)]),
])  # fmt: skip
def test_windows_by_hand(T, size, stride, spans):
    assert windows(T, size, stride) == spans


@pytest.mark.parametrize("stride", [0, 5])
def test_a_stride_that_never_ends_or_leaves_gaps_is_refused(stride):
    with pytest.raises(InputError, match=f"the stride is {stride}: choose from 1 to the window's size, 4"):
        windows(10, 4, stride)


def test_context_counts_the_poorer_side_and_the_text_s_own_ends_cut_nothing_off():
    assert context(10, 2, 7).tolist() == [0, 1, 2, 1, 0]
    assert context(10, 0, 4).tolist() == [3, 2, 1, 0]
    assert context(10, 6, 10).tolist() == [0, 1, 2, 3]
    assert context(3, 0, 3).tolist() == [3, 3, 3]


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    tokenizer = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"])
    config = BertConfig(13, 16, 2, 2, 32, 10, initializer_range=0.5)
    return BertForPreTraining(config).bert.eval(), tokenizer


def test_each_token_is_read_from_the_window_that_shows_most_around_it(small):
    bert, tokenizer = small
    token_ids = [5 + n % 8 for n in range(14)]
    vectors = read_long(bert, tokenizer, token_ids, size=8, stride=4)  # windows (0, 8), (4, 12), (6, 14)
    assert vectors.shape == (14, 16) and not vectors.requires_grad

    def alone(start, end):
        return bert(torch.tensor([[2, *token_ids[start:end], 3]])).hidden[0, 1:-1]

    first, second, third = alone(0, 8), alone(4, 12), alone(6, 14)
    wanted = torch.cat([first[:6], second[2:5], third[3:]])  # place 6: 1 in the first, 2 in the second
    assert torch.allclose(vectors, wanted, atol=1e-6)


def test_a_text_that_fits_is_read_in_one_piece(small):
    bert, tokenizer = small
    whole = bert(torch.tensor([[2, 5, 6, 7, 3]])).hidden[0, 1:-1]
    assert torch.allclose(read_long(bert, tokenizer, [5, 6, 7], size=8, stride=1), whole, atol=1e-6)
