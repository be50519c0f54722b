"""Chapter 1's figures draw what they are given, and its text tells of the world as it is."""

from itertools import islice

import pytest
import torch

from bertmini.microworld import Grammar, stories


@pytest.fixture
def draw(drawing):
    from bertmini.lab.figures import words_before_bert

    return words_before_bert


def labels(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def test_signs_stand_out_among_the_bars(draw):
    draw.weights({"counts": {"the": 3.0, "glad": 1.0}, "TF-IDF": {"glad": 2.5}}, ["glad"])
    left, right = draw.plt.gcf().axes
    assert labels(left.yaxis) == ["the", "glad"] and labels(right.yaxis) == ["glad"]
    assert [bar.get_width() for bar in left.patches] == [3.0, 1.0]
    colours = [bar.get_facecolor() for bar in (*left.patches, *right.patches)]
    assert colours[0] != colours[1] == colours[2]


def test_readers_have_their_shares_written_beside_them(draw):
    draw.readers({"few": 0.5, "all": 0.987})
    ax = draw.plt.gca()
    assert [text.get_text() for text in ax.texts] == ["50%", "99%"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([50, 98.7])


def test_both_games_show_the_window(draw):
    draw.two_tasks(["a", "b", "c", "d", "e"], centre=2)
    texts = [text.get_text() for text in draw.plt.gca().texts if text.get_text()]
    assert texts.count("c") == texts.count("a") == 2 and texts.count("mean") == 1


def test_the_map_puts_every_word_of_a_group(draw):
    points = torch.arange(10.0).view(5, 2)
    draw.word_map(points, {"one": [1, 2], "two": [4]}, {4: "here"})
    one, two = draw.plt.gca().collections
    assert one.get_offsets().tolist() == [[2, 3], [4, 5]] and two.get_offsets().tolist() == [[8, 9]]
    assert [text.get_text() for text in draw.plt.gca().texts] == ["here"]


def test_labels_of_groups_close_by_grow_apart(draw):
    points = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [100.0, 50.0]])
    draw.word_map(points, {"one": [1], "two": [2], "far": [3]}, {1: "a", 2: "b", 3: "c"})
    assert [text.get_ha() for text in draw.plt.gca().texts] == ["right", "left", "center"]


def test_glove_s_panels_draw_all_pairs(draw):
    counts = torch.tensor([1.0, 200.0, 50.0])
    draw.glove_fit(counts, counts.clamp(max=100) / 100, counts.log())
    left, right = draw.plt.gcf().axes
    assert left.lines[0].get_xdata().tolist() == [1, 50, 200]
    assert sum(right.collections[0].get_array() > 0) == 3


def test_companions_and_leanings_draw_a_row_a_word(draw):
    draw.companions({"bank": ([0.2, 0.4], [0.1])}, ("first", "second"))
    first, second = draw.plt.gca().collections
    assert first.get_offsets()[:, 0].tolist() == [0.2, 0.4] and second.get_offsets()[:, 0].tolist() == [0.1]
    assert draw.plt.gca().lines[0].get_xdata() == pytest.approx([0.3, 0.3])
    draw.leanings({"bank": (2.0, 0.1, -2.0), "bat": (1.0, 0.0, -1.0)}, ("a", "b", "c"))
    ax = draw.plt.gca()
    assert labels(ax.yaxis) == ["bank", "bat"]
    assert [dot.get_offsets()[0, 0] for dot in ax.collections] == [2.0, 0.1, -2.0, 1.0, 0.0, -1.0]


def test_what_the_chapter_says_of_the_world():
    """A word with two senses stands right before its ending, and its animal out of reach of a window of two."""
    grammar = Grammar.load()
    hers = set(grammar.slots["her"].phrases)
    endings = {phrase.split()[0]: set() for phrase in grammar.slots["odd"].phrases}
    for phrase in grammar.slots["odd"].phrases:
        endings[phrase.split()[0]].add(phrase.split()[-1])
    assert len(endings) == 8 and all(len(pair) == 2 for pair in endings.values())
    animals, asked = set(grammar.slots["creature"].phrases), 0
    for story in islice(stories(grammar, seed=1), 300):
        for sentence in story.texts():
            words = sentence.split()
            for place, word in enumerate(words):
                if word in endings:
                    assert words[place + 1] in endings[word] and words[place - 2] == "that"
                    met = [k for k, other in enumerate(words) if other in animals]
                    assert met in ([], [place - 7]) and words[place - 1] in (hers if met else {"the"})
                    asked += bool(met)
    assert asked > 100
    assert grammar.slots["food"].variable is None and grammar.slots["creature"].variable == "topic"


def test_the_story_of_the_chapter_shows_its_facts():
    """What the page says of the story that it prints, and of the moods that its readers guess."""
    grammar = Grammar.load()
    story = next(islice(stories(grammar, seed=0), 4988, None))
    facts = {"name": "robin", "pronoun": "he", "town": "stone bridge"} | {"job": "sailor", "topic": "woods"}
    assert story.hidden == facts | {"mood": "good"}
    words = " ".join(story.texts()).split()
    signs = {p: grammar.slots[s].table for s in ("feeling", "tune", "sky", "exclaim", "verdict")
             for p in grammar.slots[s].phrases}  # fmt: skip
    assert len(signs) == 10 and {word for word in words if word in signs} == {"jig", "hooray", "lovely"}
    assert all(sorted(table.ravel()) == [0.2, 0.2, 0.8, 0.8] for table in signs.values())
    assert {"robin", "sailor", "his", "stone", "bridge", "badger", "woods"} <= set(words)
