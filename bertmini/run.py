"""A run's folder: begun once, described in run.json, resumed as it was.

run.json                    the options, resolved, and the model's config
data/                       the vocabulary, two corpora, train/ and held_out/, and a microworld's grammar.toml
manifest.json               the size and sha256 of these; written last, so where it is missing no run has begun
metrics.jsonl               one line a logged step
checkpoints/step-000200/    all that an exact resume needs, with a manifest of its own
model/                      what `bertmini.load` and `transformers` read
"""

import dataclasses
import json
from functools import partial
from pathlib import Path

import torch

import bertmini
from bertmini.config import BertConfig, InputError
from bertmini.corpus import Repeatable, prepare, read_documents
from bertmini.disk import MANIFEST, alone, damaged, fingerprint, replace_file, replace_folder, write_manifest
from bertmini.manual import manual_documents
from bertmini.microworld import Grammar, prepare_world
from bertmini.microworld.grammar import MAX_LENGTH
from bertmini.mlm import CHOSEN
from bertmini.tokenizer import Tokenizer
from bertmini.train import SHORTEST, Options

# What is left of a run that was killed while it prepared its data.
LEFTOVERS = {"data", "data.new", "data.old", "run.json", "run.json.new", MANIFEST + ".new", ".lock"}
NOT_FILES = ("manual", "microworld", None)

# The largest rate, where none is given: the original's for its two sizes, tried for tiny, between the two for the rest.
RATES = {"tiny": 3e-3, "mini": 1e-3, "small": 5e-4, "medium": 3e-4, "base": 1e-4, "large": 1e-4}

# Where none is given, by kind of corpus: all of it tried with tiny.
TEXT = {"vocab_size": 4000, "steps": 2600, "batch_size": 32, "max_length": 128, "masked_lm_prob": CHOSEN}
WORLD = {"steps": 8_500, "batch_size": 16, "max_length": MAX_LENGTH, "masked_lm_prob": 0.3}
WORLD_RATES = RATES | {"tiny": 1e-3, "mini": 5e-4}  # smaller batches; twice these rates did worse
# A world's stories do not run out, so there is nothing to overfit; and larger first weights shorten the first plateau.
WORLD_MODEL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.06}
MOST_STORIES = 50_000  # of a microworld; each gives another window, with other masks, in each epoch


def begin(out: Path, options: Options) -> tuple[BertConfig, Options]:
    """Check the options, prepare the data and write run.json. Returns the model's config and the options, resolved."""
    world = is_world(options.corpus)
    if world:
        for flag, given in (("--vocab-size", options.vocab_size), ("--held-out", options.held_out)):
            if given is not None:
                raise InputError(f"{flag} {given}: a microworld brings its own words and stories; leave {flag} out")
        grammar = load_grammar(options.corpus)
    defaults = WORLD | {"vocab_size": len(grammar.tokenizer)} if world else TEXT
    missing = {key: value for key, value in defaults.items() if getattr(options, key) is None}
    options = dataclasses.replace(options, **missing)
    config = BertConfig.preset(options.preset, vocab_size=options.vocab_size)
    if world:
        config = dataclasses.replace(config, **WORLD_MODEL)
        if options.max_length < MAX_LENGTH:
            raise InputError(f"--max-length is {options.max_length}: the microworld's sentences need {MAX_LENGTH}")
    if options.learning_rate is None:
        options = dataclasses.replace(options, learning_rate=(WORLD_RATES if world else RATES)[options.preset])
    for key in ("steps", "batch_size", "learning_rate"):
        if getattr(options, key) <= 0:
            raise InputError(f"--{key.replace('_', '-')} is {getattr(options, key)}: it must be more than 0")
    if not 0 < options.masked_lm_prob < 1:
        raise InputError(f"--masked-lm-prob is {options.masked_lm_prob}: choose more than 0 and less than 1")
    if not 0 <= options.seed < 2**63:
        raise InputError(f"--seed is {options.seed}: it must be 0 or more, and under 2 to the 63rd")
    if not SHORTEST <= options.max_length <= config.max_position_embeddings:
        raise InputError(
            f"--max-length is {options.max_length}: choose from {SHORTEST} to {config.max_position_embeddings}"
        )
    options = resolve(options)
    require_empty(out)
    with alone(out):
        require_empty(out)  # another run may have begun since
        if world:
            count = max(2, min(MOST_STORIES, options.steps * options.batch_size))
            write = partial(prepare_world, grammar, count, options.seed)
        else:
            corpus, held_out = documents(options.corpus), options.held_out and documents(options.held_out)
            write = partial(prepare, corpus, held_out, options.vocab_size, options.seed)
        replace_folder(out / "data", write)
        config = dataclasses.replace(config, vocab_size=len(Tokenizer.load(out / "data")))
        facts = {
            "bertmini": bertmini.__version__,
            "torch": torch.__version__,
            "options": dataclasses.asdict(options),
            "config": dataclasses.asdict(config),
            "sha256": {name: fingerprint(name) for name in (options.corpus, options.held_out) if name not in NOT_FILES},
        }
        replace_file(out / "run.json", json.dumps(facts, indent=2) + "\n")
        write_manifest(out, [out / "run.json", *(out / "data").rglob("*")])
    return config, options


