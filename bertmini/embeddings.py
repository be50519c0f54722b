"""From token ids to vectors: three tables, one sum.

An embedding is a one-hot vector times a matrix. The product only copies a row, so the code only copies a row.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bertmini.config import BertConfig, InputError
from bertmini.dropout import Dropout


def one_hot_times(ids: Tensor, table: Tensor) -> Tensor:
    """What a table lookup means: one-hot rows times the table. For reading, not for training.

    ids: (...), table: (V, H). Returns (..., H), equal to table[ids].
    """
    return F.one_hot(ids, len(table)).to(table.dtype) @ table


class Embeddings(nn.Module):
    """Token + segment + position, then LayerNorm and dropout (Devlin et al. 2019, figure 2)."""

    def __init__(self, config: BertConfig):
        super().__init__()
        H = config.hidden_size
        # padding_idx: reading [PAD] teaches its row nothing, as in `transformers`;
        # in the original release it did.
        self.token = nn.Embedding(config.vocab_size, H, padding_idx=config.pad_token_id)
        self.segment = nn.Embedding(config.type_vocab_size, H)
        self.position = nn.Embedding(config.max_position_embeddings, H)
        self.norm = nn.LayerNorm(H, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, token_ids: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """token_ids, segment_ids: (B, T), segments 0 where not given -> (B, T, H)."""
        T, longest = token_ids.shape[1], len(self.position.weight)
        if longest < T:
            raise InputError(f"{T} tokens, and the model has {longest} positions: cut the text")
        if segment_ids is None:
            segment_ids = torch.zeros_like(token_ids)
        position = self.position.weight[:T]  # (T, H), the same for every sequence
        summed = self.token(token_ids) + self.segment(segment_ids) + position
        return self.dropout(self.norm(summed))
