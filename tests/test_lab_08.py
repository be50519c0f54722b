"""Chapter 8's figures draw what they are given, and its measurements measure what they say."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from bertmini import BertConfig
from bertmini.lab.experiments import pretraining as experiments
from bertmini.microworld.measure import rows
from bertmini.train import Options, Training

RUNS = Path(__file__).resolve().parent.parent / "data/runs"


@pytest.fixture
def draw(drawing):
    """The chapter's drawing module; the axes of the last figure as draw.axes()."""
    from bertmini.lab.figures import pretraining

    pretraining.axes = lambda: drawing.plt.gcf().axes
    return pretraining


def points(line):
    return [tuple(point) for point in line.get_xydata().tolist()]


CURVE = [(0, 6.0), (1000, 2.0)]


def test_the_rates_and_the_first_fall_are_drawn(draw):
    draw.rates({"ours": [(0, 0), (1, 1)]}, {"no correction": [(1, 3.2), (10, 6.5)]})
    above, below = draw.axes()
    assert points(above.lines[0]) == [(0, 0), (1, 1)] and points(below.lines[0]) == [(1, 3.2), (10, 6.5)]
    draw.first_fall(CURVE, {"word frequencies": 4.4, "floor": 0.5})
    (ax,) = draw.axes()
    assert points(ax.lines[0]) == CURVE and [set(line.get_ydata()) for line in ax.lines[1:]] == [{4.4}, {0.5}]


def test_a_figure_of_lines_is_stored_in_fewer_colours(draw):
    import base64
    import io

    from PIL import Image

    from bertmini.lab import figures

    draw.first_fall(CURVE, {"word frequencies": 4.4, "floor": 0.5})
    for colours in (64, 256):
        data, _ = figures.png(figures.plt.gcf(), colours)
        found = len(Image.open(io.BytesIO(base64.b64decode(data))).getcolors())
        assert colours / 4 < found <= colours


def test_each_phenomenon_has_its_panel(draw):
    panel = {"curve": CURVE, "larger": (1500, 0.3), "floor": 0.1, "own sentence": 0.7}
    draw.by_phenomenon({"towns": panel, "facts": panel | {"floor": 0.2}})
    towns, facts = draw.axes()
    own, floor, curve, larger = towns.lines
    assert towns.get_title() == "towns" and points(curve) == [(0, 6), (1, 2)]  # thousands of steps
    assert points(larger) == [(1.5, 0.3)] and set(own.get_ydata()) == {0.7}
    assert [set(line.get_ydata()) for line in (floor, facts.lines[1])] == [{0.1}, {0.2}]


def test_each_gap_has_its_panel(draw):
    panel = {"word": "fed", "curve": [(0, 0.01), (50, 0.5)], "larger": 0.99, "best": 1}
    draw.gaps({"otto ____": panel, "mara ____": panel | {"larger": 0.5}})
    first, second = draw.axes()
    assert first.get_title() == "otto ____ (fed)"
    assert points(first.lines[1]) == [(20, 0.01), (50, 0.5)]  # the axis is logarithmic: 0 is drawn at 20
    assert points(first.lines[2]) == [(17_000, 0.99)] and points(second.lines[2]) == [(17_000, 0.5)]


def test_the_other_runs_are_drawn(draw):
    draw.warm_up({"tiny": {"warm-up": [CURVE, CURVE], "none": [CURVE]}, "mini": {"warm-up": [], "none": []}}, 4.4)
    tiny, _ = draw.axes()
    assert len(tiny.lines) == 4 and tiny.lines[0].get_color() == tiny.lines[1].get_color() != tiny.lines[2].get_color()
    panel = {"seen": CURVE, "unseen": CURVE[:1], "floor": 0.5}
    draw.by_heart({"few": panel, "many": panel})
    few, _ = draw.axes()
    assert points(few.lines[0]) == CURVE[:1] and points(few.lines[1]) == CURVE
    assert set(few.lines[2].get_ydata()) == {0.5}
    draw.manual(CURVE, CURVE[:1], 6.4, change=1300)
    (ax,) = draw.axes()
    assert points(ax.lines[0]) == CURVE
    assert set(ax.lines[2].get_ydata()) == {6.4} and set(ax.lines[3].get_xdata()) == {1300}


def test_without_warm_up_the_first_step_has_the_full_rate():
    config = BertConfig(vocab_size=60, num_hidden_layers=1, hidden_size=8, num_attention_heads=1, intermediate_size=8)
    options = Options(steps=20, learning_rate=1.0, device="cpu", precision="fp32")
    rates = {}
    for kind in (Training, experiments.NoWarmUp):
        training, rates[kind] = kind(config, options), []
        for training.step in (1, 2, 20):
            rates[kind].append(round(training.rate, 3))
    assert rates == {Training: [0.5, 1.0, 0.053], experiments.NoWarmUp: [1.0, 0.95, 0.05]}


def test_the_stories_seen_are_those_trained_on_with_other_masks(tmp_path):
    world = experiments.World(20, tmp_path)
    training = world.begin("tiny", 10, seed=1)

    def texts(batches):
        """The segments as they were before words were hidden; and what is shown of them."""
        true, shown = set(), set()
        for ids, segment_ids, positions, labels, _ in rows(batches):
            shown.add(tuple(ids.tolist()))
            ids = ids.copy()
            ids[positions] = labels
            true |= {tuple(ids[segment_ids == 0][1:-1].tolist())}
        return true, shown

    ends = world.train.documents
    stories = [tuple(world.train.between(a, b).tolist()) for a, b in pairwise(ends)]
    seen, unseen = world.seen(100), world.unseen(100)
    assert sum(len(batch.is_random) for batch in seen) == sum(len(batch.is_random) for batch in unseen) == 100

    def told(segment):
        n = len(segment)
        return any(story[i : i + n] == segment for story in stories for i in range(len(story) - n + 1))

    assert all(told(segment) for segment in texts(seen)[0])
    assert not all(told(segment) for segment in texts(unseen)[0])
    drawn = [batch for _, batch in zip(range(5), world.batches(training), strict=False)]
    assert len(texts(seen)[1] & texts(drawn)[1]) < 5


def test_the_questions_can_be_told_and_have_one_answer_but_for_the_food():
    """Each text is a segment of some story; what stood in the gap is certain, as the chapter says."""
    from bertmini.microworld import Floor, Grammar
    from bertmini.microworld.floor import posteriors

    floor = Floor(Grammar.load())
    tokenizer = floor.tokenizer
    for text, word in experiments.GAPS.items():
        token_ids = tokenizer.encode(text).token_ids[1:-1]
        gap = token_ids.index(tokenizer.mask_id)
        evidence = floor.evidence(token_ids, [gap]).requires_grad_()
        told = sum(floor.part(sentences) for sentences in floor.cuts(evidence))
        chance = float(posteriors(told, evidence)[gap, tokenizer.vocab[word]])
        assert chance == pytest.approx(1 / 57 if word == "honey" else 1)


def test_there_are_more_instances_than_stories(tmp_path):
    world = experiments.World(20, tmp_path)
    batches = world.instances(world.held_out, 1100)  # more than there are stories
    assert sum(len(batch.is_random) for batch in batches) == 1100


@pytest.mark.parametrize("name", experiments.RUNS)
def test_the_recorded_runs_are_small_and_of_this_code(name):
    path = RUNS / f"{name}.json"
    assert path.stat().st_size < 60_000
    run = json.loads(path.read_text(encoding="utf-8"))
    assert run["command"] == f"python tools/runs.py {name}" and run["result"]
    assert torch.__version__.split(".")[0] == run["versions"]["torch"].split(".")[0]
