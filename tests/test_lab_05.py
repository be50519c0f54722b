"""Chapter 5's figures draw what they are given, and its exercises agree with the package and with PyTorch."""

import pytest
import torch

from bertmini import BertConfig
from bertmini.encoder import EncoderLayer, FeedForward
from bertmini.lab.exercises import encoder as exercises


@pytest.fixture
def draw(monkeypatch):
    """The drawing module, without a screen."""
    import matplotlib

    monkeypatch.setenv("MPLBACKEND", "agg")
    matplotlib.use("agg")
    from bertmini.lab import figures
    from bertmini.lab.figures import encoder

    figures.style()
    yield encoder
    figures.plt.close("all")


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


def test_the_exercise_s_feed_forward_is_the_package_s(config, shake):
    part, x = shake(FeedForward(config)), torch.randn(5, 4)
    inner, outer = part.inner, part.outer
    given = exercises.feed_forward.right(x, inner.weight.T, inner.bias, outer.weight.T, outer.bias)
    torch.testing.assert_close(given, part(x))


def test_the_exercise_s_add_and_norm_is_layer_norm_s():
    x, y = torch.randn(2, 5, 4)
    expected = torch.nn.functional.layer_norm(x + y, (4,), eps=0)
    torch.testing.assert_close(exercises.add_and_norm.right(x, y), expected)


def test_pre_ln_is_pytorch_s_norm_first(config, shake):
    layer, x = shake(EncoderLayer(config)).eval(), torch.randn(1, 5, 4)
    witness = torch.nn.TransformerEncoderLayer(4, 2, 6, activation="gelu", layer_norm_eps=1e-12, batch_first=True,
                                               norm_first=True).eval()  # fmt: skip
    pairs = ((layer.feed_forward.inner, witness.linear1), (layer.feed_forward.outer, witness.linear2),
             (layer.attention_norm, witness.norm1), (layer.output_norm, witness.norm2),
             (layer.attention.output, witness.self_attn.out_proj))
    for ours, theirs in pairs:
        theirs.load_state_dict(ours.state_dict())
    witness.self_attn.in_proj_weight.data = layer.attention.qkv.weight.data
    witness.self_attn.in_proj_bias.data = layer.attention.qkv.bias.data
    half = exercises.pre_ln.right(x, layer.attention, layer.attention_norm)
    given = exercises.pre_ln.right(half, layer.feed_forward, layer.output_norm)
    torch.testing.assert_close(given, witness(x), rtol=0, atol=1e-5)


def test_a_causal_layer_is_pytorch_s(config, shake):
    """What chapter 5 builds on: `keep` may give each query a row of its own."""
    attention, x = shake(EncoderLayer(config)).eval().attention, torch.randn(1, 5, 4)
    q, k, v = attention.qkv(x).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    expected = attention.output(mixed.transpose(1, 2).flatten(-2))
    torch.testing.assert_close(attention(x, exercises.causal.right(5)), expected)


COUNTS = [(0, "bert", 3), (0, "causal", 1), (2, "forward", 3), (1, "backward", 2)]


@pytest.mark.parametrize(("i", "kind", "count"), COUNTS)
def test_how_many_inputs_are_seen_by_hand(i, kind, count):
    assert exercises.seen.right([True, True, True, False], i, kind) == count
