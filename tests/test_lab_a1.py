"""The appendix on d2l: its figure draws what it is given, and its measurement measures what it says."""

import json
from itertools import chain, islice
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bertmini.lab import d2l
from bertmini.lab.experiments import from_d2l_to_bert as experiment
from bertmini.lab.experiments.from_d2l_to_bert import RECIPES, Recipe, World, batches, build
from bertmini.pretraining import PreTrainingOutput

RUNS = Path(__file__).resolve().parent.parent / "data/runs"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("world"), stories=40)


def take(world, recipe, count=1):
    return list(islice(batches(world.train, world.tokenizer, 0, recipe), count))


def logits(model, batch):
    with torch.no_grad():
        return model.eval()(batch.token_ids, batch.segment_ids, batch.keep, batch.positions)


def built(name, vocab_size=421):
    torch.manual_seed(0)
    return build(RECIPES[name], vocab_size)


def test_the_figure_has_a_bar_for_each_mean_and_a_dot_for_each_seed(drawing):
    from bertmini.lab.figures import from_d2l_to_bert as draw

    draw.departures({"ours": {"equal steps": [1.0, 2.0]}, "slow": {"equal steps": [1.5], "equal seconds": [4.0]}}, 4.4)
    (ax,) = drawing.plt.gcf().axes
    assert [bar.get_width() for bar in ax.patches] == [1.5, 1.5, 4.0]
    assert ax.patches[0].get_facecolor() == ax.patches[1].get_facecolor() != ax.patches[2].get_facecolor()
    dots, lines = ax.lines[:3], ax.lines[3:]
    assert [line.get_xdata().tolist() for line in dots] == [[1, 2], [1.5], [4]]
    assert [set(line.get_xdata()) for line in lines] == [{1.5}, {4.4}]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ours", "slow"]


def test_relu_stands_where_gelu_stood(world):
    (batch,) = take(world, RECIPES["ours"])
    ours, relu = built("ours"), built("ReLU")
    hidden = torch.randn(2, 3, 128)
    layer = relu.bert.layers[0].feed_forward
    inner, outer = ours.bert.layers[0].feed_forward.inner, ours.bert.layers[0].feed_forward.outer
    torch.testing.assert_close(layer(hidden), outer(inner(hidden).clamp(min=0)))
    table = relu.bert.embeddings.token.weight
    by_hand = ours.mlm.norm(ours.mlm.transform(hidden).clamp(min=0)) @ table.mT + ours.mlm.bias
    torch.testing.assert_close(relu.mlm(hidden, table), by_hand)
    assert not torch.allclose(logits(ours, batch).mlm_logits, logits(relu, batch).mlm_logits, atol=1e-4)


def test_an_untied_decoder_begins_as_the_table_and_goes_its_own_way(world):
    (batch,) = take(world, RECIPES["ours"])
    ours, untied = built("ours"), built("untied decoder")
    torch.testing.assert_close(logits(ours, batch).mlm_logits, logits(untied, batch).mlm_logits)
    counts = [sum(p.numel() for p in model.parameters()) for model in (ours, untied)]
    assert counts[1] - counts[0] == 421 * 128
    with torch.no_grad():
        untied.bert.embeddings.token.weight.zero_()
    assert untied.mlm(torch.randn(1, 1, 128), untied.bert.embeddings.token.weight).std() > 0.1


def test_the_tables_have_the_sizes_that_the_names_say():
    tables = built("N(0, 1) positions").bert.embeddings
    assert abs(tables.position.weight.std() - 1) < 0.02 and tables.token.weight.std() < 0.1
    assert isinstance(tables.norm, nn.LayerNorm)
    alone = built("no embedding LayerNorm").bert.embeddings
    assert isinstance(alone.norm, nn.Identity) and alone.position.weight.std() < 0.1
    bundle = built("N(0, 1) tables, no LayerNorm, untied")
    assert all(
        abs(table.weight.std() - 1) < 0.2 for table in bundle.bert.embeddings.children() if hasattr(table, "weight")
    )
    assert isinstance(bundle.bert.embeddings.norm, nn.Identity) and bundle.mlm.decoder.std() < 0.1


def test_the_padded_loss_is_d2l_s_own(world):
    (batch,) = take(world, RECIPES["all padded to T"])
    B = len(batch.is_random)
    output = PreTrainingOutput(torch.randn(B, 10, 421), torch.randn(B, 2))

    def net(*_):
        return None, output.mlm_logits, output.nsp_logits

    used = batch.labels != -100
    given = batch.positions, used.float(), batch.labels.clamp(min=0), batch.is_random
    *_, wanted = d2l()._get_batch_loss_bert(
        net, nn.CrossEntropyLoss(), 421, batch.token_ids, batch.segment_ids, batch.keep.sum(1), *given
    )
    torch.testing.assert_close(experiment.padded_loss(output, batch), wanted, rtol=1e-5, atol=1e-5)
    right = F.cross_entropy(output.mlm_logits[used], batch.labels[used])
    right = right + F.cross_entropy(output.nsp_logits, batch.is_random)
    torch.testing.assert_close(experiment.our_loss(output, batch), right)
    assert abs(right - wanted) > 1e-3


