"""The benchmarks: their batches, their arithmetic, and that every side trains on the same numbers."""

import json
import sys
from pathlib import Path

import compare
import pytest
import runs
import torch
from peers import D2L, Compiled, Ours, PaddedD2L, Transformers
from test_cli import call, refused
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import bertmini.bench
from bertmini import BertConfig
from bertmini.bench import Speed, bench, draw_batch, matrix_rate, peak_memory, step_flops
from bertmini.checkpoint import to_checkpoint
from bertmini.config import PRESETS
from bertmini.corpus import Corpus
from bertmini.counting import training_flops
from bertmini.train import Options, Training

CONFIG = BertConfig(60, 16, 2, 2, 32, 24, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
OPTIONS = Options(steps=10, learning_rate=1e-4, device="cpu", precision="fp32")
SIDES = {"bertmini": Ours, "transformers": Transformers, "d2l": D2L}


@pytest.fixture(autouse=True)
def small_products(monkeypatch):
    monkeypatch.setitem(bertmini.bench.SIDE, "cpu", 64)


def test_a_batch_is_one_that_training_could_see():
    batch = draw_batch(CONFIG, 50, 10, 20, seed=0)
    lengths = batch.keep.sum(1)
    assert batch.token_ids.shape == (50, 20) and batch.positions.shape == (50, 3)  # P = 0.15 * 20
    assert lengths[0] == lengths.max() == 20 and set(lengths.tolist()) == set(range(10, 21))
    assert torch.equal(batch.keep, batch.token_ids > 0), "zeros at the end of every row, and only there"
    for row, length in enumerate(lengths.tolist()):
        predicted = batch.labels[row] != -100
        places = batch.positions[row][predicted]
        assert predicted.sum() == round(0.15 * length) and len(set(places.tolist())) == len(places)
        assert places.min() > 0 and places.max() < length
        assert torch.equal(batch.token_ids[row, places], batch.labels[row, predicted])
        assert batch.segment_ids[row].tolist() == length // 2 * [0] + (length - length // 2) * [1] + (20 - length) * [0]


def test_every_batch_is_as_wide_as_it_may_be():
    """So that its arithmetic is the same; of two sequences one is the longest."""
    assert all(draw_batch(CONFIG, 2, 8, 20, seed).keep[0].all() for seed in range(5))


def test_whole_sequences_need_no_mask():
    batch = draw_batch(CONFIG, 3, 20, 20, seed=0)
    assert batch.keep is None and batch.tokens() == 60 and (batch.labels != -100).all()


@pytest.mark.parametrize("shortest", [12, 24])
def test_the_arithmetic_is_what_torch_counts_in_a_whole_step(shortest):
    training, batch = Training(CONFIG, OPTIONS), draw_batch(CONFIG, 4, shortest, 24, seed=0)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        training.update(batch)
    nsp_head = 3 * 4 * (2 * 2 * 16)  # three passes, B sequences, the one product that the formula leaves out
    assert step_flops(CONFIG, batch, "cpu") + nsp_head == counter.get_total_flops()


def test_on_a_gpu_unused_slots_are_scored_too():
    batch = draw_batch(CONFIG, 4, 12, 24, seed=0)
    unused = int((batch.labels == -100).sum())
    assert unused > 0
    scored = step_flops(CONFIG, batch, "cuda") - step_flops(CONFIG, batch, "cpu")
    assert scored == unused * 3 * (2 * 16 * 16 + 2 * 16 * CONFIG.vocab_size)


def test_rates_are_those_of_the_median_step(monkeypatch):
    clock = iter([9.0, 9.0, 9.0, 0.5, 0.25])  # and no more: the steps before are not timed
    monkeypatch.setattr(bertmini.bench, "timed", lambda action, argument, device: next(clock))
    monkeypatch.setattr(bertmini.bench, "matrix_rate", lambda device, precision: 1e6)
    monkeypatch.setattr(bertmini.bench, "peak_memory", lambda device: 123)
    speed = bench(CONFIG, batch_size=4, max_length=24, steps=5)
    assert speed.seconds_per_step == 9.0 and speed.sequences_per_second == 4 / 9 and speed.tokens_per_second == 96 / 9
    assert speed.flops_per_second == 4 * training_flops(CONFIG, 24, 4, pruned=True) / 9
    assert speed.share_of_matrix_rate == speed.flops_per_second / 1e6
    assert speed.share_of_datasheet is None and speed.peak_memory == 123


def test_a_card_that_is_known_is_held_to_its_datasheet():
    speed = Speed(0.05, 5120.0, 655_360.0, 494.5e12, 790e12, 0.626, 0.5, 64_000_000_000)
    assert list(speed.lines())[-2:] == [
        "MFU         50.0% of what the card's datasheet says", "memory      64.00 GB at most"]  # fmt: skip
    assert not any("MFU" in line or "memory" in line for line in Speed(*speed[:6], None, None).lines())


def test_a_product_of_matrices_costs_twice_their_side_cubed(monkeypatch):
    monkeypatch.setattr(bertmini.bench, "timed", lambda action, argument, device: 0.5)
    assert matrix_rate("cpu", "bf16") == 2 * 64**3 / 0.5


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say")
def test_peak_memory_is_in_bytes():
    assert 50e6 < peak_memory("cpu") < 50e9, "Python with torch; 1,024 times more or less would be the wrong unit"


def test_the_command(capsys, monkeypatch):
    small = ["--batch-size", 2, "--max-length", 16, "--min-length", 8, "--vocab-size", 50, "--steps", 2]
    small += ["--device", "cpu"]
    code, out, err = call(capsys, monkeypatch, "bench", *small, "--json")
    told = json.loads(out)
    assert code == 0 and err == "" and set(Speed._fields) < set(told)
    assert (told["device"], told["precision"], told["vocab_size"], told["batch_size"]) == ("cpu", "fp32", 50, 2)
    code, out, _ = call(capsys, monkeypatch, "bench", *small)
    assert code == 0 and [line.split()[0] for line in out.splitlines()][:3] == ["a", "sequences", "tokens"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--preset", "huge"], ["'huge'", *PRESETS]),
        (["--max-length", 513], ["--max-length is 513", "8 to 512"]),
        (["--min-length", 129], ["--min-length is 129", "8 to --max-length, 128"]),
        (["--device", "tpu"], ["'tpu'", "auto, cpu, cuda or mps"]),
        (["--precision", "fp8"], ["'fp8'", "auto, fp32 or bf16"]),
    ],
)
def test_an_option_that_cannot_be_used(capsys, monkeypatch, options, words):
    refused(call(capsys, monkeypatch, "bench", "--device", "cpu", *options), *words)


