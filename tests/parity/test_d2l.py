"""Dive into Deep Learning's attention and encoder block, with our weights, compute what ours compute."""

import pytest
import torch

from bertmini import BertConfig
from bertmini.encoder import EncoderLayer
from bertmini.lab import d2l

CONFIG = BertConfig(40, 12, 1, 3, 20, 16, layer_norm_eps=1e-5)  # d2l keeps torch's eps
LENGTHS = torch.tensor([5, 3])  # d2l says by lengths what we say by keep
KEEP = torch.arange(5) < LENGTHS[:, None]


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "padded"])
def test_an_encoder_layer(lengths, shake):
    ours, x = shake(EncoderLayer(CONFIG)).eval(), torch.randn(2, 5, 12)
    theirs = d2l().TransformerEncoderBlock(12, 20, 3, 0.0, use_bias=True).eval()
    theirs(x, lengths)  # its matrices get their shapes here
    query, key, value = (
        {"weight": weight, "bias": bias}
        for weight, bias in zip(ours.attention.qkv.weight.chunk(3), ours.attention.qkv.bias.chunk(3), strict=True)
    )
    theirs.attention.W_q.load_state_dict(query)
    theirs.attention.W_k.load_state_dict(key)
    theirs.attention.W_v.load_state_dict(value)
    theirs.attention.W_o.load_state_dict(ours.attention.output.state_dict())
    theirs.addnorm1.ln.load_state_dict(ours.attention_norm.state_dict())
    theirs.addnorm2.ln.load_state_dict(ours.output_norm.state_dict())
    theirs.ffn.dense1.load_state_dict(ours.feed_forward.inner.state_dict())
    theirs.ffn.dense2.load_state_dict(ours.feed_forward.outer.state_dict())

    keep = None if lengths is None else KEEP[:, None, None]
    attended = theirs.attention(x, x, x, lengths)
    torch.testing.assert_close(ours.attention(x, keep), attended, rtol=0, atol=1e-5)

    with_relu = theirs(x, lengths)
    assert not torch.allclose(ours(x, keep), with_relu, atol=1e-3), "d2l has ReLU where BERT has GELU"
    theirs.ffn.relu = torch.nn.GELU()
    torch.testing.assert_close(ours(x, keep), theirs(x, lengths), rtol=0, atol=1e-5)
