"""Parameters, arithmetic, memory and time of a BERT, in closed form."""

import math
from typing import NamedTuple

from bertmini.config import BertConfig, InputError

HEADS = ("pooler", "mlm", "nsp")


class Term(NamedTuple):
    """One kind of tensor: where it sits, its name, its shape, and how many of it there are."""

    part: str
    name: str
    formula: str  # in the legend's letters
    shape: tuple[int, ...]
    copies: int = 1

    @property
    def count(self) -> int:
        return self.copies * math.prod(self.shape)


class ParameterCount(NamedTuple):
    terms: tuple[Term, ...]

    @property
    def total(self) -> int:
        return sum(term.count for term in self.terms)

    def by_part(self) -> dict[str, int]:
        """Part -> parameters, in the model's order."""
        parts: dict[str, int] = {}
        for term in self.terms:
            parts[term.part] = parts.get(term.part, 0) + term.count
        return parts


def count_parameters(config: BertConfig, heads: tuple[str, ...] = HEADS) -> ParameterCount:
    """Every weight and bias of a BERT, term by term; the total equals the built model's.

    heads: which of the pooler and the two prediction heads ("pooler", "mlm", "nsp") to count beside the embeddings and
    layers. The MLM decoder is tied to the token table and adds only its bias. A is in none of the formulas: attention
    heads share H, they do not add to it.
    """
    if unknown := set(heads) - set(HEADS):
        raise InputError(f"there is no head {min(unknown)!r}: choose from {', '.join(HEADS)}")
    V, H, F, L = config.vocab_size, config.hidden_size, config.intermediate_size, config.num_hidden_layers
    terms = [
        Term("embeddings", "token table", "V·H", (V, H)),
        Term(
            "embeddings", "position table", f"{config.max_position_embeddings}·H", (config.max_position_embeddings, H)
        ),
        Term("embeddings", "segment table", f"{config.type_vocab_size}·H", (config.type_vocab_size, H)),
        Term("embeddings", "LayerNorm", "2·H", (2, H)),
        Term("attention", "query, key, value weights", "L·3·H·H", (3, H, H), L),
        Term("attention", "query, key, value biases", "L·3·H", (3, H), L),
        Term("attention", "output weights", "L·H·H", (H, H), L),
        Term("attention", "output biases", "L·H", (H,), L),
        Term("attention", "LayerNorm", "L·2·H", (2, H), L),
        Term("feed-forward", "inner weights", "L·H·F", (F, H), L),
        Term("feed-forward", "inner biases", "L·F", (F,), L),
        Term("feed-forward", "outer weights", "L·F·H", (H, F), L),
        Term("feed-forward", "outer biases", "L·H", (H,), L),
        Term("feed-forward", "LayerNorm", "L·2·H", (2, H), L),
    ]
    if "pooler" in heads:
        terms += [Term("pooler", "weights", "H·H", (H, H)), Term("pooler", "biases", "H", (H,))]
    if "mlm" in heads:
        terms += [
            Term("MLM head", "transform weights", "H·H", (H, H)),
            Term("MLM head", "transform biases", "H", (H,)),
            Term("MLM head", "LayerNorm", "2·H", (2, H)),
            Term("MLM head", "output bias", "V", (V,)),
        ]
    if "nsp" in heads:
        terms += [Term("NSP head", "weights", "2·H", (2, H)), Term("NSP head", "biases", "2", (2,))]
    return ParameterCount(tuple(terms))


def forward_flops(config: BertConfig, T: int, P: int | None = None, pruned: bool = False) -> int:
    """Floating-point operations of one sequence of T tokens with P predictions, multiply and add counted apart.

    P: the positions the MLM head scores, all T if None, no heads if 0. pruned: the last layer computes queries, output
    and feed-forward only where they are read (the P positions and [CLS]), as `Bert` does when positions are given.
    Matrix products only: the rest is under 1% at Base.
    """
    V, H, F, L = config.vocab_size, config.hidden_size, config.intermediate_size, config.num_hidden_layers
    P = T if P is None else P
    R = min(T, P + 1)  # rows that the heads read

    def layer(rows: int) -> int:
        return 4 * H * H * T + 4 * H * H * rows + 4 * H * F * rows + 4 * H * T * rows  # k, v; q, output; FFN; attention

    encoder = (L - 1) * layer(T) + layer(R if pruned else T)
    return encoder + (2 * P * (H * H + H * V) + 2 * H * H if P else 0)


def training_flops(config: BertConfig, T: int, P: int | None = None, pruned: bool = False) -> int:
    """Three forward passes' worth: the backward pass needs a product for the inputs and one for the weights."""
    return 3 * forward_flops(config, T, P, pruned)


def training_hours(flops: float, peak: float, share: float = 0.5) -> float:
    """Hours for `flops` on a machine with `peak` FLOP per second, of which the run uses a share."""
    return flops / (peak * share) / 3600


class Memory(NamedTuple):
    """Bytes that a training step holds at its fullest, part by part."""

    weights: int
    gradients: int
    moments: int  # AdamW's two running means
    activations: int

    @property
    def total(self) -> int:
        return sum(self)


def training_memory(
    config: BertConfig, B: int, T: int, P: int | None = None, number: int = 4, recompute: bool = False
) -> Memory:
    """What training on B sequences of T tokens keeps in memory, with dropout on, `number` bytes a number (fp32: 4).

    Activations are what the forward pass keeps for the backward pass when attention's (T, T) matrices are stored; a
    fused kernel stores none of the three. A dropout mask counts as full numbers, as on the CPU; CUDA keeps one byte
    each. Logits count whole; on a CPU `Objective` makes many of them in pieces. The last layer keeps less where only P
    positions are read. recompute: each layer but the last keeps its input, and the rest of one of them is there at a
    time, while it is computed again (Chen et al. 2016).
    """
    H, F, L, A = config.hidden_size, config.intermediate_size, config.num_hidden_layers, config.num_attention_heads
    P = T if P is None else P
    R = min(T, P + 1)

    def layer(rows: int) -> int:
        return 3 * H * T + (7 * H + 2 * F + 3 * A * T) * rows  # x, k, v; q to LayerNorm, FFN, three attention matrices

    end = layer(R) + P * (5 * H + config.vocab_size)  # the last layer and the MLM head
    if recompute and L > 1:
        kept = 2 * H * T + (L - 1) * H * T + max(layer(T) - H * T, end)
    else:
        kept = 2 * H * T + (L - 1) * layer(T) + end
    weights = number * count_parameters(config).total
    return Memory(weights, weights, 2 * weights, number * B * kept)


def corpus_bytes(tokens: int, sentences: int, documents: int, vocab_size: int) -> int:
    """What a prepared corpus takes on disk: 2 bytes a token (4 beyond 65,536 words), 8 a sentence, 8 a document."""
    return (2 if vocab_size <= 2**16 else 4) * tokens + 8 * (sentences + 1 + documents + 1)


def checkpoint_bytes(config: BertConfig) -> int:
    """What a run's checkpoint takes on disk: the weights in fp32 and AdamW's two means."""
    return 3 * 4 * count_parameters(config).total