def test_padding_to_t_changes_the_width_and_nothing_else(world):
    (narrow,), (wide,) = take(world, RECIPES["ours"]), take(world, RECIPES["all padded to T"])
    assert narrow.token_ids.shape[1] < wide.token_ids.shape[1] == 64
    assert torch.equal(narrow.labels, wide.labels) and wide.tokens() == narrow.tokens()
    model = built("ours")
    torch.testing.assert_close(logits(model, narrow).mlm_logits, logits(model, wide).mlm_logits, rtol=0, atol=1e-4)


def test_what_is_drawn_once_comes_back_in_another_order(world):
    def shown(batch):
        rows = batch.token_ids.tolist()
        return [
            tuple(x for x, kept in zip(row, keep, strict=True) if kept)
            for row, keep in zip(rows, batch.keep, strict=True)
        ]

    for recipe, once in ((RECIPES["drawn once"], True), (RECIPES["ours"], False)):
        drawn = [shown(batch) for batch in take(world, recipe._replace(full_width=True), 6)]  # 3 batches an epoch
        first, second = list(chain(*drawn[:3])), list(chain(*drawn[3:]))
        assert len(first) == len(second) == 40
        assert (sorted(first) == sorted(second)) == once and first != second


def test_d2l_s_model_is_called_as_ours_is(world):
    (batch,) = take(world, RECIPES["d2l, all at once"])
    model = built("d2l, all at once").eval()
    _, mlm, nsp = model.net(batch.token_ids, batch.segment_ids, batch.keep.sum(1), batch.positions)
    output = logits(model, batch)
    assert torch.equal(output.mlm_logits, mlm) and torch.equal(output.nsp_logits, nsp)
    assert {module.p for module in model.modules() if isinstance(module, nn.Dropout)} == {0.2}


def test_the_rates():
    model = nn.Linear(2, 2)
    ours, theirs = (optimizer(model, 1200)[1] for optimizer in (experiment.our_optimizer, experiment.their_optimizer))
    assert [round(ours(step) * 1000, 4) for step in (1, 120, 1200)] == [0.0083, 1.0, 0.0009]
    assert {theirs(step) for step in (1, 120, 1200)} == {0.01}
    assert type(experiment.their_optimizer(model, 1)[0]) is torch.optim.Adam


def test_only_our_optimizer_clips(world):
    (batch,) = take(world, RECIPES["ours"])
    for recipe, clipped in ((RECIPES["ours"], True), (RECIPES["Adam 0.01, no warm-up"], False)):
        model = built("ours")
        optimizer, rate = recipe.optimizer(model, 10)
        norms = []
        optimizer.register_step_pre_hook(
            lambda *_, model=model, norms=norms: norms.append(
                nn.utils.get_total_norm(p.grad for p in model.parameters())
            )
        )
        experiment.update(
            model, optimizer, rate(1), recipe._replace(loss=lambda *a: 100 * experiment.our_loss(*a)), batch
        )
        assert (norms[0] < 1.001) == clipped


def test_frequencies_and_a_run(world):
    """A run that only learns the bias comes near word frequencies; one that learns nothing stays at ln V."""
    assert 4 < world.frequencies() < 4.8
    assert abs(world.run(Recipe(), 1, 0) - torch.tensor(421.0).log()) < 0.5
    assert world.run(Recipe(), 30, 0) < 5.6


def test_every_recipe_is_run_and_the_slow_ones_twice(monkeypatch):
    asked = []
    monkeypatch.setattr(
        World, "seconds", lambda _: {name: 10.0 * (1 + recipe.full_width) for name, recipe in RECIPES.items()}
    )
    monkeypatch.setattr(World, "run", lambda _, recipe, steps, seed: asked.append((steps, seed)) or float(seed))
    result = experiment.departures(steps=8, seeds=(3, 4), stories=40)
    runs = result["runs"]
    assert list(runs) == list(RECIPES) and runs["ours"]["equal steps"] == [3, 4]
    assert {name for name, run in runs.items() if "equal steps" not in run} == {"all padded to T", "d2l, all at once"}
    slow = [name for name, run in runs.items() if "equal seconds" in run]
    assert slow == ["ReLU", "all padded to T", "d2l, our optimizer", "d2l, all at once"]
    assert [runs[name]["steps in that time"] for name in slow] == [8, 4, 4, 4]
    assert asked.count((4, 3)) == 3 and asked.count((8, 3)) == len(RECIPES) - 2 + 1


def test_the_recorded_run_is_small_and_of_this_code():
    path = RUNS / "d2l-departures.json"
    assert path.stat().st_size < 60_000
    run = json.loads(path.read_text(encoding="utf-8"))
    assert run["command"] == "python tools/runs.py d2l-departures"
    assert list(run["result"]["runs"]) == list(RECIPES)
