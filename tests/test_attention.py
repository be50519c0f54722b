"""Attention against a float64 loop and `torch.nn.MultiheadAttention`, and what `record_attention` shows of it."""

import math

import pytest
import torch
from torch import Tensor, nn

from bertmini import Bert, BertConfig, BertForPreTraining, record_attention
from bertmini.attention import SelfAttention, attend, attention_weights

KEEP = torch.tensor([[True] * 5, [True, True, True, False, False]])  # (B, T)


def config(**keys) -> BertConfig:
    return BertConfig(40, 12, 3, 3, 20, max_position_embeddings=16, **keys)


def weights_by_loop(q: Tensor, k: Tensor, keep: Tensor | None = None) -> Tensor:
    """(B, A, R, T) in plain Python numbers, which are float64; keep: (B, T)."""
    B, A, R, D = q.shape
    T, out = k.shape[2], torch.zeros(B, A, R, k.shape[2], dtype=torch.float64)
    q, k = q.tolist(), k.tolist()
    for b in range(B):
        seen = [t for t in range(T) if keep is None or keep[b, t]]
        for a in range(A):
            for r in range(R):
                scores = {t: sum(q[b][a][r][d] * k[b][a][t][d] for d in range(D)) / math.sqrt(D) for t in seen}
                total = sum(math.exp(score) for score in scores.values())
                for t in seen:
                    out[b, a, r, t] = math.exp(scores[t]) / total
    return out


def attend_by_loop(q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None = None) -> Tensor:
    """(B, A, R, D): the sum over t of weight times value, number by number."""
    weights, out = weights_by_loop(q, k, keep), torch.zeros(q.shape, dtype=torch.float64)
    for b, a, r, d in torch.cartesian_prod(*map(torch.arange, q.shape)).tolist():
        out[b, a, r, d] = sum(weights[b, a, r, t] * v[b, a, t, d].double() for t in range(v.shape[2]))
    return out


def test_by_hand():
    """One query, two keys, D = 4: scores 2 ln 3 / 2 = ln 3 and 0, so weights 3/4 and 1/4."""
    q = torch.tensor([2 * math.log(3), 0, 0, 0]).view(1, 1, 1, 4)
    k = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]]).view(1, 1, 2, 4)
    v = torch.tensor([[4.0, 0, 8, 0], [0, 4, 8, 0]]).view(1, 1, 2, 4)
    torch.testing.assert_close(attention_weights(q, k)[0, 0, 0], torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(attend(q, k, v)[0, 0, 0], torch.tensor([3.0, 1, 8, 0]))
    only_second = torch.tensor([False, True]).view(1, 1, 1, 2)
    torch.testing.assert_close(attention_weights(q, k, only_second)[0, 0, 0], torch.tensor([0.0, 1]))
    torch.testing.assert_close(attend(q, k, v, only_second)[0, 0, 0], torch.tensor([0.0, 4, 8, 0]))


@pytest.mark.parametrize("rows", [5, 2], ids=["all rows ask", "two rows ask"])
@pytest.mark.parametrize("keep", [None, KEEP], ids=["whole", "padded"])
def test_attend_and_its_weights_equal_a_loop(rows, keep):
    q, k, v = (2 * torch.randn(2, 3, n, 4) for n in (rows, 5, 5))
    view = None if keep is None else keep[:, None, None]
    weights, mixed = attention_weights(q, k, view), attend(q, k, v, view)
    torch.testing.assert_close(weights.double(), weights_by_loop(q, k, keep), rtol=0, atol=1e-6)
    torch.testing.assert_close(mixed.double(), attend_by_loop(q, k, v, keep), rtol=0, atol=1e-5)
    torch.testing.assert_close(weights @ v, mixed, rtol=0, atol=1e-5)


@pytest.mark.parametrize("keep", [None, KEEP], ids=["whole", "padded"])
def test_self_attention_equals_torchs_own(keep, shake):
    ours = shake(SelfAttention(config())).eval()
    theirs = nn.MultiheadAttention(12, 3, batch_first=True).eval()
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    x, upstream = torch.randn(2, 2, 5, 12)
    x = x.requires_grad_()
    ours.maps = []
    got = ours(x, None if keep is None else keep[:, None, None])
    expected, maps = theirs(x, x, x, key_padding_mask=None if keep is None else ~keep, average_attn_weights=False)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.maps[0], maps, rtol=0, atol=1e-6)

    for mine, other in (
        (x, x),
        (ours.qkv.weight, theirs.in_proj_weight),
        (ours.qkv.bias, theirs.in_proj_bias),
        (ours.output.weight, theirs.out_proj.weight),
    ):
        (a,) = torch.autograd.grad(got, mine, upstream, retain_graph=True)
        (b,) = torch.autograd.grad(expected, other, upstream, retain_graph=True)
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_rows_that_ask_get_what_all_rows_get(shake):
    attention, x, keep = shake(SelfAttention(config())).eval(), torch.randn(2, 5, 12), KEEP[:, None, None]
    assert torch.allclose(attention(x, keep, x[:, [3, 0, 0]]), attention(x, keep)[:, [3, 0, 0]], atol=1e-6)


