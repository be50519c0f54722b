"""The same weights in bertmini and in `transformers` give the same numbers, forward and backward."""

import random
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import transformers
from torch import Tensor, nn

from bertmini import BertConfig, BertForPreTraining, Tokenizer, load, pretraining_loss, record_attention, save
from bertmini.checkpoint import from_checkpoint, to_checkpoint

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh")


class Case(NamedTuple):
    config: BertConfig
    deviation: float  # of the weights: at the 0.02 of initialisation much wrong wiring would go unseen
    token_ids: Tensor  # (B, T)
    segment_ids: Tensor  # (B, T)
    keep: Tensor | None  # (B, T)
    positions: Tensor  # (B, P)
    labels: Tensor  # (B, P)
    is_random: Tensor  # (B,)


def draw(number: int) -> Case:
    """A config and a batch: each activation with each depth from 1 to 6, the rest by chance."""
    chance, torch_chance = random.Random(number), torch.Generator().manual_seed(number)
    heads, T = chance.choice((1, 2, 3, 5, 7)), chance.randint(8, 24)
    config = BertConfig(
        vocab_size=chance.randint(30, 300),
        hidden_size=heads * chance.randint(4, 12),
        num_hidden_layers=1 + number % 6,
        num_attention_heads=heads,
        intermediate_size=chance.randint(5, 120),
        max_position_embeddings=T + chance.randint(0, 9),
        type_vocab_size=chance.choice((2, 2, 3)),
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        hidden_act=ACTIVATIONS[number // 6 % 3],
        layer_norm_eps=chance.choice((1e-12, 1e-5)),
    )
    B, P = chance.randint(2, 5), chance.randint(2, 5)

    def integers(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=torch_chance)

    token_ids = integers(config.vocab_size, B, T)
    if number % 3 == 0:
        token_ids[:, 2] = 0  # id 0 is [PAD], but here it stands at a real position
    keep = torch.ones(B, T, dtype=torch.bool)
    if chance.random() < 0.5:
        keep = torch.arange(T) < 6 + integers(T - 5, B, 1)  # (B, T)
    token_ids = token_ids * keep
    order = torch.rand(B, T, generator=torch_chance).masked_fill(~keep, 2).argsort(1)  # real positions first
    positions, labels = order[:, :P], integers(config.vocab_size, B, P)
    positions[0, -1], labels[0, -1] = 0, -100  # an unused slot
    deviation = chance.choice((0.02, 0.1, 0.2))
    segment_ids = integers(config.type_vocab_size, B, T)
    return Case(
        config, deviation, token_ids, segment_ids, None if keep.all() else keep, positions, labels, integers(2, B)
    )


CASES = [draw(number) for number in range(18)]


def test_the_draws_cover_what_they_should():
    configs = [case.config for case in CASES]
    assert {(c.num_hidden_layers, c.hidden_act) for c in configs} == {(n, a) for n in range(1, 7) for a in ACTIVATIONS}
    assert {c.num_attention_heads for c in configs} >= {1, 3, 5, 7}
    assert len({c.intermediate_size for c in configs}) > 12
    assert len({c.vocab_size for c in configs}) > 12
    assert 5 <= sum(case.keep is None for case in CASES) <= 13
    assert {case.deviation for case in CASES} == {0.02, 0.1, 0.2}
    real = [case.token_ids if case.keep is None else case.token_ids[case.keep] for case in CASES]
    assert sum(bool((ids == 0).any()) for ids in real) >= 6, "[PAD] at real positions"


def twins(ours: BertForPreTraining, theirs: nn.Module) -> list[tuple[str, nn.Parameter, slice, nn.Parameter]]:
    """(name, our parameter, its rows, their parameter) for every tensor.

    Written out by hand: the name table of bertmini.checkpoint must not be its own oracle.
    """
    a, b, H = ours.bert, theirs.bert, ours.config.hidden_size
    whole = slice(None)
    modules = [
        ("token", a.embeddings.token, whole, b.embeddings.word_embeddings),
        ("segment", a.embeddings.segment, whole, b.embeddings.token_type_embeddings),
        ("position", a.embeddings.position, whole, b.embeddings.position_embeddings),
        ("embedding norm", a.embeddings.norm, whole, b.embeddings.LayerNorm),
        ("pooler", a.pooler.dense, whole, b.pooler.dense),
        ("transform", ours.mlm.transform, whole, theirs.cls.predictions.transform.dense),
        ("mlm norm", ours.mlm.norm, whole, theirs.cls.predictions.transform.LayerNorm),
        ("nsp", ours.nsp.score, whole, theirs.cls.seq_relationship),
    ]
    for i, (mine, other) in enumerate(zip(a.layers, b.encoder.layer, strict=True)):
        modules += [
            (f"{i} query", mine.attention.qkv, slice(0, H), other.attention.self.query),
            (f"{i} key", mine.attention.qkv, slice(H, 2 * H), other.attention.self.key),
            (f"{i} value", mine.attention.qkv, slice(2 * H, 3 * H), other.attention.self.value),
            (f"{i} output", mine.attention.output, whole, other.attention.output.dense),
            (f"{i} attention norm", mine.attention_norm, whole, other.attention.output.LayerNorm),
            (f"{i} inner", mine.feed_forward.inner, whole, other.intermediate.dense),
            (f"{i} outer", mine.feed_forward.outer, whole, other.output.dense),
            (f"{i} output norm", mine.output_norm, whole, other.output.LayerNorm),
        ]
    pairs = [("mlm bias", ours.mlm.bias, whole, theirs.cls.predictions.bias)]
    for name, mine, rows, other in modules:
        pairs += [(f"{name} {kind}", getattr(mine, kind), rows, p) for kind, p in other.named_parameters(recurse=False)]
    return pairs


def build(case: Case, dtype: torch.dtype = torch.float32) -> tuple[BertForPreTraining, nn.Module]:
    """Both models with the same weights, in training mode: dropout is 0."""
    torch.manual_seed(0)
    keys = case.config.__dict__ | {"attn_implementation": "eager"}
    theirs = transformers.BertForPreTraining(transformers.BertConfig(**keys)).to(dtype).train()
    assert theirs.config._attn_implementation == "eager"
    ours = BertForPreTraining(case.config).to(dtype).train()
    with torch.no_grad():
        for name, weights in theirs.named_parameters():
            weights.normal_(1.0 if "LayerNorm.weight" in name else 0.0, case.deviation)
        pairs = twins(ours, theirs)
        for _, mine, rows, other in pairs:
            mine[rows] = other
    for model in (ours, theirs):  # every number of both models was copied, each once
        assert sum(other.numel() for *_, other in pairs) == sum(p.numel() for p in model.parameters())
    return ours, theirs


def inputs(case: Case) -> dict[str, Tensor | None]:
    return {"input_ids": case.token_ids, "token_type_ids": case.segment_ids, "attention_mask": case.keep}


def labels_everywhere(case: Case) -> Tensor:
    """The (B, P) labels at their positions in (B, T), -100 elsewhere, as `transformers` wants them."""
    labels, used = torch.full_like(case.token_ids, -100), case.labels != -100
    labels[used.nonzero()[:, 0], case.positions[used]] = case.labels[used]
    return labels


NUMBERS = [*range(len(CASES)), *(pytest.param(number, marks=pytest.mark.soak) for number in range(len(CASES), 200))]


def case_of(number: int) -> Case:
    return CASES[number] if number < len(CASES) else draw(number)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["fp32", "fp64"])
