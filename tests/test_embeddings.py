"""A lookup is a one-hot product, three tables are one sum, and one LayerNorm follows."""

import itertools
from statistics import NormalDist

import pytest
import torch
import torch.nn.functional as F

from bertmini import BertConfig, InputError
from bertmini.embeddings import Embeddings, one_hot_times


def small(**keys) -> Embeddings:
    config = BertConfig(10, 4, 1, 1, 4, max_position_embeddings=6, **keys)
    return Embeddings(config).eval()


@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (2, 3, 4)])
def test_one_hot_times_copies_rows(shape):
    table, ids = torch.randn(10, 6), torch.randint(10, shape)
    assert torch.equal(one_hot_times(ids, table), table[ids])


def test_one_hot_times_has_the_gradient_of_a_lookup():
    ids = torch.tensor([[1, 2, 2], [0, 2, 1]])  # token 2 is read three times, tokens 3 and 4 never
    upstream = torch.randn(2, 3, 6, dtype=torch.float64)
    by_product, by_lookup = (torch.randn(5, 6, dtype=torch.float64).requires_grad_() for _ in range(2))
    (one_hot_times(ids, by_product) * upstream).sum().backward()
    (F.embedding(ids, by_lookup) * upstream).sum().backward()
    torch.testing.assert_close(by_product.grad, by_lookup.grad)
    torch.testing.assert_close(by_product.grad[2], upstream[0, 1] + upstream[0, 2] + upstream[1, 1])
    assert not by_product.grad[3:].any()


def test_three_one_hots_side_by_side_times_three_tables_on_top_of_each_other():
    """4 tokens, 3 positions, 2 segments: (1000 100 10) times a 9 x 768 matrix is row 0 of each table, summed."""
    embeddings = Embeddings(BertConfig(4, 768, 1, 12, 4, max_position_embeddings=3)).eval()
    tables = [embeddings.token.weight, embeddings.position.weight, embeddings.segment.weight]
    stacked = torch.cat(tables)  # (9, 768)
    assert stacked.shape == (9, 768)

    first = torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 1, 0])
    torch.testing.assert_close(first @ stacked, tables[0][0] + tables[1][0] + tables[2][0])

    for token, position, segment in itertools.product(range(4), range(3), range(2)):
        hots = [F.one_hot(torch.tensor(i), n) for i, n in ((token, 4), (position, 3), (segment, 2))]
        expected = embeddings.norm(torch.cat(hots).float() @ stacked)
        token_ids, segment_ids = torch.full((1, 3), token), torch.full((1, 3), segment)
        torch.testing.assert_close(embeddings(token_ids, segment_ids)[0, position], expected)


def test_token_plus_segment_plus_position_then_layer_norm_by_hand():
    embeddings = small()
    with torch.no_grad():
        embeddings.token.weight[7] = torch.tensor([1.0, 0, 2, 0])
        embeddings.segment.weight[1] = torch.tensor([0.0, 0, 1, 3])
        embeddings.position.weight[0] = torch.tensor([0.0, 1, 0, 0])
        embeddings.norm.weight.copy_(torch.tensor([1.0, 2, 3, 4]))
        embeddings.norm.bias.copy_(torch.tensor([10.0, 20, 30, 40]))
    # The sum is (1, 1, 3, 3): mean 2, deviation 1, so (-1, -1, 1, 1) before gain and bias.
    expected = torch.tensor([-1.0 + 10, -2 + 20, 3 + 30, 4 + 40])
    torch.testing.assert_close(embeddings(torch.tensor([[7]]), torch.tensor([[1]]))[0, 0], expected)


def test_the_sum_is_normalised_once_and_not_its_parts(shake):
    embeddings = shake(small())
    token_ids, segment_ids = torch.tensor([[7, 2, 7, 5]]), torch.tensor([[0, 0, 1, 1]])
    total = embeddings.token.weight[token_ids[0]] + embeddings.segment.weight[segment_ids[0]]
    total = (total + embeddings.position.weight[:4]).double()
    normal = (total - total.mean(-1, keepdim=True)) / total.std(-1, correction=0, keepdim=True)
    expected = normal * embeddings.norm.weight + embeddings.norm.bias
    torch.testing.assert_close(embeddings(token_ids, segment_ids)[0].double(), expected, rtol=0, atol=1e-5)


def test_the_layer_norm_uses_the_configured_eps():
    embeddings = small(layer_norm_eps=0.5625)
    with torch.no_grad():
        for table in (embeddings.token, embeddings.segment, embeddings.position):
            table.weight.zero_()
        embeddings.token.weight[7] = torch.tensor([1.0, -1, 1, -1])
    # variance 1 + 0.5625 = 1.25 squared
    torch.testing.assert_close(embeddings(torch.tensor([[7]]))[0, 0], torch.tensor([0.8, -0.8, 0.8, -0.8]))


def test_segments_are_the_first_where_none_are_given(shake):
    embeddings, token_ids = shake(small()), torch.tensor([[7, 2, 7]])
    assert torch.equal(embeddings(token_ids), embeddings(token_ids, torch.zeros(1, 3, dtype=torch.long)))
    assert not torch.allclose(embeddings(token_ids), embeddings(token_ids, torch.ones(1, 3, dtype=torch.long)))


def test_the_same_token_differs_by_its_place_and_not_by_its_sequence(shake):
    out = shake(small())(torch.tensor([[7, 7, 2], [7, 3, 7]]))
    assert torch.equal(out[0, 0], out[1, 0])
    assert not torch.allclose(out[0, 0], out[0, 1])


def test_reading_pad_teaches_its_row_nothing(shake):
    embeddings = shake(small(pad_token_id=3))
    (embeddings(torch.tensor([[7, 3, 0]])) ** 3).sum().backward()  # the plain sum of a LayerNorm has no gradient
    gradient = embeddings.token.weight.grad
    assert gradient[[0, 7]].abs().sum(-1).min() > 0
    assert not gradient[3].any()


def test_dropout_comes_last_and_only_in_training():
    embeddings = small(hidden_dropout_prob=0.25)
    token_ids = torch.randint(10, (2000, 5))
    plain = embeddings(token_ids)
    assert torch.equal(plain, embeddings(token_ids))
    torch.manual_seed(0)
    dropped = embeddings.train()(token_ids)
    gone = dropped == 0
    torch.testing.assert_close(dropped[~gone], plain[~gone] / 0.75)  # the LayerNorm has already happened
    n = gone.numel()
    bound = NormalDist(0.25 * n, (0.25 * 0.75 * n) ** 0.5)
    assert abs(bound.zscore(int(gone.sum()))) < 5


def test_a_text_longer_than_the_position_table_gets_a_sentence():
    embeddings = Embeddings(BertConfig(vocab_size=9, hidden_size=4, num_attention_heads=1, max_position_embeddings=5))
    with pytest.raises(InputError, match="6 tokens, and the model has 5 positions"):
        embeddings(torch.zeros(1, 6, dtype=torch.long))
