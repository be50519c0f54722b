"""Damaged input of every kind, as the command line reads it: it works, or one sentence; no hang, no stray file.

`make soak` tries 20,000 mutations, the normal run a few hundred. Whatever they once broke is a literal test at the end.
"""

import io
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import bertmini
from bertmini import BertConfig, BertForPreTraining, InputError, Tokenizer, cli, disk, save
from bertmini.corpus import Corpus
from bertmini.evaluation import held_out_batches
from bertmini.microworld import Grammar, stories
from bertmini.microworld.measure import check_lines
from bertmini.mlm import fill_mask
from bertmini.run import begin, resume
from bertmini.saved import keep_metrics, newest_checkpoint, read_state
from bertmini.train import Options, stream

TEXT = "\n\n".join(
    f"The {animal} {verb} over the {place}.\nThen the {animal} sleeps.\nThe {place} is quiet."
    for animal in ("cat", "dog", "fox")
    for verb in ("runs", "walks")
    for place in ("hill", "river")
)
WORLD = """
[hidden]
who = ["ann", "bob"]
mood = ["good", "bad"]

[slots]
place = ["hill", "old mill"]
thing = { cup = 0.75, "old hat" = 0.25 }
sky = { mood = { good = "blue", bad = ["grey", "dark"] } }

[scenes.dawn]
first = ["{who} wakes on the {place} .", "the sky is {sky} ."]
again = 0.5
next = { noon = 1.0 }

[scenes.noon]
first = ["{who} finds a {thing} ."]
second = ["the {thing} is {who} 's ."]
again = 0.25
next = { dusk = 0.5, night = 0.5 }

[scenes.dusk]
first = ["the sky is {sky} again ."]
next = ["night"]

[scenes.night]
first = ["all sleep ."]
again = 1.0

[pieces]
wakes = ["wake", "##s"]

[labels]
hypothesis = "the sky is blue ."
questions = { thing = "what is found ?" }

[phenomena]
names = ["{who}"]
colour = ["blue", "grey"]
"""
WORLD = WORLD.replace(" 's .", " to keep .")
OPTIONS = {"steps": 2, "batch_size": 2, "max_length": 24, "vocab_size": 80, "device": "cpu", "precision": "fp32"}
DEEP, MANY = "deep in there", "many of them"  # placeholders for what json.dumps would choke on
VALUES = [
    None, True, False, 0, 1, -1, 2, 3.7, 10**7, 2**31, 2**63, 10**12, -(10**30), 1e308, float("nan"), float("inf"),
    "", "a", "\0", "\ud800", "a\nb", "../../up", "é" * 300, "[UNK]",
    [], [1, 2], ["a"], [[]], {}, {"a": 1}, {"": None}, DEEP, MANY,
]  # fmt: skip
TOKENS = [
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\xe2\x80\xa8", b"\xed\xa0\x80", b'"', b"{", b"}", b"[", b"]",
    b"-", b"=", b".", b"##", b"[MASK]", b"{who}", b"1e999", b"9" * 5000, b"[" * 50_000,
    b'{"a":' * 50_000, b'"a": 1, ',
]  # fmt: skip


