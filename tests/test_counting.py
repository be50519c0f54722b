"""Parameters, FLOPs and memory in closed form, against built models and against what torch really does."""

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bertmini import Bert, BertConfig, BertForPreTraining, InputError, Tokenizer, count_parameters, pretraining_loss
from bertmini.batches import BLANK
from bertmini.corpus import prepare, write_corpus
from bertmini.counting import (
    checkpoint_bytes,
    corpus_bytes,
    forward_flops,
    training_flops,
    training_hours,
    training_memory,
)
from bertmini.lab.memory import Tally
from bertmini.saved import write_state
from bertmini.train import Options, Training

PUBLISHED = [  # preset, V, encoder with pooler, encoder with MLM head (no pooler), all heads
    ("base", 30522, 109_482_240, 109_514_298, 110_106_428),  # uncased
    ("base", 28996, 108_310_272, 108_340_804, 108_932_934),  # cased
    ("base", 21128, 102_267_648, 102_290_312, 102_882_442),  # Chinese
    ("base", 119547, 177_853_440, 177_974_523, 178_566_653),  # multilingual, cased
    ("large", 30522, 335_141_888, 335_174_458, 336_226_108),
    ("large", 28996, 333_579_264, 333_610_308, 334_661_958),
]
PUBLISHED_SMALL = {"tiny": 4_385_920, "mini": 11_170_560, "small": 28_763_648, "medium": 41_373_184}
BASE, LARGE = BertConfig.preset("base"), BertConfig.preset("large")


def built(model_class: type[nn.Module], config: BertConfig, **keys) -> int:
    """The parameters of a model that is built without memory: on the meta device tensors have shapes and no numbers."""
    with torch.device("meta"):
        return sum(weights.numel() for weights in model_class(config, **keys).parameters())


@pytest.mark.parametrize(("preset", "V", "encoder", "with_mlm", "whole"), PUBLISHED)
def test_published_counts_in_closed_form_and_built(preset, V, encoder, with_mlm, whole):
    config = BertConfig.preset(preset, vocab_size=V)
    assert count_parameters(config, heads=("pooler",)).total == built(Bert, config) == encoder
    assert count_parameters(config, heads=("mlm",)).total == built(BertForPreTraining, config, nsp=False) == with_mlm
    assert count_parameters(config).total == built(BertForPreTraining, config) == whole


@pytest.mark.parametrize("preset", PUBLISHED_SMALL)
def test_published_counts_of_the_small_presets(preset):
    config = BertConfig.preset(preset)
    assert count_parameters(config, heads=("pooler",)).total == built(Bert, config) == PUBLISHED_SMALL[preset]
    assert count_parameters(config).total == built(BertForPreTraining, config)


def test_minilm():
    config = BertConfig(30522, 384, 6, 12, 1536)
    assert count_parameters(config, heads=("pooler",)).total == built(Bert, config) == 22_713_216


def test_odd_sizes_and_no_heads_at_all():
    config = BertConfig(101, 15, 2, 5, 7, max_position_embeddings=9, type_vocab_size=3)
    assert count_parameters(config, heads=()).total == built(Bert, config, pooler=False)
    assert count_parameters(config).total == built(BertForPreTraining, config)


def test_the_count_by_hand_and_what_it_forgets():
    """The widely quoted 108,808,704 of Base leaves out every Linear bias and the pooler."""
    counted = {(term.part, term.name): term.count for term in count_parameters(BASE, heads=("pooler",)).terms}
    tables = sum(counted["embeddings", f"{name} table"] for name in ("token", "position", "segment"))
    attention = counted["attention", "query, key, value weights"] + counted["attention", "output weights"]
    feed_forward = counted["feed-forward", "inner weights"] + counted["feed-forward", "outer weights"]
    norms = sum(count for (_, name), count in counted.items() if name == "LayerNorm")
    assert tables == (30522 + 512 + 2) * 768 == 23_835_648
    assert attention == 12 * 4 * 768 * 768 == 28_311_552
    assert attention // 12 == 2_359_296
    assert feed_forward == 12 * 2 * 768 * 3072 == 56_623_104
    assert norms == 25 * 2 * 768 == 38_400
    by_hand = tables + attention + feed_forward + norms
    assert by_hand == 108_808_704

    biases = sum(n for (part, name), n in counted.items() if name.endswith("biases") and part != "pooler")
    pooler = counted["pooler", "weights"] + counted["pooler", "biases"]
    assert biases == 12 * (4 * 768 + 3072 + 768) == 82_944
    assert pooler == 768 * 769 == 590_592
    assert by_hand + biases + pooler == 109_482_240 == count_parameters(BASE, heads=("pooler",)).total


def test_formulas_say_what_is_counted():
    for config in (BASE, LARGE, BertConfig(101, 15, 2, 5, 7, max_position_embeddings=9)):
        letters = {"V": config.vocab_size, "H": config.hidden_size, "F": config.intermediate_size}
        letters["L"] = config.num_hidden_layers
        for term in count_parameters(config).terms:
            assert eval(term.formula.replace("·", "*"), {}, letters) == term.count, term


