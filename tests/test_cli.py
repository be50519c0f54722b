"""The command line as people type it: what works, and one sentence for what does not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import bertmini
from bertmini import BertConfig, cli
from bertmini.corpus import read_documents
from bertmini.disk import alone, replace_folder
from bertmini.hub import SHA256
from bertmini.microworld import Grammar, stories

TEXT = "\n\n".join(
    f"The {animal} {verb} over the {place}.\nThen the {animal} sleeps.\nThe {place} is quiet."
    for animal in ("cat", "dog", "fox", "owl")
    for verb in ("runs", "walks", "jumps")
    for place in ("hill", "field", "river")
)
SHORT = ["--steps", "4", "--batch-size", "4", "--max-length", "24", "--vocab-size", "80"]


def call(capsys, monkeypatch, *arguments):
    """Run the command line in this process. Returns (exit code, stdout, stderr)."""
    monkeypatch.setattr(sys, "argv", ["bertmini", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    out, err = capsys.readouterr()
    return stopped.value.code or 0, out, err


@pytest.fixture
def bertmini_(capsys, monkeypatch):
    handler = signal.getsignal(signal.SIGINT)
    yield lambda *arguments: call(capsys, monkeypatch, *arguments)
    signal.signal(signal.SIGINT, handler)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "stories.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def finished(corpus, tmp_path_factory):
    """A run of four steps; tests copy what they change."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    command = [sys.executable, "-m", "bertmini", "pretrain", "--corpus", corpus, "--out", out, *SHORT]
    subprocess.run(command, check=True, capture_output=True)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")  # no one reads a held lock
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def refused(result, *words):
    """Exit code 2, one or two lines on stderr, no traceback, every word in it."""
    code, _, err = result
    assert code == 2 and "Traceback" not in err and 1 <= len(err.strip().splitlines()) <= 2, err
    assert all(str(word) in err for word in words), err


def test_version(bertmini_):
    assert bertmini_("--version") == (0, f"bertmini {bertmini.__version__}\n", "")


def test_count(bertmini_):
    code, out, _ = bertmini_("count", "--preset", "base")
    assert code == 0 and out.splitlines()[-1].split() == ["total", "110,106,428"]
    counted = json.loads(bertmini_("count", "--preset", "large", "--json")[1])
    assert counted["total"] == 336_226_108 == sum(counted["parts"].values())