def mutated(data: bytes, chance: Random) -> bytes:
    """A file with one to three mistakes in its bytes or its lines; in its values where it is JSON."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        data = chance.choice((other_values, other_values, other_bytes, other_lines))(data, chance)
    return data


def other_bytes(data: bytes, chance: Random) -> bytes:
    a = chance.randint(0, len(data))
    b = min(len(data), a + chance.choice((0, 1, 1, 2, 8, 200)))
    new = chance.choice((b"", bytes([chance.randrange(256)]), chance.choice(TOKENS), data[a:b] * 2, data[:50]))
    return data[:a] if chance.random() < 0.2 else data[:a] + new + data[b:]


def other_lines(data: bytes, chance: Random) -> bytes:
    """Lines, or where there is one line its words, lost, doubled, swapped or replaced."""
    parts = re.split(rb"(\n)" if data.count(b"\n") > 3 else rb"(\W+)", data)
    i, j = chance.randrange(len(parts)), chance.randrange(len(parts))
    new = chance.choice(([], [parts[i]] * 2, [parts[j]], [chance.choice(TOKENS)]))
    return b"".join([*parts[:i], *new, *parts[i + 1 :]])


def other_values(data: bytes, chance: Random) -> bytes:
    """JSON, lines of it, TOML or a header of safetensors with another value; any other file with other bytes."""
    if data[8:9] == b"{" and data[:1] != b"{":  # safetensors: the length of the header, the header, the tensors
        size = int.from_bytes(data[:8], "little")
        header = other_values(data[8 : 8 + size], chance)
        return len(header).to_bytes(8, "little") + header + data[8 + size :]
    for read, write in (
        (json.loads, json.dumps),
        (lambda text: [json.loads(line) for line in text.splitlines()], lambda tree: "\n".join(map(json.dumps, tree))),
        (tomllib.loads, lambda tree: "\n".join(f"{json.dumps(key)} = {toml(tree[key])}" for key in tree)),
    ):
        try:
            tree = read(data.decode("utf-8"))
        except (ValueError, RecursionError):
            continue
        if tree and isinstance(tree, dict | list):
            other_tree(tree, chance)
            text = write(tree)
            text = text.replace(f'"{DEEP}"', "[" * 20_000 + "]" * 20_000).replace(f'"{MANY}"', str([0] * 20_000))
            return text.encode("utf-8", "surrogatepass")
    return other_bytes(data, chance)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list) else json.dumps(value or 0)


def other_tree(tree: dict | list, chance: Random) -> None:
    """A value is replaced, lost, moved or changed a little, or a key has another name; half of the time at the top."""

    def inside(node: dict | list) -> list[tuple]:
        return [(node, key) for key in (node if isinstance(node, dict) else range(len(node)))]

    places = inside(tree)
    if chance.random() < 0.5:
        for node, key in places:
            places += inside(node[key]) if isinstance(node[key], dict | list) else []
    (node, key), (other, name) = chance.choice(places), chance.choice(places)
    value, what = node[key], chance.randrange(8)
    if what == 0:
        del node[key]
    elif what == 1:
        node[key] = json.loads(json.dumps(other[name]))
    elif what == 2 and isinstance(node, dict):
        node[str(chance.choice((name, "new", "", "\ud800")))] = node.pop(key)
    elif isinstance(value, int | float) and what < 6:
        node[key] = chance.choice((value + 1, -value, value * 10**9, str(value), value / 3))
    elif isinstance(value, list | str) and what < 4:
        node[key] = value[::-1]
    else:
        node[key] = chance.choice(VALUES)


written: list[str] = []  # by this process, outside the folder where it may write
watched: list[Path] = []  # that folder, while a command runs


def watch(event: str, arguments: tuple) -> None:
    writes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")
    if watched and (writes or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))):
        for path in arguments[: 2 if event == "os.rename" else 1]:
            if isinstance(path, str | Path) and Path(path).is_absolute() and not Path(path).is_relative_to(watched[0]):
                written.append(f"{event} {path}")


sys.addaudithook(watch)


@contextmanager
def bounded(out: Path) -> Iterator[None]:
    """Half a minute and, on Linux, two gigabytes more than now; writing only into `out`."""

    def hang(signum: int, frame: object) -> None:
        raise AssertionError("no end in 30 seconds")

    if sys.platform == "linux":
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2 * 2**30, before[1]))
    if os.name != "nt":
        signal.signal(signal.SIGALRM, hang)
        signal.alarm(30)
    watched.append(out)
    tempfile.tempdir = str(out)  # measuring needs a folder for a while
    try:
        yield
    finally:
        watched.clear()
        tempfile.tempdir = None
        if os.name != "nt":
            signal.alarm(0)
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, before)


def told(command: Callable[[], object], out: Path) -> str | None:
    """What `bertmini.cli.main` prints for a command: a sentence, or None where it works."""
    sentence = None
    with bounded(out):
        try:
            command()
        except InputError as error:
            sentence = str(error)
        except OSError as error:
            sentence = error.strerror
            assert sentence, repr(error)
    assert not written, written
    if sentence is not None:
        with redirect_stderr(io.StringIO()) as printed:
            assert cli.tell(sentence) == 2
        assert printed.getvalue().count("\n") == 1 and len(printed.getvalue()) < 2_100
    return sentence


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder of each kind of input, whole."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "stories.txt").write_text(TEXT, encoding="utf-8")
    (folder / "world.toml").write_text(WORLD, encoding="utf-8")
    config, _ = begin(folder / "run", Options(corpus=str(folder / "stories.txt"), **OPTIONS))
    shape = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    torch.manual_seed(0)
    model = BertForPreTraining(BertConfig(config.vocab_size, max_position_embeddings=16, **shape))
    save(folder / "model", model, Tokenizer.load(folder / "run/data"))
    lines = [f'{{"step": {step}, "epoch": 0, "mlm_loss": 4.5, "lr": 1e-05}}\n' for step in range(5)]
    (folder / "run/metrics.jsonl").write_text("".join(lines), encoding="utf-8")
    for step in (1, 2):
        (folder / f"run/checkpoints/step-00000{step}").mkdir(parents=True)
        torch.save({"place": [step]}, folder / f"run/checkpoints/step-00000{step}/training.pt")
        disk.write_manifest(folder / f"run/checkpoints/step-00000{step}", (folder / "run").glob(f"*/*{step}/*.pt"))
    read_model(folder / "model", folder)  # what torch imports, and the folder it makes for that, come with the first
    return folder


def read_model(folder: Path, out: Path) -> None:
    for row in fill_mask(*bertmini.load(folder), "the [MASK] runs over the hill."):
        print(row)


def read_corpus(path: Path, out: Path) -> None:
    begin(out, Options(corpus=str(path), **OPTIONS))
    tokenizer = Tokenizer.load(out / "data")
    training, held_out = (Corpus.open(out / "data" / name) for name in ("train", "held_out"))
    held_out_batches(held_out, tokenizer, 24, 2, most=10)
    next(stream(training, tokenizer, Options(**OPTIONS), 0, 0, 0))


def read_grammar(path: Path, out: Path) -> None:
    world = Grammar.load(path)
    print(*(story.texts() for story in islice(stories(world, 0), 3)), *check_lines(world, 10, 0))
    begin(out, Options(corpus=str(path), steps=1, batch_size=2, device="cpu", precision="fp32"))


def read_run(folder: Path, out: Path) -> None:
    resume(folder, {})
    newest = newest_checkpoint(folder)
    step = read_state(newest / "training.pt", torch.device("cpu"))["place"][0] if newest else -1
    keep_metrics(folder / "metrics.jsonl", step)


# What is damaged, how it is read, and how many of 20,000 it gets.
KINDS = {
    "model/config.json": (read_model, 3500),
    "model/model.safetensors": (read_model, 4000),
    "model/vocab.txt": (read_model, 2000),
    "model/tokenizer.json": (read_model, 2500),
    "model/tokenizer_config.json": (read_model, 1000),
    "stories.txt": (read_corpus, 2000),
    "world.toml": (read_grammar, 2500),
    "run/metrics.jsonl": (read_run, 1500),
    "run/run.json": (read_run, 300),
    "run/manifest.json": (read_run, 300),
    "run/checkpoints/step-000002/manifest.json": (read_run, 300),
    "run/data/train/corpus.json": (read_run, 100),
}


def fuzz(whole: Path, name: str, count: int, monkeypatch) -> None:
    read, _ = KINDS[name]
    top = name.split("/")[0]
    monkeypatch.setattr(disk, "flush", lambda path: None)  # or the disk would set the pace
    data, results = (whole / name).read_bytes(), []

    @settings(max_examples=count, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(chance=st.randoms())
    def one(chance: Random) -> None:
        broken = mutated(data, chance)
        with tempfile.TemporaryDirectory() as place, redirect_stdout(io.StringIO()):
            place = Path(place).resolve()
            copy = shutil.copytree if (whole / top).is_dir() else shutil.copyfile
            copy(whole / top, place / top)
            (place / name).write_bytes(broken)
            if name == "model/tokenizer.json":
                (place / "model/vocab.txt").unlink()  # which would be read instead
            before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
            (place / "out").mkdir()
            out = place / ("run" if read is read_run else "out")
            results.append(told(lambda: read(place / top, place / "out"), out))
            if read is not read_run:
                assert all(path.read_bytes() == content for path, content in before.items())

    one()
    print(f"\n{name}: {len(results)} mutations, {results.count(None)} of them harmless")


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_told_in_a_sentence(whole, name, monkeypatch):
    fuzz(whole, name, max(10, KINDS[name][1] // 50), monkeypatch)


@pytest.mark.soak
@pytest.mark.parametrize("name", KINDS)
def test_20_000_times_damage_is_told_in_a_sentence(whole, name, monkeypatch):
    assert sum(count for _, count in KINDS.values()) == 20_000
    fuzz(whole, name, KINDS[name][1], monkeypatch)


# What was broken once


def broken(whole: Path, place: Path, name: str, change: Callable[[str], str]) -> str | None:
    """The sentence for one file of the whole ones, changed."""
    top, read = name.split("/")[0], KINDS[name][0]
    (shutil.copytree if (whole / top).is_dir() else shutil.copyfile)(whole / top, place / top)
    if name == "model/tokenizer.json":
        (place / "model/vocab.txt").unlink()
    (place / name).write_text(change((whole / name).read_text(encoding="utf-8")), encoding="utf-8")
    return told(lambda: read(place / top, place / "out"), place)


@pytest.mark.parametrize("name", ["model/config.json", "model/tokenizer.json", "model/tokenizer_config.json"])
def test_json_of_any_depth_is_told(whole, tmp_path, name):
    """Python's reader of JSON gives up at a depth of about a thousand, with an error that is no ValueError."""
    assert "not a JSON object" in broken(whole, tmp_path, name, lambda _: '{"a": ' * 10**5)


