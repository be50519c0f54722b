"""The loop: the groups, the schedule, the step's arithmetic, and a resume that is exact."""

import json
import shutil

import pytest
import torch
from torch import nn

from bertmini import BertConfig, BertForPreTraining, InputError, Tokenizer, load
from bertmini.batches import Batch
from bertmini.bench import draw_batch
from bertmini.corpus import Corpus, prepare
from bertmini.saved import keep_metrics, newest_checkpoint
from bertmini.train import Fit, Options, Training, parameter_groups, schedule, stream, train

STORIES = [
    [f"the {animal} {verb} over the {place}.", f"then the {animal} sleeps.", f"the {place} is quiet."]
    for animal in ("cat", "dog", "fox", "owl")
    for verb in ("runs", "walks", "jumps")
    for place in ("hill", "field", "river")
]
OPTIONS = Options(steps=24, batch_size=4, max_length=32, learning_rate=1e-3, device="cpu", precision="fp32")
SMALL = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    prepare(STORIES, None, 200, 0, out / "data")  # every word becomes one token
    return out


def run(prepared, out, *stops, options=OPTIONS, **how):
    shutil.copytree(prepared, out)
    config = BertConfig(vocab_size=len(Tokenizer.load(out / "data")), **SMALL)
    for stop in (*stops, None):
        train(out, config, options, stop_after=stop, **how)
    return out


