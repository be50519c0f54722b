"""Writing that a crash leaves whole: the old or the new, never half of one; a manifest; one run a folder."""

import json
import os
import tempfile
from pathlib import Path

import pytest

from bertmini import InputError, disk
from bertmini.disk import alone, damaged, flush, replace_file, replace_folder, write_manifest


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    for text in ("old", "new"):
        replace_folder(tmp_path / "model", lambda to, text=text: (to / f"{text}.txt").write_text(text, "utf-8"))
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        assert [path.name for path in (tmp_path / "model").iterdir()] == [f"{text}.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("full"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_what_was_there(error, tmp_path):
    replace_folder(tmp_path / "model", lambda to: (to / "old.txt").write_text("old", "utf-8"))

    def fail(to: Path) -> None:
        (to / "half.txt").write_text("ha", "utf-8")
        raise error

    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else InputError) as caught:
        replace_folder(tmp_path / "model", fail)
    if not isinstance(error, KeyboardInterrupt):
        assert str(tmp_path / "model") in str(caught.value)
        assert "make room" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "old.txt").read_text(encoding="utf-8") == "old"


def test_a_rename_that_fails_brings_the_old_folder_back(tmp_path, monkeypatch):
    """As on Windows, where another program may hold a folder for a moment."""
    folder = tmp_path / "model"
    replace_folder(folder, lambda beside: (beside / "a.txt").write_text("old", encoding="utf-8"))
    rename = Path.rename

    def held(self, target):
        if self.name.endswith(".new"):
            raise PermissionError("held by another program")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", held)
    with pytest.raises(InputError, match="close what uses it"):
        replace_folder(folder, lambda beside: (beside / "a.txt").write_text("new", encoding="utf-8"))
    assert (folder / "a.txt").read_text(encoding="utf-8") == "old"


def test_a_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
    replace_file(tmp_path / "run.json", "old")

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "flush", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(tmp_path / "run.json", "new")
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == "old"


def test_flushing_reaches_files_and_the_folders_that_name_them(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_ino))
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "file", tmp_path):
        flush(path)
    assert flushed == [path.stat().st_ino for path in (tmp_path / "file", tmp_path)][: 1 if os.name == "nt" else 2]


def test_everything_is_on_the_disk_before_it_is_renamed_and_the_manifest_is_last(tmp_path, monkeypatch):
    events, rename = [], Path.rename
    monkeypatch.setattr(disk, "flush", lambda path: events.append(path.name))
    monkeypatch.setattr(Path, "rename", lambda self, to: (events.append(f"-> {to.name}"), rename(self, to)))

    def write(folder: Path) -> None:
        (folder / "deep").mkdir()
        for name in ("training.pt", "deep/LICENCE"):
            (folder / name).write_bytes(b"x")
        write_manifest(folder, folder.rglob("*"))

    replace_folder(tmp_path / "step", write)
    last = events.index("-> step")
    assert {"training.pt", "LICENCE", "deep", "manifest.json", "step.new"} == set(events[:last]) - {"manifest.json.new"}
    assert events.index("manifest.json.new") == 2 and set(events[:2]) == {"training.pt", "LICENCE"}
    assert events[last + 1 :] == [tmp_path.name]


@pytest.fixture
def sealed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "training.pt").write_bytes(b"abc")
    (tmp_path / "data/vocab.txt").write_bytes(b"")
    write_manifest(tmp_path, tmp_path.rglob("*"))
    return tmp_path


def test_a_manifest_names_every_file_with_size_and_sha256(sealed):
    assert json.loads((sealed / "manifest.json").read_text(encoding="utf-8")) == {
        "data/vocab.txt": {"size": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        "training.pt": {"size": 3, "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    }
    assert damaged(sealed) is None


@pytest.mark.parametrize("content", [None, b"ab", b"abd", b"abcd"])
def test_a_file_that_is_not_what_the_manifest_says_is_found(sealed, content):
    (sealed / "training.pt").unlink()
    if content:
        (sealed / "training.pt").write_bytes(content)
    assert damaged(sealed) == sealed / "training.pt"


NO_MANIFESTS = ["", "{}", "[]", "7", "\xff", "[" * 10**5, '{"a": 3}', '{"a": {"size": 3}}', '{"\\u0000": {}}']


@pytest.mark.parametrize("content", [None, *NO_MANIFESTS])
def test_a_manifest_that_is_damaged_vouches_for_nothing(sealed, content):
    (sealed / "manifest.json").unlink()
    if content is not None:
        (sealed / "manifest.json").write_text(content, encoding="latin-1")
    assert damaged(sealed) is not None


def test_two_runs_cannot_hold_one_folder(tmp_path):
    out = tmp_path / "run"
    with alone(out):
        with pytest.raises(InputError) as error, alone(out):
            pass
        assert str(error.value) == f"{out}: another run is at work here; wait for it, or give --out another folder"
    with alone(out):  # and are free to once it is over
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no one from writing into a folder by a mode")
def test_a_folder_that_cannot_be_written_is_told_in_a_sentence():
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o555)
        root = os.geteuid() == 0  # whom no mode stops, so it becomes another user for a moment
        try:
            if root:
                os.seteuid(65534)
            for folder in (Path(parent), Path(parent) / "run"):
                with pytest.raises(InputError) as error, alone(folder):
                    pass
                assert str(error.value).startswith(f"{folder}: cannot be written (Permission denied); give --out ")
                assert not list(Path(parent).iterdir())
        finally:
            if root:
                os.seteuid(0)
            Path(parent).chmod(0o755)