def test_toml_of_any_depth_is_told(whole, tmp_path):
    sentence = broken(whole, tmp_path, "world.toml", lambda _: "a = " + "[" * 10**5)
    assert sentence.endswith("not TOML: maximum recursion depth exceeded; mend that line")


@pytest.mark.parametrize(("key", "value", "most"), [
    ("hidden_size", 10**12, "16,777,216"),
    ("vocab_size", 2**24 + 1, "16,777,216"),
    ("num_hidden_layers", 1001, "1,000"),
])  # fmt: skip
def test_a_size_that_no_memory_holds_is_told(whole, tmp_path, key, value, most):
    """A trillion overflowed in torch; a million layers were built one by one, for minutes, before anything was said."""
    change = (f'"{key}": \\d+', f'"{key}": {value}')
    sentence = broken(whole, tmp_path, "model/config.json", lambda text: re.sub(*change, text))
    assert sentence.endswith(f"config.json: {key} is {value}: it must be {most} or less")


@pytest.mark.parametrize("change", [
    ('"id": 1', '"number": 1'),
    ('"id": 1', '"id": null'),
    ('"content": "[UNK]"', '"content": []'),
    ('"content": "[UNK]"', '"content": 7'),
    ('"added_tokens": [', '"added_tokens": [7,'),
    ('"[UNK]": 1', '"\\ud800": 1'),
    ('"vocab":', '"vocab": 5, "":'),
    ('"model":', '"modal":'),
    ('"type": "WordPiece"', '"type": "BPE"'),
])  # fmt: skip
def test_a_tokenizer_of_other_values_is_told(whole, tmp_path, change):
    sentence = broken(whole, tmp_path, "model/tokenizer.json", lambda text: text.replace(*change))
    assert sentence.endswith("not a WordPiece tokenizer; give the tokenizer of a BERT checkpoint")