def metrics(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_matrices_decay_and_biases_and_layer_norms_do_not():
    model = BertForPreTraining(BertConfig(vocab_size=60, **SMALL))
    decayed, plain = parameter_groups(model)
    names = {id(p): name for name, p in model.named_parameters()}
    assert decayed["weight_decay"] == 0.01 and plain["weight_decay"] == 0
    assert all("norm" in names[id(p)] or names[id(p)].endswith("bias") for p in plain["params"])
    assert all("norm" not in names[id(p)] and names[id(p)].endswith("weight") for p in decayed["params"])
    assert len(decayed["params"]) + len(plain["params"]) == len(names)


def test_the_rate_rises_for_a_tenth_of_the_steps_and_falls_in_a_line():
    assert [round(schedule(step, 20), 3) for step in (1, 2, 3, 11, 20)] == [0.5, 1.0, 0.947, 0.526, 0.053]
    assert [schedule(1, 1), schedule(1, 2), schedule(2, 2)] == [1.0, 1.0, 0.5]


def test_half_of_the_steps_see_short_sequences_and_all_have_as_many_tokens(prepared):
    tokenizer, corpus = Tokenizer.load(prepared / "data"), Corpus.open(prepared / "data/train")
    shapes = []
    for _, (_, _, batch) in zip(range(24), stream(corpus, tokenizer, OPTIONS, 0, 0, 0), strict=False):
        shapes.append((batch.token_ids.shape[1] <= 8, batch.positions.shape[1], len(batch.is_random)))
    assert shapes[:12].count((True, 2, 16)) > 8 and all(short and size <= 16 for short, _, size in shapes[:12])
    assert shapes[12:].count((False, 5, 4)) > 9  # the last batch of an epoch may be smaller; P = ceil(0.15 * 32)


def test_the_stream_goes_on_from_any_place(prepared):
    tokenizer, corpus = Tokenizer.load(prepared / "data"), Corpus.open(prepared / "data/train")
    batches = [batch for _, batch in zip(range(24), stream(corpus, tokenizer, OPTIONS, 0, 0, 0), strict=False)]
    for step, (epoch, start, _) in enumerate(batches[:-1], 1):
        following = next(stream(corpus, tokenizer, OPTIONS, step, epoch, start))
        assert following[:2] == batches[step][:2]
        torch.testing.assert_close(following[2], batches[step][2], rtol=0, atol=0)


def test_a_step_is_adamw_on_the_clipped_gradient():
    """One step by hand: clip to norm 1, then AdamW's first step, rate * g / (|g| + eps), plus the decay."""
    config = BertConfig(vocab_size=60, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **SMALL)
    training = Training(config, OPTIONS)
    before = {name: p.detach().clone() for name, p in training.model.named_parameters()}
    rows = torch.arange(5, 13)[None].repeat(4, 1)
    batch = Batch(rows, torch.zeros_like(rows), None, rows[:, :2] - 4, rows[:, :2], torch.tensor([0, 1, 0, 1]))
    twin = BertForPreTraining(training.model.config)
    twin.load_state_dict(before)
    output = twin(batch.token_ids, batch.segment_ids, None, batch.positions)
    cross_entropy = torch.nn.functional.cross_entropy
    mlm = cross_entropy(output.mlm_logits.flatten(0, 1), batch.labels.flatten())
    (mlm + cross_entropy(output.nsp_logits, batch.is_random)).backward()
    norm = torch.stack([p.grad.square().sum() for p in twin.parameters()]).sum().sqrt()
    training.update(batch)
    rate = 1e-3 * schedule(1, 24)
    for (name, p), q in zip(training.model.named_parameters(), twin.parameters(), strict=True):
        g = q.grad * min(1, 1 / (norm + 1e-6))
        decay = rate * (0.01 if p.ndim > 1 else 0.0) * before[name]
        torch.testing.assert_close(p, before[name] - decay - rate * g / (g.abs() + 1e-6), rtol=1e-4, atol=1e-6)
    assert training.mean_losses()["mlm_loss"] == pytest.approx(mlm.item(), abs=1e-5)


def test_stopping_and_resuming_changes_nothing(prepared, tmp_path):
    """Bit for bit: weights, optimizer, random state and metrics, with stops at odd places and between logged steps."""
    straight = run(prepared, tmp_path / "straight")
    resumed = run(prepared, tmp_path / "resumed", 1, 7, 12, 17, save_every=5)
    assert newest_checkpoint(resumed).name == "step-000024"
    one, other = (
        torch.load(out / "checkpoints/step-000024/training.pt", weights_only=True) for out in (straight, resumed)
    )
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    weights = [(out / "model/model.safetensors").read_bytes() for out in (straight, resumed)]
    assert weights[0] == weights[1]
    speedless = [[{**line, "tokens_per_second": 0} for line in metrics(out)] for out in (straight, resumed)]
    assert speedless[0] == speedless[1]


def test_stopping_before_the_first_step_logs_it_once(prepared, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(prepared, out)
    config = BertConfig(vocab_size=len(Tokenizer.load(out / "data")), **SMALL)
    assert train(out, config, OPTIONS, should_stop=lambda: True) == 0
    train(out, config, OPTIONS, stop_after=2)
    assert [line["step"] for line in metrics(out)] == [0, 1, 2]


@pytest.mark.soak
def test_a_stop_after_any_step_changes_nothing(prepared, tmp_path):
    straight = (run(prepared, tmp_path / "straight") / "model/model.safetensors").read_bytes()
    for stop in range(1, OPTIONS.steps):
        assert (run(prepared, tmp_path / str(stop), stop) / "model/model.safetensors").read_bytes() == straight


def test_the_seed_fixes_a_run_and_another_seed_changes_it(prepared, tmp_path):
    def final(name, seed):
        options = Options(**{**OPTIONS.__dict__, "seed": seed, "steps": 6})
        return (run(prepared, tmp_path / name, options=options) / "model/model.safetensors").read_bytes()

    assert final("a", 1) == final("b", 1) != final("c", 2)


def test_metrics_have_the_keys_that_are_promised(prepared, tmp_path):
    lines = metrics(run(prepared, tmp_path / "run"))
    evaluated = [line for line in lines if "held_out_mlm_loss" in line]
    assert lines[0]["step"] == 0 and lines[-1]["step"] == 24 and len(evaluated) == 12
    assert evaluated[0] is lines[0] and evaluated[-1] is lines[-1]
    held_out = {"mlm_loss", "mlm_loss_masked", "mlm_accuracy", "nsp_loss", "nsp_accuracy", "random_share"}
    held_out = {"held_out_" + key for key in held_out} | {"unigram_mlm_loss", "unigram_mlm_loss_masked"}
    trained = {"step", "epoch", "mlm_loss", "nsp_loss", "lr", "tokens_per_second"}
    assert set(lines[-1]) == held_out | trained and set(lines[1]) == trained
    assert len({line["unigram_mlm_loss"] for line in evaluated}) == 1  # the same masks every time


def test_it_learns(prepared, tmp_path):
    """36 stories over 9 free words: in 300 small steps the loss falls under what frequencies alone can reach."""
    options = Options(**{**OPTIONS.__dict__, "steps": 300, "max_length": 24, "learning_rate": 5e-3})
    last = metrics(run(prepared, tmp_path / "run", options=options))[-1]
    assert last["held_out_mlm_loss_masked"] < last["unigram_mlm_loss_masked"] - 0.5


def test_fill_mask_reads_what_was_saved(prepared, tmp_path):
    model, tokenizer = load(run(prepared, tmp_path / "run") / "model")
    assert not model.training and model.config.vocab_size == len(tokenizer)


def test_metrics_after_the_last_saved_step_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0}\n{"step": 5}\n{"step": 9}\n{"ste', encoding="utf-8")
    keep_metrics(path, 5)
    assert path.read_text(encoding="utf-8") == '{"step": 0}\n{"step": 5}\n'


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"step": "5"}', '{"step": null}', "\xff", "[" * 10**5])
def test_a_damaged_line_of_metrics_is_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 0}}\n{line}\n{{"step": 9}}\n', encoding="latin-1")
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 2: damaged; delete that line, then resume"):
        keep_metrics(path, 5)
    assert path.read_bytes() == before


def test_a_loss_that_is_no_number_stops_the_run_with_advice():
    training = Training(BertConfig(vocab_size=60, **SMALL), OPTIONS)
    training.sums += float("nan")
    with pytest.raises(InputError, match="begin again with a smaller --learning-rate"):
        training.mean_losses()


def test_a_compiled_step_is_the_same_step(monkeypatch):
    """Compiled without the last stage, which would write C++ for minutes."""
    plain = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: plain(self, backend="aot_eager"))
    config = BertConfig(60, 16, 2, 2, 32, 32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    runs = [Training(config, OPTIONS, Fit(compile=compiled)) for compiled in (False, True)]
    for number in range(3):
        for run in runs:
            run.update(draw_batch(config, 4, 12, 20, number))
    assert runs[1].objective._compiled_call_impl is not None
    torch.testing.assert_close(runs[0].sums, runs[1].sums, rtol=0, atol=1e-5)
    torch.testing.assert_close(runs[0].model.state_dict(), runs[1].model.state_dict(), rtol=0, atol=1e-4)