def test_parts_sum_to_the_total():
    count = count_parameters(BASE)
    parts = count.by_part()
    assert list(parts) == ["embeddings", "attention", "feed-forward", "pooler", "MLM head", "NSP head"]
    assert sum(parts.values()) == count.total
    assert parts["NSP head"] == 2 * 768 + 2
    assert parts["MLM head"] == 768 * 768 + 768 + 2 * 768 + 30522, "the decoder is the token table, counted once"
    assert parts["attention"] == 12 * (4 * 768 * 768 + 4 * 768 + 2 * 768)


@pytest.mark.parametrize("heads", [1, 2, 6, 12, 48])
def test_the_number_of_heads_does_not_change_the_count(heads):
    config = BertConfig.preset("base", num_attention_heads=heads)
    assert count_parameters(config).total == built(BertForPreTraining, config) == 110_106_428


def test_an_unknown_head_gets_a_sentence():
    with pytest.raises(InputError, match="there is no head 'sop': choose from pooler, mlm, nsp"):
        count_parameters(BASE, heads=("mlm", "sop"))


# Floating-point operations


def counted_flops(config: BertConfig, T: int, P: int | None) -> int:
    """What torch's own counter sees in a forward pass of one sequence, on the meta device."""
    with torch.device("meta"):
        model, ids = BertForPreTraining(config).eval(), torch.zeros(1, T, dtype=torch.long)
        positions = None if P is None else torch.zeros(1, P, dtype=torch.long)
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            model(ids, positions=positions)
    return counter.get_total_flops()


@pytest.mark.parametrize(("preset", "T", "P"), [
    ("tiny", 128, 20), ("tiny", 128, None), ("mini", 64, 10), ("small", 77, None), ("base", 128, 20), ("base", 512, 77),
    ("large", 128, None), ("large", 512, 77),
])  # fmt: skip
def test_forward_flops_are_what_torch_counts(preset, T, P):
    config = BertConfig.preset(preset)
    nsp_head = 2 * 2 * config.hidden_size  # the one product that the formula leaves out
    assert forward_flops(config, T, P, pruned=P is not None) + nsp_head == counted_flops(config, T, P)


@pytest.mark.parametrize("config", [BASE, LARGE, BertConfig(99, 15, 3, 5, 60)])
@pytest.mark.parametrize(("T", "P"), [(128, 20), (512, 77), (9, 2)])
def test_the_published_formula(config, T, P):
    V, H, L = config.vocab_size, config.hidden_size, config.num_hidden_layers  # F = 4H
    formula = 24 * L * H**2 * T + 4 * L * H * T**2 + 2 * P * (H**2 + H * V) + 2 * H**2
    assert forward_flops(config, T, P) == formula
    assert training_flops(config, T, P) == 3 * formula


def test_pruning_leaves_out_the_rows_of_the_last_layer_that_nobody_reads():
    T, P, H = 128, 20, 768
    unread = T - (P + 1)
    saved = unread * (2 * H * H + 2 * H * H + 4 * H * 3072 + 4 * H * T)  # query, output, feed-forward, attention
    assert forward_flops(BASE, T, P) - forward_flops(BASE, T, P, pruned=True) == saved
    assert forward_flops(BASE, T, pruned=True) == forward_flops(BASE, T), "where all is read nothing is saved"


def test_the_table_of_the_book():
    giga = {(name, T): training_flops(config, T, P) / 1e9
            for name, config in (("base", BASE), ("large", LARGE)) for T, P in ((128, 20), (512, 77))}  # fmt: skip
    assert round(giga["base", 128], 1) == 69.9
    assert round(giga["base", 512]) == 301
    assert round(giga["large", 128], 1) == 240.6
    assert round(giga["large", 512]) == 1020
    assert {key: round(989_000 / value) for key, value in giga.items()} == {  # sequences a second at 989 TFLOP/s
        ("base", 128): 14143, ("base", 512): 3286, ("large", 128): 4110, ("large", 512): 970}  # fmt: skip


@pytest.mark.parametrize(("preset", "times"), [("tiny", 4.1), ("mini", 2.4), ("base", 1.22)])
def test_logits_at_every_position_cost_so_many_times_as_much(preset, times):
    config = BertConfig.preset(preset)
    digits = len(str(times)) - 2
    assert round(forward_flops(config, 128) / forward_flops(config, 128, 20), digits) == times


def test_the_original_schedule_of_base():
    """256 x 1,000,000 steps, 90% of them at T = 128: 2.4e19 FLOP, 13.4 hours of an H200 at half its rate."""
    flops = 256 * 1_000_000 * (0.9 * training_flops(BASE, 128, 20) + 0.1 * training_flops(BASE, 512, 77))
    assert f"{flops:.1e}" == "2.4e+19"
    assert round(training_hours(flops, peak=989e12, share=0.5), 1) == 13.4


# Memory