def require_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - LEFTOVERS):
        raise InputError(f"{out} is not empty: give --out another folder, or add --resume to go on with the run in it")


def resume(out: Path, given: dict) -> tuple[BertConfig, Options]:
    """Read run.json back; InputError where a given option, the corpus or the data is not what the run began with."""
    if not (out / MANIFEST).exists():
        raise InputError(f"{out}: no {MANIFEST}, so there is no run to resume; leave --resume out to begin one")
    if path := damaged(out):
        raise InputError(f"{path}: missing, changed or damaged; put the old one back, or begin a run in another folder")
    facts = json.loads((out / "run.json").read_text(encoding="utf-8"))
    config, options, hashes = BertConfig(**facts["config"]), Options(**facts["options"]), facts["sha256"]
    for key, value in given.items():
        before, now = getattr(options, key), absolute(value) if key in ("corpus", "held_out") else value
        if now != before and not (now == "auto" and key in ("device", "precision")):
            flag = "--" + key.replace("_", "-")
            raise InputError(
                f"{out}: this run has {flag} {before}, not {now}; leave {flag} out, or begin a run in another folder"
            )
    for name, sha256 in hashes.items():
        if Path(name).exists() and fingerprint(name) != sha256:
            raise InputError(
                f"{name} has changed since the run in {out} began: put the old text back, or begin a new run"
            )
    require_device(options.device)
    return config, options


def resolve(options: Options) -> Options:
    """Turn "auto" into what this machine has, once, so that run.json records it; corpus files become absolute paths."""
    device, precision = options.device, options.precision
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda", "mps"):
        raise InputError(f"--device is {device!r}: choose auto, cpu, cuda or mps")
    require_device(device)
    if precision == "auto":
        precision = "bf16" if device == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if precision not in ("fp32", "bf16"):
        raise InputError(f"--precision is {precision!r}: choose auto, fp32 or bf16")
    files = {"corpus": absolute(options.corpus), "held_out": absolute(options.held_out)}
    return dataclasses.replace(options, device=device, precision=precision, **files)


def require_device(device: str) -> None:
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not here[device]:
        raise InputError(f"--device is {device}, which this machine or this build of PyTorch lacks: go where it is")


def absolute(corpus: str | None) -> str | None:
    return corpus if corpus in NOT_FILES else str(Path(corpus).absolute())


def documents(corpus: str) -> Repeatable | list[list[str]]:
    """The documents of a corpus by its name: manual, or a file that is read again each time."""
    return list(manual_documents()) if corpus == "manual" else Repeatable(lambda: read_documents(corpus))


def is_world(corpus: str) -> bool:
    """Whether a corpus is told by a grammar: the book's own, or a teacher's, whose file ends in .toml."""
    return corpus == "microworld" or corpus.endswith(".toml")


def load_grammar(corpus: str) -> Grammar:
    return Grammar.load() if corpus == "microworld" else Grammar.load(corpus)
