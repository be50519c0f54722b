"""Chapter 0's game and figures: what a reader pays, what the page shows."""

import math

import pytest

from bertmini.lab.figures import a_small_world as draw
from bertmini.lab.widgets import a_small_world as game
from bertmini.microworld import Floor, Grammar

FREQUENCY = {"the": 0.5, "heron": 0.3, "fog": 0.2}
PLAYED = [
    game.Blank("fed her ____ . / the end .", "heron", [], [], 0, {"heron": 0.25, "fog": 0.75}),
    game.Blank("____ fog . / the end .", "the", [], [], 0, {"the": 1.0}),
]


@pytest.fixture(scope="module")
def floor():
    return Floor(Grammar.load())


def test_a_chance_is_what_the_reader_gave_to_the_true_word():
    assert game.chance("heron", 0.6, "heron", FREQUENCY) == 0.6
    assert game.chance("the", 0.6, "heron", FREQUENCY) == pytest.approx(0.4 * 0.3 / 0.5)
    assert game.chance("zebra", 0.6, "heron", FREQUENCY) == pytest.approx(0.4 * 0.3)  # a word that does not exist
    for word in FREQUENCY:
        assert sum(game.chance(word, 0.6, answer, FREQUENCY) for answer in FREQUENCY) == pytest.approx(1)


def test_blanks_are_whole_and_the_best_player_s_chances_are_true(floor):
    blanks = game.blanks(floor, 30, seed=3)
    assert len(blanks) == 30 and blanks == game.blanks(floor, 30, seed=3)
    tokenizer = floor.tokenizer
    for blank in blanks:
        assert blank.text.count(game.GAP) == 1 and " / " in blank.text and "##" not in blank.text
        assert blank.token_ids[blank.place] == tokenizer.mask_id and blank.token_ids.count(tokenizer.mask_id) == 1
        assert len(blank.token_ids) == len(blank.segment_ids)
        assert sum(blank.best.values()) == pytest.approx(1) and blank.best[blank.answer] > 0
        assert list(blank.best.values()) == sorted(blank.best.values(), reverse=True)
    mean = sum(blank.best[blank.answer] == max(blank.best.values()) for blank in blanks) / 30
    assert mean > 0.5


def said(widget) -> str:
    return widget.readout.value.partition(">")[2].removesuffix("</pre>")


def test_the_game_adds_up_what_both_players_pay():
    widget = game.guessing_game(PLAYED, FREQUENCY)
    number, word, sure, answer = widget.controls.values()
    assert PLAYED[0].text in widget.text.value and "Nothing" in said(widget)
    answer.click()
    assert said(widget) == "Type a word first."
    word.value, sure.value = " Heron ", 60
    answer.click()
    assert f"You pay {-math.log(0.6):.2f} nats.\n" in said(widget) and "There stood: heron" in said(widget)
    assert "gave it 25% and pays 1.39" in said(widget) and "Answered 1: you 0.51" in said(widget)
    sure.value = 99  # now that the answer is known
    answer.click()
    assert "your first answer counts" in said(widget) and "Answered 1: you 0.51" in said(widget)
    number.value, word.value, sure.value = 2, "fog", 50
    assert PLAYED[1].text in widget.text.value
    answer.click()
    second = -math.log(0.5 * 0.5 / 0.8)
    assert f"Answered 2: you {(-math.log(0.6) + second) / 2:.2f} nats a word, the best player {1.386 / 2:.2f}" in (
        said(widget)
    )


def test_every_control_of_the_game_has_a_label():
    for control in game.guessing_game(PLAYED, FREQUENCY).controls.values():
        assert control.description


@pytest.fixture
def axes(drawing):
    """The axes of the latest figure."""
    return lambda: drawing.plt.gcf().axes


def test_a_story_is_drawn_with_one_arrow_a_variable(axes):
    hidden = {"name": "mara", "mood": "bad"}
    draw.story(hidden, [[("hush", None), ("mara", "name")], [("mara", "name"), ("dirge", "mood")]])
    (ax,) = axes()
    arrows = [patch for patch in ax.patches if isinstance(patch, draw.FancyArrowPatch)]
    assert len(arrows) == 2
    words = [text.get_text() for text in ax.texts]
    assert words[:4] == ["hush", "mara", "mara", "dirge"] and words[4:] == ["name", "mara", "mood", "bad"]


def test_every_hidden_variable_of_the_world_has_a_colour(floor):
    assert set(draw.VARIABLE) == set(floor.grammar.hidden)


def test_bars_are_as_long_as_the_numbers(axes):
    draw.players({"BERT": (0.6, 0.1), "the best player": (0.5, 0.1)})
    assert [bar.get_width() for bar in axes()[0].patches] == [0.6, 0.5]
    draw.made_of({"pattern": (0.5, 0.0), "list": (0.1, 0.6)})
    assert [bar.get_width() for bar in axes()[0].patches] == [0.5, 0.1, 0.0, 0.6]
    best = "the best player"
    draw.chances({"a ____": {best: {"x": 0.3}, "BERT": {"x": 0.4}}, "b ____": {best: {"y": 1}}})
    assert [bar.get_width() for ax in axes() for bar in ax.patches] == [0.3, 0.4, 1]


def test_curves_pass_through_what_is_marked(axes):
    draw.from_chance_to_loss({0.5: "a coin"})
    assert axes()[0].lines[1].get_xydata().tolist() == [[0.5, pytest.approx(math.log(2))]]
    draw.honesty({"0.8": 0.8})
    curve, lowest = axes()[0].lines
    assert curve.get_ydata().min() == pytest.approx(lowest.get_ydata()[0], abs=1e-3)
    assert lowest.get_xydata().tolist() == [[0.8, pytest.approx(0.5004, abs=1e-4)]]