def test_outputs(number, dtype, tolerance):
    case = case_of(number)
    ours, theirs = build(case, dtype)
    close = {"rtol": 0, "atol": tolerance}
    with torch.no_grad():
        expected = theirs(**inputs(case), output_hidden_states=True, output_attentions=True)
        pooled = theirs.bert(**inputs(case)).pooler_output
        got = ours.bert(case.token_ids, case.segment_ids, case.keep)
        torch.testing.assert_close(got.hidden, expected.hidden_states[-1], **close)
        torch.testing.assert_close(got.pooled, pooled, **close)

        everywhere = ours(case.token_ids, case.segment_ids, case.keep)
        torch.testing.assert_close(everywhere.mlm_logits, expected.prediction_logits, **close)
        torch.testing.assert_close(everywhere.nsp_logits, expected.seq_relationship_logits, **close)

        gathered = ours(case.token_ids, case.segment_ids, case.keep, case.positions)
        rows = torch.arange(len(case.positions))[:, None]
        torch.testing.assert_close(gathered.mlm_logits, expected.prediction_logits[rows, case.positions], **close)
        torch.testing.assert_close(gathered.nsp_logits, expected.seq_relationship_logits, **close)

        with record_attention(ours) as maps:
            ours(case.token_ids, case.segment_ids, case.keep, case.positions)
        assert len(maps) == len(expected.attentions)
        for mine, other in zip(maps, expected.attentions, strict=True):
            torch.testing.assert_close(mine, other, **close)


