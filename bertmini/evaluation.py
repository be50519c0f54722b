"""How well a model does on text it was not trained on, beside what word frequencies alone can do."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini.batches import Batch, Epoch, Pairs, document_pairs
from bertmini.corpus import Corpus
from bertmini.pretraining import BertForPreTraining
from bertmini.tokenizer import Tokenizer

HELD_OUT_INSTANCES = 512


def unigram_nats(corpus: Corpus, vocab_size: int) -> Tensor:
    """-log p of every token under the corpus's frequencies, one added to each count. Returns (V,), nats."""
    parts = np.array_split(corpus.tokens, 1 + len(corpus.tokens) // 10**7)
    counts = 1 + sum(np.bincount(part, minlength=vocab_size) for part in parts)
    return torch.from_numpy(np.log(counts.sum() / counts)).float()


class Scores(NamedTuple):
    """What a model made of every predicted token and every pair, in the order of the batches; on the CPU."""

    nats: Tensor  # (N,) -log p of the true token
    right: Tensor  # (N,) bool: it was the likeliest
    labels: Tensor  # (N,) the true tokens
    masked: Tensor  # (N,) bool: shown as [MASK]
    nsp_nats: Tensor  # (pairs,)
    nsp_right: Tensor  # (pairs,) bool
    is_random: Tensor  # (pairs,)


@torch.no_grad()
def score(model: BertForPreTraining, batches: list[Batch], mask_id: int) -> Scores:
    """Run a model over batches, without dropout."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    parts = []
    for batch in (batch.to(device) for batch in batches):
        output = model(batch.token_ids, batch.segment_ids, batch.keep, batch.positions)
        chosen = batch.labels != -100
        nats = F.cross_entropy(output.mlm_logits.mT.float(), batch.labels, reduction="none")  # (B, P)
        parts.append(
            (
                nats[chosen],
                (output.mlm_logits.argmax(-1) == batch.labels)[chosen],
                batch.labels[chosen],
                (batch.token_ids.gather(1, batch.positions) == mask_id)[chosen],
                F.cross_entropy(output.nsp_logits.float(), batch.is_random, reduction="none"),
                output.nsp_logits.argmax(-1) == batch.is_random,
                batch.is_random,
            )
        )
    model.train(training)
    return Scores(*(torch.cat(column).cpu() for column in zip(*parts, strict=True)))


def summarise(scores: Scores, unigram: Tensor) -> dict[str, float]:
    """Losses in nats and accuracies; `_masked` counts only positions shown as [MASK]. unigram: (V,), nats."""
    by_frequency, masked = unigram[scores.labels], scores.masked
    figures = {
        "held_out_mlm_loss": scores.nats,
        "held_out_mlm_loss_masked": scores.nats[masked],
        "held_out_mlm_accuracy": scores.right,
        "held_out_nsp_loss": scores.nsp_nats,
        "held_out_nsp_accuracy": scores.nsp_right,
        "held_out_random_share": scores.is_random,
        "unigram_mlm_loss": by_frequency,
        "unigram_mlm_loss_masked": by_frequency[masked],
    }
    return {name: float(values.double().mean()) for name, values in figures.items()}


def summary(record: dict) -> str:
    """An evaluation in a line."""
    floor = f", the best possible {record['floor_mlm_loss_masked']:.3f}" if "floor_mlm_loss" in record else ""
    return (
        f"step {record['step']:>6}: held-out loss {record['held_out_mlm_loss_masked']:.3f} nats at [MASK] "
        f"(word frequencies alone {record['unigram_mlm_loss_masked']:.3f}{floor}), "
        f"accuracy {record['held_out_mlm_accuracy']:.1%}, next sentence {record['held_out_nsp_accuracy']:.1%} "
        f"({record['held_out_random_share']:.1%} are random)"
    )


def held_out_batches(
    corpus: Corpus,
    tokenizer: Tokenizer,
    max_length: int,
    batch_size: int,
    pairs: Pairs = document_pairs,
    most: int = HELD_OUT_INSTANCES,
) -> list[Batch]:
    """The same instances with the same masks at every evaluation of one held-out corpus."""
    instances = Epoch(corpus, tokenizer, max_length, seed=0, epoch=0, pairs=pairs)
    batches, left = [], most
    for rows in instances.batches(batch_size):
        batches.append(instances.collate([instances[i] for i in rows[:left]]))
        left -= len(rows[:left])
        if not left:
            break
    return batches
