"""Other people's BERTs under the training step that `bertmini.train.Training` takes, for benchmarks/compare.py.

Each side has `model`, `optimizer`, `prepare(batch)`, which is not timed and gives the batch in the side's own form,
`update(prepared)`, which is, and `flops(batch)`, the arithmetic that it carries out.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict

import torch
import transformers
from torch import Tensor, nn

from bertmini import BertConfig
from bertmini.batches import Batch
from bertmini.bench import step_flops
from bertmini.counting import training_flops
from bertmini.lab import d2l
from bertmini.train import CLIP, Options, Training


class Ours(Training):
    """bertmini itself: the step is the one that `bertmini pretrain` takes."""

    def prepare(self, batch: Batch) -> Batch:
        return batch

    def flops(self, batch: Batch) -> int:
        return step_flops(self.model.config, batch, self.device.type)


class Peer(ABC):
    """Another model: the same precision, clipping and optimizer, its own forward pass and loss."""

    def __init__(self, config: BertConfig, options: Options):
        torch.manual_seed(options.seed)
        self.config, self.options, self.device = config, options, torch.device(options.device)
        self.model = self.build().to(self.device).train()

    @abstractmethod
    def build(self) -> nn.Module: ...

    @abstractmethod
    def loss(self, prepared: dict[str, Tensor | None]) -> Tensor: ...

    def update(self, prepared: dict[str, Tensor | None]) -> None:
        prepared = {
            key: part if part is None else part.to(self.device, non_blocking=True) for key, part in prepared.items()
        }
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bf16"):
            loss = self.loss(prepared)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()


class Transformers(Peer):
    """`transformers`' BertForPreTraining as its own training uses it: SDPA, labels and logits at every position."""

    def build(self) -> nn.Module:
        config = transformers.BertConfig(**asdict(self.config), attn_implementation="sdpa")
        return transformers.BertForPreTraining(config)

    def prepare(self, batch: Batch) -> dict[str, Tensor | None]:
        labels = torch.full_like(batch.token_ids, -100)
        used = batch.labels != -100
        rows = torch.arange(len(labels))[:, None].expand_as(used)[used]
        labels[rows, batch.positions[used]] = batch.labels[used]
        return {
            "input_ids": batch.token_ids,
            "token_type_ids": batch.segment_ids,
            "attention_mask": None if batch.keep is None else batch.keep.long(),
            "labels": labels,
            "next_sentence_label": batch.is_random,
        }

    def loss(self, prepared: dict[str, Tensor | None]) -> Tensor:
        return self.model(**prepared).loss

    def flops(self, batch: Batch) -> int:
        B, T = batch.token_ids.shape
        return B * training_flops(self.config, T)


class Compiled(Transformers):
    """The same through torch.compile."""

    def __init__(self, config: BertConfig, options: Options):
        super().__init__(config, options)
        self.compiled = torch.compile(self.model)

    def loss(self, prepared: dict[str, Tensor | None]) -> Tensor:
        return self.compiled(**prepared).loss


class D2L(Peer):
    """The BERT of Dive into Deep Learning 1.0.3, with its own loss.

    It has ReLU for GELU, an untied decoder, and no LayerNorm on the embeddings. length: what its loader pads every
    sequence to; None leaves a batch as wide as it is.
    """

    length: int | None = None

    def build(self) -> nn.Module:
        c = self.config
        sizes = c.vocab_size, c.hidden_size, c.intermediate_size, c.num_attention_heads, c.num_hidden_layers
        model = d2l().BERTModel(*sizes, c.hidden_dropout_prob, c.max_position_embeddings)
        some = torch.zeros(1, 2, dtype=torch.long)
        model(some, some, torch.tensor([2.0]), some)  # its matrices get their shapes here
        return model

    def prepare(self, batch: Batch) -> dict[str, Tensor | None]:
        B, T = batch.token_ids.shape
        lengths = torch.full((B,), T) if batch.keep is None else batch.keep.sum(1)
        more = 0 if self.length is None else self.length - T
        return {
            "tokens_X": nn.functional.pad(batch.token_ids, (0, more)),
            "segments_X": nn.functional.pad(batch.segment_ids, (0, more)),
            "valid_lens_x": lengths.float(),
            "pred_positions_X": batch.positions,
            "mlm_weights_X": (batch.labels != -100).float(),
            "mlm_Y": batch.labels.clamp(min=0),
            "nsp_y": batch.is_random,
        }

    def loss(self, prepared: dict[str, Tensor | None]) -> Tensor:
        return d2l()._get_batch_loss_bert(self.model, nn.CrossEntropyLoss(), self.config.vocab_size, **prepared)[2]

    def flops(self, batch: Batch) -> int:
        (B, T), P = batch.token_ids.shape, batch.positions.shape[1]
        return B * training_flops(self.config, self.length or T, P)


class PaddedD2L(D2L):
    """The same behind its own loader, which pads every sequence to 64 tokens."""

    length = 64
