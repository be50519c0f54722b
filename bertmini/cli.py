"""The command line: bertmini pretrain, fill-mask, count, bench, microworld."""

import json
import shutil
import signal
import sys
import types
import warnings
from contextlib import nullcontext
from dataclasses import asdict, fields
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import Annotated

import typer
from typer import Argument, Option

import bertmini
from bertmini import distributed
from bertmini.bench import bench
from bertmini.config import PRESETS, BertConfig, InputError
from bertmini.counting import count_parameters
from bertmini.disk import MANIFEST, alone
from bertmini.microworld import Grammar, stories
from bertmini.microworld.measure import check_lines, floor_lines
from bertmini.mlm import fill_mask
from bertmini.run import TEXT, WORLD, begin, resolve, resume
from bertmini.saved import newest_checkpoint
from bertmini.train import Fit, Options, train

app = typer.Typer(help="A BERT to read in one sitting.", no_args_is_help=True, add_completion=False)


def show_version(wanted: bool) -> None:
    if wanted:
        print(f"bertmini {bertmini.__version__}")
        raise typer.Exit


@app.callback()
def everywhere(
    version: Annotated[
        bool, Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
):
    """A BERT to read in one sitting."""


@app.command()
def pretrain(
    context: typer.Context,
    out: Annotated[Path, Option(help="Folder of the run; it must be new or empty, unless --resume.")],
    corpus: Annotated[
        str,
        Option(help="manual (the prose that Python carries), microworld, or a file: UTF-8 text, or a grammar (.toml)."),
    ] = Options.corpus,
    held_out: Annotated[str | None, Option(help="A text file to evaluate on; without it, 5% of the documents.")] = None,
    preset: Annotated[str, Option(help=", ".join(PRESETS))] = Options.preset,
    vocab_size: Annotated[
        int | None, Option(help="Tokens in the vocabulary that is learned from the text; 4000.")
    ] = None,
    steps: Annotated[
        int | None, Option(help=f"Optimizer steps; {TEXT['steps']} for text, {WORLD['steps']} for the microworld.")
    ] = None,
    batch_size: Annotated[
        int | None,
        Option(help=f"Pairs of segments a step; {TEXT['batch_size']}, in the microworld {WORLD['batch_size']}."),
    ] = None,
    max_length: Annotated[
        int | None,
        Option(help="Tokens a sequence; 128, and half of the steps read a quarter; 64 in the microworld."),
    ] = None,
    masked_lm_prob: Annotated[
        float | None,
        Option(help=f"The share of tokens to predict; {TEXT['masked_lm_prob']}, microworld {WORLD['masked_lm_prob']}."),
    ] = None,
    learning_rate: Annotated[
        float | None,
        Option(help="The largest rate, after the warm-up. By preset: 0.003 for tiny (microworld: 0.001) to 0.0001."),
    ] = None,
    seed: Annotated[int, Option(help="Fixes weights, pairs, masks and order.")] = Options.seed,
    device: Annotated[str, Option(help="auto, cpu, cuda or mps.")] = Options.device,
    precision: Annotated[str, Option(help="auto, fp32 or bf16.")] = Options.precision,
    save_every: Annotated[
        int | None, Option(min=1, help="Save a checkpoint every N steps, beside the last one.")
    ] = None,
    keep: Annotated[int | None, Option(min=1, help="Keep only the newest N checkpoints; without it, all.")] = None,
    stop_after: Annotated[int | None, Option(min=1, help="Stop at this step, as if interrupted there.")] = None,
    resume_: Annotated[bool, Option("--resume", help="Go on with the run in --out.")] = False,
    accumulate: Annotated[
        int, Option(min=1, help="Compute a step in N parts, one after the other: the same step in less memory.")
    ] = Fit.accumulate,
    recompute: Annotated[
        bool, Option("--recompute", help="Keep less for the backward pass and compute it again (checkpointing).")
    ] = Fit.recompute,
    shard: Annotated[
        bool, Option("--shard", help="Under torchrun: spread weights and optimizer over the processes (FSDP).")
    ] = Fit.shard,
    compile_: Annotated[
        bool, Option("--compile", help="Let torch.compile write the kernels: minutes at the start, faster on a GPU.")
    ] = Fit.compile,
) -> None:
    """Pretrain a BERT on masked words and next sentences.

    A text file is split into sentences line by line; a line of white space ends a document.
    """
    values = {field.name: context.params[field.name] for field in fields(Options)}
    given = {key: value for key, value in values.items() if context.get_parameter_source(key).name == "COMMANDLINE"}
    fit = Fit(accumulate, recompute, shard, compile_)

    def start() -> tuple[BertConfig, Options]:
        again = resume_ or (distributed.restarted() and (out / MANIFEST).exists())
        return resume(out, given) if again else begin(out, Options(**values))

    with distributed.session(device):
        config, options = distributed.from_main(start)
        if (newest := newest_checkpoint(out)) and newest.name == f"step-{options.steps:06}":
            print(f"The run in {out} is finished: {options.steps} steps.")
            return
        shape = f"{options.preset}, {config.vocab_size} tokens, {count_parameters(config).total:,} parameters"
        together = f", {distributed.size()} processes" if distributed.size() > 1 else ""
        print(f"Training {shape}, on {options.device} in {options.precision}{together}.", flush=True)
        stopped = interrupted()
        with alone(out) if distributed.is_main() else nullcontext():
            step = train(out, config, options, save_every, stop_after, lambda: stopped.now, keep, fit)
        if step < options.steps:
            print(f"Stopped at step {step} of {options.steps}; all is saved.")
            again = "torchrun … -m bertmini" if together else program()
            print(f'Go on with: {again} pretrain --out "{out}" --resume')
        else:
            text = "the [MASK] is used to store the value." if options.corpus == "manual" else "a text with a [MASK]"
            print(f'Done. Try: {program()} fill-mask --model "{out / "model"}" "{text}"')


def program() -> str:
    """What to type to call this program again."""
    if shutil.which("bertmini"):
        return "bertmini"
    return "python -m bertmini" if Path(sys.argv[0]).name == "__main__.py" else sys.argv[0]


def interrupted() -> types.SimpleNamespace:
    """An object whose `now` turns True at the first Ctrl-C or SIGTERM; a second one interrupts at once."""
    state = types.SimpleNamespace(now=False)

    def stop(signum: int, frame: types.FrameType | None) -> None:
        state.now = True
        if signum == signal.SIGINT and distributed.is_main():
            print("\nStopping after this step.", file=sys.stderr, flush=True)
        signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return state


@app.command("fill-mask")
def fill_mask_command(
    text: Annotated[str, Argument(help="A text with one [MASK] or more.")],
    model: Annotated[str, Option(help="A checkpoint: a folder, such as a run's model/, or a name on the hub.")],
    top: Annotated[int, Option(min=1, help="How many guesses for each [MASK].")] = 5,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Guess the words behind [MASK], each by itself, with their probabilities."""
    guesses = fill_mask(*bertmini.load(model), text, top)
    if as_json:
        print(
            json.dumps(
                [[{"token": token, "probability": p} for token, p in row] for row in guesses], ensure_ascii=False
            )
        )
        return
    for number, row in enumerate(guesses, 1):
        if len(guesses) > 1:
            print(f"[MASK] {number}")
        for token, p in row:
            print(f"{p:7.1%}  {token}")


@app.command()
def count(
    preset: Annotated[str, Option(help=", ".join(PRESETS))] = "base",
    vocab_size: Annotated[int, Option(help="Tokens in the vocabulary.")] = 30522,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count a BERT's parameters, term by term."""
    config = BertConfig.preset(preset, vocab_size=vocab_size)
    counted = count_parameters(config)
    if as_json:
        print(json.dumps({"config": asdict(config), "parts": counted.by_part(), "total": counted.total}))
        return
    for term in counted.terms:
        print(f"{term.part:<13} {term.name:<26} {term.formula:<8} {term.count:>13,}")
    print(f"{'total':<49} {counted.total:>13,}")


@app.command("bench")
def bench_command(
    preset: Annotated[str, Option(help=", ".join(PRESETS))] = "tiny",
    batch_size: Annotated[int, Option(min=1, help="Pairs of segments a step.")] = 32,
    max_length: Annotated[int, Option(help="Tokens of the longest sequence in every batch.")] = 128,
    min_length: Annotated[
        int | None, Option(help="Tokens of the shortest; without it all are of one length, and nothing is padded.")
    ] = None,
    vocab_size: Annotated[int, Option(min=2, help="Tokens in the vocabulary.")] = 30522,
    device: Annotated[str, Option(help="auto, cpu, cuda or mps.")] = "auto",
    precision: Annotated[str, Option(help="auto, fp32 or bf16.")] = "auto",
    steps: Annotated[int, Option(min=1, help="Steps to time, after a few that are not.")] = 20,
    compile_: Annotated[bool, Option("--compile", help="Let torch.compile write the kernels.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time whole training steps on this machine, on random tokens."""
    config = BertConfig.preset(preset, vocab_size=vocab_size)
    options = resolve(Options(device=device, precision=precision))
    where = {"device": options.device, "precision": options.precision}
    speed = bench(config, batch_size, max_length, min_length, **where, steps=steps, compile=compile_)
    if as_json:
        asked = {"batch_size": batch_size, "steps": steps, "compile": compile_}
        print(json.dumps(asdict(config) | where | asked | speed._asdict()))
        return
    for line in speed.lines():
        print(line)


@app.command()
def microworld(
    documents: Annotated[int, Option(min=1, help="How many stories, told or measured on.")] = 1000,
    seed: Annotated[int, Option(help="Fixes the stories, on every machine.")] = 0,
    grammar: Annotated[Path | None, Option(help="A grammar file; without it, the world of the book.")] = None,
    floor: Annotated[bool, Option("--floor", help="Print the best that any model can do, instead of stories.")] = False,
    check: Annotated[bool, Option("--check", help="Print what to know when you edit a grammar.")] = False,
) -> None:
    """Tell stories of the toy language whose best possible loss is known; a line a sentence, an empty line a story."""
    if floor and check:
        raise InputError("--floor and --check: ask for one at a time")
    world = Grammar.load(grammar) if grammar else Grammar.load()
    if floor or check:
        for line in check_lines(world, documents, seed) if check else floor_lines(world, documents, seed):
            print(line)
        return
    for story in islice(stories(world, seed), documents):
        print(*story.texts(), "", sep="\n")


def main() -> None:
    """Run the command line; what the user can mend is told in a sentence, with exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a Windows console may lack a character
    warnings.formatwarning = lambda message, *_: f"bertmini: {message}\n"
    try:
        app()
    except InputError as error:
        sys.exit(tell(str(error)))
    except OSError as error:
        sys.exit(tell(f"{error.filename or 'the disk'}: {error.strerror}; mend that and try again"))


def tell(sentence: str) -> int:
    print("bertmini:", shorten(sentence, 2_000), file=sys.stderr)  # a damaged value may be of any length
    return 2