@pytest.mark.parametrize(("templates", "said"), [
    *((value, "no list of templates; give at least one") for value in ("3.5", '"all sleep ."', "[]", "{ a = 1 }")),
    *((value, "a template without words; give each") for value in ('["  "]', "[1]")),
])  # fmt: skip
def test_templates_that_are_no_list_of_words_are_told(whole, tmp_path, templates, said):
    change = ('first = ["all sleep ."]', f"first = {templates}")
    sentence = broken(whole, tmp_path, "world.toml", lambda text: text.replace(*change))
    assert f"world.toml, scenes.night.first: {said}" in sentence


def test_a_probability_may_be_a_whole_number(whole, tmp_path):
    """It made a table of whole numbers, which torch does not multiply with others."""
    pairs = (("[slots]", "[slots]\nsure = { cup = 1 }"), ("finds a {thing}", "finds a {sure}"))
    sure = WORLD.replace(*pairs[0]).replace(*pairs[1])
    assert broken(whole, tmp_path, "world.toml", lambda _: sure) is None


@pytest.mark.parametrize("key", ["do_lower_case", "strip_accents", "tokenize_chinese_chars"])
def test_a_setting_of_another_kind_is_told(whole, tmp_path, key):
    change = (f'"{key}": ', f'"{key}": 1, "": ')
    sentence = broken(whole, tmp_path, "model/tokenizer_config.json", lambda text: text.replace(*change))
    assert sentence.endswith(f"model: its tokenizer's {key} is 1; it must be true or false")


def test_a_world_with_too_few_stories_is_told(whole, tmp_path):
    """The search for a story that is not held out went on for ever."""
    second = 'second = ["the {thing} is {who} to keep ."]\nagain = 0.25\n'
    few = WORLD.replace('"old hat" = 0.25', "hat = 0.25").replace("again = 0.5\n", "").replace(second, "")
    sentence = broken(whole, tmp_path, "world.toml", lambda _: few)
    assert sentence.endswith(
        "world.toml: has hardly more different stories than the 1,000 that are held out; add words, templates or scenes"
    )


def test_a_sentence_is_one_line_of_a_length_to_read(capsys):
    assert cli.tell("tensor 'a\nb' is " + "x " * 10**6) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("bertmini: tensor 'a b' is x x") and len(printed) < 2_100 and printed.count("\n") == 1


def test_a_head_without_its_pooler_is_told(whole, tmp_path):
    """It was read as None, and the head failed on it with a traceback."""
    shutil.copytree(whole / "model", tmp_path / "model")
    weights = load_file(whole / "model/model.safetensors")
    save_file({name: it for name, it in weights.items() if "pooler" not in name}, tmp_path / "model/model.safetensors")
    told(lambda: read_model(tmp_path / "model", tmp_path), tmp_path)
