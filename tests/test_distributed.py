"""Several processes make the steps that one makes, in real processes: torchrun, gloo, the command line."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_train import OPTIONS, STORIES

from bertmini import BertConfig, BertForPreTraining, InputError, Tokenizer, distributed
from bertmini.batches import BLANK
from bertmini.corpus import Corpus, prepare
from bertmini.disk import write_manifest
from bertmini.pretraining import pretraining_loss
from bertmini.saved import newest_checkpoint
from bertmini.train import Fit, Training, stream, train

SHAPE = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
SPAWNS = pytest.mark.skipif(os.name == "nt", reason="torchrun wants libuv, which PyTorch on Windows may lack")


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run of 24 steps without dropout, of which none has been made; tests go on with copies."""
    out = tmp_path_factory.mktemp("begun") / "run"
    prepare(STORIES, None, 200, 0, out / "data")
    config = BertConfig(vocab_size=len(Tokenizer.load(out / "data")), **SHAPE, **NO_DROPOUT)
    facts = {"options": dataclasses.asdict(OPTIONS), "config": dataclasses.asdict(config), "sha256": {}}
    (out / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    write_manifest(out, [out / "run.json", *(out / "data").rglob("*")])
    return out


@pytest.fixture(scope="module")
def alone(begun, tmp_path_factory):
    """The run as one process makes it."""
    out = shutil.copytree(begun, tmp_path_factory.mktemp("alone") / "run")
    go_on(out)
    return out


def config_of(out: Path) -> BertConfig:
    return BertConfig(**json.loads((out / "run.json").read_text(encoding="utf-8"))["config"])


def go_on(out: Path, stop_after: int | None = None, fit: Fit = Fit()) -> None:  # noqa: B008
    """Go on with a run in this process, alone."""
    train(out, config_of(out), OPTIONS, stop_after=stop_after, fit=fit)


def torchrun(processes: int, *words: object, **environment: str) -> subprocess.CompletedProcess:
    command = [*TORCHRUN, f"--nproc-per-node={processes}", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"} | environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300)


def together(processes: int, out: Path, *words: object) -> None:
    """Go on with a run in several processes."""
    done = torchrun(processes, "-m", "bertmini", "pretrain", "--out", out, "--resume", *words)
    assert done.returncode == 0, done.stderr
    assert f"{processes} processes" in done.stdout and done.stdout.count("Training ") == 1  # only process 0 prints


def same_run(out: Path, alone: Path) -> None:
    """Every logged figure of every step agrees to 1e-5, and so do the final weights and moments."""
    runs = [(folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines() for folder in (out, alone)]
    assert len(runs[0]) == len(runs[1]) == 25
    for ours, theirs in zip(*([json.loads(line) for line in run] for run in runs), strict=True):
        assert ours.keys() == theirs.keys()
        for key in ours.keys() - {"tokens_per_second"}:
            assert ours[key] == pytest.approx(theirs[key], abs=1e-5), (key, ours["step"])
    ours, theirs = state(out), state(alone)
    assert ours["model"].keys() == theirs["model"].keys()
    for name, wanted in theirs["model"].items():
        torch.testing.assert_close(ours["model"][name], wanted, rtol=0, atol=1e-4)
    for number, wanted in theirs["optimizer"]["state"].items():  # these see the gradients' scale, the weights do not
        torch.testing.assert_close(ours["optimizer"]["state"][number], wanted, rtol=1e-3, atol=1e-6)


def state(out: Path) -> dict:
    return torch.load(newest_checkpoint(out) / "training.pt", weights_only=True)


def as_process(monkeypatch, rank: int, size: int) -> None:
    """Let this process believe that it is one of several, for what needs no exchange."""
    monkeypatch.setattr(distributed, "rank", lambda: rank)
    monkeypatch.setattr(distributed, "size", lambda: size)


def as_text(token_ids: torch.Tensor, labels: torch.Tensor) -> str:
    """A row without its padding, which depends on the rows beside it."""
    return f"{token_ids[token_ids > 0].tolist()} {labels.tolist()}"


# ---- what each process does by itself


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_every_instance_of_an_epoch_is_seen_once_by_one_process(begun, monkeypatch, size):
    """Two epochs; neither 3 nor 5 divides 4, and the last batch of an epoch has a single row."""
    tokenizer, corpus = Tokenizer.load(begun / "data"), Corpus.open(begun / "data/train")
    options = dataclasses.replace(OPTIONS, steps=30, max_length=24)  # too short for short steps

    def seen(rank, size):
        """(epoch, batch) -> the rows that a process has of it, as tuples."""
        as_process(monkeypatch, rank, size)
        place, rows = (0, 0), {}
        for _, (*following, batch) in zip(range(30), stream(corpus, tokenizer, options, 0, 0, 0), strict=False):
            if batch is not BLANK:
                rows[place] = list(map(as_text, batch.token_ids, batch.labels))
            place = tuple(following)
        return rows

    wanted, shares = seen(0, 1), [seen(rank, size) for rank in range(size)]
    assert sum(map(len, wanted.values())) > 60
    for place, rows in wanted.items():
        assert sorted(rows) == sorted(row for share in shares for row in share.get(place, [])), place
    blank = [place for share in shares for place in wanted.keys() - share.keys()]
    assert bool(blank) == (size > 1)  # a process without a row is among what is tested


def test_a_step_in_parts_is_the_step(begun, alone, tmp_path):
    """Also where there are more parts than rows: the last batch of an epoch has one."""
    out = shutil.copytree(begun, tmp_path / "run")
    go_on(out, fit=Fit(accumulate=3))
    same_run(out, alone)


def test_parts_are_normalised_by_the_whole_steps_counts():
    """By hand: 3 of 4 predictions in one part and 1 in the other; a mean of means would weigh that one thrice."""
    training = Training(BertConfig(vocab_size=60, **SHAPE, **NO_DROPOUT), OPTIONS, Fit(accumulate=2))
    rows = torch.arange(5, 13)[None].repeat(2, 1) + torch.tensor([[0], [20]])
    labels = torch.tensor([[7, 8, 9], [30, -100, -100]])
    batch = BLANK._replace(token_ids=rows, segment_ids=torch.zeros_like(rows), positions=torch.tensor([[1, 2, 3]] * 2),
                           labels=labels, is_random=torch.tensor([0, 1]))  # fmt: skip
    assert batch.counts().tolist() == [4, 2] and BLANK.counts().tolist() == [0, 0]
    chances = training.model(batch.token_ids, batch.segment_ids, None, batch.positions).mlm_logits.log_softmax(-1)
    by_hand = -(chances[0, 0, 7] + chances[0, 1, 8] + chances[0, 2, 9] + chances[1, 0, 30]) / 4
    training.update(batch)
    assert training.mean_losses()["mlm_loss"] == pytest.approx(by_hand.item(), abs=1e-5)


def test_blank_counts_nowhere_and_yet_gives_every_weight_a_gradient():
    model = BertForPreTraining(BertConfig(vocab_size=60, **SHAPE))
    output = model(BLANK.token_ids, BLANK.segment_ids, BLANK.keep, BLANK.positions)
    losses = pretraining_loss(output, BLANK.labels, BLANK.is_random, predicted=5, pairs=3)
    losses.total.backward()
    assert losses.total == 0 and all(not p.grad.any() for p in model.parameters())


def test_recomputing_keeps_less_and_changes_nothing(begun):
    """With dropout on: the second pass draws what the first one drew."""
    batch = next(stream(Corpus.open(begun / "data/train"), Tokenizer.load(begun / "data"), OPTIONS, 0, 0, 0))[2]
    config = BertConfig(vocab_size=len(Tokenizer.load(begun / "data")), **SHAPE | {"num_hidden_layers": 4})

    def step(fit):
        kept = 0

        def keep(tensor):
            nonlocal kept
            kept += tensor.numel()
            return tensor

        training = Training(config, OPTIONS, fit)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            output = training.model(batch.token_ids, batch.segment_ids, batch.keep, batch.positions)
            pretraining_loss(output, batch.labels, batch.is_random).total.backward()
        return kept, [p.grad for p in training.model.parameters()]

    (plain, gradients), (less, again) = step(Fit()), step(Fit(recompute=True))
    torch.testing.assert_close(again, gradients, rtol=0, atol=0)
    assert less < 0.6 * plain


def test_processes_have_the_same_weights_and_their_own_dropout(monkeypatch):
    def begin(rank):
        as_process(monkeypatch, rank, 1)
        training = Training(BertConfig(vocab_size=60, **SHAPE), OPTIONS)
        return training.model.state_dict(), torch.rand(3).tolist()

    (one, drawn), (other, others) = begin(0), begin(1)
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert drawn != others and begin(1)[1] == others != begin(2)[1]


def test_a_process_goes_on_with_its_own_dropout(monkeypatch):
    """A checkpoint of two processes: each finds its own place; a third, new one begins a sequence of its own."""
    training = Training(BertConfig(vocab_size=60, **SHAPE), OPTIONS)
    saved, places = training.state(), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        places.append(torch.get_rng_state())
    drawn = []
    for rank in range(3):
        as_process(monkeypatch, rank, 3)
        monkeypatch.setattr(distributed, "total", lambda values: values)
        training.restore({**saved, "random": places})
        drawn.append(torch.rand(3).tolist())
    for seed, numbers in zip((1, 2), drawn, strict=False):
        torch.manual_seed(seed)
        assert torch.rand(3).tolist() == numbers
    assert drawn[2] not in drawn[:2]
    torch.manual_seed(9)
    training.restore({**saved, "random": places})
    assert torch.rand(3).tolist() == drawn[2]


def test_one_process_exchanges_nothing():
    values = torch.tensor([1.0, 2.0])
    assert distributed.total(values) is values and distributed.gather(values)[0] is values
    assert not distributed.anyone(False) and distributed.anyone(True)
    assert distributed.from_main(lambda: 7) == 7 and (distributed.rank(), distributed.size()) == (0, 1)


def test_sharding_needs_several_processes():
    with pytest.raises(InputError, match=r"--shard .* torchrun"):
        Training(BertConfig(vocab_size=60, **SHAPE), OPTIONS, Fit(shard=True))


# ---- real processes


@SPAWNS
def test_two_and_then_three_processes_make_the_run_of_one(begun, alone, tmp_path):
    """3 divides neither 16 nor 4, nor does accumulating in 2 parts; step 18 has one row, so two processes have none."""
    out = shutil.copytree(begun, tmp_path / "run")
    together(2, out, "--stop-after", 9)
    assert len(state(out)["random"]) == 2
    together(3, out, "--accumulate", 2)
    assert len(state(out)["random"]) == 3
    same_run(out, alone)


@SPAWNS
def test_a_sharded_run_is_saved_whole(begun, alone, tmp_path):
    """Two processes share the weights, one goes on with them, two share them again."""
    out = shutil.copytree(begun, tmp_path / "run")
    together(2, out, "--shard", "--stop-after", 7)
    kept = state(out)
    config = config_of(out)
    assert {name: w.shape for name, w in kept["model"].items()} == {
        name: w.shape for name, w in BertForPreTraining(config).state_dict().items()
    }
    go_on(out, stop_after=13)
    together(2, out, "--shard", "--recompute", "--accumulate", 3)
    same_run(out, alone)


KILLED = """
import os, signal
from bertmini import BertConfig, cli
from bertmini.train import Training

update = Training.update

def dies(self, batch):
    update(self, batch)
    if os.environ["RANK"] == "1" and self.step == (7, 12)[int(os.environ["TORCHELASTIC_RESTART_COUNT"])]:
        os.kill(os.getpid(), signal.SIGKILL)

Training.update = dies
BertConfig.preset = lambda name, **given: BertConfig(**given, **SHAPE)
cli.main()
"""


@SPAWNS
def test_a_killed_process_ends_the_run_with_a_sentence_and_torchrun_restarts_it(alone, tmp_path):
    """Killed at step 7, restarted from step 5 without --resume, killed at step 12 for good."""
    out, script, corpus = tmp_path / "run", tmp_path / "killed.py", tmp_path / "stories.txt"
    script.write_text(KILLED.replace("SHAPE", repr(SHAPE | NO_DROPOUT)), encoding="utf-8")
    corpus.write_text("\n\n".join(map("\n".join, STORIES)), encoding="utf-8")
    given = {**dataclasses.asdict(OPTIONS), "corpus": corpus, "vocab_size": 200, "out": out, "save_every": 5}
    words = [f"--{key.replace('_', '-')}={value}" for key, value in given.items() if value is not None]
    apart = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    done = torchrun(2, "--max-restarts=1", script, "pretrain", *words, **apart)
    assert done.returncode != 0 and done.stdout.count("Training ") == 2, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("bertmini: ")]
    assert len(told) == 2 and all(re.search(r"process 0 of 2 has lost another .* --resume", line) for line in told)
    assert {path.name for path in (out / "checkpoints").iterdir()} == {"step-000005", "step-000010"}
    assert state(out)["place"][0] == 10
    go_on(out)
    same_run(out, alone)


@SPAWNS
def test_what_process_0_refuses_all_refuse_and_it_is_told_once(tmp_path):
    (tmp_path / "kept.txt").write_text("mine", encoding="utf-8")
    done = torchrun(2, "-m", "bertmini", "pretrain", "--out", tmp_path)
    assert done.returncode != 0 and done.stderr.count("is not empty") == 1


def test_a_restart_that_could_not_work_is_refused_before_the_run(monkeypatch):
    """What torchrun tells its processes, without torchrun."""
    told = {"RUN_ID": "none", "MAX_RESTARTS": "3", "USE_AGENT_STORE": "True"}
    for name, value in ({"WORLD_SIZE": "2"} | {f"TORCHELASTIC_{name}": value for name, value in told.items()}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1"), distributed.session("cpu"):
        pass
