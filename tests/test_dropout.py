"""Dropout: how many, which, by how much, and that the coins do not know of each other."""

import math

import pytest
import torch
from torch.nn import functional as F

from bertmini import attention
from bertmini.attention import attend, attention_weights
from bertmini.dropout import Dropout, drop

N = 400_000


def kept(p: float, n: int = N) -> torch.Tensor:
    return drop(torch.ones(n), p) != 0


@pytest.mark.parametrize("p", [2**-16, 0.001, 0.1, 0.25, 0.5, 0.9])
def test_a_share_p_is_lost_and_the_rest_is_scaled(p):
    torch.manual_seed(1)
    x = torch.randn(N)
    y = drop(x, p)
    lost = y == 0
    assert abs(lost.sum().item() - p * N) <= 5 * math.sqrt(N * p * (1 - p))
    torch.testing.assert_close(y[~lost], x[~lost] / (1 - p), rtol=1e-4, atol=0)


def test_the_expectation_is_exact():
    """With p = 0.1 a coin falls 6,554 times in 65,536: the scale is that of the coin, not of p."""
    y = drop(torch.ones(N), 0.1)
    assert y.max().item() == pytest.approx(65_536 / (65_536 - 6_554), rel=1e-7)


def test_coins_are_alike_and_independent():
    """Four come from one drawn number: neither their place in it nor a neighbour says anything."""
    torch.manual_seed(2)
    one = kept(0.5)
    for place in range(4):
        share = one[place::4].double().mean().item()
        assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(N / 4)
    for lag in range(1, 9):
        both = (one[lag:] & one[:-lag]).double().mean().item()
        assert abs(both - 0.25) < 5 * math.sqrt(0.25 * 0.75 / N) * 1.5  # neighbours overlap
    assert abs((one & kept(0.5)).double().mean().item() - 0.25) < 5 * math.sqrt(0.25 * 0.75 / N)


def test_a_seed_repeats_it_and_another_does_not():
    draws = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        draws.append(kept(0.5))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_gradients_pass_where_values_passed():
    x = torch.randn(33, 7, requires_grad=True)
    y = drop(x, 0.3)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach() / x.detach())


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 4), (0, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shapes_and_numbers_of_any_kind(shape, dtype):
    x = torch.ones(shape, dtype=dtype)
    y = drop(x.mT if x.ndim > 1 else x, 0.5)
    assert y.shape == (x.mT if x.ndim > 1 else x).shape
    assert y.dtype == dtype
    assert set(y.flatten().tolist()) <= {0.0, 2.0}


def test_nothing_and_all():
    x = torch.randn(1000)
    assert torch.equal(drop(x, 0.0), x)
    assert not drop(x, 1.0).any()


def test_another_device_drops_by_itself(monkeypatch):
    seen = []
    monkeypatch.setattr(F, "dropout", lambda x, p: seen.append(p) or x)
    drop(torch.empty(3, device="meta"), 0.1)
    drop(torch.empty(3), 0.1)
    assert seen == [0.1]


def test_the_module_drops_in_training_only():
    module, x = Dropout(0.5), torch.ones(100)
    assert set(module.train()(x).tolist()) == {0.0, 2.0}
    assert module.eval()(x) is x


def test_attention_with_dropout_is_attention_but_for_the_coins(monkeypatch):
    """The path that drops, with coins that all fall well, against the kernel that it takes the place of."""
    monkeypatch.setattr(attention, "drop", lambda x, p: x)
    q, k, v = torch.randn(3, 2, 3, 5, 4).unbind()
    keep = torch.arange(5) < torch.tensor([5, 3])[:, None, None, None]
    for mask in (None, keep):
        torch.testing.assert_close(attend(q, k, v, mask, 0.1), attend(q, k, v, mask), rtol=1e-5, atol=1e-6)


def test_padding_stays_unseen_with_dropout():
    q, k, v = torch.randn(3, 2, 3, 5, 4).unbind()
    keep = torch.arange(5) < torch.tensor([5, 3])[:, None, None, None]
    loud = v.masked_fill(~keep.mT, 1e9)
    assert attend(q, k, loud, keep, 0.5)[1].abs().max() < 1e3
    assert attention_weights(q, k, keep)[1, ..., 3:].eq(0).all()
