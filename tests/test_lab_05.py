"""Chapter 5's figures draw what they are given, and its exercises agree with the package and with PyTorch."""

import pytest
import torch

from bertmini import BertConfig
from bertmini.encoder import EncoderLayer, FeedForward
from bertmini.lab.exercises import encoder as exercises


@pytest.fixture
def draw(drawing):
    from bertmini.lab.figures import encoder

    return encoder


def test_the_drawing_of_a_layer_has_its_steps_and_one_road_a_plus_sign(draw):
    draw.one_layer("in", [("self-attention", "a"), ("+", "b"), ("LayerNorm", "c"), ("Linear, H to F", "d"), ("+", "e")])
    ax = draw.plt.gca()
    said = [text.get_text() for text in ax.texts]
    assert [word for word in said if word in ("in", *"abcde")] == ["in", *"abcde"]
    assert said.count("+") == said.count("residual") == 2
    roads = [line.get_xydata().tolist() for line in ax.lines if len(line.get_xydata()) == 3]
    starts, ends = [road[0][1] for road in roads], [road[-1][1] for road in roads]
    norm = 1.25 * 2 + 1.6  # the height of the LayerNorm, after which the second road begins
    assert starts[0] < 1.6 < ends[0] < norm < starts[1] < ends[1]


def test_curves_are_drawn_as_they_are(draw):
    draw.bends([-1, 0, 1], {"one": [0, 1, 2], "two": [3, 4, 5]})
    assert [line.get_ydata().tolist() for line in draw.plt.gca().lines[2:]] == [[0, 1, 2], [3, 4, 5]]
    names = list(draw.LINES)
    panels = {title: {name: [10.0**-i] * 3 for i, name in enumerate(names)} for title in ("above", "below")}
    draw.through_the_depth(panels)
    for ax, title in zip(draw.plt.gcf().axes, panels, strict=True):
        assert ax.get_title(loc="left") == title and ax.get_yscale() == "log"
        drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
        assert drawn == {name: [[x, 10.0**-i] for x in (1, 2, 3)] for i, name in enumerate(names)}


def test_what_is_not_seen_stays_white(draw):
    seen = torch.tensor([[2.0, 0.0], [1.0, 4.0]])
    draw.who_sees_whom({"one": seen, "two": seen.T}, ["a", "b"])
    one, two = draw.plt.gcf().axes[:2]
    assert one.images[0].get_array().tolist() == [[1, 0], [0.25, 1]]
    assert two.images[0].get_array().tolist() == [[1, 0.5], [0, 1]]
    image = one.images[0]
    assert image.cmap(image.norm(image.get_array()))[0, 1, 3] == 0  # transparent: the white below shows
    assert [label.get_text() for label in one.get_yticklabels()] == ["a", "b"]


@pytest.fixture
def config():
    return BertConfig(vocab_size=9, hidden_size=4, num_attention_heads=2, intermediate_size=6)


def test_the_bias_without_the_bend_is_what_two_linear_layers_give_for_zero(config, shake):
    inner, outer = (part := shake(FeedForward(config))).inner, part.outer
    given = exercises.bias.right(inner.weight.T, inner.bias, outer.weight.T, outer.bias)
    torch.testing.assert_close(given, outer(inner(torch.zeros(4))))


def test_the_mask_of_a_question_and_its_answer_by_hand():
    expected = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert exercises.prefix.right(4, 2).long().tolist() == expected


@pytest.mark.parametrize(("i", "j", "w"), [(0, 9, 3), (0, 9, 4), (7, 2, 1), (4, 4, 2), (3, 5, 8)])
def test_how_many_layers_are_needed_agrees_with_walking(i, j, w):
    layers, reached = 0, {i}
    while j not in reached:
        layers, reached = layers + 1, {place + step for place in reached for step in range(-w, w + 1)}
    assert exercises.reach.right(i, j, w) == layers


def test_the_decoder_layer_is_pytorch_s():
    torch.manual_seed(0)
    witness = torch.nn.TransformerDecoderLayer(4, 2, 6, activation="gelu", batch_first=True).eval()
    x, source, hide = torch.randn(1, 5, 4), torch.randn(1, 3, 4), ~torch.ones(5, 5).tril().bool()
    for norm in (norms := [witness.norm1, witness.norm2, witness.norm3]):
        torch.nn.init.normal_(norm.weight)  # fresh, all three would be the same
    given = exercises.decoder.right(
        x, source,
        lambda x: witness.self_attn(x, x, x, attn_mask=hide)[0],
        lambda x, source: witness.multihead_attn(x, source, source)[0],
        lambda x: witness.linear2(torch.nn.functional.gelu(witness.linear1(x))),
        norms,
    )  # fmt: skip
    torch.testing.assert_close(given, witness(x, source, tgt_mask=hide))


def test_a_causal_layer_is_pytorch_s(config, shake):
    """What chapter 5 builds on: `keep` may give each query a row of its own."""
    attention, x = shake(EncoderLayer(config)).eval().attention, torch.randn(1, 5, 4)
    q, k, v = attention.qkv(x).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    expected = attention.output(mixed.transpose(1, 2).flatten(-2))
    torch.testing.assert_close(attention(x, torch.ones(5, 5).tril().bool()), expected)


COUNTS = [(0, "bert", 3), (0, "causal", 1), (2, "forward", 3), (1, "backward", 2)]


@pytest.mark.parametrize(("i", "kind", "count"), COUNTS)
def test_how_many_inputs_are_seen_by_hand(i, kind, count):
    assert exercises.seen.right([True, True, True, False], i, kind) == count
