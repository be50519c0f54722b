"""Windows, counts and losses of the word vectors, beside numbers from hand and loops in float64."""

import math

import pytest
import torch

from bertmini.relatives.word2vec import (
    CBOW,
    GloVe,
    SkipGram,
    cooccurrences,
    neighbours,
    noise_words,
    train,
    windows,
)


def test_windows_by_hand():
    centre, context = windows([[5, 6, 7], [8]], 2)
    assert centre.tolist() == [5, 6, 7, 8]
    assert context.tolist() == [[0, 0, 6, 7], [0, 5, 7, 0], [5, 6, 0, 0], [0, 0, 0, 0]]


def test_a_window_never_reaches_into_another_text():
    one = windows([[1, 2, 3]], 3)
    two = windows([[1, 2, 3], [4, 5]], 3)
    assert all(torch.equal(a, b[:3]) for a, b in zip(one, two, strict=True))


def test_cooccurrences_by_hand():
    """1 2 3 1: the two 1 are three apart, so with two on each side they do not meet."""
    table = cooccurrences(*windows([[1, 2, 3, 1]], 2), V=4)
    wanted = [[0, 0, 0, 0], [0, 0, 1.5, 1.5], [0, 1.5, 0, 1], [0, 1.5, 1, 0]]
    assert table.tolist() == wanted


def test_a_word_beside_itself_meets_itself_from_both_sides():
    assert cooccurrences(*windows([[1, 1]], 1), V=2)[1, 1] == 2


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.fixture
def batch():
    """Three windows; the first one begins a text, the second holds a word twice."""
    centre = torch.tensor([3, 1, 4])
    context = torch.tensor([[0, 1, 2, 5], [2, 2, 5, 4], [3, 0, 0, 0]])
    noise = torch.tensor([[1, 4], [3, 3], [5, 2]])
    return centre, context, noise


def test_cbow_s_loss_is_that_of_a_loop(batch, shake):
    model = shake(CBOW(6, 4)).double()
    with torch.no_grad():
        model.input.weight[0] = model.output.weight[0] = 0  # as padding_idx keeps them
    read, predicted = model.input.weight.tolist(), model.output.weight.tolist()
    losses = []
    for centre, context, noise in zip(*(part.tolist() for part in batch), strict=True):
        there = [read[word] for word in context if word]
        hidden = [sum(column) / len(there) for column in zip(*there, strict=True)]
        loss = -math.log(sigmoid(dot(hidden, predicted[centre])))
        loss -= sum(math.log(1 - sigmoid(dot(hidden, predicted[word]))) for word in noise)
        losses.append(loss)
    assert model(*batch).item() == pytest.approx(sum(losses) / 3, rel=1e-12)


def test_skip_gram_s_loss_is_that_of_a_loop(batch, shake):
    model = shake(SkipGram(6, 4)).double()
    read, predicted = model.input.weight.tolist(), model.output.weight.tolist()
    losses = []
    for centre, context, noise in zip(*(part.tolist() for part in batch), strict=True):
        for right in filter(None, context):
            loss = -math.log(sigmoid(dot(read[centre], predicted[right])))
            loss -= sum(math.log(1 - sigmoid(dot(read[centre], predicted[word]))) for word in noise)
            losses.append(loss)
    assert len(losses) == 8
    assert model(*batch).item() == pytest.approx(sum(losses) / 8, rel=1e-12)


def test_glove_s_loss_is_that_of_a_loop(shake):
    model = shake(GloVe(5, 3, x_max=10)).double()
    rows, columns = torch.tensor([1, 2, 4, 4]), torch.tensor([2, 1, 4, 3])
    counts = torch.tensor([0.5, 20.0, 10.0, 3.0], dtype=torch.float64)
    losses = []
    for i, j, x in zip(rows.tolist(), columns.tolist(), counts.tolist(), strict=True):
        fit = dot(model.input.weight[i].tolist(), model.output.weight[j].tolist())
        fit += model.input_bias[i].item() + model.output_bias[j].item()
        losses.append((min(x / 10, 1) ** 0.75) * (fit - math.log(x)) ** 2)
    assert model(rows, columns, counts).item() == pytest.approx(sum(losses) / 4, rel=1e-12)


def test_glove_s_weights_by_hand():
    """(1/16)^(3/4) is 1/8; from x_max on it is 1."""
    assert GloVe(3, 2, x_max=16).weight(torch.tensor([1.0, 16.0, 99.0])).tolist() == [0.125, 1, 1]


