"""Chapter 7: its figures draw what they are given, and its recorded measurement is built right."""

from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from bertmini import load
from bertmini.batches import Batch
from bertmini.lab.check import same
from bertmini.lab.exercises import next_sentence as exercises
from bertmini.lab.experiments import next_sentence as experiment
from bertmini.microworld import Floor, window_pairs
from bertmini.microworld.measure import rows, sample
from bertmini.nsp import trimmed_lengths

MODELS = Path(__file__).resolve().parent.parent / "data/models"


@pytest.fixture
def draw(drawing):
    from bertmini.lab.figures import next_sentence

    return next_sentence


def test_a_document_becomes_pairs(draw):
    draw.document_to_pairs([4, 5, 6], [(2, 0, 1, 1), (2, 1, 2, 0)], [[7], []])
    ax = draw.plt.gca()
    boxes = [(box.get_x(), box.get_width()) for box in ax.patches]
    assert boxes == [(0, 4), (4, 5), (9, 6), (0, 4), (4, 5), (21, 7), (4, 5), (9, 6)]
    assert [box.get_linestyle() for box in ax.patches].count("solid") == 7, "one sentence goes back"
    assert [text.get_text() for text in ax.texts if len(text.get_text()) == 1] == [*"12312?23"]


def test_shares_segments_and_players(draw):
    draw.shares({1: (10, 10), 2: (20, 10)}, [1.0, 0.5], {1: 1.0})
    top, bottom = draw.plt.gcf().axes
    assert [bar.get_height() for bar in top.patches] == [100, 50]
    assert bottom.lines[0].get_xydata().tolist() == [[1, 100], [2, 50]]
    assert bottom.lines[1].get_xydata().tolist() == [[1, 100]]
    assert [label.get_text() for label in top.get_xticklabels()] == ["1", "2+"]

    draw.segments({"T = 8": {1: 0.25, 2: 0.75}, "T = 16": {1: 0.5, 2: 0.5}})
    assert [bar.get_height() for ax in draw.plt.gcf().axes for bar in ax.patches] == [25, 75, 50, 50]

    draw.players({"next": {"chance": 0.5, "one bag": 0.75}, "order": {"tiny, not taught": 0.8, "best possible": 0.9}})
    axes = draw.plt.gcf().axes
    assert [bar.get_width() for ax in axes for bar in ax.patches] == [50, 75, 80, 90]
    assert [bool(bar.get_hatch()) for bar in axes[1].patches] == [True, False]


def test_the_exercises_answers_agree_with_the_package():
    for first, second, room in exercises.trimmed.cases:
        assert exercises.trimmed.right(first, second, room) == list(trimmed_lengths(first, second, room))
    for logits, labels, weights in exercises.weighted.cases:
        marked = torch.where(weights > 0, labels, -100)
        wanted = torch.nn.functional.cross_entropy(logits.mT, marked)
        assert same(exercises.weighted.right(logits, labels, weights), wanted)


def test_order_pairs_are_the_windows_that_follow_half_of_them_exchanged():
    corpus = namedtuple("Corpus", "sentences documents")(np.arange(0, 6001, 2), np.arange(0, 3001, 6))
    windows = window_pairs(corpus, 61, 1, 2)
    windows = windows[windows[:, 4] == 0]
    pairs = experiment.order_pairs(corpus, 61, 1, 2)
    right, wrong = pairs[:, 4] == 0, pairs[:, 4] == 1
    assert np.array_equal(pairs[right], windows[right])
    assert np.array_equal(pairs[wrong][:, :4], windows[wrong][:, [2, 3, 0, 1]])
    assert abs(wrong.mean() - 0.5) < 5 * 0.5 / len(pairs) ** 0.5


@pytest.fixture(scope="module")
def batch():
    return sample(experiment.GRAMMAR, 40, seed=5)[0]


def test_exchanged_is_the_other_order_and_twice_is_nothing(batch):
    turned = experiment.exchanged(batch)
    for (shown, segments, *_), (other, others, *_) in zip(rows([batch]), rows([turned]), strict=True):
        border, new = int((segments == 0).sum()), int((others == 0).sum())
        assert other[1 : new - 1].tolist() == shown[border:-1].tolist()
        assert other[new:-1].tolist() == shown[1 : border - 1].tolist()
        assert (other[[0, new - 1, -1]] == shown[[0, border - 1, -1]]).all()
        assert (others == (np.arange(len(other)) >= new)).all()
    again = experiment.exchanged(turned)
    assert torch.equal(again.token_ids, batch.token_ids)
    assert torch.equal(again.segment_ids, batch.segment_ids)


def test_chances_are_the_model_s_and_the_best_player_s_are_the_floor_s(batch):
    model = load(MODELS / "microworld-tiny")[0]
    with torch.no_grad():
        wanted = model(batch.token_ids, batch.segment_ids, batch.keep, batch.positions).nsp_logits.softmax(-1)[:, 1]
    torch.testing.assert_close(experiment.chances(model, batch), wanted, atol=1e-5, rtol=0)

    floor = Floor(experiment.GRAMMAR)
    few = Batch(*(part[:5] for part in batch))
    p = [floor.best_prediction(shown, segments, positions).is_random for shown, segments, positions, *_ in rows([few])]
    assert experiment.best(few)["next sentence"] == pytest.approx(np.mean([max(x, 1 - x) for x in p]))


def test_words_can_be_left_out_of_the_bags(batch):
    whole, part = experiment.bags_of(batch), experiment.bags_of(batch, experiment.HOURS)
    hours = [experiment.GRAMMAR.tokenizer.vocab[hour] for hour in experiment.HOURS]
    assert whole.first[:, hours].any()
    assert not part.first[:, hours].any()
    whole.first[:, hours] = 0
    assert torch.equal(whole.first, part.first)


def test_without_friends_a_name_is_left_only_where_it_begins_a_sentence(batch):
    vocab = experiment.GRAMMAR.tokenizer.vocab
    shown = "[CLS] ivy saw otto . ivy woke ivy at dawn . [SEP] rose lost the [MASK] . [SEP] [PAD]"
    left = "[CLS] ivy saw [MASK] . ivy woke [MASK] at dawn . [SEP] rose lost the [MASK] . [SEP] [PAD]"
    shown, left = (torch.tensor([[vocab[token] for token in text.split()]]) for text in (shown, left))
    assert torch.equal(experiment.without_friends(batch._replace(token_ids=shown)).token_ids, left)


def test_a_choice_between_two_orders():
    right, wrong = torch.tensor([0.1, 0.5, 0.9, 0.2]), torch.tensor([0.2, 0.5, 0.3, 0.8])
    assert experiment.chosen(right, wrong) == 0.625  # two right, one wrong, one coin

    class First(torch.nn.Module):
        def forward(self, first, second):
            return torch.stack([first.sum(-1), second.sum(-1)], dim=-1)

    pairs = experiment.Bags(torch.tensor([[2.0], [1.0], [1.0]]), torch.tensor([[1.0], [1.0], [3.0]]), torch.zeros(3))
    assert experiment.chosen_by(First(), pairs) == 0.5