def test_a_batch_that_does_not_fit_is_a_sentence(capsys, monkeypatch):
    def full(self, batch):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Training, "update", full)
    result = call(capsys, monkeypatch, "bench", "--vocab-size", 50, "--device", "cpu")
    refused(result, "--batch-size is 32", "take less")


# Side by side


def test_transformers_learns_from_the_same_numbers():
    """With our weights its loss is ours, so batch, mask and labels say the same."""
    batch = draw_batch(CONFIG, 4, 12, 24, seed=1)
    ours, theirs = Ours(CONFIG, OPTIONS), Transformers(CONFIG, OPTIONS)
    theirs.model.load_state_dict(to_checkpoint(ours.model), strict=False)
    theirs.model.tie_weights()
    loss = theirs.loss(theirs.prepare(batch)).item()
    ours.update(batch)
    assert loss == pytest.approx(sum(ours.mean_losses().values()), abs=1e-5)


def test_d2l_sees_the_same_batch_wider():
    batch = draw_batch(CONFIG, 4, 12, 20, seed=1)
    narrow, wide = (side(CONFIG, OPTIONS).prepare(batch) for side in (D2L, PaddedD2L))
    assert narrow["tokens_X"].shape == (4, 20) and wide["tokens_X"].shape == (4, 64)
    assert torch.equal(wide["tokens_X"][:, :20], batch.token_ids) and not wide["tokens_X"][:, 20:].any()
    assert narrow["valid_lens_x"].tolist() == batch.keep.sum(1).tolist()
    assert narrow["mlm_weights_X"].sum() == (batch.labels != -100).sum()


def test_each_side_says_what_it_computes():
    batch = draw_batch(CONFIG, 4, 12, 20, seed=1)
    unused = int((batch.labels == -100).sum()) * 3 * (2 * 16 * 16 + 2 * 16 * 60)
    assert Ours(CONFIG, OPTIONS).flops(batch) == 4 * training_flops(CONFIG, 20, 3, pruned=True) - unused
    assert Transformers(CONFIG, OPTIONS).flops(batch) == 4 * training_flops(CONFIG, 20)
    assert PaddedD2L(CONFIG, OPTIONS).flops(batch) == 4 * training_flops(CONFIG, 64, 3)


def test_sentence_pairs_as_in_d2l():
    """Three documents of 2, 1 and 3 sentences, one of them too long for the room."""
    sizes = [3, 4, 5, 2, 2, 30]
    corpus = Corpus(torch.arange(46).numpy(), torch.tensor([0, 3, 7, 12, 14, 16, 46]).numpy(),
                    torch.tensor([0, 2, 3, 6]).numpy())  # fmt: skip
    drawn = [tuple(row) for seed in range(60) for row in compare.sentence_pairs(corpus, 12, seed, 0).tolist()]
    assert all(sizes[first] + sizes[second] <= 12 for first, _, second, _, _ in drawn)
    assert all(end == first + 1 and last == second + 1 for first, end, second, last, _ in drawn)
    following = {(first, second) for first, _, second, _, is_random in drawn if not is_random}
    assert following == {(0, 1), (3, 4)}, "(4, 5) is too long, and no pair reaches into the next document"
    assert {first for first, *_ in drawn} == {0, 3, 4}
    assert {second for _, _, second, _, is_random in drawn if is_random} == {0, 1, 2, 3, 4}


