"""Texts longer than the position table: overlapping windows, each token read from the one that shows it best."""

import torch
from torch import Tensor

from bertmini.config import InputError
from bertmini.encoder import Bert
from bertmini.tokenizer import Tokenizer


def windows(T: int, size: int, stride: int) -> list[tuple[int, int]]:
    """Where the windows over T tokens begin and end: `size` tokens each, `stride` apart; the last ends with the text.

    stride < size lets neighbours overlap, as Devlin's code for question answering does (google-research/bert,
    run_squad.py: size 384, stride 128).
    """
    if not 1 <= stride <= size:
        raise InputError(f"the stride is {stride}: choose from 1 to the window's size, {size}")
    last = max(0, T - size)
    return [(start, min(start + size, T)) for start in [*range(0, last, stride), last]]


def context(T: int, start: int, end: int) -> Tensor:
    """For each token of a window, on how many tokens it leans on its poorer side; an end of the text cuts nothing off.

    Returns (end - start,).
    """
    place = torch.arange(start, end)
    left = place - start if start else torch.full_like(place, T)
    right = end - 1 - place if end < T else torch.full_like(place, T)
    return torch.minimum(left, right)


@torch.no_grad()
def read_long(bert: Bert, tokenizer: Tokenizer, token_ids: list[int], size: int, stride: int) -> Tensor:
    """A vector for each token of a text of any length, from the window in which it has most context.

    token_ids: (T,) without [CLS] and [SEP], which every window gets. Returns (T, H). Call it in eval mode.
    """
    T = len(token_ids)
    vectors, best = torch.zeros(T, bert.config.hidden_size), torch.full((T,), -1)
    for start, end in windows(T, size, stride):
        shown = torch.tensor([[tokenizer.cls_id, *token_ids[start:end], tokenizer.sep_id]])
        hidden = bert(shown).hidden[0, 1:-1]  # (size, H)
        rows = start + (context(T, start, end) > best[start:end]).nonzero().flatten()
        vectors[rows], best[rows] = hidden[rows - start], context(T, start, end)[rows - start]
    return vectors
