"""How fast training is on this machine: whole steps of `Training`, timed, beside what the machine can do at most."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from bertmini.batches import Batch
from bertmini.config import BertConfig, InputError
from bertmini.counting import training_flops
from bertmini.mlm import CHOSEN, predictions_per_sequence
from bertmini.train import SHORTEST, Fit, Options, Training

WARM_UP = 3  # steps that are not timed: the first ones allocate memory and choose kernels
BATCHES = 8  # different ones, over and over
SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}  # of the square matrices whose product is timed
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
DATASHEET = {  # FLOP per second in bf16 without sparsity, by the card's full name: a part of a card has another
    "NVIDIA H200": 989e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100-PCIE-40GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
}


class Speed(NamedTuple):
    """What `bench` measured; FLOP are those of the matrix products that the step carries out."""

    seconds_per_step: float  # the median
    sequences_per_second: float
    tokens_per_second: float  # padding is not counted
    flops_per_second: float
    matrix_rate: float  # FLOP per second of one large matrix product, measured right after
    share_of_matrix_rate: float
    share_of_datasheet: float | None  # in bf16, of a card that DATASHEET knows
    peak_memory: int | None  # bytes, see `peak_memory`

    def lines(self) -> Iterator[str]:
        """The measurement to read."""
        yield f"a step      {1000 * self.seconds_per_step:,.1f} ms"
        yield f"sequences   {self.sequences_per_second:,.1f} a second"
        yield f"tokens      {self.tokens_per_second:,.0f} a second"
        yield f"arithmetic  {self.flops_per_second / 1e9:,.1f} GFLOP a second"
        yield f"            {self.share_of_matrix_rate:.1%} of a large matrix product's {self.matrix_rate / 1e9:,.1f}"
        if self.share_of_datasheet:
            yield f"MFU         {self.share_of_datasheet:.1%} of what the card's datasheet says"
        if self.peak_memory:
            yield f"memory      {self.peak_memory / 1e9:,.2f} GB at most"


def bench(
    config: BertConfig,
    batch_size: int = 32,
    max_length: int = 128,
    min_length: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    steps: int = 20,
    compile: bool = False,
) -> Speed:
    """Time training steps as a run takes them, on batches of random tokens.

    min_length: the shortest sequence; max_length if None, so that nothing is padded. device, precision: resolved, not
    "auto". InputError where a size cannot be used, or the batch does not fit into the GPU's memory.
    """
    shortest = max_length if min_length is None else min_length
    if not SHORTEST <= max_length <= config.max_position_embeddings:
        raise InputError(f"--max-length is {max_length}: choose from {SHORTEST} to {config.max_position_embeddings}")
    if not SHORTEST <= shortest <= max_length:
        raise InputError(f"--min-length is {shortest}: choose from {SHORTEST} to --max-length, {max_length}")
    options = Options(steps=steps + WARM_UP, learning_rate=1e-4, device=device, precision=precision)
    batches = [draw_batch(config, batch_size, shortest, max_length, seed) for seed in range(BATCHES)]
    try:
        training = Training(config, options, Fit(compile=compile))
        for number in range(WARM_UP):
            training.update(batches[number % BATCHES])
        seconds = [timed(training.update, batches[number % BATCHES], device) for number in range(steps)]
    except torch.OutOfMemoryError:
        raise InputError(f"--batch-size is {batch_size}: that does not fit into the GPU's memory; take less") from None
    memory = peak_memory(device)  # before the matrices below
    a_step, rate = statistics.median(seconds), matrix_rate(device, precision)
    flops = statistics.mean(step_flops(config, batch, device) for batch in batches) / a_step
    known = DATASHEET.get(torch.cuda.get_device_name()) if (device, precision) == ("cuda", "bf16") else None
    return Speed(
        seconds_per_step=a_step,
        sequences_per_second=batch_size / a_step,
        tokens_per_second=statistics.mean(batch.tokens() for batch in batches) / a_step,
        flops_per_second=flops,
        matrix_rate=rate,
        share_of_matrix_rate=flops / rate,
        share_of_datasheet=flops / known if known else None,
        peak_memory=memory,
    )


def draw_batch(config: BertConfig, batch_size: int, shortest: int, longest: int, seed: int) -> Batch:
    """A batch as training sees it, of random tokens: at least one sequence of the longest length, 15% predicted."""
    chance = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest + 1, (batch_size, 1), generator=chance)
    lengths[0] = longest
    place = torch.arange(longest)
    keep = place < lengths  # (B, T)
    token_ids = torch.randint(1, config.vocab_size, keep.shape, generator=chance) * keep
    unlikely = torch.rand(keep.shape, generator=chance).masked_fill(~keep | (place == 0), 2)  # never padding or [CLS]
    P = predictions_per_sequence(longest)
    used = torch.arange(P) < (CHOSEN * lengths).round().clamp(1, P)  # (B, P)
    positions = unlikely.argsort(1)[:, :P] * used
    return Batch(
        token_ids,
        ((place >= lengths // 2) & keep).long(),
        None if shortest == longest else keep,
        positions,
        token_ids.gather(1, positions).masked_fill(~used, -100),
        torch.randint(2, (batch_size,), generator=chance),
    )


def step_flops(config: BertConfig, batch: Batch, device: str) -> int:
    """What a step on a batch computes: padding too, the last layer only where it is read, the head as `Objective`."""
    (B, T), (P, H) = batch.token_ids.shape, (batch.positions.shape[1], config.hidden_size)
    unused = int((batch.labels == -100).sum()) if device == "cpu" else 0
    return B * training_flops(config, T, P, pruned=True) - unused * 3 * 2 * H * (H + config.vocab_size)


def timed(action: Callable, argument: Batch | Tensor, device: str) -> float:
    """Seconds that action(argument) takes until the device has really done it."""
    begun = time.perf_counter()
    action(argument)
    if device != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - begun


def matrix_rate(device: str, precision: str, products: int = 9) -> float:
    """FLOP per second of one large square matrix product, the median of a few: a rate that no step can pass by much."""
    size = SIDE[device]
    matrix = torch.randn(size, size, device=device, dtype=DTYPES[precision])
    matrix @ matrix
    return 2 * size**3 / statistics.median(timed(matrix.matmul, matrix, device) for _ in range(products))


def peak_memory(device: str) -> int | None:
    """The most bytes held so far: on a GPU by tensors, on the CPU by the whole process with Python and torch.

    None where the system does not say: on Windows, and for Apple's GPUs.
    """
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    if device == "mps" or sys.platform == "win32":
        return None
    import resource  # Windows has none

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # Linux counts in KiB