def test_a_run_holds_what_is_promised(finished):
    promised = {"run.json", "data", "manifest.json", "metrics.jsonl", "checkpoints", "model"}
    assert {path.name for path in finished.iterdir()} - {".lock"} == promised
    names = {"config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in (finished / "model").iterdir()} == names
    facts = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    assert facts["options"]["device"] in ("cpu", "cuda") and facts["options"]["precision"] in ("fp32", "bf16")


def test_fill_mask(bertmini_, finished):
    text = "the [MASK] sleeps over the [MASK]."
    code, out, _ = bertmini_("fill-mask", "--model", finished / "model", text, "--top", 3)
    assert code == 0 and len(out.splitlines()) == 2 * (1 + 3)
    first, second = json.loads(bertmini_("fill-mask", "--model", finished / "model", text, "--json")[1])
    assert len(first) == len(second) == 5 and set(first[0]) == {"token", "probability"}
    likely = [guess["probability"] for guess in first]
    assert likely == sorted(likely, reverse=True) and 0 < likely[0] < 1


def test_resuming_a_finished_run_changes_nothing(bertmini_, finished):
    before = contents(finished)
    code, out, _ = bertmini_("pretrain", "--out", finished, "--resume")
    assert code == 0 and "finished" in out and contents(finished) == before


def test_stop_after_tells_how_to_go_on(bertmini_, corpus, tmp_path):
    out = tmp_path / "run"
    code, told, _ = bertmini_("pretrain", "--corpus", corpus, "--out", out, *SHORT, "--stop-after", 2)
    assert code == 0 and f'pretrain --out "{out}" --resume' in told
    assert bertmini_("pretrain", "--out", out, "--resume")[0] == 0
    assert (out / "checkpoints/step-000004").is_dir()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_run_that_is_asked_to_end_saves_and_tells_how_to_go_on(corpus, tmp_path, asked):
    command = [sys.executable, "-m", "bertmini", "pretrain", "--corpus", corpus, "--out", tmp_path / "run", *SHORT]
    pipe = subprocess.PIPE
    process = subprocess.Popen([*command, "--steps", "30000"], stdout=pipe, stderr=pipe, text=True)
    metrics = tmp_path / "run/metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.read_text(encoding="utf-8").count("\n") > 1):
        time.sleep(0.05)
    process.send_signal(asked)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Go on with: " in out and "Traceback" not in err
    (checkpoint,) = (tmp_path / "run/checkpoints").iterdir()
    assert torch.load(checkpoint / "training.pt", weights_only=True)["place"][0] == int(checkpoint.name[5:]) > 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["stories.txt", "No such file"]),
        (b"", ["no sentences"]),
        (b" \n\n \n", ["no sentences"]),
        (b"PK\x03\x04\x00\x00", ["stories.txt, line 1", "not text"]),
        ("é".encode("latin-1"), ["stories.txt, line 1", "not UTF-8", "0xe9"]),
        (b"One sentence.", ["1 sentence"]),
        (b"One. Two. Three.", ["one document", "empty lines"]),
    ],
)
def test_a_corpus_that_cannot_be_used(bertmini_, tmp_path, content, words):
    path = tmp_path / "stories.txt"
    if content is not None:
        path.write_bytes(content)
    refused(bertmini_("pretrain", "--corpus", path, "--out", tmp_path / "run", *SHORT), *words)
    assert {path.name for path in tmp_path.glob("run/*")} <= {".lock"}  # so that the next try can begin


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--max-length", 7], ["--max-length is 7", "8 to 512"]),
        (["--max-length", 513], ["--max-length is 513", "8 to 512"]),
        (["--vocab-size", 20], ["vocabulary of 20", "smaller than the alphabet"]),
        (["--preset", "huge"], ["'huge'", "tiny, mini, small, medium, base, large"]),
        (["--steps", 0], ["--steps is 0"]),
        (["--batch-size", -1], ["--batch-size is -1"]),
        (["--learning-rate", 0], ["--learning-rate is 0"]),
        (["--masked-lm-prob", 1], ["--masked-lm-prob is 1.0", "less than 1"]),
        (["--masked-lm-prob", 0], ["--masked-lm-prob is 0.0", "more than 0"]),
        (["--seed", -1], ["--seed is -1"]),
        (["--device", "tpu"], ["'tpu'", "auto, cpu, cuda or mps"]),
        (["--precision", "fp8"], ["'fp8'", "auto, fp32 or bf16"]),
        (["--held-out", "none.txt"], ["none.txt"]),
    ],
)
def test_an_option_that_cannot_be_used(bertmini_, corpus, tmp_path, options, words):
    refused(bertmini_("pretrain", "--corpus", corpus, "--out", tmp_path / "run", *SHORT, *options), *words)
    assert {path.name for path in tmp_path.glob("run/*")} <= {".lock"}


def test_heads_must_share_the_hidden_size():
    with pytest.raises(bertmini.InputError, match="hidden_size 100 is not a multiple of num_attention_heads 3"):
        BertConfig(hidden_size=100, num_attention_heads=3)


def test_a_folder_that_is_in_use_is_left_alone(bertmini_, corpus, finished, tmp_path):
    before = contents(finished)
    refused(bertmini_("pretrain", "--corpus", corpus, "--out", finished, *SHORT), finished, "not empty", "--resume")
    assert contents(finished) == before
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    refused(bertmini_("pretrain", "--corpus", corpus, "--out", tmp_path / "file", *SHORT), "not empty")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_a_run_is_resumed_only_as_it_was(bertmini_, corpus, finished, tmp_path):
    before = contents(finished)
    for flag, value in [("--preset", "mini"), ("--seed", 7), ("--corpus", "manual"), ("--max-length", 128)]:
        refused(bertmini_("pretrain", "--out", finished, "--resume", flag, value), finished, flag, value)
    refused(bertmini_("pretrain", "--out", tmp_path / "none", "--resume"), tmp_path / "none", "no run to resume")
    assert contents(finished) == before
    assert bertmini_("pretrain", "--out", finished, "--resume", "--corpus", corpus, "--preset", "tiny")[0] == 0