def test_sides_take_turns_and_the_table_says_what_came_of_it(monkeypatch):
    order = []

    def timed(action, argument, device):
        action(argument)
        name = type(action.__self__).__name__
        order.append(name)
        return {"Ours": 0.5, "Transformers": 2.0, "D2L": 0.75}[name]

    monkeypatch.setattr(compare, "timed", timed)
    measured = compare.compare(compare.Shape(CONFIG, 4, 12, 24, SIDES), rounds=3)
    assert order[-9:] == ["Ours", "Transformers", "D2L"] * 3
    ours, theirs = measured["sides"]["bertmini"], measured["sides"]["transformers"]
    assert ours["seconds"] == [0.5] * 3 and ours["times_slower"] == 1 and theirs["times_slower"] == 4
    assert measured["sides"]["d2l"]["times_slower"] == 1.5 and ours["sequences_per_second"] == 8
    assert set(ours["trials"]) == {"fused", "default"} and 0.5 < measured["not_padding"] < 1
    measured["sides"]["d2l"]["peak_memory"] = 2_500_000_000
    rows = compare.table({"toy": measured})
    assert rows[2].startswith("| toy | bertmini | ") and "500.0" in rows[2] and "4.00 times" in rows[3]
    assert rows[4].endswith("| 2.50 GB |") and {row.count("|") for row in rows} == {9}


def test_the_faster_adamw_is_kept(monkeypatch):
    side = compare.build(compare.Shape(CONFIG, 4, 12, 24, SIDES), "bertmini", "cpu")
    monkeypatch.setattr(compare, "timed", lambda *_: 2.0 if side.optimizer.defaults["fused"] else 1.0)
    assert compare.choose_optimizer(side, [draw_batch(CONFIG, 4, 12, 24, 0)], "cpu") == {"fused": 2.0, "default": 1.0}
    assert not side.optimizer.defaults["fused"]


@pytest.mark.parametrize("side", [Ours, Transformers, Compiled, D2L])
def test_every_side_takes_steps(side, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda model: model)  # it needs a C compiler
    batch, side = draw_batch(CONFIG, 4, 12, 24, seed=0), side(CONFIG, OPTIONS)
    side.optimizer = compare.adamw(side, fused=True)
    before = [weights.detach().clone() for weights in side.model.parameters()]
    side.update(side.prepare(batch))
    assert not any(torch.equal(*pair) for pair in zip(before, side.model.parameters(), strict=True))
    assert all(weights.grad is None for weights in side.model.parameters())


def test_what_is_recorded(monkeypatch, tmp_path, capsys):
    shapes = {"toy": compare.Shape(CONFIG, 4, 12, 24, SIDES), "same": compare.Shape(CONFIG, 4, 24, 24, SIDES)}
    monkeypatch.setitem(compare.SHAPES, "cpu", shapes)
    monkeypatch.setattr(compare, "memory", lambda name, side, device: len(name + side))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["compare.py", "toy", "--rounds", "2"])
    compare.main()
    assert not list(tmp_path.rglob("*.json")), "a part of the shapes is printed, not recorded"
    monkeypatch.setattr(sys, "argv", ["compare.py", "--rounds", "2"])
    compare.main()
    recorded = json.loads((tmp_path / "data/runs/bench-cpu.json").read_text(encoding="utf-8"))
    assert set(recorded) == {"command", "seconds", "machine", "versions", "device", "rounds", "shapes"}
    assert set(recorded["versions"]) == {"bertmini", "torch", "python", "transformers", "d2l"}
    assert set(recorded["shapes"]) == {"toy", "same"} and recorded["shapes"]["same"]["not_padding"] == 1
    side = recorded["shapes"]["toy"]["sides"]["transformers"]
    assert side["peak_memory"] == len("toytransformers") and len(side["seconds"]) == 2
    assert capsys.readouterr().out.count("| toy | bertmini |") == 2


def test_the_readme_shows_what_was_recorded():
    root = Path(compare.__file__).parent.parent
    recorded = json.loads((root / "data/runs/bench-cpu.json").read_text(encoding="utf-8"))
    rows = compare.summary(recorded["shapes"])
    assert len(rows) == 5 and {row.count("|") for row in rows} == {6}
    for row in rows:
        assert row in (root / "README.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("words", [["huge"], ["--rounds", "0"], ["--device", "tpu"]])
def test_a_comparison_that_cannot_be_made(monkeypatch, capsys, words):
    monkeypatch.setattr(sys, "argv", ["compare.py", *words])
    monkeypatch.setattr(compare, "memory", None)  # nothing is measured
    with pytest.raises(SystemExit) as stopped:
        compare.main()
    assert stopped.value.code == 2 and words[-1] in capsys.readouterr().err.splitlines()[-1]


def test_memory_is_asked_after_some_steps(monkeypatch):
    steps = []
    monkeypatch.setattr(Ours, "update", lambda self, batch: steps.append(batch))
    assert compare.memory_here(compare.Shape(CONFIG, 4, 12, 24, SIDES), "bertmini", "cpu") > 0 and len(steps) == 3


def test_encoding_beside_transformers():
    import encode

    medians = encode.compare(rounds=2, batch_size=2)
    assert medians.keys() == {"bertmini", "transformers"} and min(medians.values()) > 0
