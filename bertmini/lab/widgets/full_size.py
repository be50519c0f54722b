"""The widget of notebooks/10_full_size.ipynb: how long pretraining takes for a text of your own."""

from typing import NamedTuple

import ipywidgets

from bertmini.config import PRESETS, BertConfig
from bertmini.counting import Memory, training_flops, training_hours, training_memory
from bertmini.lab.widgets import Control, panel
from bertmini.lab.widgets.counting_parameters import amount, duration
from bertmini.mlm import predictions_per_sequence

NAMES = list(PRESETS)
TOKENS_A_WORD = 1.4  # English prose in a vocabulary of 30,000 tokens


class Plan(NamedTuple):
    """What reading a text some times takes; memory is that of one GPU, with each its share of the batch."""

    preset: str
    tokens: float  # read in all
    steps: float
    flops: float
    hours: float
    memory: Memory
    recomputed: Memory

    def __str__(self) -> str:
        return (
            f"preset      {self.preset}\n"
            f"reads       {amount(self.tokens)}tokens in {self.steps:,.0f} steps\n"
            f"arithmetic  {amount(self.flops)}FLOP\n"
            f"time        {duration(self.hours)}\n"
            f"memory      {amount(self.memory.total)}B on each GPU, "
            f"{amount(self.recomputed.total)}B where layers are recomputed"
        )


def plan(words: float, passes: int, size: int, T: int, B: int, gpus: int, peak: float, share: float) -> Plan:
    """words: millions in the text. size: 1 to 6, tiny to large. peak: TFLOP/s of one GPU; share: percent reached."""
    config, P = BertConfig.preset(NAMES[size - 1]), predictions_per_sequence(T)
    tokens = words * 1e6 * TOKENS_A_WORD * passes
    flops = tokens / T * training_flops(config, T, P)
    here = -(-B // gpus)  # the largest share of a batch
    kept, again = (training_memory(config, here, T, P, recompute=flag) for flag in (False, True))
    hours = training_hours(flops, gpus * peak * 1e12, share / 100)
    return Plan(NAMES[size - 1], tokens, tokens / (B * T), flops, hours, kept, again)


def calculator() -> ipywidgets.VBox:
    """How long, on what, for a text of your own."""
    controls = {
        "words": Control("millions of words", 100.0, 0.01, 100_000.0, 1.0),
        "passes": Control("passes over the text", 10, 1, 100, 1),
        "size": Control("1 tiny 2 mini 3 small 4 medium 5 base 6 large", 5, 1, 6, 1),
        "T": Control("T, tokens in a sequence", 128, 8, 512, 8),
        "B": Control("B, sequences in a step", 256, 1, 65_536, 1),
        "gpus": Control("GPUs", 1, 1, 1024, 1),
        "peak": Control("TFLOP/s of one, by its data sheet", 989.0, 0.01, 10_000.0, 1.0),
        "share": Control("percent of it reached", 35.0, 1.0, 100.0, 1.0),
    }
    return panel(lambda **values: str(plan(**values)), controls)
