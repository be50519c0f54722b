"""How well a model does on text it was not trained on, beside what word frequencies alone can do."""

from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini.batches import Batch, Epoch
from bertmini.corpus import Corpus
from bertmini.pretraining import BertForPreTraining
from bertmini.tokenizer import Tokenizer

HELD_OUT_INSTANCES = 512


def unigram_nats(corpus: Corpus, vocab_size: int) -> Tensor:
    """-log p of every token under the corpus's frequencies, one added to each count. Returns (V,), nats."""
    parts = np.array_split(corpus.tokens, 1 + len(corpus.tokens) // 10**7)
    counts = 1 + sum(np.bincount(part, minlength=vocab_size) for part in parts)
    return torch.from_numpy(np.log(counts.sum() / counts)).float()


@torch.no_grad()
def evaluate(model: BertForPreTraining, batches: list[Batch], unigram: Tensor, mask_id: int) -> dict[str, float]:
    """Losses in nats and accuracies on held-out batches; `_masked` counts only positions shown as [MASK]."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    sums: Counter = Counter()
    for batch in (batch.to(device) for batch in batches):
        output = model(batch.token_ids, batch.segment_ids, batch.keep, batch.positions)
        chosen = batch.labels != -100
        masked = chosen & (batch.token_ids.gather(1, batch.positions) == mask_id)
        nats = F.cross_entropy(
            output.mlm_logits.mT.float(), batch.labels, reduction="none"
        )  # (B, P), 0 at unused slots
        by_frequency = unigram.to(device)[batch.labels.clamp(min=0)]
        sums["chosen"] += int(chosen.sum())
        sums["masked"] += int(masked.sum())
        sums["pairs"] += len(batch.is_random)
        sums["mlm"] += float(nats.sum())
        sums["mlm_masked"] += float(nats[masked].sum())
        sums["unigram"] += float(by_frequency[chosen].sum())
        sums["unigram_masked"] += float(by_frequency[masked].sum())
        sums["mlm_right"] += int((output.mlm_logits.argmax(-1) == batch.labels).sum())
        sums["nsp"] += float(F.cross_entropy(output.nsp_logits.float(), batch.is_random, reduction="sum"))
        sums["random"] += int(batch.is_random.sum())
        sums["nsp_right"] += int((output.nsp_logits.argmax(-1) == batch.is_random).sum())
    model.train(training)
    return {
        "held_out_mlm_loss": sums["mlm"] / sums["chosen"],
        "held_out_mlm_loss_masked": sums["mlm_masked"] / sums["masked"],
        "held_out_mlm_accuracy": sums["mlm_right"] / sums["chosen"],
        "held_out_nsp_loss": sums["nsp"] / sums["pairs"],
        "held_out_nsp_accuracy": sums["nsp_right"] / sums["pairs"],
        "held_out_random_share": sums["random"] / sums["pairs"],
        "unigram_mlm_loss": sums["unigram"] / sums["chosen"],
        "unigram_mlm_loss_masked": sums["unigram_masked"] / sums["masked"],
    }


def held_out_batches(corpus: Corpus, tokenizer: Tokenizer, max_length: int, batch_size: int) -> list[Batch]:
    """The same instances with the same masks at every evaluation of one held-out corpus."""
    instances = Epoch(corpus, tokenizer, max_length, seed=0, epoch=0)
    batches, left = [], HELD_OUT_INSTANCES
    for rows in instances.batches(batch_size):
        batches.append(instances.collate([instances[i] for i in rows[:left]]))
        left -= len(rows[:left])
        if not left:
            break
    return batches