def test_a_corpus_that_changed_under_a_run_is_noticed(bertmini_, tmp_path):
    path = tmp_path / "stories.txt"
    path.write_text(TEXT, encoding="utf-8")
    bertmini_("pretrain", "--corpus", path, "--out", tmp_path / "run", *SHORT, "--stop-after", 2)
    path.write_text(TEXT + " More.", encoding="utf-8")
    refused(bertmini_("pretrain", "--out", tmp_path / "run", "--resume"), path, "has changed")


def test_a_damaged_checkpoint_is_passed_over_and_told(bertmini_, corpus, finished, tmp_path):
    """Of the newest one some bytes, of the one before the manifest is lost; the run ends as if nothing had been."""
    out = tmp_path / "run"
    bertmini_("pretrain", "--corpus", corpus, "--out", out, *SHORT, "--stop-after", 3, "--save-every", 1)
    training = out / "checkpoints/step-000003/training.pt"
    training.write_bytes(training.read_bytes()[:-1] + b"?")
    (out / "checkpoints/step-000002/manifest.json").unlink()
    code, told, _ = bertmini_("pretrain", "--out", out, "--resume")
    assert code == 0 and f"{training} is missing or damaged: going on from step-000001." in told
    assert f"{out / 'checkpoints/step-000002/manifest.json'} is missing or damaged: going on from step-000001." in told
    assert contents(out / "checkpoints/step-000004") == contents(finished / "checkpoints/step-000004")
    for step in (3, 4):
        shutil.rmtree(out / f"checkpoints/step-00000{step}")
    for step in (1, 2):
        (out / f"checkpoints/step-00000{step}/training.pt").write_bytes(b"")
    code, told, _ = bertmini_("pretrain", "--out", out, "--resume")
    assert code == 0 and told.count("going on from the start.") == 2
    assert contents(out / "checkpoints/step-000004") == contents(finished / "checkpoints/step-000004")


@pytest.mark.parametrize("name", ["run.json", "data/vocab.txt", "data/train/tokens.bin", "data/held_out/corpus.json"])
def test_a_damaged_run_is_named(bertmini_, finished, tmp_path, name):
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    whole = (out / name).read_bytes()
    for broken in (whole[:-1], whole.replace(b"1", b"2").replace(b"a", b"b"), b""):
        (out / name).write_bytes(broken)
        refused(bertmini_("pretrain", "--out", out, "--resume"), out / name, "missing, changed or damaged")
    (out / "manifest.json").write_text("{", encoding="utf-8")
    refused(bertmini_("pretrain", "--out", out, "--resume"), out / "manifest.json", "missing, changed or damaged")


def test_old_checkpoints_are_pruned_where_asked(bertmini_, corpus, tmp_path):
    """A later one that is damaged does not count: the newest whole one always stays."""
    out = tmp_path / "run"

    def kept() -> list[str]:
        return sorted(path.name for path in (out / "checkpoints").iterdir())

    bertmini_("pretrain", "--corpus", corpus, "--out", out, *SHORT, "--save-every", 1, "--keep", 2, "--stop-after", 3)
    assert kept() == ["step-000002", "step-000003"]
    (out / "checkpoints/step-000003/training.pt").write_bytes(b"")
    (out / "checkpoints/step-000003").rename(out / "checkpoints/step-000009")
    (out / "checkpoints/step-000007.new").mkdir()  # what a kill during a save leaves
    assert bertmini_("pretrain", "--out", out, "--resume", "--keep", 1)[0] == 0
    assert kept() == ["step-000004", "step-000009"]
    assert bertmini_("pretrain", "--out", out, "--resume")[0] == 0


