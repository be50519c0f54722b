"""The checkpoints of a run: written whole, found again after any crash, pruned; and the log that goes with them."""

import json
import pickle
import shutil
from pathlib import Path

import torch
from torch import Tensor

from bertmini.config import InputError
from bertmini.disk import damaged, replace_file, write_manifest


def write_state(state: dict[str, Tensor | dict | list | None], folder: Path) -> None:
    with (folder / "training.pt").open("wb") as file:
        torch.save(state, file)
    write_manifest(folder, folder.iterdir())


def read_state(path: Path, device: torch.device) -> dict:
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: not a whole checkpoint; delete its folder to resume from the one before") from error


def checkpoints(out: Path) -> list[Path]:
    """The folders of a run's checkpoints, the newest first; one that was being written has another name."""
    folders = [path for path in out.glob("checkpoints/step-*") if path.name.removeprefix("step-").isdecimal()]
    return sorted(folders, key=step_of, reverse=True)


def step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def newest_checkpoint(out: Path) -> Path | None:
    """The folder of a run's last whole checkpoint."""
    return next((folder for folder in checkpoints(out) if not damaged(folder)), None)


def prune(out: Path, step: int, keep: int | None) -> None:
    """Delete what killed runs left half written, and all but the newest `keep` checkpoints.

    step: that of the checkpoint just written. A later one is damaged, or the run would have gone on from it.
    """
    written = [folder for folder in checkpoints(out) if step_of(folder) <= step]
    for folder in (*out.glob("checkpoints/step-*.*"), *(written[keep:] if keep else ())):
        shutil.rmtree(folder, ignore_errors=True)  # what cannot go now goes next time


def keep_metrics(path: Path, last: int) -> None:
    """Drop what was logged after the last saved step: a run that was killed may have logged more than it saved."""
    lines, kept = path.read_bytes().split(b"\n") if path.exists() else [b""], ""
    for number, line in enumerate(lines[:-1], 1):  # the last is empty, or a part of a line
        try:
            if json.loads(line)["step"] <= last:
                kept += line.decode("utf-8") + "\n"
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(f"{path}, line {number}: damaged; delete that line, then resume") from None
    replace_file(path, kept)
