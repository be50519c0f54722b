"""One encoder, two heads, one loss: what BERT is pretrained with."""

from typing import TYPE_CHECKING, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from bertmini.config import BertConfig
from bertmini.encoder import Bert, initialise
from bertmini.mlm import MLMHead, cross_entropy
from bertmini.nsp import NSPHead

if TYPE_CHECKING:  # a model needs no corpus, and none of what a corpus needs
    from bertmini.batches import Batch

MANY = 2**22  # logits, from which on it pays a CPU to make them in pieces
PIECE = 256  # rows of them


class PreTrainingOutput(NamedTuple):
    mlm_logits: Tensor | None  # (B, P, V); None where a loaded checkpoint has no such head
    nsp_logits: Tensor | None  # (B, 2): 0 follows, 1 is random


class Losses(NamedTuple):
    total: Tensor  # mlm + nsp, nats
    mlm: Tensor
    nsp: Tensor


class BertForPreTraining(nn.Module):
    """BERT with its masked-language-model head and, if nsp, its pooler and next-sentence head.

    Devlin et al. 2019, section 3.1.
    """

    def __init__(self, config: BertConfig, nsp: bool = True):
        super().__init__()
        self.config = config
        self.bert = Bert(config, pooler=nsp)
        self.mlm = MLMHead(config)
        self.nsp = NSPHead(config) if nsp else None
        for head in (self.mlm, self.nsp) if nsp else (self.mlm,):
            initialise(head, config.initializer_range)

    def forward(
        self,
        token_ids: Tensor,
        segment_ids: Tensor | None = None,
        keep: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> PreTrainingOutput:
        """token_ids, segment_ids, keep: (B, T); positions: (B, P), all T if None."""
        hidden, pooled = self.bert(token_ids, segment_ids, keep, positions)
        return PreTrainingOutput(
            # The decoder is the token table: one matrix reads words in and writes them out (Press and Wolf 2017).
            self.mlm(hidden, self.bert.embeddings.token.weight) if self.mlm else None,
            self.nsp(pooled) if self.nsp else None,
        )


def pretraining_loss(
    output: PreTrainingOutput,
    labels: Tensor,
    is_random: Tensor,
    predicted: Tensor | int | None = None,
    pairs: Tensor | int | None = None,
) -> Losses:
    """The mean over predicted tokens plus the mean over pairs, in nats.

    labels: (B, P) as the logits, -100 in unused slots. is_random: (B,). predicted, pairs: the counts to
    divide by, this batch's own if None; where one step is spread over several batches, the
    whole step's, for a mean of means is not the mean (Devlin et al. 2019, appendix A.2).
    """
    if predicted is None:
        predicted = (labels != -100).sum().clamp(min=1)
    return losses(cross_entropy(output.mlm_logits, labels) / predicted, output.nsp_logits, is_random, pairs)


def losses(mlm: Tensor, nsp_logits: Tensor | None, is_random: Tensor, pairs: Tensor | int | None = None) -> Losses:
    """The second task joins the first. mlm: its mean; nsp_logits: (B, 2), is_random: (B,)."""
    if nsp_logits is None:
        return Losses(mlm, mlm, mlm.new_zeros(()))
    nsp = cross_entropy(nsp_logits, is_random) / (pairs or len(is_random))
    return Losses(mlm + nsp, mlm, nsp)


class Objective(nn.Module):
    """What a training step differentiates: one module from a batch to its losses, to wrap and to compile."""

    def __init__(self, model: BertForPreTraining):
        super().__init__()
        self.model = model

    def forward(self, batch: "Batch", predicted: int, pairs: int) -> Losses:
        """The losses of `pretraining_loss`, with less work."""
        model = self.model
        hidden, pooled = model.bert(batch.token_ids, batch.segment_ids, batch.keep, batch.positions)  # (B, P, H)
        nats = self.mlm_nats(hidden, batch.labels)
        return losses(nats / predicted, model.nsp(pooled) if model.nsp else None, batch.is_random, pairs)

    def mlm_nats(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """-log p of the labels (B, P), summed.

        A CPU leaves out unused slots, and makes many logits in pieces. A GPU would lose more by waiting for the number
        of rows than by computing too many.
        """
        head, table = self.model.mlm, self.model.bert.embeddings.token.weight
        if labels.device.type != "cpu":
            return cross_entropy(head(hidden, table), labels)
        used = labels != -100
        hidden, labels = hidden[used], labels[used]  # (N, H), (N,)
        if len(labels) * len(table) < MANY or not hasattr(F, "linear_cross_entropy"):  # PyTorch has it since 2.13
            return cross_entropy(head(hidden, table), labels)
        options = nn.LinearCrossEntropyOptions(batch_chunk_size=PIECE)
        x = head.vectors(hidden)
        return F.linear_cross_entropy(x, table, labels, linear_bias=head.bias, reduction="sum", options=options)
