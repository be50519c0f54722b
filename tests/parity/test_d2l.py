"""Dive into Deep Learning's attention, encoder block and whole model, with our weights, compute what ours compute."""

import pytest
import torch

from bertmini import BertConfig, BertForPreTraining
from bertmini.encoder import EncoderLayer
from bertmini.lab import d2l

CONFIG = BertConfig(40, 12, 1, 3, 20, 16, layer_norm_eps=1e-5)  # d2l keeps torch's eps
LENGTHS = torch.tensor([5, 3])  # d2l says by lengths what we say by keep
KEEP = torch.arange(5) < LENGTHS[:, None]


def copy_layer(ours, theirs):
    """Give d2l's block our layer's weights."""
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


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "padded"])
def test_an_encoder_layer(lengths, shake):
    ours, x = shake(EncoderLayer(CONFIG)).eval(), torch.randn(2, 5, 12)
    theirs = d2l().TransformerEncoderBlock(12, 20, 3, 0.0, use_bias=True).eval()
    theirs(x, lengths)  # its matrices get their shapes here
    copy_layer(ours, theirs)

    keep = None if lengths is None else KEEP[:, None, None]
    attended = theirs.attention(x, x, x, lengths)
    torch.testing.assert_close(ours.attention(x, keep), attended, rtol=0, atol=1e-5)

    with_relu = theirs(x, lengths)
    assert not torch.allclose(ours(x, keep), with_relu, atol=1e-3), "d2l has ReLU where BERT has GELU"
    theirs.ffn.relu = torch.nn.GELU()
    torch.testing.assert_close(ours(x, keep), theirs(x, lengths), rtol=0, atol=1e-5)


def test_the_whole_model_but_for_three_changes(shake):
    """GELU twice and the LayerNorm on the embeddings; the untied decoder is given the token table's numbers."""
    config = BertConfig(40, 12, 2, 3, 20, 1000, layer_norm_eps=1e-5)
    ours, theirs = shake(BertForPreTraining(config)).eval(), d2l().BERTModel(40, 12, 20, 3, 2, 0.2).eval()
    token_ids, segment_ids = torch.randint(40, (2, 5)), torch.randint(2, (2, 5))
    positions = torch.tensor([[1, 4], [2, 0]])
    theirs(token_ids, segment_ids, LENGTHS, positions)
    tables, encoder = ours.bert.embeddings, theirs.encoder
    for layer, block in zip(ours.bert.layers, encoder.blks, strict=True):
        copy_layer(layer, block)
        block.ffn.relu = torch.nn.GELU()
    encoder.token_embedding.load_state_dict(tables.token.state_dict())
    encoder.segment_embedding.load_state_dict(tables.segment.state_dict())
    encoder.pos_embedding.data = tables.position.weight.data[None]
    encoder.blks[0].register_forward_pre_hook(lambda _, given: (tables.norm(given[0]), *given[1:]))
    theirs.hidden[0].load_state_dict(ours.bert.pooler.dense.state_dict())
    theirs.nsp.output.load_state_dict(ours.nsp.score.state_dict())
    theirs.mlm.mlp[0].load_state_dict(ours.mlm.transform.state_dict())
    theirs.mlm.mlp[1] = torch.nn.GELU()
    theirs.mlm.mlp[2].load_state_dict(ours.mlm.norm.state_dict())
    theirs.mlm.mlp[3].load_state_dict({"weight": tables.token.weight, "bias": ours.mlm.bias})

    output = ours(token_ids, segment_ids, KEEP, positions)
    _, mlm_logits, nsp_logits = theirs(token_ids, segment_ids, LENGTHS, positions)
    torch.testing.assert_close(output.mlm_logits, mlm_logits, rtol=0, atol=1e-4)
    torch.testing.assert_close(output.nsp_logits, nsp_logits, rtol=0, atol=1e-4)
