"""bertmini beside other BERTs: python benchmarks/compare.py [SHAPE ...] [--device cuda] [--rounds 11].

All sides stand in one process and take turns: in each round every side trains on the same batches, with the same around
it: forward, backward, clipping, AdamW, dropout 0.1. Each side has shown before which AdamW it is faster with, PyTorch's
fused one or its default. What counts is the median over the rounds; a large matrix product is timed in every round too.
On the CPU: two threads, fp32, lengths 64 to 128; in d2l's shape pairs of sentences from the prose that Python carries,
paired as d2l pairs them, where we pad a batch to its longest sequence and d2l pads all to 64. On a GPU: bf16, nothing
is padded.

Peak memory is that of a fresh process that takes a few steps on one side, with the fused AdamW: on the CPU of the whole
process, Python and libraries included, on a GPU of the tensors. These processes run first, for on Linux a process is
said to have held at least what its parent held when it was started.

Without SHAPE all are measured, and written to data/runs/bench-cpu.json or bench-cuda.json. Leave the machine alone
meanwhile.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import transformers
from peers import D2L, Compiled, Ours, PaddedD2L, Peer, Transformers

from bertmini import BertConfig, Tokenizer
from bertmini.batches import Batch, Epoch
from bertmini.bench import WARM_UP, draw_batch, matrix_rate, peak_memory, timed
from bertmini.corpus import Corpus, prepare
from bertmini.manual import manual_documents
from bertmini.train import Fit, Options, parameter_groups

ROOT = Path(__file__).resolve().parent.parent
THREADS = 2
PRECISION = {"cpu": "fp32", "cuda": "bf16"}
TRIALS = 3  # steps by which a side's AdamW is chosen
TOGETHER = 6  # batches a round where they are real, for they differ in width

Side = Ours | Peer
Sides = dict[str, Callable[[BertConfig, Options], Side]]

CPU_SIDES: Sides = {"bertmini": Ours, "transformers": Transformers, "d2l": D2L}
GPU_SIDES: Sides = {
    "bertmini": Ours,
    "bertmini, compiled": partial(Ours, fit=Fit(compile=True)),
    "transformers": Transformers,
    "transformers, compiled": Compiled,
}


class Shape(NamedTuple):
    """What is trained: a model, how many sequences a step, how long they are."""

    config: BertConfig
    batch_size: int
    shortest: int
    longest: int
    sides: Sides
    real: bool = False  # pairs of sentences of the manual corpus; otherwise random tokens


def preset(name: str, batch_size: int, shortest: int, longest: int, sides: Sides) -> Shape:
    return Shape(BertConfig.preset(name), batch_size, shortest, longest, sides)


SHAPES = {
    "cpu": {
        "tiny": preset("tiny", 32, 64, 128, CPU_SIDES),
        "mini": preset("mini", 32, 64, 128, CPU_SIDES),
        "small": preset("small", 32, 64, 128, CPU_SIDES),
        "base": preset("base", 8, 64, 128, CPU_SIDES),
        "d2l": Shape(
            BertConfig(4000, 128, 2, 2, 256, 64), 512, 0, 64, {"bertmini": Ours, "d2l": PaddedD2L}, real=True
        ),
    },
    "cuda": {
        "base-128": preset("base", 256, 128, 128, GPU_SIDES),
        "large-128": preset("large", 128, 128, 128, GPU_SIDES),
        "base-512": preset("base", 64, 512, 512, GPU_SIDES),
        "large-512": preset("large", 32, 512, 512, GPU_SIDES),
    },
}


def sentence_pairs(corpus: Corpus, room: int, seed: int, epoch: int) -> np.ndarray:
    """d2l's pairs: every sentence with the next one of its document, or with any other; too long ones are dropped."""
    rng = np.random.default_rng([seed, epoch])
    documents, sizes = corpus.documents, np.diff(corpus.sentences)
    first = np.concatenate([np.arange(start, end - 1) for start, end in pairwise(documents)])
    is_random = rng.integers(2, size=len(first))
    second = np.where(is_random, rng.integers(len(sizes), size=len(first)), first + 1)
    plan = np.stack([first, first + 1, second, second + 1, is_random], axis=1)
    return plan[sizes[first] + sizes[second] <= room]


