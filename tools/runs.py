"""Rebuild the recorded runs in data/runs, and the models in data/models: python tools/runs.py [NAME ...].

A recorded run is a measurement too long for a notebook: its command, versions, machine and result in one JSON file,
which pages and README read. The chapters' own measurements are in bertmini/lab/experiments, the others are commands.
Two runs in the microworld also leave their models, in half precision, with a card beside each.
The environment variable WIKITEXT2 names a folder with WikiText-2's valid.txt and test.txt, for the run that needs them.
"""

import hashlib
import importlib
import json
import os
import pkgutil
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import bertmini
from bertmini.disk import replace_folder
from bertmini.evaluation import score
from bertmini.lab import experiments, figures
from bertmini.lab.figures.runs import run_curve
from bertmini.microworld import Grammar
from bertmini.microworld.generate import HELD_OUT_STORIES
from bertmini.microworld.measure import sample
from bertmini.mlm import fill_mask

ROOT = Path(__file__).resolve().parent.parent
RUNS = {
    "pretrain-manual-tiny": "bertmini pretrain --corpus manual --preset tiny --out RUN",
    "pretrain-wikitext2-tiny": (
        "bertmini pretrain --corpus WIKITEXT2/test.txt --held-out WIKITEXT2/valid.txt --preset tiny --out RUN"
    ),
    "pretrain-microworld-tiny": "bertmini pretrain --corpus microworld --preset tiny --out RUN",
    "pretrain-microworld-mini": "bertmini pretrain --corpus microworld --preset mini --steps 12500 --out RUN",
    "pretrain-microworld-tiny-long": "bertmini pretrain --corpus microworld --preset tiny --steps 50000 --out RUN",
}
STORED = ("pretrain-microworld-tiny", "pretrain-microworld-mini")  # their models, in data/models
SHOWN = ("pretrain-manual-tiny", "pretrain-microworld-mini")  # their curves, in README
EXPERIMENTS = {
    name: experiment
    for found in pkgutil.iter_modules(experiments.__path__)
    for name, experiment in importlib.import_module(f"{experiments.__name__}.{found.name}").RUNS.items()
}
BLANKS = [
    "the [MASK] is used to store the value.",
    "returns the [MASK] of the list.",
    "if the file does not [MASK], an error is raised.",
    "the function [MASK] a new object.",
]


def record(name: str) -> None:
    """Run one command in a folder that is thrown away, and write down what it measured."""
    command = RUNS[name]
    if "WIKITEXT2" in command and "WIKITEXT2" not in os.environ:
        print(f"{name}: left as it is; set WIKITEXT2 to a folder that holds WikiText-2's valid.txt and test.txt")
        return
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        begun = time.perf_counter()
        words = command.replace("WIKITEXT2", os.environ.get("WIKITEXT2", "")).replace("RUN", str(run))
        subprocess.run([sys.executable, "-m", *shlex.split(words)], check=True)
        seconds = time.perf_counter() - begun
        facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
        options = {key: value for key, value in facts["options"].items() if key not in ("corpus", "held_out")}
        model, tokenizer = bertmini.load(run / "model")
        result = conditions(command, seconds) | {
            "options": options,
            "parameters": bertmini.count_parameters(model.config).total,
            "metrics": [json.loads(line) for line in (run / "metrics.jsonl").open(encoding="utf-8")],
        }
        if name in STORED:
            keep(model, tokenizer, name.removeprefix("pretrain-"), result)
        elif "microworld" not in command:
            result["fill_mask"] = {text: fill_mask(model, tokenizer, text, 5) for text in BLANKS}
    path = write(name, result)
    if name in SHOWN:
        draw(path)


def measure(name: str) -> None:
    """Run one of the chapters' measurements, and write down what it gave."""
    begun = time.perf_counter()
    result = EXPERIMENTS[name]()
    write(name, conditions(f"python tools/runs.py {name}", time.perf_counter() - begun) | {"result": result})


def conditions(command: str, seconds: float) -> dict:
    """What was run, how long it took, on what, and with what."""
    threads = torch.get_num_threads()
    return {
        "command": command,
        "seconds": round(seconds),
        "machine": f"{threads} thread{'s' * (threads > 1)}, {platform.machine()}, {platform.system()}",
        "versions": {
            "bertmini": bertmini.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def write(name: str, result: dict) -> Path:
    path = ROOT / "data/runs" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    return path


def keep(model: bertmini.BertForPreTraining, tokenizer: bertmini.Tokenizer, name: str, run: dict) -> None:
    """Store a model of the microworld in data/models, and beside it what made it and how good it is as stored."""
    folder = ROOT / "data/models" / name
    replace_folder(folder, lambda beside: bertmini.save(beside, model.half(), tokenizer))
    stored, _ = bertmini.load(folder)
    seed = run["options"]["seed"]
    scores = score(stored, sample(Grammar.load(), HELD_OUT_STORIES, seed), tokenizer.mask_id)
    weights = (folder / "model.safetensors").read_bytes()
    card = {key: run[key] for key in ("command", "seconds", "machine", "versions")} | {
        "seed": seed,
        "licence": "CC0-1.0",
        "held_out_mlm_loss_masked": round(float(scores.nats[scores.masked].mean()), 4),
        "held_out_nsp_accuracy": round(float(scores.nsp_right.float().mean()), 4),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8", newline="\n")


def draw(path: Path) -> None:
    """The run's curve, as a picture for README."""
    figures.style()
    run_curve(json.loads(path.read_text(encoding="utf-8"))).savefig(
        ROOT / "book/_static" / f"{path.stem}.png", dpi=160, bbox_inches="tight"
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or [*RUNS, *EXPERIMENTS]:
        (record if name in RUNS else measure)(name)