def test_two_runs_in_one_folder(bertmini_, corpus, tmp_path):
    out = tmp_path / "run"
    with alone(out):
        refused(bertmini_("pretrain", "--corpus", corpus, "--out", out, *SHORT), out, "another run is at work here")
        assert [path.name for path in out.iterdir()] == [".lock"]
    bertmini_("pretrain", "--corpus", corpus, "--out", out, *SHORT, "--stop-after", 2)
    with alone(out):
        before = contents(out)
        refused(bertmini_("pretrain", "--out", out, "--resume"), out, "another run is at work here")
        assert contents(out) == before
    assert bertmini_("pretrain", "--out", out, "--resume")[0] == 0


def test_a_run_that_died_while_preparing_can_begin_again(bertmini_, corpus, tmp_path):
    (tmp_path / "run/data").mkdir(parents=True)
    for name in ("data/vocab.txt", "run.json", "manifest.json.new"):  # the manifest is last: without it, nothing began
        (tmp_path / "run" / name).write_text("half", encoding="utf-8")
    refused(bertmini_("pretrain", "--out", tmp_path / "run", "--resume"), "no manifest.json", "leave --resume out")
    assert bertmini_("pretrain", "--corpus", corpus, "--out", tmp_path / "run", *SHORT)[0] == 0


def test_fill_mask_says_what_it_needs(bertmini_, finished, tmp_path):
    model = finished / "model"
    refused(bertmini_("fill-mask", "--model", model, "nothing hidden"), "no [MASK]")
    refused(bertmini_("fill-mask", "--model", model, "[MASK] " * 600), "602 tokens", "512")
    refused(bertmini_("fill-mask", "--model", tmp_path, "[MASK]"), "config.json", "no such file")
    headless = tmp_path / "headless"
    replace_folder(headless, lambda folder: [(folder / n).write_bytes(b) for n, b in contents(model).items()])
    tensors = load_file(model / "model.safetensors")
    save_file({name: t for name, t in tensors.items() if not name.startswith("cls.")}, headless / "model.safetensors")
    refused(bertmini_("fill-mask", "--model", headless, "[MASK]"), "no masked-language-model head")


def test_a_broken_or_foreign_checkpoint_is_named(bertmini_, finished, tmp_path):
    model = tmp_path / "model"
    replace_folder(model, lambda folder: [(folder / n).write_bytes(b) for n, b in contents(finished / "model").items()])
    whole = (model / "model.safetensors").read_bytes()
    for broken in (whole[:1000], whole[:-7], b"", b"not one at all"):
        (model / "model.safetensors").write_bytes(broken)
        refused(bertmini_("fill-mask", "--model", model, "[MASK]"), "model.safetensors", "not a whole safetensors file")
    save_file({"something.else": torch.zeros(3)}, model / "model.safetensors")
    refused(bertmini_("fill-mask", "--model", model, "[MASK]"), "model.safetensors", "no tensor")