def test_cbow_does_not_see_the_order_of_a_window(batch, shake):
    model = shake(CBOW(6, 4))
    centre, context, noise = batch
    for _ in range(5):
        shuffled = context[:, torch.randperm(4)]
        torch.testing.assert_close(model.hidden(shuffled), model.hidden(context))
        torch.testing.assert_close(model(centre, shuffled, noise), model(*batch))


def test_padding_does_not_count(batch):
    model = CBOW(6, 4)
    centre, context, noise = batch
    wider = torch.cat([context, torch.zeros(3, 2, dtype=torch.long)], 1)
    for model in (CBOW(6, 4), SkipGram(6, 4)):
        torch.testing.assert_close(model(centre, wider, noise), model(*batch))
    assert not CBOW(6, 4).hidden(torch.zeros(1, 4, dtype=torch.long)).any()  # a text of one word: no division by 0


def test_noise_follows_the_counts_to_three_quarters():
    """1 and 16 become 1 and 8."""
    drawn = noise_words(torch.tensor([0, 1, 16]), (300, 300), torch.Generator().manual_seed(0))
    assert drawn.shape == (300, 300) and drawn.min() == 1
    assert (drawn == 2).double().mean().item() == pytest.approx(8 / 9, abs=0.005)


def test_the_nearest_come_first_without_the_word_and_without_padding():
    vectors = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 4.0], [0.0, 5.0], [-1.0, 0.0], [9.0, 0.1]])
    rows, cosines = neighbours(vectors, 1, 3)
    assert rows.tolist() == [5, 2, 3]
    assert cosines.tolist() == pytest.approx([1.0, 0.6, 0.0], abs=1e-3)
    assert vectors[1].tolist() == [2.0, 0.0]


@pytest.mark.parametrize("kind", [CBOW, SkipGram])
def test_words_that_can_replace_each_other_become_neighbours(kind):
    """1 and 2 stand between 5 and 6, 3 and 4 between 7 and 8. The loss starts at six coins."""
    texts = [[5, word, 6] for word in (1, 2)] * 40 + [[7, word, 8] for word in (3, 4)] * 40
    counts = torch.bincount(torch.tensor([word for text in texts for word in text]))
    model = kind(9, 8)
    losses = train(model, windows(texts, 1), steps=200, batch=32, counts=counts, noise=5, lr=0.02)
    assert len(losses) == 200 and losses[0] == pytest.approx(6 * math.log(2), abs=0.1)
    assert sum(losses[-20:]) < 0.7 * sum(losses[:20])
    found = [neighbours(model.input.weight.detach(), word, 1)[0].item() for word in (1, 2, 3, 4)]
    assert found == [2, 1, 4, 3]


def test_training_is_the_same_for_a_seed_and_glove_learns():
    table = cooccurrences(*windows([[1, 2, 3, 4, 1, 3]] * 9, 2), V=5)
    rows, columns = table.nonzero().T
    counts = table[rows, columns].float()
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        model = GloVe(5, 4, x_max=10)
        runs.append(train(model, (rows, columns, counts), steps=150, batch=8, lr=0.05, seed=seed))
        torch.testing.assert_close(model.vectors(), model.input.weight.detach() + model.output.weight.detach())
    assert runs[0] == runs[1] != runs[2]
    assert sum(runs[0][-10:]) < 0.01 * sum(runs[0][:10])


def test_row_0_stays_zero():
    torch.manual_seed(0)
    model = SkipGram(4, 3)
    before = model.input.weight.detach().clone()
    train(model, windows([[1, 2, 3]] * 5, 2), 20, 4, torch.tensor([0, 1, 1, 1]))
    assert not model.input.weight[0].any() and not model.output.weight[0].any()
    assert not torch.equal(before[1:], model.input.weight[1:])


class Slope(torch.nn.Module):
    """A loss with gradient 1 everywhere: each step of Adam moves the weight by the rate."""

    def __init__(self):
        super().__init__()
        self.place = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.place.sum() + 0 * rows.sum()


def test_the_rate_falls_in_a_line():
    """Four steps at 0.1, 0.075, 0.05 and 0.025."""
    model = Slope()
    losses = train(model, [torch.zeros(3)], steps=4, batch=2, lr=0.1)
    assert losses == pytest.approx([0, -0.1, -0.175, -0.225], abs=1e-6)
    assert model.place.item() == pytest.approx(-0.25, abs=1e-6)
