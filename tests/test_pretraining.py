"""One encoder, two heads, one loss; and the loss of a step that is spread over several batches."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini import BertConfig, BertForPreTraining, pretraining, pretraining_loss
from bertmini.batches import BLANK, Batch
from bertmini.pretraining import Objective, PreTrainingOutput

CONFIG = BertConfig(40, 12, 2, 3, 20, 16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def cross_entropy(logits: list[float], label: int) -> float:
    return math.log(sum(math.exp(x) for x in logits)) - logits[label]


def loss_by_loop(output: PreTrainingOutput, labels: Tensor, is_random: Tensor) -> tuple[float, float]:
    """(mlm, nsp) in plain Python numbers, which are float64."""
    mlm = [
        cross_entropy(logits, label)
        for row, row_labels in zip(output.mlm_logits.tolist(), labels.tolist(), strict=True)
        for logits, label in zip(row, row_labels, strict=True)
        if label != -100
    ]
    nsp = [cross_entropy(*pair) for pair in zip(output.nsp_logits.tolist(), is_random.tolist(), strict=True)]
    return sum(mlm) / len(mlm), sum(nsp) / len(nsp)


def test_by_hand():
    """Even logits over four words cost ln 4; three predictions of four slots; a pair at 3 to 1 costs ln 4/3 or ln 4."""
    output = PreTrainingOutput(torch.zeros(2, 2, 4), torch.tensor([[math.log(3), 0], [math.log(3), 0]]))
    losses = pretraining_loss(
        output, torch.tensor([[0, 2], [3, -100]]), torch.tensor([0, 1])
    )  # 0 is a token like any other
    assert losses.mlm.item() == pytest.approx(math.log(4))
    assert losses.nsp.item() == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    assert losses.total.item() == pytest.approx(losses.mlm.item() + losses.nsp.item())


def test_it_equals_a_loop():
    output = PreTrainingOutput(3 * torch.randn(4, 5, 11), 3 * torch.randn(4, 2))
    labels, is_random = torch.randint(11, (4, 5)), torch.tensor([0, 1, 1, 0])
    labels[torch.rand(4, 5) < 0.3] = -100
    assert 0 < (labels == -100).sum() < 20
    losses = pretraining_loss(output, labels, is_random)
    mlm, nsp = loss_by_loop(output, labels, is_random)
    assert losses.mlm.item() == pytest.approx(mlm, abs=1e-6)
    assert losses.nsp.item() == pytest.approx(nsp, abs=1e-6)
    assert losses.total.item() == pytest.approx(mlm + nsp, abs=1e-6)


def test_unused_slots_count_for_nothing():
    logits, nsp, is_random = torch.randn(2, 3, 7), torch.randn(2, 2), torch.tensor([0, 1])
    labels = torch.tensor([[4, 0, -100], [6, -100, -100]])
    losses = pretraining_loss(PreTrainingOutput(logits, nsp), labels, is_random)
    changed = torch.where((labels == -100)[..., None], 100 * torch.randn(2, 3, 7), logits)
    assert torch.equal(pretraining_loss(PreTrainingOutput(changed, nsp), labels, is_random).total, losses.total)
    wider = F.pad(logits, (0, 0, 0, 5)), F.pad(labels, (0, 5), value=-100)
    more = pretraining_loss(PreTrainingOutput(wider[0], nsp), wider[1], is_random)
    torch.testing.assert_close(more.total, losses.total)


def test_a_batch_that_predicts_nothing_costs_nothing():
    logits = torch.randn(1, 2, 7, requires_grad=True)
    losses = pretraining_loss(PreTrainingOutput(logits, None), torch.full((1, 2), -100), torch.tensor([0]))
    losses.total.backward()
    assert losses.total.item() == 0
    assert not logits.grad.any()


def test_without_a_next_sentence_head_the_loss_is_the_mlm_loss():
    logits, labels = torch.randn(2, 3, 7), torch.randint(7, (2, 3))
    losses = pretraining_loss(PreTrainingOutput(logits, None), labels, torch.tensor([0, 1]))
    assert losses.nsp.item() == 0
    assert losses.total.item() == losses.mlm.item() > 0


def test_logits_in_bf16_are_summed_in_fp32():
    output = PreTrainingOutput(torch.randn(4, 20, 300).bfloat16(), torch.randn(4, 2).bfloat16())
    labels, is_random = torch.randint(300, (4, 20)), torch.tensor([0, 1, 1, 0])
    mlm, nsp = loss_by_loop(output, labels, is_random)
    losses = pretraining_loss(output, labels, is_random)
    assert losses.total.dtype == torch.float32
    assert losses.total.item() == pytest.approx(mlm + nsp, abs=1e-5)


def drawn(B: int = 6, T: int = 9, P: int = 3) -> tuple[Tensor, ...]:
    """token_ids, segment_ids, keep, positions, labels, is_random; sequence i predicts 1 to 3 tokens, unevenly."""
    labels = torch.randint(40, (B, P)).masked_fill(torch.arange(P) > torch.tensor([0, 0, 0, 1, 2, 2])[:, None], -100)
    keep = torch.arange(T) < torch.tensor([9, 5, 6, 9, 7, 9])[:, None]
    token_ids, segment_ids, positions = torch.randint(40, (B, T)), torch.randint(2, (B, T)), torch.randint(5, (B, P))
    return token_ids, segment_ids, keep, positions, labels, torch.arange(B) % 2


def test_a_step_in_parts_with_the_whole_steps_counts_equals_one_batch(shake):
    model, batch = shake(BertForPreTraining(CONFIG), 0.1), drawn()

    def step(sizes: list[int], **counts) -> tuple[float, Tensor]:
        model.zero_grad()
        total = 0.0
        for *inputs, labels, is_random in zip(*(part.split(sizes) for part in batch), strict=True):
            losses = pretraining_loss(model(*inputs), labels, is_random, **counts)
            losses.total.backward()
            total += losses.total.item()
        return total, torch.cat([p.grad.flatten() for p in model.parameters()])

    whole, gradient = step([6])
    predicted = int((batch[4] != -100).sum())
    assert predicted == 1 + 1 + 1 + 2 + 3 + 3
    for number in (int, torch.tensor):
        for sizes in ([3, 3], [1, 2, 3], [1] * 6):
            parts, parts_gradient = step(sizes, predicted=number(predicted), pairs=number(6))
            assert parts == pytest.approx(whole, abs=1e-5)
            torch.testing.assert_close(parts_gradient, gradient, rtol=0, atol=1e-6)

    means, means_gradient = step([3, 3])  # a mean of means is something else
    assert abs(means / 2 - whole) > 0.01
    assert (means_gradient / 2 - gradient).abs().max() > 1e-3


def test_the_decoder_is_the_token_table(shake):
    model = shake(BertForPreTraining(CONFIG))
    matrices = [name for name, weights in model.named_parameters() if weights.shape == (40, 12)]
    assert matrices == ["bert.embeddings.token.weight"], "one (V, H) matrix, no second one"
    assert [name for name, weights in model.state_dict().items() if weights.shape == (40, 12)] == matrices

    table, token_ids = model.bert.embeddings.token.weight, torch.tensor([[7, 8, 9]])
    hidden = model.bert(token_ids).hidden
    x = model.mlm.norm(F.gelu(model.mlm.transform(hidden)))
    torch.testing.assert_close(model(token_ids).mlm_logits, x @ table.T + model.mlm.bias, rtol=0, atol=1e-5)

    model(token_ids).mlm_logits[0, 0, 30].backward()  # token 30 is never read, only scored
    assert table.grad[30].any()
    assert table.grad[7].any(), "and what is read learns through the encoder"
    assert not table.grad[31].any()


def test_without_next_sentences_there_is_no_pooler():
    model = BertForPreTraining(CONFIG, nsp=False)
    assert model.nsp is None
    assert model.bert.pooler is None
    assert not [name for name in model.state_dict() if "nsp" in name or "pooler" in name]
    output = model(torch.randint(40, (2, 5)))
    assert output.nsp_logits is None
    assert output.mlm_logits.shape == (2, 5, 40)


def test_shapes():
    model, (token_ids, segment_ids, keep, positions, *_) = BertForPreTraining(CONFIG), drawn()
    output = model(token_ids, segment_ids, keep, positions)
    assert output.mlm_logits.shape == (6, 3, 40)
    assert output.nsp_logits.shape == (6, 2)
    assert model(token_ids).mlm_logits.shape == (6, 9, 40)


def test_a_fresh_model_knows_nothing():
    """At initialisation every word is about as likely as any other: the loss starts at ln V plus ln 2."""
    model, (*inputs, labels, is_random) = BertForPreTraining(CONFIG), drawn()
    losses = pretraining_loss(model(*inputs), labels, is_random)
    assert losses.mlm.item() == pytest.approx(math.log(40), abs=0.1)
    assert losses.nsp.item() == pytest.approx(math.log(2), abs=0.05)


BATCH = Batch(
    torch.arange(16).reshape(2, 8),
    torch.arange(16).reshape(2, 8) % 8 // 4,
    torch.arange(8) < torch.tensor([[8], [5]]),
    torch.tensor([[1, 3, 6], [2, 0, 0]]),
    torch.tensor([[7, 0, 39], [11, -100, -100]]),
    torch.tensor([1, 0]),
)


@pytest.mark.parametrize("pieces", [True, False])
@pytest.mark.parametrize("nsp", [True, False])
def test_a_step_that_leaves_out_unused_slots_has_the_same_loss_and_gradients(nsp, pieces, shake, monkeypatch):
    monkeypatch.setattr(pretraining, "MANY", 0 if pieces else 1000)
    monkeypatch.setattr(pretraining, "PIECE", 3)  # of the four rows that count
    model = shake(BertForPreTraining(CONFIG, nsp))
    losses = Objective(model)(BATCH, 4, 2)
    losses.total.backward()
    got = {name: weights.grad.clone() for name, weights in model.named_parameters()}
    model.zero_grad()
    output = model(BATCH.token_ids, BATCH.segment_ids, BATCH.keep, BATCH.positions)
    expected = pretraining_loss(output, BATCH.labels, BATCH.is_random)
    expected.total.backward()
    for ours, theirs in zip(losses, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    for name, weights in model.named_parameters():
        torch.testing.assert_close(got[name], weights.grad, rtol=1e-5, atol=1e-6)


def test_unused_slots_are_not_scored(monkeypatch):
    model = BertForPreTraining(CONFIG)
    seen = []
    vectors = model.mlm.vectors
    monkeypatch.setattr(model.mlm, "vectors", lambda hidden: seen.append(hidden.shape) or vectors(hidden))
    Objective(model)(BATCH, 4, 2)
    assert seen == [(4, 12)]


def test_many_logits_are_never_there_all_at_once(monkeypatch):
    model, made = BertForPreTraining(CONFIG), []
    monkeypatch.setattr(pretraining, "cross_entropy", lambda logits, labels: made.append(logits.shape) or logits.sum())
    for many in (4 * CONFIG.vocab_size + 1, 4 * CONFIG.vocab_size):
        monkeypatch.setattr(pretraining, "MANY", many)
        Objective(model)(BATCH, 4, 2)
    assert [shape for shape in made if shape != (2, 2)] == [(4, CONFIG.vocab_size)]  # the first time only


def test_an_older_pytorch_makes_all_logits(monkeypatch):
    monkeypatch.setattr(pretraining, "MANY", 0)
    model = BertForPreTraining(CONFIG).eval()
    pieces = Objective(model)(BATCH, 4, 2).mlm
    monkeypatch.delattr(torch.nn.functional, "linear_cross_entropy")
    torch.testing.assert_close(Objective(model)(BATCH, 4, 2).mlm, pieces)


def test_a_row_that_counts_nowhere_costs_nothing_and_has_gradients():
    model = BertForPreTraining(CONFIG)
    losses = Objective(model)(BLANK, 4, 2)
    assert losses.total.item() == 0.0
    losses.total.backward()
    assert all(weights.grad is not None and not weights.grad.any() for weights in model.parameters())
