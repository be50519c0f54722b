"""What chapter 06 measures and draws: the street's floor by other means, who sees whom, CBOW, and the figures."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from bertmini.lab.experiments import masked_language_model as lab
from bertmini.microworld.grammar import MAX_LENGTH

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def street():
    return lab.Street()


def test_every_sentence_of_the_street_is_there_once(street):
    assert len(street.rows) == 3 * 4 * 8 * 3 * 3 * 8 == len({tuple(row) for row in street.rows.tolist()})
    assert "at noon the baker of new haven praised her red whisk in norland ." in street.sentences
    assert not any("new haven" in s and "westmark" in s for s in street.sentences), "new haven is in norland"


@pytest.mark.parametrize(
    ("known", "word", "chance"),
    [
        ("", "at", 1 / 3),  # of the three kinds of sentences
        ("at noon the", "baker", 1 / 4),
        ("at noon the baker of", "new", 2 / 8),
        ("at noon the baker of new", "haven", 1 / 2),
        ("at noon the baker of new haven", "praised", 1 / 8),
        ("at noon the baker of new haven praised her red", "whisk", 1),
    ],
)
def test_the_best_guess_is_a_count(street, known, word, chance):
    row = street.rows[street.sentences.index("at noon the baker of new haven praised her red whisk in norland .")]
    t = 1 + len(known.split())
    assert street.tokenizer.tokens[row[t]] == word
    assert street.best(row, np.arange(16) < t, t) == pytest.approx(-np.log(chance), abs=1e-12)


def test_the_floors_are_means_over_words(street):
    rows = street.rows[[0, 7, 3000]]
    left = [street.best(row, np.arange(16) < t, t) for row, t in product(rows, range(1, 15))]
    floors = lab.street_floors(street, rows, np.array([[4, 11]] * 3))
    assert floors["left"] == pytest.approx(np.mean(left))
    apart = [street.best(row, ~np.isin(np.arange(16), [4, 11]), t) for row in rows for t in (4, 11)]
    assert floors["gaps"] == pytest.approx(np.mean(apart))
    one = [street.best(row, np.arange(16) != t, t) for row, t in product(rows, range(1, 15))]
    assert floors["one gap"] == pytest.approx(np.mean(one))
    assert street.best(rows[0], np.arange(16) != 4, 4) == 0, "the tool gives the job away"
    assert street.best(rows[0], ~np.isin(np.arange(16), [4, 11]), 4) == pytest.approx(np.log(4)), "both are hidden"


def test_without_a_pattern_the_encoder_is_the_package_s(street):
    model, ids = lab.small(street.tokenizer, 2, 0), torch.from_numpy(street.rows[:3])
    torch.testing.assert_close(lab.encode(model, ids, None), model.bert(ids).hidden)


def changed(encode, ids: torch.Tensor, t: int) -> list[int]:
    """The positions whose vector depends on the token at t."""
    other = ids.clone()
    other[0, t] = (other[0, t] + 1) % 40 + 5
    with torch.no_grad():
        return [s for s in range(16) if not torch.allclose(encode(ids)[0, s], encode(other)[0, s], atol=1e-6)]


def test_who_depends_on_whom(street):
    ids = torch.from_numpy(street.rows[:1])
    two, one = lab.small(street.tokenizer, 2, 0), lab.small(street.tokenizer, 1, 0)
    causal = torch.ones(16, 16, dtype=torch.bool).tril()
    rest = [s for s in range(16) if s != 6]
    assert changed(lambda x: lab.encode(two, x, None), ids, 6) == list(range(16))
    assert changed(lambda x: lab.encode(two, x, causal), ids, 6) == list(range(6, 16))
    assert changed(lambda x: lab.encode_blind(one, x), ids, 6) == rest
    assert changed(lambda x: lab.encode_blind(two, x), ids, 6) == list(range(16))
    assert changed(lambda x: lab.encode_blind(two, x, raw=True), ids, 6) == rest


def test_the_next_word_is_scored_from_the_position_before_it(street):
    """By a loop, and [CLS] and [SEP] are no next words."""
    model, ids = lab.small(street.tokenizer, 2, 0), torch.from_numpy(street.rows[:2])
    with torch.no_grad():
        scores = lab.logits(model, lab.encode(model, ids, torch.ones(16, 16, dtype=torch.bool).tril()))
        nats = [-scores[b, t - 1].log_softmax(-1)[ids[b, t]] for b in range(2) for t in range(1, 15)]
        assert float(lab.next_word(model, ids, causal=True)) == pytest.approx(float(torch.stack(nats).mean()), rel=1e-5)


def test_hiding(street):
    shown, positions, labels = lab.hide(street.rows[:50], street.tokenizer, np.random.default_rng(0), always=True)
    true = torch.from_numpy(street.rows[:50])
    assert positions.shape == (50, 2)
    assert torch.equal(true.gather(1, positions), labels)
    assert (shown.gather(1, positions) == street.tokenizer.mask_id).all()
    assert (shown != true).sum() == 100


def test_cbow_by_hand():
    model = lab.Cbow(6, 2)
    with torch.no_grad():
        model.table.weight.copy_(torch.tensor([[9.0, 9], [1, 0], [0, 1], [3, 5], [0, 0], [0, 0]]))
        model.scores.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0], [2, 0], [0, 2]]))
        model.scores.bias.copy_(torch.tensor([0.0, 0, 0, 1, 0, 0]))
    # rows 1 and 3: (4, 5) / 2 = (2, 2.5); 0 is no neighbour
    expected = torch.tensor([[2, 2.5, 4.5, 1, 4, 5]])
    torch.testing.assert_close(model(torch.tensor([[1, 3, 0, 0]])), expected)
    torch.testing.assert_close(model(torch.tensor([[0, 3, 0, 1]])), expected)


def test_neighbours():
    row = np.array([2, 11, 12, 13, 3])
    assert lab.around(row, 2, 1).tolist() == [11, 13]
    assert lab.around(row, 1, 2).tolist() == [0, 2, 12, 13]
    assert sorted(lab.around(row, 3, 45).tolist())[-4:] == [2, 3, 11, 12]
    longest = np.arange(5, 5 + MAX_LENGTH)
    for t in (0, MAX_LENGTH - 1):
        seen = lab.around(longest, t, lab.REACHES[-1])
        assert sorted(seen[seen > 0].tolist()) == np.delete(longest, t).tolist(), "the whole text, wherever the gap is"


def test_the_recorded_runs_keep_what_was_written_down():
    leak = json.loads((ROOT / "data/runs/mlm-leak.json").read_text(encoding="utf-8"))["result"]
    ends = {name: [line[-1] for line in lines] for name, lines in leak["curves"].items()}
    assert set(ends) == set(lab.WAYS) and all(len(lines) == len(lab.SEEDS) for lines in ends.values())
    assert max(ends["next word, sees both sides"]) < 0.02
    assert max(ends["blind to itself, 2 layers"]) < leak["floors"]["one gap"] / 3
    cbow = json.loads((ROOT / "data/runs/mlm-cbow.json").read_text(encoding="utf-8"))["result"]
    assert next(iter(cbow)) == "word frequencies" and list(cbow)[-1] == "best possible"


# --- the figures


@pytest.fixture
def draw(drawing):
    from bertmini.lab.figures import masked_language_model

    return masked_language_model


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_the_three_views_show_what_is_guessed_under_the_chosen_only(draw):
    draw.three_views(["a", "b", "c"], ["a", "[MASK]", "x"], {1: "[MASK]", 2: "replaced"})
    said = texts(draw.plt.gca())
    assert said.count("a") == 2 and said.count("b") == 2 and said.count("c") == 2
    assert len(draw.plt.gca().patches) == 3 + 3 + 2 + 2, "two boxes for the guesses, two for the legend"
    assert said.count("[MASK]") == 1 and said.count("x") == 1


def test_a_bar_is_a_hundred_percent(draw):
    draw.fates({"chosen": {"[MASK]": 8, "kept": 1, "replaced": 1}})
    assert sum(bar.get_width() for bar in draw.plt.gca().patches) == pytest.approx(1)
    assert texts(draw.plt.gca()) == ["[MASK]\n80%", "10%", "10%"]


def test_only_ways_from_the_token_to_its_own_vector_are_red(draw):
    first = [((a, 0), (b, 1)) for a in range(3) for b in range(3) if a != b]
    second = [((a, 1), (b, 2)) for a in range(3) for b in range(3) if a != b]
    draw.paths(2, {"one": first, "two": first + second})
    one, two = (sum(line.get_color() == draw.RED and line.get_linewidth() > 2 for line in ax.lines)
                for ax in draw.plt.gcf().axes)  # fmt: skip
    assert (one, two) == (0, 4)


def test_the_curves_and_their_floors(draw):
    curves = {"masked": [[3.0, 1.0], [2.0, 0.9]], "next word, causal": [[3.0, 2.0]]}
    draw.learning([0, 100], curves, ["masked", "next word, causal"], {"best": (0.5, "masked")})
    (ax,) = draw.plt.gcf().axes
    assert [list(line.get_ydata()) for line in ax.lines] == [[3, 1], [2, 0.9], [3, 2], [0.5, 0.5]]


def test_the_mass_off_the_map(draw):
    real = torch.eye(2, dtype=torch.bool)
    draw.ring({"row": {"a": torch.eye(2) / 2, "b": torch.ones(2, 2) / 4}}, ["x", "y"], ["v", "w"], real)
    assert [ax.get_xlabel() for ax in draw.plt.gcf().axes] == ["off the map: 0%", "off the map: 50%"]


def test_bars_say_their_numbers(draw):
    draw.losses({"a": 1.25, "b": 0.5}, {})
    assert texts(draw.plt.gca()) == ["1.25", "0.50"]
    draw.cost(128, {"Tiny": (41, 10)}, 20)
    assert texts(draw.plt.gca()) == ["4.1"]
    draw.pieces({"one": {"best possible": 1.0}, "all": {"best possible": 2.0}})
    assert texts(draw.plt.gca()) == ["1.0", "2.0"]