def test_checkpoints_that_cannot_be_used(bertmini_, finished, tmp_path, monkeypatch):
    """The reader of the command line gets one sentence, whatever is wrong with the checkpoint."""
    model = tmp_path / "model"
    whole = contents(finished / "model")

    def spoil(name: str, content: bytes | None) -> None:
        replace_folder(model, lambda folder: [(folder / n).write_bytes(b) for n, b in whole.items()])
        (model / name).unlink() if content is None else (model / name).write_bytes(content)

    def look(*words: str) -> None:
        refused(bertmini_("fill-mask", "--model", model, "[MASK]"), *words)

    spoil("config.json", None)
    look("config.json", "no such file", "a checkpoint's folder holds a config.json")
    spoil("config.json", whole["config.json"].replace(b'"bert"', b'"roberta"'))
    look("config.json", "model_type is 'roberta'")
    spoil("vocab.txt", whole["vocab.txt"] + b"onemore\ntwomore\n")
    look("tokens in the vocabulary", "take both from one checkpoint")
    spoil("model.safetensors", b"\xff" * 8 + whole["model.safetensors"][8:])
    look("model.safetensors", "not a whole safetensors file")
    spoil("model.safetensors", None)
    tensors = load_file(finished / "model/model.safetensors")
    tensors["bert.embeddings.LayerNorm.bias"][3] = torch.nan
    save_file(tensors, model / "model.safetensors")
    look("model.safetensors", "bert.embeddings.LayerNorm.bias holds numbers that are not finite")

    monkeypatch.setitem(SHA256, "vocab.txt", "0" * 64)
    refused(bertmini_("fill-mask", "--model", "minilm", "[MASK]"), "vocab.txt", "its sha256 is not 000000000000")
    monkeypatch.undo()
    refused(bertmini_("fill-mask", "--model", "minilm", "[MASK]"), "no masked-language-model head")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    answer = bertmini_("fill-mask", "--model", "nobody/has-this", "[MASK]")
    refused(answer, "nobody/has-this", "no such folder", "check the name and the network")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
def test_a_full_disk_leaves_what_was_saved(corpus, tmp_path):
    """The system refuses to write more than 3 MB into a file, as a full disk would; the checkpoint needs more."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "bertmini", "pretrain", "--out", out]
    subprocess.run([*command, "--corpus", corpus, *SHORT, "--stop-after", "2"], check=True, capture_output=True)
    before = contents(out)
    limited = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000));"
        f"sys.argv = ['bertmini', 'pretrain', '--out', {str(out)!r}, '--resume']; runpy.run_module('bertmini')"
    )
    result = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True)
    assert result.returncode == 2 and "could not be saved" in result.stderr and "Traceback" not in result.stderr
    after = contents(out)
    kept = [name for name in before if name.startswith(("data", "checkpoints", "run.json"))]
    assert len(kept) > 5 and all(after[name] == before[name] for name in kept)
    bertmini.load(out / "model")  # written before the checkpoint, and whole
    assert len(list((out / "checkpoints").iterdir())) == 1
    subprocess.run([*command, "--resume"], check=True, capture_output=True)
    assert (out / "checkpoints/step-000004").is_dir()


def test_stories_are_a_corpus(bertmini_, tmp_path):
    code, out, _ = bertmini_("microworld", "--documents", 5, "--seed", 7)
    (tmp_path / "corpus.txt").write_text(out, encoding="utf-8")
    told = stories(Grammar.load(), 7)
    assert code == 0 and list(read_documents(tmp_path / "corpus.txt")) == [next(told).texts() for _ in range(5)]


def test_what_a_teacher_asks_of_a_grammar(bertmini_):
    code, out, _ = bertmini_("microworld", "--check", "--documents", 20)
    assert code == 0 and "phenomena     none is missing" in out and "unused slots  none" in out
    code, out, _ = bertmini_("microworld", "--floor", "--documents", 20)
    assert code == 0 and "sees its own sentence" in out and "best sentence-order accuracy" in out


def test_a_bad_grammar_is_told_in_a_line(bertmini_, tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text('[hidden]\nmood = ["a", "b"]\n[slots]\nface = { mood = { a = "x" } }\n', encoding="utf-8")
    result = bertmini_("microworld", "--check", "--grammar", bad)
    refused(result, "bad.toml, slots.face.mood: give one row to each of a, b")
    assert len(result[2].splitlines()) == 1
    refused(bertmini_("pretrain", "--corpus", bad, "--out", tmp_path / "run"), "slots.face.mood")


def test_measuring_needs_stories_and_one_question(bertmini_):
    refused(bertmini_("microworld", "--floor", "--documents", 1), "--documents 10 or more")
    refused(bertmini_("microworld", "--floor", "--check"), "one at a time")


def test_a_reader_who_has_enough_is_no_error():
    command = [sys.executable, "-m", "bertmini", "microworld", "--documents", "20000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().endswith(".\n")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait()