def real_batches(shape: Shape, seed: int = 0) -> list[Batch]:
    """Some of an epoch's pairs, drawn by chance, in our order: of like length, padded to the longest."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        prepare(list(manual_documents()), None, shape.config.vocab_size, seed, data)
        tokenizer = Tokenizer.load(data)
        epoch = Epoch(Corpus.open(data / "train"), tokenizer, shape.longest, seed, 0, sentence_pairs)
        epoch.plan = np.random.default_rng(seed).permutation(epoch.plan)[: TOGETHER * shape.batch_size]
        return [epoch.collate([epoch[i] for i in order]) for order in epoch.batches(shape.batch_size)]


def adamw(side: Side, fused: bool) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameter_groups(side.model), lr=1e-4, eps=1e-6, fused=fused or None)


def build(shape: Shape, name: str, device: str) -> Side:
    options = Options(steps=10_000, learning_rate=1e-4, device=device, precision=PRECISION[device])
    side = shape.sides[name](shape.config, options)
    side.optimizer = adamw(side, fused=True)
    return side


def passes(side: Side, batches: list[Batch], device: str) -> float:
    """Seconds a step, over some batches."""
    return statistics.mean(timed(side.update, side.prepare(batch), device) for batch in batches)


def choose_optimizer(side: Side, batches: list[Batch], device: str) -> dict[str, float]:
    """Give a side the AdamW that it is faster with. Returns the seconds a step with each."""
    optimizers = {"fused": side.optimizer, "default": adamw(side, fused=False)}
    seconds: dict[str, list[float]] = {name: [] for name in optimizers}
    for _ in range(WARM_UP + TRIALS):
        for name, side.optimizer in optimizers.items():
            seconds[name].append(passes(side, batches[:1], device))
    medians = {name: statistics.median(times[WARM_UP:]) for name, times in seconds.items()}
    side.optimizer = optimizers[min(medians, key=medians.get)]
    return medians


def compare(shape: Shape, rounds: int, device: str = "cpu") -> dict:
    """Let the sides of a shape take turns. Returns what was measured, with rates and ratios."""
    real = real_batches(shape) if shape.real else None
    turns = [real or [draw_batch(*shape[:4], seed=turn)] for turn in range(rounds)]
    sides = {name: build(shape, name, device) for name in shape.sides}
    trials = {name: choose_optimizer(side, turns[0], device) for name, side in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    rates = []
    for batches in turns:
        rates.append(matrix_rate(device, PRECISION[device], products=3))
        for name, side in sides.items():
            seconds[name].append(passes(side, batches, device))
    batches = [batch for turn in turns for batch in turn]
    tokens = statistics.mean(batch.tokens() for batch in batches)
    rate, ours = statistics.median(rates), statistics.median(seconds["bertmini"])
    result = {}
    for name, side in sides.items():
        median, flops = statistics.median(seconds[name]), statistics.mean(side.flops(batch) for batch in batches)
        result[name] = {
            "optimizer": min(trials[name], key=trials[name].get),
            "trials": trials[name],
            "seconds": seconds[name],
            "seconds_per_step": median,
            "sequences_per_second": shape.batch_size / median,
            "tokens_per_second": tokens / median,
            "share_of_matrix_rate": flops / median / rate,
            "times_slower": median / ours,
        }
    return {
        "layers": shape.config.num_hidden_layers,
        "hidden_size": shape.config.hidden_size,
        "vocab_size": shape.config.vocab_size,
        "batch_size": shape.batch_size,
        "max_length": shape.longest,
        "not_padding": sum(batch.tokens() for batch in batches) / sum(batch.token_ids.numel() for batch in batches),
        "matrix_rate": rate,
        "sides": result,
    }


def memory_here(shape: Shape, name: str, device: str) -> int | None:
    """Peak bytes of this process once it has trained one side for a few steps."""
    batches = real_batches(shape) if shape.real else [draw_batch(*shape[:4], seed=0)] * WARM_UP
    side = build(shape, name, device)
    passes(side, batches, device)
    return peak_memory(device)


def memory(name: str, side: str, device: str) -> int | None:
    """The same of a fresh process."""
    command = [sys.executable, __file__, name, "--device", device, "--memory", side]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def table(shapes: dict[str, dict]) -> list[str]:
    """The measurements as lines of Markdown."""
    lines = [
        "| shape | side | AdamW | ms a step | tokens a second | share of matrix rate | slower | peak memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for shape, measured in shapes.items():
        for name, side in measured["sides"].items():
            times = "" if name == "bertmini" else f"{side['times_slower']:.2f} times"
            held = f"{side['peak_memory'] / 1e9:.2f} GB" if side.get("peak_memory") else ""
            lines.append(
                f"| {shape} | {name} | {side['optimizer']} | {1000 * side['seconds_per_step']:,.1f} "
                f"| {side['tokens_per_second']:,.0f} | {side['share_of_matrix_rate']:.0%} | {times} | {held} |"
            )
    return lines


def summary(shapes: dict[str, dict]) -> list[str]:
    """The recorded measurements as the README shows them: a line of Markdown for each shape."""
    lines = []
    for shape, measured in shapes.items():
        sides = measured["sides"]
        ours = sides["bertmini"]
        peers = [sides.get(name) for name in ("transformers", "d2l")]
        slower = [f"{peer['times_slower']:.1f} times" if peer else "" for peer in peers]
        lines.append(
            f"| {shape}, {measured['batch_size']} | {ours['tokens_per_second']:,.0f} "
            f"| {ours['share_of_matrix_rate']:.0%} | {' | '.join(slower)} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help="tiny, mini, ...; all without")
    parser.add_argument("--device", choices=list(SHAPES), default="cpu")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--memory", metavar="SIDE", help="print the bytes that one side holds in this process")
    given = parser.parse_args()
    every = SHAPES[given.device]
    if unknown := set(given.shapes) - set(every):
        parser.error(f"there is no shape {min(unknown)!r}: choose from {', '.join(every)}")
    if given.rounds < 1:
        parser.error(f"--rounds is {given.rounds}: it must be more than 0")
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device is cuda, which this machine or this build of PyTorch lacks: go where it is")
    torch.set_num_threads(THREADS)
    if given.memory:
        print(memory_here(every[given.shapes[0]], given.memory, given.device))
        return
    begun = time.perf_counter()
    chosen = {name: every[name] for name in given.shapes or every}
    held = {(name, side): memory(name, side, given.device) for name, shape in chosen.items() for side in shape.sides}
    measured = {}
    for name, shape in chosen.items():
        measured[name] = compare(shape, given.rounds, given.device)
        for side, result in measured[name]["sides"].items():
            result["peak_memory"] = held[name, side]
        gc.collect()  # the models of one shape go before those of the next come
        print("\n".join(table({name: measured[name]})), flush=True)
    if given.shapes:
        return
    sys.path.append(str(ROOT / "tools"))
    import runs  # only here: the processes above stay without what it imports

    facts = runs.conditions(f"python benchmarks/compare.py --device {given.device}", time.perf_counter() - begun)
    facts["versions"] |= {"transformers": transformers.__version__, "d2l": "1.0.3"}
    facts["device"] = torch.cuda.get_device_name() if given.device == "cuda" else "cpu"
    print(runs.write(f"bench-{given.device}", facts | {"rounds": given.rounds, "shapes": measured}))
    print("For the README:", *summary(measured), sep="\n")


if __name__ == "__main__":
    main()
