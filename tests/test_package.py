"""The package works where the repository is not: built into a wheel, installed elsewhere, run from a third folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bertmini

ROOT = Path(__file__).resolve().parent.parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    """A folder that holds the package as its wheel unpacks it, and nothing else."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "bertmini", source / "bertmini", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", source / "dist", source], check=True)
    wheel = next((source / "dist").glob("*.whl"))
    subprocess.run([*PIP, "install", "--no-deps", "--target", target, wheel], check=True)
    return target


def run(elsewhere: Path, folder: Path, *command) -> str:
    """The output of a command that sees the installed copy, started in another folder."""
    environment = os.environ | {"PYTHONPATH": str(elsewhere)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_copy_is_what_runs(elsewhere, tmp_path):
    where = run(elsewhere, tmp_path, sys.executable, "-c", "import bertmini; print(bertmini.__file__)")
    assert Path(where).is_relative_to(elsewhere)


def test_the_command_and_its_version(elsewhere, tmp_path):
    command = next((elsewhere / "bin").glob("bertmini*"))
    assert run(elsewhere, tmp_path, command, "--version") == f"bertmini {bertmini.__version__}"


def test_the_model_needs_four_libraries_only(elsewhere, tmp_path):
    """torch, numpy, tokenizers and safetensors: a program that loads a BERT need not have what trains or draws one."""
    missing = ("tqdm", "typer", "filelock", "huggingface_hub", "matplotlib", "ipywidgets", "transformers", "d2l")
    blocked = f"import sys; sys.modules |= dict.fromkeys({missing}); import bertmini; print(bertmini.Bert.__name__)"
    assert run(elsewhere, tmp_path, sys.executable, "-c", blocked) == "Bert"


def test_every_data_file_is_in_the_wheel(elsewhere):
    def data(folder: Path) -> set[str]:
        files = (path.relative_to(folder) for path in (folder / "bertmini").rglob("*") if path.is_file())
        return {path.as_posix() for path in files if "__pycache__" not in path.parts}

    assert data(elsewhere) == data(ROOT)


def test_two_steps_of_pretraining(elsewhere, tmp_path):
    verses = "The cat sat on the mat.\nIt looked at the moon.\nThe moon did not look back.\nSo the cat went home.\n"
    (tmp_path / "corpus.txt").write_text("\n".join([verses] * 40), encoding="utf-8")
    run(elsewhere, tmp_path, sys.executable, "-m", "bertmini", "pretrain", "--corpus", "corpus.txt", "--out", "run",
        "--vocab-size", "60", "--steps", "2", "--batch-size", "4", "--max-length", "32", "--device", "cpu")
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"metrics.jsonl", "checkpoints", "model"}
    assert (tmp_path / "run" / "model" / "model.safetensors").stat().st_size > 1_000_000
