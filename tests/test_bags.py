"""Scorers of bags of words: what they see, what they cannot see, and that they learn."""

import pytest
import torch

from bertmini.relatives.bags import Bags, OneBag, TwoBags, accuracy, bags, fit

# [PAD] 0, [CLS] 1, [SEP] 2, [MASK] 3, and words from 4 on
TOKEN_IDS = torch.tensor([[1, 5, 4, 5, 2, 3, 5, 7, 2], [1, 6, 2, 6, 4, 2, 0, 0, 0]])
SEGMENT_IDS = torch.tensor([[0, 0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0, 0, 0]])
LABELS = torch.tensor([0, 1])


def test_bags_by_hand():
    """A word that occurs twice counts once; signs, holes and padding are no words."""
    made = bags(TOKEN_IDS, SEGMENT_IDS, LABELS, size=8, special_ids=[0, 1, 2, 3])
    assert made.first.tolist() == [[0, 0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0]]
    assert made.second.tolist() == [[0, 0, 0, 0, 0, 1, 0, 1], [0, 0, 0, 0, 1, 0, 1, 0]]
    assert made.labels.tolist() == [0, 1]


def test_order_inside_a_segment_is_forgotten():
    turned = TOKEN_IDS.clone()
    turned[0, 1:4], turned[0, 5:8] = turned[0, [3, 1, 2]], turned[0, [7, 5, 6]]
    made, other = (bags(ids, SEGMENT_IDS, LABELS, 8, [0, 1, 2, 3]) for ids in (TOKEN_IDS, turned))
    assert torch.equal(made.first, other.first)
    assert torch.equal(made.second, other.second)


def test_exchanged():
    made = bags(TOKEN_IDS, SEGMENT_IDS, LABELS, 8, [0, 1, 2, 3])
    turned = made.exchanged()
    assert torch.equal(turned.first, made.second)
    assert torch.equal(turned.second, made.first)
    assert turned.labels.tolist() == [1, 0]


def test_one_bag_by_hand():
    scorer = OneBag(3)
    with torch.no_grad():
        scorer.score.weight.copy_(torch.tensor([[1.0, 2, 4], [8, 16, 32]]))
        scorer.score.bias.copy_(torch.tensor([0.5, 0.25]))
    logits = scorer(torch.tensor([[1.0, 0, 1]]), torch.tensor([[1.0, 1, 1]]))  # words 0 and 2 are in both
    assert logits.tolist() == [[5.5, 40.25]]


def test_one_bag_is_symmetric_and_two_bags_are_not():
    torch.manual_seed(0)
    first, second = torch.randint(2, (2, 5, 30)).float()
    one, two = OneBag(30), TwoBags(30)
    assert torch.equal(one(first, second), one(second, first))
    assert not torch.allclose(two(first, second), two(second, first), atol=1e-3)


def test_two_bags_read_first_second_and_product_in_this_order():
    scorer = TwoBags(2)
    seen = []
    scorer.score.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    scorer(torch.tensor([[1.0, 1]]), torch.tensor([[0.0, 1]]))
    assert seen[0].tolist() == [[1, 1, 0, 1, 0, 1]]


def random_pairs(count: int, seed: int) -> Bags:
    """Six words, each there by a fair coin. Label 0 where word 0 is in both."""
    words = torch.randint(2, (2, count, 6), generator=torch.Generator().manual_seed(seed)).float()
    return Bags(*words, 1 - (words[0, :, 0] * words[1, :, 0]).long())


@pytest.mark.parametrize("kind", [OneBag, TwoBags])
def test_what_is_shared_is_learned(kind):
    torch.manual_seed(0)
    scorer, passes = kind(6), []
    judge = random_pairs(500, seed=1)
    fit(scorer, lambda number: passes.append(number) or random_pairs(600, seed=number + 2), 20, lr=3e-2)
    assert passes == list(range(20))
    assert accuracy(scorer, judge) == 1.0
    assert accuracy(scorer, judge._replace(labels=1 - judge.labels)) == 0.0


def test_only_two_bags_learn_which_came_first():
    """A word that is in the first segment only, or in the second only: the overlap is empty, whatever the order."""
    there = torch.eye(6)[torch.zeros(400, dtype=torch.long)]
    nothing, label = torch.zeros(400, 6), torch.arange(400) % 2
    first, second = (torch.where((label == k)[:, None], there, nothing) for k in (0, 1))
    scores = []
    for kind in (OneBag, TwoBags):
        torch.manual_seed(0)
        scorer = kind(6)
        fit(scorer, lambda _: Bags(first, second, label), 10, lr=3e-2)
        scores.append(accuracy(scorer, Bags(first, second, label)))
    assert scores == [0.5, 1.0]


def test_the_rate_falls_to_zero_in_a_line(monkeypatch):
    rates = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: rates.append(self.param_groups[0]["lr"]) or step(self))
    fit(OneBag(6), lambda number: random_pairs(4, seed=number), 2, lr=1.0, batch_size=2)
    assert rates == [1.0, 0.75, 0.5, 0.25]