def test_what_stands_at_padding_changes_nothing(shake):
    model = shake(Bert(config())).eval()
    token_ids = torch.randint(40, (2, 5))
    other_ids = torch.where(KEEP, token_ids, (token_ids + 7) % 40)
    before, after = model(token_ids, keep=KEEP), model(other_ids, keep=KEEP)
    assert torch.equal(before.hidden[KEEP], after.hidden[KEEP])
    assert torch.equal(before.pooled, after.pooled)
    assert not torch.allclose(model(token_ids).hidden[KEEP], model(other_ids).hidden[KEEP]), "without keep it does"


def test_a_padded_sequence_gets_what_it_gets_alone(shake):
    model, token_ids = shake(Bert(config())).eval(), torch.randint(40, (2, 5))
    alone = model(token_ids[1:, :3]).hidden[0]
    torch.testing.assert_close(model(token_ids, keep=KEEP).hidden[1, :3], alone, rtol=0, atol=1e-5)


def test_keep_may_be_numbers(shake):
    model, token_ids = shake(Bert(config())).eval(), torch.randint(40, (2, 5))
    assert torch.equal(model(token_ids, keep=KEEP.long()).hidden, model(token_ids, keep=KEEP).hidden)


def test_without_positions_attention_sees_a_bag_of_words(shake):
    model, token_ids = shake(Bert(config())).eval(), torch.randint(40, (2, 5))
    order = torch.tensor([3, 1, 4, 0, 2])
    assert not torch.allclose(model(token_ids[:, order]).hidden, model(token_ids).hidden[:, order], atol=1e-3)
    with torch.no_grad():
        model.embeddings.position.weight.zero_()
    torch.testing.assert_close(model(token_ids[:, order]).hidden, model(token_ids).hidden[:, order], rtol=0, atol=1e-5)


def test_dropout_is_off_in_eval_and_on_in_training(shake):
    attention, x = shake(SelfAttention(config(attention_probs_dropout_prob=0.5))), torch.randn(2, 5, 12)
    without = shake(SelfAttention(config(attention_probs_dropout_prob=0.0)))
    assert torch.equal(attention.eval()(x), without.train()(x))
    assert not torch.allclose(attention.train()(x), attention(x))
    with_rows = attention(x, None, x)  # the pruned path drops too
    assert not torch.allclose(with_rows, without(x, None, x))


def test_dropout_takes_whole_weights_and_scales_the_rest():
    torch.manual_seed(0)
    q, k, v = torch.zeros(2000, 1, 1, 4), torch.zeros(2000, 1, 2, 4), torch.eye(2, 4).expand(2000, 1, 2, 4)
    mixed = attend(q, k, v, dropout=0.5)[:, 0, 0, :2]  # each of the two weights is 1/2: it becomes 0 or 1
    assert set(mixed.unique().tolist()) == {0.0, 1.0}
    assert abs(mixed.sum().item() - 2000) < 5 * math.sqrt(4000 * 0.25)


