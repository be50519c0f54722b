"""The widget of notebooks/09_counting_parameters.ipynb: a calculator of size, memory, arithmetic and time."""

from typing import NamedTuple

import ipywidgets

from bertmini.config import BertConfig
from bertmini.counting import Memory, count_parameters, training_flops, training_hours, training_memory
from bertmini.lab.figures.counting_parameters import budgets as draw_budgets
from bertmini.lab.widgets import Control, panel
from bertmini.mlm import predictions_per_sequence


class Budget(NamedTuple):
    """What a training run needs. Arithmetic is that of one step, forward and backward."""

    parameters: dict[str, int]
    memory: Memory  # bytes
    flops: dict[str, int]
    hours: float
    square_share: float  # of T² in the arithmetic of the whole step

    def __str__(self) -> str:
        parameters, flops = sum(self.parameters.values()), sum(self.flops.values())
        fixed = self.memory.total - self.memory.activations
        return (
            f"parameters  {parameters:,}, of them {self.parameters['tables'] / parameters:.0%} in tables\n"
            f"memory      {amount(self.memory.total)}B "
            f"({amount(fixed)}B model, {amount(self.memory.activations)}B activations)\n"
            f"arithmetic  {amount(flops)}FLOP a step, of them {self.square_share:.1%} attention's T²\n"
            f"time        {duration(self.hours)}"
        )


def bars(plan: Budget) -> dict[str, tuple[str, dict[str, float]]]:
    """A budget as `figures.budgets` draws it: for each bar its total in words, and its parts."""
    parameters, flops = sum(plan.parameters.values()), sum(plan.flops.values())
    activations = plan.memory.activations
    memory = {"model": plan.memory.total - activations, "activations": activations}
    return {
        "parameters": (amount(parameters).strip(), plan.parameters),
        "memory": (f"{amount(plan.memory.total)}B", memory),
        "arithmetic": (f"{amount(flops)}FLOP", plan.flops),
    }


def budget(L: int, H: int, A: int, V: int, T: int, B: int, steps: int = 1_000_000, rate: float = 1.0) -> Budget:
    """Count a BERT and its training: F = 4H, P = 15% of T, fp32. The pooler is counted with the prediction heads.

    rate: the TFLOP per second that the run really reaches. The position table has 512 rows, or T where T is more.
    """
    config = BertConfig(V, H, L, A, 4 * H, max_position_embeddings=max(512, T))
    P = predictions_per_sequence(T)
    parts = count_parameters(config).by_part()
    square, products = 3 * B * L * 4 * H * T * T, 3 * B * L * 8 * H * H * T
    total = B * training_flops(config, T, P)
    parameters = {
        "tables": parts["embeddings"],
        "attention": parts["attention"],
        "feed-forward": parts["feed-forward"],
        "prediction heads": parts["pooler"] + parts["MLM head"] + parts["NSP head"],
    }
    flops = {
        "attention": products,
        "feed-forward": 2 * products,
        "T²": square,
        "prediction heads": total - 3 * products - square,
    }
    hours = training_hours(steps * total, rate * 1e12, share=1.0)
    return Budget(parameters, training_memory(config, B, T, P), flops, hours, square / total)


def amount(number: float) -> str:
    """A large number in three digits and a unit's first letters: 1.76 G."""
    for power, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * power:
            digits = number / power
            return f"{digits:.{0 if digits >= 99.95 else 1 if digits >= 9.995 else 2}f} {letter}"
    return f"{number:.0f} "


def duration(hours: float) -> str:
    """Hours in the unit that a person would use."""
    for unit, length in (("years", 24 * 365.25), ("days", 24), ("hours", 1), ("minutes", 1 / 60)):
        if hours >= 2 * length:
            return f"{hours / length:,.1f} {unit}"
    return f"{hours * 3600:,.1f} seconds"


def calculator() -> ipywidgets.VBox:
    """Size, memory, arithmetic and time of a BERT of your own."""
    controls = {
        "L": Control("L, layers", 12, 1, 48, 1),
        "H": Control("H, hidden size", 768, 64, 4096, 64),
        "A": Control("A, attention heads", 12, 1, 64, 1),
        "V": Control("V, vocabulary", 30_522, 100, 250_000, 1),
        "T": Control("T, tokens in a sequence", 128, 8, 16_384, 8),
        "B": Control("B, sequences in a batch", 32, 1, 8192, 1),
        "steps": Control("steps", 1_000_000, 1, 10_000_000, 1),
        "rate": Control("TFLOP/s that you reach", 1.0, 0.01, 10_000.0, 0.1),
    }

    def draw(**values: float) -> None:
        draw_budgets({"your setting": bars(budget(**values))})

    return panel(lambda **values: str(budget(**values)), controls, draw)