def saved_bytes(config: BertConfig, B: int, T: int, P: int | None) -> int:
    """What autograd really keeps for the backward pass beside the weights, by the storages it holds."""
    model, kept = BertForPreTraining(config).train(), {}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = tensor  # held, so that no address is used twice
        return tensor

    token_ids = torch.randint(config.vocab_size, (B, T))
    positions = None if P is None else torch.randint(T, (B, P))
    labels = torch.randint(config.vocab_size, (B, T if P is None else P))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(token_ids, torch.zeros_like(token_ids), None, positions)
        loss = pretraining_loss(output, labels, torch.zeros(B, dtype=torch.long)).total
    assert loss.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize(("config", "B", "T", "P"), [
    (BertConfig.preset("tiny", vocab_size=4000), 8, 128, 20),
    (BertConfig.preset("mini"), 4, 128, 20),
    (BertConfig.preset("mini", vocab_size=2000, num_hidden_layers=1), 4, 128, 20),
    (BertConfig.preset("mini", vocab_size=2000, num_attention_heads=8), 2, 256, None),
    (BertConfig.preset("small", vocab_size=4000), 2, 128, 20),
], ids=["tiny", "mini", "one layer", "long, all positions", "small"])  # fmt: skip
def test_activations_are_what_autograd_keeps(config, B, T, P):
    assert training_memory(config, B, T, P).activations == pytest.approx(saved_bytes(config, B, T, P), rel=0.03)


def tallied(config: BertConfig, B: int, T: int, P: int) -> tuple[int, int]:
    """What the forward pass keeps where layers are recomputed, and the most on the way, gradients apart."""
    with torch.device("meta"):
        model = BertForPreTraining(config).train()
        token_ids, positions = torch.zeros(B, T, dtype=torch.long), torch.zeros(B, P, dtype=torch.long)
    model.bert.recompute = True
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    with Tally() as tally:
        output = model(token_ids, positions=positions)
        loss = pretraining_loss(output, positions, positions[:, 0]).total
        del output
        kept = tally.now
        loss.backward()
    return kept, tally.peak


def test_recomputing_keeps_the_inputs_and_one_layer_at_a_time():
    """Mini at T = 512, where a layer is more than the head: 2 + 3 rows of H for each token, and the rest of a layer."""
    config, B, T, P = BertConfig.preset("mini", vocab_size=1000), 4, 512, 77
    H, A, R = 256, 4, 78
    a_layer, end = 18 * H * T + 3 * A * T * T, 3 * H * T + (15 * H + 3 * A * T) * R + P * (5 * H + 1000)
    kept, peak = tallied(config, B, T, P)
    assert kept == pytest.approx(4 * B * (5 * H * T + end), rel=0.03)
    formula = training_memory(config, B, T, P, recompute=True).activations
    assert formula == 4 * B * (5 * H * T + a_layer - H * T)
    assert formula < peak < 1.2 * formula  # gradients that are passed on come on top


def test_recomputing_a_single_layer_or_a_short_text_saves_nothing_beyond_the_end():
    alone = BertConfig.preset("mini", num_hidden_layers=1)
    assert training_memory(alone, 4, 128, 20, recompute=True) == training_memory(alone, 4, 128, 20)
    wide = BertConfig.preset("tiny")  # the head's scores are more than a layer
    H, T, P = 128, 128, 20
    end = 3 * H * T + (15 * H + 3 * 2 * T) * 21 + P * (5 * H + 30_522)
    assert training_memory(wide, 1, T, P, recompute=True).activations == 4 * (3 * H * T + end)


def test_weights_gradients_and_moments():
    memory = training_memory(BASE, 32, 128, 20)
    assert memory.weights == memory.gradients == 4 * 110_106_428
    assert memory.moments == 8 * 110_106_428
    assert memory.total == 16 * 110_106_428 + memory.activations
    assert training_memory(BASE, 64, 128, 20).activations == 2 * memory.activations


@pytest.mark.parametrize("vocab_size", [2**16, 2**16 + 1])
def test_a_corpus_on_disk(tmp_path, monkeypatch, vocab_size):
    """Three documents of two sentences of three and two tokens."""
    prepare([["a cat sat", "it slept"]] * 6, [["a cat sat", "it slept"]] * 3, 60, 0, tmp_path)
    tokenizer = Tokenizer.load(tmp_path)
    monkeypatch.setattr(Tokenizer, "__len__", lambda self: vocab_size)
    write_corpus([["a cat sat", "it slept"]] * 3, tokenizer, tmp_path / "counted")
    size = sum(path.stat().st_size for path in (tmp_path / "counted").glob("*.bin"))
    assert corpus_bytes(15, 6, 3, vocab_size) == size == (30 if vocab_size == 2**16 else 60) + 8 * 7 + 8 * 4


def test_a_checkpoint_on_disk(tmp_path):
    """Base: 12 bytes a parameter; a tiny one as written, with the moments that its first step makes."""
    assert checkpoint_bytes(BASE) == 12 * 110_106_428
    config = BertConfig.preset("tiny", vocab_size=2000)
    training = Training(config, Options(steps=2, learning_rate=1e-3, device="cpu", precision="fp32"))
    training.update(BLANK)
    write_state(training.state(), tmp_path)
    assert (tmp_path / "training.pt").stat().st_size == pytest.approx(checkpoint_bytes(config), rel=0.02)
