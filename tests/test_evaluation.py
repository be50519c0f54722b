"""What is reported of held-out text, on a model whose every answer is known."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from bertmini.batches import Batch
from bertmini.corpus import Corpus
from bertmini.evaluation import score, summarise, unigram_nats
from bertmini.pretraining import PreTrainingOutput


class Oracle(nn.Module):
    """Gives token 7 the probability 1/2 and says "follows" with probability 3/4."""

    def __init__(self):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))

    def forward(self, token_ids, segment_ids, keep, positions):
        logits = torch.full((*positions.shape, 10), math.log(0.5 / 9))
        logits[..., 7] = math.log(0.5)
        return PreTrainingOutput(logits, torch.tensor([[math.log(0.75), math.log(0.25)]]).expand(len(token_ids), 2))


def test_every_figure_by_hand():
    mask = 4
    batch = Batch(
        token_ids=torch.tensor([[2, mask, 7, 3], [2, 8, mask, 3]]),
        segment_ids=torch.zeros(2, 4, dtype=torch.long),
        keep=None,
        positions=torch.tensor([[1, 2], [2, 0]]),
        labels=torch.tensor([[7, 7], [8, -100]]),  # hidden 7, shown 7; hidden 8, an unused slot
        is_random=torch.tensor([0, 1]),
    )
    unigram = torch.arange(10.0)
    figures = summarise(score(Oracle(), [batch, batch], mask), unigram)
    half, ninth = math.log(2), math.log(18)
    assert figures == pytest.approx(
        {
            "held_out_mlm_loss": (half + half + ninth) / 3,
            "held_out_mlm_loss_masked": (half + ninth) / 2,
            "held_out_mlm_accuracy": 2 / 3,
            "held_out_nsp_loss": (math.log(4 / 3) + math.log(4)) / 2,
            "held_out_nsp_accuracy": 1 / 2,
            "held_out_random_share": 1 / 2,
            "unigram_mlm_loss": (7 + 7 + 8) / 3,
            "unigram_mlm_loss_masked": (7 + 8) / 2,
        },
        abs=1e-6,
    )


def test_evaluation_switches_dropout_off_and_on_again():
    model = Oracle().train()
    model.forward, inside = model.forward, []
    forward = model.forward
    model.forward = lambda *inputs: inside.append(model.training) or forward(*inputs)
    rows = torch.zeros(1, 2, dtype=torch.long)
    score(model, [Batch(rows + 4, rows, None, rows, rows, rows[0, :1])], mask_id=4)
    assert inside == [False] and model.training


def test_unigram_frequencies_get_one_added():
    corpus = Corpus(np.array([0, 0, 2], np.uint16), np.array([0, 3]), np.array([0, 1]))
    assert unigram_nats(corpus, 4).exp().tolist() == pytest.approx([7 / 3, 7, 7 / 2, 7])
