"""Self-attention: every token looks at every token, in A heads at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bertmini.config import BertConfig
from bertmini.dropout import drop


def attend(
    q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None = None, dropout: float = 0.0
) -> Tensor:
    """Mix the values of every token a query may see (Vaswani et al. 2017, eq. 1).

    q: (B, A, R, D) for the R rows that ask; k, v: (B, A, T, D).
    keep: bool (B, 1, 1, T), True at real tokens. Returns (B, A, R, D).
    """
    if dropout and q.device.type == "cpu":  # where PyTorch has no fused kernel with dropout either
        return drop(attention_weights(q, k, keep), dropout) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=keep, dropout_p=dropout)


def attention_weights(q: Tensor, k: Tensor, keep: Tensor | None = None) -> Tensor:
    """The (B, A, R, T) matrix that a fused kernel never builds."""
    scores = (q / q.shape[-1] ** 0.5) @ k.mT
    if keep is not None:
        scores = scores + torch.where(keep, 0.0, -torch.inf)
    return scores.softmax(-1)


class SelfAttention(nn.Module):
    """Multi-head self-attention, with queries, keys and values from one matrix.

    Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(self, config: BertConfig):
        super().__init__()
        self.heads = config.num_attention_heads
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = config.attention_probs_dropout_prob
        self.maps: list[Tensor] | None = None  # where `record_attention` collects the weights

    def forward(
        self, x: Tensor, keep: Tensor | None = None, asking: Tensor | None = None
    ) -> Tensor:
        """x: (B, T, H), keep: bool (B, 1, 1, T) -> (B, R, H).

        asking: (B, R, H), the rows of x that ask; all T if None.
        """
        if asking is None:  # q, k, v: (B, A, T, D) each
            q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        else:  # q: (B, A, R, D)
            parts = [x.shape[-1], 2 * x.shape[-1]]
            (w_q, w_kv), (b_q, b_kv) = self.qkv.weight.split(parts), self.qkv.bias.split(parts)
            q = F.linear(asking, w_q, b_q).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            kv = F.linear(x, w_kv, b_kv).unflatten(-1, (2, self.heads, -1))
            k, v = kv.permute(2, 0, 3, 1, 4)
        if self.maps is not None:
            self.maps.append(attention_weights(q, k, keep))
        mixed = attend(q, k, v, keep, self.dropout if self.training else 0.0)  # (B, A, R, D)
        return self.output(mixed.transpose(1, 2).flatten(-2))  # (B, R, H)


@contextmanager
def record_attention(model: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the attention weights of the model's latest forward pass.

    Yields a list that holds, after each call of the model, one (B, A, T, T) tensor a layer: probabilities before
    dropout. While it is active the last layer runs at all T rows too.
    """
    maps: list[Tensor] = []
    layers = [module for module in model.modules() if isinstance(module, SelfAttention)]
    before = [layer.maps for layer in layers]
    fresh = layers[0].register_forward_pre_hook(lambda *_: maps.clear())  # the first layer opens every forward pass
    try:
        for layer in layers:
            layer.maps = maps
        yield maps
    finally:
        fresh.remove()
        for layer, earlier in zip(layers, before, strict=True):
            layer.maps = earlier
