"""The encoder: embeddings, then L layers of attention and feed-forward, each with its residual and LayerNorm."""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bertmini.attention import SelfAttention
from bertmini.config import ACTIVATIONS, BertConfig
from bertmini.dropout import Dropout
from bertmini.embeddings import Embeddings


class FeedForward(nn.Module):
    """Each position by itself: out to F, GELU, back to H.

    Vaswani et al. 2017, section 3.3; GELU: Hendrycks and Gimpel 2016.
    """

    def __init__(self, config: BertConfig):
        super().__init__()
        self.inner = nn.Linear(config.hidden_size, config.intermediate_size)
        self.outer = nn.Linear(config.intermediate_size, config.hidden_size)
        self.approximate = ACTIVATIONS[config.hidden_act]

    def forward(self, x: Tensor) -> Tensor:
        """x: (..., H) -> (..., H)."""
        return self.outer(F.gelu(self.inner(x), approximate=self.approximate))


class EncoderLayer(nn.Module):
    """Attention, then feed-forward; LayerNorm after each residual sum.

    Vaswani et al. 2017, section 3.1. The order is called post-LN.
    """

    def __init__(self, config: BertConfig):
        super().__init__()
        self.attention = SelfAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.output_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, keep: Tensor | None = None, rows: Tensor | None = None) -> Tensor:
        """x: (B, T, H), keep: bool (B, 1, 1, T) -> (B, R, H).

        rows: the (B, R) positions to compute; all T if None.
        """
        asking = None if rows is None else take(x, rows)
        mixed = self.attention(x, keep, asking)
        x = self.attention_norm((x if asking is None else asking) + self.dropout(mixed))
        return self.output_norm(x + self.dropout(self.feed_forward(x)))


class Pooler(nn.Module):
    """Linear + tanh on the vector of [CLS]; the original release has it, the paper does not mention it."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, first: Tensor) -> Tensor:
        """first: (B, H), the last layer's vector at [CLS] -> (B, H)."""
        return self.dense(first).tanh()


class BertOutput(NamedTuple):
    hidden: Tensor  # (B, T, H), or (B, P, H) when positions were given
    pooled: Tensor | None  # (B, H)


class Bert(nn.Module):
    """The bidirectional encoder (Devlin et al. 2019, section 3)."""

    def __init__(self, config: BertConfig, pooler: bool = True):
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.pooler = Pooler(config) if pooler else None
        self.recompute = False  # True: a layer keeps its input only, and runs again in the backward pass (less memory)
        initialise(self, config.initializer_range)

    def forward(
        self,
        token_ids: Tensor,
        segment_ids: Tensor | None = None,
        keep: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> BertOutput:
        """token_ids, segment_ids: (B, T).

        keep: bool (B, T), True at real tokens; None where nothing is padded.
        positions: (B, P), the only positions whose vectors are wanted: the last layer
        then computes those rows and [CLS] and nothing else. Same values, same
        gradients, less work.
        """
        if keep is not None:
            keep = keep.bool()[:, None, None, :]  # (B, 1, 1, T): for all heads and queries
        x = self.embeddings(token_ids, segment_ids)  # (B, T, H)
        for layer in self.layers[:-1]:
            x = checkpoint(layer, x, keep, use_reentrant=False) if self.recompute else layer(x, keep)
        last = self.layers[-1]
        if positions is None:
            x = last(x, keep)
            hidden = x
        else:
            rows = F.pad(positions, (1, 0))  # (B, 1 + P): row 0 is [CLS]
            x = last(x, keep, rows) if last.attention.maps is None else take(last(x, keep), rows)
            hidden = x[:, 1:]
        return BertOutput(hidden, None if self.pooler is None else self.pooler(x[:, 0]))


def take(x: Tensor, rows: Tensor) -> Tensor:
    """x: (B, T, H), rows: (B, R) -> the (B, R, H) vectors at those positions."""
    return x.gather(1, rows[..., None].expand(-1, -1, x.shape[-1]))


def initialise(model: nn.Module, deviation: float) -> None:
    """Normal weights cut at two deviations, zero biases, LayerNorms at 1 and 0 (google-research/bert, modeling.py)."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.trunc_normal_(module.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()