@pytest.mark.parametrize("number", NUMBERS)
def test_losses_and_gradients(number):
    case = case_of(number)
    ours, theirs = build(case)

    expected = theirs(**inputs(case), labels=labels_everywhere(case), next_sentence_label=case.is_random)
    expected.loss.backward()
    output = ours(case.token_ids, case.segment_ids, case.keep, case.positions)
    losses = pretraining_loss(output, case.labels, case.is_random)
    losses.total.backward()

    nsp = nn.functional.cross_entropy(expected.seq_relationship_logits, case.is_random)
    torch.testing.assert_close(losses.total, expected.loss, rtol=0, atol=1e-5)
    torch.testing.assert_close(losses.nsp, nsp, rtol=0, atol=1e-5)
    torch.testing.assert_close(losses.mlm, expected.loss - nsp, rtol=0, atol=1e-5)

    largest = max(other.grad.abs().max() for other in theirs.parameters())
    assert largest > 0.01
    for name, mine, rows, other in twins(ours, theirs):
        difference = (mine.grad[rows] - other.grad).abs().max()
        if name.endswith("key bias"):
            # A key bias b adds q·b to all scores of a query, and softmax does not see a shift common to all keys. So
            # the gradient is 0 in exact arithmetic; what either side has is rounding noise, and only its size counts.
            assert other.grad.abs().max() < 1e-6, name
            assert mine.grad[rows].abs().max() < 1e-6, name
        else:
            assert difference < 1e-4 * largest, name


@pytest.mark.parametrize("number", range(20))
def test_what_is_saved_gives_the_same_logits_there(number, tmp_path):
    """Through files, and back into bertmini bit for bit."""
    case = draw(number)
    ours, _ = build(case)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    save(tmp_path, ours, Tokenizer([*special, *(f"w{i}" for i in range(case.config.vocab_size - 5))]))
    theirs = transformers.BertForPreTraining.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        got, expected = ours.eval()(case.token_ids, case.segment_ids, case.keep), theirs(**inputs(case))
    keep = torch.ones_like(case.token_ids, dtype=torch.bool) if case.keep is None else case.keep
    torch.testing.assert_close(got.mlm_logits[keep], expected.prediction_logits[keep], rtol=0, atol=1e-5)
    torch.testing.assert_close(got.nsp_logits, expected.seq_relationship_logits, rtol=0, atol=1e-5)
    again, _ = load(tmp_path)
    for name, weights in ours.state_dict().items():
        assert torch.equal(again.state_dict()[name], weights), name


def test_the_name_table_agrees_with_the_copy_by_hand():
    ours, theirs = build(CASES[2])
    tensors = to_checkpoint(ours)
    # The tied decoder has a second name there; the file holds it once, under the token table's.
    known = {name: tensor for name, tensor in theirs.state_dict().items() if not name.startswith("cls.predictions.dec")}
    assert tensors.keys() == known.keys()
    for name, tensor in known.items():
        assert torch.equal(tensors[name], tensor), name
    back = from_checkpoint(known, BertForPreTraining(CASES[2].config), Path("model.safetensors"))
    for name, tensor in ours.state_dict().items():
        assert torch.equal(back[name], tensor), name