# What record_attention shows


@pytest.mark.parametrize("model_class", [Bert, BertForPreTraining])
@pytest.mark.parametrize("positions", [None, torch.tensor([[1, 4], [2, 0]])], ids=["all", "positions"])
def test_one_map_a_layer_equal_to_a_loop(model_class, positions, shake):
    model = shake(model_class(config())).eval()
    bert, token_ids = (model if model_class is Bert else model.bert), torch.randint(40, (2, 5))
    read = []  # what each layer's attention was given
    hooks = [layer.attention.register_forward_pre_hook(lambda _, args: read.append(args[0])) for layer in bert.layers]
    with record_attention(model) as maps:
        model(token_ids, keep=KEEP, positions=positions)
    for hook in hooks:
        hook.remove()
    assert [tuple(m.shape) for m in maps] == [(2, 3, 5, 5)] * 3
    for layer, x, weights in zip(bert.layers, read, maps, strict=True):
        q, k, _ = (part.unflatten(-1, (3, 4)).transpose(1, 2) for part in layer.attention.qkv(x).split(12, -1))
        torch.testing.assert_close(weights.double(), weights_by_loop(q, k, KEEP), rtol=0, atol=1e-5)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5))
        assert (weights[1, :, :, 3:] == 0).all()
        assert (weights[1, :, :, :3] > 0).all()


@pytest.mark.parametrize("positions", [None, torch.tensor([[1, 4, 4], [2, 0, 0]])], ids=["all", "positions"])
def test_recording_changes_no_output(positions, shake):
    model, token_ids = shake(BertForPreTraining(config())).eval(), torch.randint(40, (2, 5))
    plain = model(token_ids, keep=KEEP, positions=positions)
    with record_attention(model):
        recorded = model(token_ids, keep=KEEP, positions=positions)
    torch.testing.assert_close(recorded.mlm_logits, plain.mlm_logits, rtol=0, atol=1e-6)
    torch.testing.assert_close(recorded.nsp_logits, plain.nsp_logits, rtol=0, atol=1e-6)


def test_probabilities_are_those_before_dropout():
    model = Bert(config(attention_probs_dropout_prob=0.5)).train()
    with record_attention(model) as maps:
        model(torch.randint(40, (2, 5)))
    for weights in maps:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5))
        assert (weights > 0).all()


@pytest.mark.parametrize("call", ["model", "encoder"])
def test_the_list_holds_the_latest_forward_only(call, shake):
    """Also where the encoder inside the recorded model is called by itself."""
    model = shake(BertForPreTraining(config())).eval()
    run = model if call == "model" else model.bert
    with record_attention(model) as maps:
        run(torch.randint(40, (4, 7)))
        run(torch.randint(40, (2, 5)))
        assert [tuple(m.shape) for m in maps] == [(2, 3, 5, 5)] * 3
    run(torch.randint(40, (1, 3)))
    assert [tuple(m.shape) for m in maps] == [(2, 3, 5, 5)] * 3, "a forward after the with is nobody's business"


@pytest.mark.parametrize("fails", [False, True], ids=["ends", "raises"])
def test_nothing_is_left_behind(fails):
    model = BertForPreTraining(config())
    before = [dict(module.__dict__) for module in model.modules()]
    try:
        with record_attention(model):
            model(torch.randint(40, (2, 5)))
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert [module.__dict__ for module in model.modules()] == before
    assert all(not module._forward_pre_hooks for module in model.modules())
    assert all(layer.attention.maps is None for layer in model.bert.layers)


def test_recording_inside_recording_serves_both():
    model, token_ids = Bert(config()), torch.randint(40, (2, 5))
    with record_attention(model) as outer:
        with record_attention(model) as inner:
            model(token_ids)
        assert len(inner) == 3
        model(token_ids)
        assert len(outer) == 3
