"""Masked language modelling: hide some tokens, guess them from both sides."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bertmini.config import ACTIVATIONS, BertConfig, InputError
from bertmini.tokenizer import Tokenizer

CHOSEN = 0.15  # the share of tokens that are predicted (Devlin et al. 2019, section 3.1)


def predictions_per_sequence(max_length: int, share: float = CHOSEN) -> int:
    """P: how many slots a sequence of at most T tokens needs, 20 at T = 128 and 77 at T = 512."""
    return math.ceil(share * max_length)


def choose_positions(
    token_ids: np.ndarray, special_ids: tuple[int, ...], limit: int, rng: np.random.Generator, share: float = CHOSEN
) -> np.ndarray:
    """Draw the positions to predict: a rounded 15% (`share`) of all tokens, at least one, never [CLS] or [SEP].

    token_ids: (T,) unpadded. Returns at most `limit` positions, in order. The count is fixed by the length, not a coin
    a token (google-research/bert, create_pretraining_data.py).
    """
    candidates = np.flatnonzero(np.all([token_ids != special for special in special_ids], axis=0))
    count = min(limit, max(1, round(share * len(token_ids))))
    return np.sort(rng.permutation(candidates)[:count])


def corrupt(
    token_ids: np.ndarray, positions: np.ndarray, mask_id: int, vocab_size: int, rng: np.random.Generator
) -> np.ndarray:
    """Show 80% of the chosen tokens as [MASK], 10% as they are, 10% as a token drawn from the whole vocabulary.

    token_ids: (T,), positions: (P,). Returns the (T,) ids that the model is shown (Devlin et al. 2019, appendix A.1).
    """
    shown = token_ids.copy()
    masked = rng.random(len(positions)) < 0.8
    kept = rng.random(len(positions)) < 0.5  # half of the other 20%
    drawn = rng.integers(vocab_size, size=len(positions))
    shown[positions] = np.where(masked, mask_id, np.where(kept, token_ids[positions], drawn))
    return shown


class MLMHead(nn.Module):
    """Linear, GELU, LayerNorm; then every row of the token table, and a bias of its own.

    As in google-research/bert, run_pretraining.py.
    """

    def __init__(self, config: BertConfig):
        super().__init__()
        self.transform = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.approximate = ACTIVATIONS[config.hidden_act]

    def forward(self, hidden: Tensor, token_table: Tensor) -> Tensor:
        """hidden: (B, P, H), token_table: (V, H) -> logits (B, P, V)."""
        return F.linear(self.vectors(hidden), token_table, self.bias)

    def vectors(self, hidden: Tensor) -> Tensor:
        """hidden: (..., H) -> (..., H), what is compared with the rows of the token table."""
        return self.norm(F.gelu(self.transform(hidden), approximate=self.approximate))


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log p of the labels, summed over those that are not -100. logits: (..., V), labels: (...)."""
    return F.cross_entropy(logits.flatten(0, -2).float(), labels.flatten(), reduction="sum")


@torch.no_grad()
def fill_mask(model: nn.Module, tokenizer: Tokenizer, text: str, top: int = 5) -> list[list[tuple[str, float]]]:
    """For every [MASK] of a text, the `top` likeliest tokens with their probabilities, likeliest first."""
    if model.mlm is None:
        raise InputError("this checkpoint has no masked-language-model head: use one that was pretrained with it")
    token_ids = torch.tensor([tokenizer.encode(text).token_ids])
    longest = model.config.max_position_embeddings
    if token_ids.shape[1] > longest:
        raise InputError(f"the text has {token_ids.shape[1]} tokens, the model reads {longest} at most: shorten it")
    positions = (token_ids[0] == tokenizer.mask_id).nonzero().T  # (1, P)
    if not positions.numel():
        raise InputError("the text holds no [MASK]: write [MASK] in place of the word to guess")
    logits = model(token_ids, positions=positions).mlm_logits[0, :, : len(tokenizer)]  # without rows that only pad
    probabilities, ids = logits.softmax(-1).topk(min(top, logits.shape[-1]))  # (P, top)
    tokens = [[tokenizer.tokens[i] for i in row] for row in ids.tolist()]
    return [list(zip(*row, strict=True)) for row in zip(tokens, probabilities.tolist(), strict=True)]
