"""Writing that a crash leaves whole: beside the old files, flushed, renamed, with a manifest of what there must be."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from bertmini.config import InputError

MANIFEST = "manifest.json"  # file -> its size and sha256; written last


def replace_file(path: Path, text: str) -> None:
    """Write a text file beside its place and then rename it: a whole one is left, the old or the new."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8", newline="\n")
    flush(beside)
    beside.replace(path)
    flush(path.parent)


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder beside its place and then rename it: a whole one is left, the old or the new."""
    beside, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        write(beside)
        for path in (*beside.rglob("*"), beside):
            flush(path)
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
        flush(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, OSError | RuntimeError | SafetensorError):  # a full disk shows as any of the three
            raise InputError(
                f"{folder}: could not be saved ({error}); what was there before is whole; "
                "make room, or close what uses it, and try again"
            ) from error
        raise


def flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, has reached the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot be asked for that
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fingerprint(path: Path | str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, paths: Iterable[Path]) -> None:
    """Write down the size and sha256 of files in a folder, once all of them have reached the disk."""
    files = {}
    for path in sorted(path for path in paths if path.is_file()):
        flush(path)
        files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": fingerprint(path)}
    replace_file(folder / MANIFEST, json.dumps(files, indent=2) + "\n")


def damaged(folder: Path) -> Path | None:
    """The first file of a folder that is not what its manifest says, or the manifest itself; None if all are whole."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, facts in files.items():
            path = folder / name
            whole = path.is_file() and path.stat().st_size == facts["size"] and fingerprint(path) == facts["sha256"]
            if not whole:
                return path
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return folder / MANIFEST
    return None if files else folder / MANIFEST


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a run's folder against other runs; the system lets go of it when this process ends, however it ends."""
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{folder}: another run is at work here; wait for it, or give --out another folder") from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); give --out a folder that can be") from None
    try:
        yield
    finally:
        lock.release()
