"""What every checkout must be, whoever makes it: free of one machine's traces, and started by commands that work."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
BINARY = {".png", ".ico", ".npy", ".npz", ".safetensors", ".pt", ".gz", ".zip"}
HAS_MAKE = pytest.mark.skipif(os.name == "nt", reason="Windows goes without make")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def make(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_no_traces_of_one_machine():
    """No path of someone's disk, no package index but the one that is named, LF at the end of lines."""
    path_of_a_disk = re.compile(r"(?<![\w.:/])/(?:root|home|Users|work|opt|mnt)/\w|\b[A-Z]:\\Users\b")
    index = re.compile(r"https?://[^\s\"'`)]*(?:/simple|/whl|registry|mirror|\bpypi\b)[^\s\"'`)]*")
    for path in tracked():
        if path.suffix in BINARY:
            continue
        data = path.read_bytes()
        assert b"\r\n" not in data, f"{path} has Windows line ends"
        text = data.decode("utf-8")
        assert not (found := path_of_a_disk.search(text)), f"{path}: {text[found.start() - 20:found.end() + 20]}"
        if path != Path(__file__).resolve():
            assert {url.rstrip(".,") for url in index.findall(text)} <= {TORCH_INDEX}, path


def test_every_requirement_is_pinned():
    for name in ("requirements.txt", "requirements-nodeps.txt"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        for line in filter(None, (line.partition("#")[0].strip() for line in lines)):
            assert re.fullmatch(r"[\w.-]+==[\w.]+( --hash=sha256:[0-9a-f]{64})*", line), line


def test_what_the_package_needs_is_installed_by_the_book_too():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    wanted = project["dependencies"] + project["optional-dependencies"]["lab"]
    assert {re.match(r"[\w-]+", name)[0] for name in wanted} <= set(pinned)


def test_the_workflow_fits_its_schema():
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*check, ROOT / ".github" / "workflows" / "test.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@HAS_MAKE
def test_another_python_is_refused_in_one_sentence(tmp_path):
    """An old Python is played by a script that runs the check with a made-up version."""
    old = tmp_path / "python3.10"
    old.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'import runpy, sys; sys.version_info = (3, 10, 4); del sys.argv[0]; "
        "runpy.run_path(sys.argv[0], run_name=\"__main__\")' \"$@\"\n", encoding="utf-8")
    old.chmod(0o755)
    done = make("book", f"PYTHON={old}")
    assert done.returncode == 2
    assert "needs 3.11, 3.12 or 3.13: name one, as in `make PYTHON=" in done.stderr.splitlines()[0]
    assert "Collecting" not in done.stdout


@HAS_MAKE
def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[1].split()
    shown = re.findall(r"^  make (\w+) ", make("help").stdout, flags=re.MULTILINE)
    assert set(shown) == set(phony) - {"check-python"}
