"""Dropout. On a CPU its coins come four at a time: one by one they cost a sixth of a training step at Mini."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDES = 2**16  # of a coin, which is a quarter of one number of the generator


def drop(x: Tensor, p: float) -> Tensor:
    """Set a share p of x to zero, anew in every call, and divide the rest by 1 - p (Srivastava et al. 2014).

    x: any shape. On a CPU p is rounded to a multiple of 2**-16.
    """
    lost = round(p * SIDES)  # of SIDES
    if x.device.type != "cpu" or lost in (0, SIDES):
        return F.dropout(x, p)
    drawn = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    coins = drawn.view(torch.int16)[: x.numel()].view(x.shape)  # each from -SIDES / 2 to SIDES / 2 - 1
    kept = torch.ge(coins, lost - SIDES // 2, out=torch.empty_like(x))  # 1 or 0
    return x * kept.mul_(SIDES / (SIDES - lost))


class Dropout(nn.Module):
    """`drop` in training, nothing in evaluation."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x: any shape -> the same shape."""
        return drop(x, self.p) if self.training else x
