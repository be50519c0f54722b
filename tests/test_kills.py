"""Runs killed at any moment: each goes on, and ends bit for bit as the run that nothing disturbed."""

import io
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

STORIES = "\n\n".join(
    f"The {animal} {verb} over the {place}.\nThen the {animal} sleeps.\nThe {place} is quiet."
    for animal in ("cat", "dog", "fox", "owl")
    for verb in ("runs", "walks", "jumps")
    for place in ("hill", "field", "river")
)
RUN = ["--steps", "8", "--batch-size", "4", "--max-length", "24", "--vocab-size", "80"]
SAVE = ["--save-every", "2", "--keep", "2"]
# Forked from a process that has imported everything and computed nothing: a start costs a tenth of a second, not five.
METHODS = multiprocessing.get_all_start_methods()
STARTER = multiprocessing.get_context("forkserver" if "forkserver" in METHODS else "spawn")
STARTER.set_forkserver_preload(["bertmini.cli", "torch._dynamo", "pytest"])  # what a child would import
OPERATIONS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")


def pretrain(out: Path, moment: int | str | None) -> None:
    """The command line, begun or resumed; killed just before a writing of files, by its number or its name."""
    import torch

    from bertmini import cli

    done = []

    def hook(event: str, arguments: tuple) -> None:
        if event not in OPERATIONS or (event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        done.append(f"{event} {str(arguments[0]).removeprefix(f'{out}{os.sep}')}")
        if moment in (len(done), done[-1]):
            os.kill(os.getpid(), signal.SIGKILL)

    if moment is not None:
        sys.addaudithook(hook)
    torch.set_num_threads(1)
    begun = (out / "manifest.json").exists()
    beginning = ["--resume"] if begun else ["--corpus", str(out.parent / "stories.txt"), *RUN]
    sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    sys.argv = ["bertmini", "pretrain", "--out", str(out), *beginning, *SAVE]
    cli.main()


def start(out: Path, moment: int | str | None = None) -> multiprocessing.Process:
    process = STARTER.Process(target=pretrain, args=(out, moment))
    process.start()
    return process


def finish(out: Path) -> dict:
    """Run to the end. Returns all that must not differ: the bytes of the weights and of the state, and the metrics."""
    process = start(out)
    process.join()
    assert process.exitcode == 0
    newest = sorted((out / "checkpoints").iterdir())[-2:]  # killed before its last pruning, a run leaves one more
    assert [path.name for path in newest] == ["step-000006", "step-000008"]
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        "model": (out / "model/model.safetensors").read_bytes(),
        "state": [(path / "training.pt").read_bytes() for path in newest],
        "metrics": [{**json.loads(line), "tokens_per_second": 0} for line in lines],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    (folder / "stories.txt").write_text(STORIES, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def straight(folder):
    return finish(folder / "straight")


def half_written(out: Path) -> bool:
    """Whether a checkpoint, or the model beside it, is being saved: the old one still has its place."""
    names = ["model.new", "model.old"]
    return any((out / name).exists() for name in names) or any(out.glob("checkpoints/*.new"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal that kills")
@pytest.mark.parametrize(
    "moment",
    [
        "os.rename manifest.json.new",  # all is prepared, nothing has begun
        "os.rename model",  # the old one leaves its place
        "os.rename model.new",  # and the new one takes it
        "os.rename checkpoints/step-000004.new/manifest.json.new",
        "os.rename checkpoints/step-000004.new",
        "os.remove training.pt",  # the first one pruned
    ],
)
def test_a_run_killed_at_its_tenderest_moments_ends_the_same(folder, straight, moment):
    out = folder / moment.replace("/", " ")
    process = start(out, moment)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert finish(out) == straight


@pytest.mark.soak
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal that kills")
def test_a_run_killed_before_any_writing_of_a_file_ends_the_same(folder, straight):
    for moment in itertools.count(1):
        out = folder / f"before-{moment}"
        process = start(out, moment)
        process.join()
        if process.exitcode == 0:
            break
        assert finish(out) == straight, moment
        shutil.rmtree(out)
    print(f"\n{moment - 1} runs, each killed before another writing of a file")
    assert moment > 100


@pytest.mark.soak
def test_200_runs_killed_at_random_moments_end_the_same(folder, straight):
    """Every second one during a save, as far as aiming goes; a third of them twice."""
    chance = random.Random(0)
    began = time.monotonic()
    finish(folder / "timed")
    whole = time.monotonic() - began
    runs = kills = saves = 0
    while runs < 200:
        out, killed = folder / "random", False
        for _ in range(chance.choice((1, 1, 2))):
            process = start(out)
            if runs % 2:
                wait_for_a_save(process, out, chance.randint(1, 4))
                time.sleep(0.03 * chance.random())
            else:
                time.sleep(whole * chance.random())
            process.kill()
            process.join()
            if process.exitcode != 0:  # else it was over before
                saves += half_written(out) and not killed  # what a kill before left lies there still
                killed, kills = True, kills + 1
                print(f"{runs + 1} runs, {kills} kills, {saves} of them during a save", flush=True)
        runs += killed
        assert finish(out) == straight, (runs, kills)
        shutil.rmtree(out)
    assert saves >= 50


def wait_for_a_save(process: multiprocessing.Process, out: Path, number: int) -> None:
    """Wait until a run begins to save for the given time; it may be over before."""
    seen, before = 0, False
    while process.is_alive() and seen < number:
        now = half_written(out)
        seen, before = seen + (now and not before), now
        time.sleep(0.001)
