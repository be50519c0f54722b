"""Rebuild the recorded runs in data/runs: python tools/runs.py [NAME ...].

A recorded run is a measurement too long for a notebook: its command, versions, machine and result in one JSON file,
which pages and README read. The environment variable WIKITEXT2 names a folder with WikiText-2's valid.txt and test.txt,
for the run that needs them.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import bertmini
from bertmini.lab import figures
from bertmini.mlm import fill_mask

ROOT = Path(__file__).resolve().parent.parent
RUNS = {
    "pretrain-manual-tiny": "bertmini pretrain --corpus manual --preset tiny --out RUN",
    "pretrain-wikitext2-tiny": (
        "bertmini pretrain --corpus WIKITEXT2/test.txt --held-out WIKITEXT2/valid.txt --preset tiny --out RUN"
    ),
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
        result = {
            "command": command,
            "seconds": round(seconds),
            "machine": f"{torch.get_num_threads()} threads, {platform.machine()}, {platform.system()}",
            "versions": {"bertmini": facts["bertmini"], "torch": facts["torch"], "python": platform.python_version()},
            "options": options,
            "parameters": bertmini.count_parameters(model.config).total,
            "metrics": [json.loads(line) for line in (run / "metrics.jsonl").open(encoding="utf-8")],
            "fill_mask": {text: fill_mask(model, tokenizer, text, 5) for text in BLANKS},
        }
    path = ROOT / "data/runs" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    draw(path)


def draw(path: Path) -> None:
    """The run's curve, for the README and the book."""
    figures.style()
    figures.run_curve(json.loads(path.read_text(encoding="utf-8"))).savefig(
        ROOT / "book/_static" / f"{path.stem}.png", dpi=160, bbox_inches="tight"
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or RUNS:
        record(name)
