"""The players that a model is compared with, and a model that is pretrained beside them."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from bertmini.config import InputError
from bertmini.corpus import Corpus
from bertmini.microworld import Floor, Grammar, generate, prepare_world
from bertmini.microworld.left import FloorFromTheLeft
from bertmini.microworld.measure import (
    Players,
    check_lines,
    floor_lines,
    from_the_left,
    mean,
    measure,
    report,
    rows,
    sample,
    sentences,
)
from bertmini.run import begin, resume
from bertmini.train import Options, train

GRAMMAR = """
[hidden]
name = ["mara", "otto"]
mood = ["good", "bad"]
[slots]
face = { mood = { good = { grin = 0.8, scowl = 0.2 }, bad = { scowl = 0.8, grin = 0.2 } } }
food = ["tea", "boat", "boathouse"]
[scenes.dawn]
again = 0.5
next = { work = 1 }
first = ["at dawn {name} wakes up with a {face} ."]
[scenes.work]
again = 0.5
next = { walk = 1 }
first = ["{name} makes {food} ."]
second = ["{food} for all , says {name} ."]
[scenes.walk]
again = 0.5
next = { dusk = 1 }
first = ["{name} walks with a {face} ."]
[scenes.dusk]
first = ["at dusk {name} has {food} ."]
[pieces]
boathouse = ["boat", "##house"]
[phenomena]
mood = ["{face}"]
order = ["dawn", "dusk"]
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("grammar") / "small.toml"
    file.write_text(GRAMMAR, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def world(path):
    return Grammar.load(path)


@pytest.fixture(scope="module")
def game(world):
    batches = sample(world, 300, seed=3)
    return Floor(world), batches, measure(Floor(world), batches)


def test_sentences_and_their_places_in_the_window():
    stop, separator = 9, 3
    true = np.array([2, 5, 9, 6, 7, 9, separator, 5, 9, separator])
    assert sentences(true, stop, separator) == [(slice(1, 3), 0, 2), (slice(3, 6), 1, 1), (slice(7, 9), 2, 0)]


def test_who_sees_less_knows_less(game):
    floor, batches, players = game
    count = sum(int((batch.labels != -100).sum()) for batch in batches)
    assert len(players.floor) == len(players.own_sentence) == count
    assert players.floor.mean() < players.own_sentence.mean() < math.log(len(floor.tokenizer))
    left = from_the_left(FloorFromTheLeft(floor.grammar), batches)
    assert players.floor[players.masked].mean() < left[players.masked].mean()


def test_the_best_player_is_right_as_often_as_it_says(game):
    floor, batches, players = game
    right = [(floor.best_prediction(*row[:3]).is_random > 0.5) == row[4] for row in rows(batches)]
    error = (players.next_sentence * (1 - players.next_sentence)).sum() ** 0.5 / len(right)
    assert error < 0.03 and abs(np.mean(right) - players.next_sentence.mean()) < 4 * error


def test_phenomena_are_found_by_slot_by_word_and_by_piece(game):
    floor, batches, players = game
    labels = np.concatenate([batch.labels[batch.labels != -100].numpy() for batch in batches])
    tokens = [floor.tokenizer.tokens[i] for i in labels]
    for name, words in {"mood": {"grin", "scowl"}, "order": {"dawn", "dusk"}}.items():
        assert players.phenomena[name].tolist() == [token in words for token in tokens], name
    pieces = [(token, bool(piece)) for token, piece in zip(tokens, players.phenomena["piece"], strict=True)]
    assert {token for token, piece in pieces if piece} == {"boat", "##house"}
    assert ("boat", False) in pieces and ("##house", False) not in pieces  # a whole boat is no piece


def test_dawn_and_dusk_are_known_from_their_sentence(game):
    _, _, players = game
    shown = players.phenomena["order"] & players.masked
    assert players.own_sentence[shown].mean() < 0.05


def test_the_mean_of_groups_has_the_error_of_the_groups():
    values, groups = np.array([1.0, 1.0, 3.0, 3.0]), np.array([0, 0, 1, 1])
    assert mean(values, groups) == (2.0, pytest.approx(math.sqrt(8) / 4))
    assert mean(values, np.arange(4))[1] == pytest.approx(1 / 2)


def test_a_report_sets_the_model_beside_the_players():
    """Four tokens of two instances, the second shown and not hidden."""
    floor, masked = np.array([1.0, 2, 3, 4]), np.array([True, False, True, True])
    mood = {"mood": np.array([True, True, False, True])}
    players = Players(floor, 2 * floor, masked, np.array([0, 0, 1, 1]), mood, np.array([0.75, 1]), np.array([0.5]))
    figures = report(players, floor + 4, floor + 8)
    assert figures["floor_mlm_loss"] == pytest.approx(2.5)
    assert figures["floor_mlm_loss_masked"] == pytest.approx(8 / 3)
    assert figures["own_sentence_mlm_loss_masked"] == pytest.approx(16 / 3)
    assert (figures["best_nsp_accuracy"], figures["best_order_accuracy"]) == (0.875, 0.5)
    expected = {"model": 6.5, "floor": 2.5, "own_sentence": 5, "unigram": 10.5}
    assert {key: figures["phenomena"]["mood"][key] for key in expected} == pytest.approx(expected)


def test_the_lines_for_a_teacher(world):
    told = "\n".join(check_lines(world, 20, 0))
    assert "4 joint states of name, mood" in told and "4 to 7 sentences" in told
    assert "missing: sense, town, fact, agreement, pronoun" in told and "unused slots  none" in told
    told = "\n".join(floor_lines(world, 20, 0))
    assert "20 instances" in told and "best next-sentence accuracy" in told


def test_no_held_out_story_is_trained_on(world, tmp_path, monkeypatch):
    """Of a world this small, stories would repeat at once."""
    monkeypatch.setattr(generate, "HELD_OUT_STORIES", 5)
    prepare_world(world, 200, 0, tmp_path)
    train_, held_out = (Corpus.open(tmp_path / name) for name in ("train", "held_out"))
    told = [
        {tuple(part.between(a, b).tolist()) for a, b in zip(part.documents[:-1], part.documents[1:], strict=True)}
        for part in (train_, held_out)
    ]
    assert len(train_.documents) == 201 and len(held_out.documents) == 6 and not told[0] & told[1]


def test_pretraining_in_a_world(path, tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "HELD_OUT_STORIES", 40)
    wanted = Options(corpus=str(path), steps=6, batch_size=4, device="cpu")
    config, options = begin(tmp_path / "run", wanted)
    assert (options.max_length, options.vocab_size) == (64, config.vocab_size) and config.hidden_dropout_prob == 0
    whole = train(tmp_path / "run", config, options)
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert whole == 6 and lines[-1]["step"] == 6
    for key in ("floor_mlm_loss", "floor_mlm_loss_masked", "own_sentence_mlm_loss_masked", "best_nsp_accuracy"):
        assert len({line[key] for line in lines if "held_out_mlm_loss" in line}) == 1
    last = lines[-1]
    assert last["floor_mlm_loss_masked"] < last["own_sentence_mlm_loss_masked"] < last["held_out_mlm_loss_masked"]
    assert set(last["phenomena"]) == {"mood", "order", "piece"}
    assert set(last["phenomena"]["mood"]) == {"positions", "model", "floor", "own_sentence", "unigram"}

    begin(tmp_path / "again", wanted)  # the same run, interrupted and resumed
    for stop in (2, None):
        config, options = resume(tmp_path / "again", {})
        train(tmp_path / "again", config, options, stop_after=stop)
    one, other = (torch.load(tmp_path / name / "checkpoints/step-000006/training.pt") for name in ("run", "again"))
    assert all(torch.equal(one["model"][name], other["model"][name]) for name in one["model"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vocab_size": 4000}, "--vocab-size 4000: a microworld brings its own words"),
        ({"held_out": "text.txt"}, "--held-out text.txt"),
        ({"max_length": 32}, "--max-length is 32"),
        ({"corpus": "nothere.toml"}, "nothere.toml"),
    ],
)
def test_what_a_world_cannot_be_given(path, tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        begin(tmp_path / "run", dataclasses.replace(Options(corpus=str(path), device="cpu"), **change))
    assert not (tmp_path / "run").exists()


def test_the_book_s_world_is_worth_learning():
    """Reading helps by more than a nat; other sentences by about 0.27; the next sentence is told often, not always."""
    world = Grammar.load()
    batches = sample(world, 500, seed=3)
    players = measure(Floor(world), batches)
    masked, labels = players.masked, torch.cat([batch.labels[batch.labels != -100] for batch in batches]).numpy()
    shares = np.bincount(labels) / len(labels)
    frequencies = -np.log(shares[labels]).mean()
    assert players.floor[masked].mean() < frequencies - 1
    gained, error = mean((players.own_sentence - players.floor)[masked], players.instance[masked])
    assert 0.2 < gained < 0.34 and error < 0.02
    assert 0.9 < players.next_sentence.mean() < 0.97
    assert 0.75 < players.order.mean() < 0.9
