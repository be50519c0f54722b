"""Post-LN layers, GELU, the pooler, initialisation, and the last layer that computes only what is read."""

import math
from statistics import NormalDist

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bertmini import Bert, BertConfig, BertForPreTraining, record_attention
from bertmini.embeddings import Embeddings
from bertmini.encoder import EncoderLayer, FeedForward, Pooler


def config(**keys) -> BertConfig:
    return BertConfig(**{"vocab_size": 40, "hidden_size": 12, "num_hidden_layers": 3, "num_attention_heads": 3,
                         "intermediate_size": 20, "max_position_embeddings": 16} | keys)  # fmt: skip


def set_to(parameter: Tensor, *numbers: float) -> None:
    with torch.no_grad():
        parameter.copy_(torch.tensor(numbers).view(parameter.shape))


def zero(model: nn.Module) -> None:
    """All Linear weights and biases 0; LayerNorms as they are."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.weight.zero_()
                module.bias.zero_()


def test_layer_norm_comes_after_each_residual_sum_by_hand():
    """With zero matrices, attention adds its output bias and the feed-forward its outer bias, to every token."""
    layer = EncoderLayer(config(hidden_size=4, num_attention_heads=1)).eval()
    zero(layer)
    set_to(layer.attention.output.bias, 1, 5, 7, 7)
    set_to(layer.attention_norm.weight, 1, 2, 1, 2)
    set_to(layer.feed_forward.outer.bias, 2, 3, 2, 1)
    set_to(layer.output_norm.weight, 10, 20, 30, 40)
    set_to(layer.output_norm.bias, 1, 1, 1, 1)
    x = torch.tensor([[[4.0, 0, 2, 2]]])
    # x + (1 5 7 7) = (5 5 9 9): mean 7, deviation 2 -> (-1 -1 1 1), times the gain (1 2 1 2) -> (-1 -2 1 2)
    # + (2 3 2 1) = (1 1 3 3): mean 2, deviation 1 -> (-1 -1 1 1), times the gain, plus 1 -> (-9 -19 31 41)
    torch.testing.assert_close(layer(x), torch.tensor([[[-9.0, -19, 31, 41]]]))


def test_every_layer_norm_uses_the_configured_eps(shake):
    norms = [m for m in BertForPreTraining(config(layer_norm_eps=0.5)).modules() if isinstance(m, nn.LayerNorm)]
    assert len(norms) == 1 + 2 * 3 + 1  # embeddings, two a layer, MLM head
    assert {norm.eps for norm in norms} == {0.5}
    assert BertConfig().layer_norm_eps == 1e-12


def test_dropout_takes_the_sublayer_and_never_the_residual(shake):
    """When nearly everything is dropped, the sublayers are gone and what is left is LayerNorm of LayerNorm of x."""
    layer, x = shake(EncoderLayer(config(hidden_dropout_prob=1 - 1e-9))).train(), torch.randn(2, 5, 12)
    torch.testing.assert_close(layer(x), layer.output_norm(layer.attention_norm(x)))
    rows = torch.tensor([[4, 0], [2, 2]])
    expected = torch.stack([x[0, [4, 0]], x[1, [2, 2]]])
    torch.testing.assert_close(layer(x, None, rows), layer.output_norm(layer.attention_norm(expected)))


def test_eval_is_the_same_every_time_and_training_is_not(shake):
    model, token_ids = shake(Bert(config())).eval(), torch.randint(40, (2, 5))
    assert torch.equal(model(token_ids).hidden, model(token_ids).hidden)
    assert not torch.allclose(model.train()(token_ids).hidden, model(token_ids).hidden)


PHI = NormalDist().cdf


@pytest.mark.parametrize("name", ["gelu", "gelu_new", "gelu_pytorch_tanh"])
def test_gelu_forms(name):
    """x Φ(x), or its tanh form: 0.84134 and 0.84119 at 1. A feed-forward of ones and zeros shows it bare."""
    feed_forward = FeedForward(config(hidden_size=1, num_attention_heads=1, intermediate_size=1, hidden_act=name))
    zero(feed_forward)
    set_to(feed_forward.inner.weight, 1)
    set_to(feed_forward.outer.weight, 1)
    for x in (-3.0, -1.0, 0.0, 0.5, 1.0, 2.5):
        exact, tanh = x * PHI(x), x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        got = feed_forward(torch.tensor([[x]], dtype=torch.float32)).item()
        assert abs(got - (exact if name == "gelu" else tanh)) < 1e-6
    assert f"{PHI(1):.5f} {0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * 1.044715)):.5f}" == "0.84134 0.84119"


def influence(function, x: Tensor) -> Tensor:
    """(T, T): how much output token i moves with input token j, the largest derivative between their numbers."""
    return torch.autograd.functional.jacobian(function, x)[0, :, :, 0].abs().amax((1, 3))


def test_every_token_sees_every_token_to_both_sides(shake):
    layer, x = shake(EncoderLayer(config())).eval(), torch.randn(1, 5, 12)
    assert (influence(layer, x) > 1e-4).all()


def test_the_feed_forward_sees_each_token_by_itself(shake):
    seen = influence(shake(FeedForward(config())), torch.randn(1, 5, 12))
    assert torch.equal(seen > 0, torch.eye(5, dtype=torch.bool))


def test_the_pooler_by_hand():
    pooler = Pooler(config(hidden_size=2, num_attention_heads=1))
    set_to(pooler.dense.weight, 1, 2, 0, 1)
    set_to(pooler.dense.bias, 0.5, 0)
    expected = torch.tensor([[math.tanh(1 + 2 * -1 + 0.5), math.tanh(-1)]])
    torch.testing.assert_close(pooler(torch.tensor([[1.0, -1]])), expected)


@pytest.mark.parametrize("positions", [None, torch.tensor([[3, 2], [4, 4]])], ids=["all", "positions"])
def test_the_pooler_reads_cls(positions, shake):
    model, token_ids = shake(Bert(config())).eval(), torch.randint(40, (2, 5))
    expected = model.pooler.dense(model(token_ids).hidden[:, 0]).tanh()
    torch.testing.assert_close(model(token_ids, positions=positions).pooled, expected, rtol=0, atol=1e-6)


def test_shapes():
    model, token_ids, positions = Bert(config()), torch.randint(40, (2, 5)), torch.randint(5, (2, 7))
    assert model(token_ids).hidden.shape == (2, 5, 12)
    assert model(token_ids).pooled.shape == (2, 12)
    assert model(token_ids, positions=positions).hidden.shape == (2, 7, 12)
    assert model(token_ids[:, :1]).hidden.shape == (2, 1, 12)
    assert Bert(config(), pooler=False)(token_ids).pooled is None
    assert Bert(config(), pooler=False).pooler is None


# Initialisation


@pytest.mark.parametrize("deviation", [0.02, 0.1])
def test_initialisation(deviation):
    """Normal, cut at two deviations (which leaves a deviation of 0.8796 of it); biases 0; LayerNorms 1 and 0."""
    model = BertForPreTraining(config(hidden_size=96, vocab_size=2000, initializer_range=deviation))
    drawn = []
    for name, weights in model.named_parameters():
        if name.endswith("norm.weight"):
            assert (weights == 1).all(), name
        elif name.endswith("bias"):
            assert (weights == 0).all(), name
        else:
            assert weights.abs().max() <= 2 * deviation, name
            assert weights.abs().max() > 1.5 * deviation, name
            drawn.append(weights.detach().flatten())
    assert len(drawn) == 3 + 3 * 4 + 3  # tables; qkv, output, inner, outer a layer; pooler, transform, score
    drawn = torch.cat(drawn) / deviation
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 0.8796) < 0.005
    within_one = (PHI(1) - PHI(-1)) / (PHI(2) - PHI(-2))  # 0.715; a uniform draw would give 0.5
    assert abs((drawn.abs() < 1).float().mean() - within_one) < 0.005


# The last layer, where only some positions are read

POSITIONS = torch.tensor([[4, 1, 1, 0], [2, 0, 0, 0]])  # out of order, one twice, [CLS] itself, unused slots
KEEP = torch.tensor([[True] * 5, [True, True, True, False, False]])


def answers(model: Bert, way: str, token_ids: Tensor, keep: Tensor | None) -> tuple[Tensor, list[Tensor]]:
    """What a loss on `POSITIONS` and the pooler sees, and the gradient of every parameter."""
    if way == "pruned":
        hidden, pooled = model(token_ids, keep=keep, positions=POSITIONS)
    elif way == "recorded":
        with record_attention(model):
            hidden, pooled = model(token_ids, keep=keep, positions=POSITIONS)
    else:
        everywhere, pooled = model(token_ids, keep=keep)
        hidden = torch.stack([row[at] for row, at in zip(everywhere, POSITIONS, strict=True)])
    out = torch.cat([hidden.flatten(), pooled.flatten()])
    weights = torch.linspace(-1, 1, len(out), dtype=out.dtype) / len(out) ** 0.5
    return out, torch.autograd.grad((weights * out).sum(), list(model.parameters()))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("keep", [None, KEEP], ids=["whole", "padded"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)], ids=["32", "64"])
def test_reading_some_positions_changes_no_value_and_no_gradient(layers, keep, dtype, tolerance, shake):
    model = shake(Bert(config(num_hidden_layers=layers)), 0.1).eval().to(dtype)
    token_ids = torch.randint(40, (2, 5))
    by_hand, wanted = answers(model, "plain", token_ids, keep)
    for way in ("pruned", "recorded"):
        out, gradients = answers(model, way, token_ids, keep)
        torch.testing.assert_close(out, by_hand, rtol=0, atol=tolerance)
        for (name, _), got, expected in zip(model.named_parameters(), gradients, wanted, strict=True):
            torch.testing.assert_close(got, expected, rtol=0, atol=tolerance, msg=f"{way}: {name}")


def test_the_last_layer_computes_only_what_is_read():
    model, rows = Bert(config()), []
    for layer in model.layers:
        layer.feed_forward.register_forward_hook(lambda _, args, out: rows.append(out.shape[1]))
    model(torch.randint(40, (2, 5)), positions=torch.tensor([[1, 2], [3, 4]]))
    assert rows == [5, 5, 3]  # two positions and [CLS]


def test_the_encoder_is_its_parts_in_order(shake):
    """Written as plainly as possible, from the parameters alone, in float64."""
    model, token_ids = shake(Bert(config(num_hidden_layers=2))).eval().double(), torch.randint(40, (1, 5))
    assert isinstance(model.embeddings, Embeddings)
    x = model.embeddings(token_ids)[0]  # (T, H)
    for layer in model.layers:
        attention, heads = layer.attention, []
        q, k, v = (x @ w.T + b for w, b in zip(attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3), strict=True))
        for a in range(3):
            part = slice(4 * a, 4 * a + 4)  # head a reads numbers 4a to 4a + 3
            heads.append((q[:, part] @ k[:, part].T / 2).softmax(-1) @ v[:, part])  # 2 = the root of D
        x = normalised(x + attention.output(torch.cat(heads, -1)), layer.attention_norm)
        inner = x @ layer.feed_forward.inner.weight.T + layer.feed_forward.inner.bias
        x = normalised(x + layer.feed_forward.outer(F.gelu(inner)), layer.output_norm)
    torch.testing.assert_close(model(token_ids).hidden[0], x, rtol=0, atol=1e-11)  # eps is 1e-12


def normalised(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / x.std(-1, correction=0, keepdim=True) * norm.weight + norm.bias
