"""The exercises of notebooks/09_counting_parameters.ipynb."""

from bertmini.config import BertConfig
from bertmini.counting import count_parameters, forward_flops, training_flops, training_memory
from bertmini.lab.check import Exercise, Mistake

# ---- RoBERTa's size ----


def more_than_base(V: int = 50_265, positions: int = 514, segments: int = 1, heads: tuple = ("pooler",)) -> int:
    """What a model with Base's layers and tables of its own has more than Base."""
    base = BertConfig.preset("base")
    config = BertConfig.preset("base", vocab_size=V, max_position_embeddings=positions, type_vocab_size=segments)
    return count_parameters(config, heads).total - count_parameters(base, heads).total


roberta = Exercise(
    right=more_than_base(),
    where="Look at the embeddings: which terms of the bill hold V, 512 or 2?",
    what="Only the three tables differ: 50,265 + 514 + 1 rows of H numbers, against 30,522 + 512 + 2.",
    line="(50_265 + 514 + 1 - 30_522 - 512 - 2) * 768",
    mistakes=[
        Mistake(
            wrong=more_than_base(positions=512),
            where="Look at the position table.",
            what="Yours has 512 rows. RoBERTa's has 514.",
        ),
        Mistake(
            wrong=more_than_base(segments=2),
            where="Look at the segment table.",
            what="Yours has two rows. RoBERTa's has one.",
        ),
        Mistake(
            wrong=more_than_base(positions=512, segments=2),
            where="Look at the two small tables.",
            what="You changed V only. The positions have 514 rows, the segments one.",
        ),
        Mistake(
            wrong=more_than_base(heads=("pooler", "mlm")),
            where="Look at where you end: at the encoder, or after a prediction head?",
            what="You counted the output bias of the masked-language-model head. Leave the prediction heads out.",
        ),
        Mistake(
            wrong=more_than_base() + count_parameters(BertConfig.preset("base"), ("pooler",)).total,
            where="Look at the question: how many *more*?",
            what="This is the whole of RoBERTa-base. Take BERT-Base's 109,482,240 away.",
        ),
        Mistake(
            wrong=more_than_base() // 768,
            where="Look at the unit: rows, or numbers?",
            what="You have counted rows. Each row holds H = 768 numbers.",
        ),
    ],
)

# ---- Where T² overtakes, for any F ----

overtakes = Exercise(
    right=lambda H, F: 2 * H + F,
    cases=[(768, 3072), (768, 1536), (512, 512), (64, 1000)],
    where="Look at the sum of a layer's three products, and do not put 4H for F.",
    what="Set 4·H·T² equal to 8·H²·T + 4·H·F·T, and divide both sides by 4·H·T.",
    line="return 2 * H + F",
    mistakes=[
        Mistake(
            wrong=lambda H, F: 6 * H,
            where="Look at your formula: what does it say when F shrinks?",
            what="6H is right for F = 4H only. F must appear in the answer.",
        ),
        Mistake(
            wrong=lambda H, F: 2 * H,
            where="Look at what you compare T² with.",
            what="You compare with the four projections. The rest of the layer holds the feed-forward products too.",
        ),
        Mistake(
            wrong=lambda H, F: F,
            where="Look at what you compare T² with.",
            what="You compare with the feed-forward products. The rest of the layer holds the four projections too.",
        ),
        Mistake(
            wrong=lambda H, F: 4 * H + F,
            where="Look at the factor of T²: how many products use T² scores?",
            what="There are two, queries with keys and weights with values: 4·H·T², not 2·H·T².",
        ),
        Mistake(
            wrong=lambda H, F: 2 * H + 2 * F,
            where="Look at the cost of one feed-forward matrix.",
            what="H·F weights cost 2·H·F a token, and there are two such matrices: 4·H·F·T, not 8·H·F·T.",
        ),
        Mistake(
            wrong=lambda H, F: 2 * H + F / 2,
            where="Look at the number of feed-forward matrices.",
            what="There are two of them, inner and outer: 4·H·F·T, not 2·H·F·T.",
        ),
        Mistake(
            wrong=lambda H, F: H + F / 2,
            where="Look at the weights' side: how many operations does one weight cost a token?",
            what="Two, a multiplication and an addition. You counted one there, and two in T².",
        ),
    ],
)

# ---- Four days on sixteen chips ----

config = BertConfig.preset("base")  # named as in the notebook, where hint 3 is written


def original_flops(count=training_flops, long: float = 0.1, B: int = 256, steps: int = 1_000_000) -> float:
    """The arithmetic of Base's original schedule, of which the share `long` ran at T = 512."""
    return B * steps * ((1 - long) * count(config, 128, 20) + long * count(config, 512, 77))


SECONDS = 4 * 24 * 3600

chip_rate = Exercise(
    right=original_flops() / (SECONDS * 16),
    rtol=0.02,  # a rounded answer is as good
    where="Look at the units: FLOP of the whole run, divided by seconds and by chips.",
    what="The run is 256 · 1,000,000 sequences, 90% of them at T = 128 and P = 20, 10% at T = 512 and P = 77.",
    line="256e6 * (0.9 * training_flops(config, 128, 20) + 0.1 * training_flops(config, 512, 77)) / (345_600 * 16)",
    mistakes=[
        Mistake(
            wrong=original_flops() / (SECONDS * 16) / 1e12,
            where="Look at the unit: FLOP a second, or TFLOP a second?",
            what="This is right in TFLOP a second. Wanted is FLOP a second: a million million times as many.",
        ),
        Mistake(
            wrong=original_flops() / SECONDS,
            where="Look at the number of chips.",
            what="This is the rate of all sixteen together.",
        ),
        Mistake(
            wrong=original_flops(forward_flops) / (SECONDS * 16),
            where="Look at the factor between a forward pass and a training step.",
            what="You counted the forward pass only. Training takes three times that: use training_flops.",
        ),
        Mistake(
            wrong=original_flops(long=0) / (SECONDS * 16),
            where="Look at the lengths of the sequences.",
            what="You took T = 128 throughout. The last 10% of the steps ran at T = 512.",
        ),
        Mistake(
            wrong=original_flops(long=1) / (SECONDS * 16),
            where="Look at the lengths of the sequences.",
            what="You took T = 512 throughout. The first 90% of the steps ran at T = 128.",
        ),
        Mistake(
            wrong=original_flops(B=1) / (SECONDS * 16),
            where="Look at the batch.",
            what="A step reads 256 sequences. training_flops counts one.",
        ),
        Mistake(
            wrong=original_flops() / (4 * 24 * 16),
            where="Look at the unit of time.",
            what="This is FLOP an hour. An hour has 3,600 seconds.",
        ),
        Mistake(
            wrong=original_flops() / (24 * 3600 * 16),
            where="Look at the number of days.",
            what="You divided by one day. The run took four.",
        ),
    ],
)

# ---- The largest batch ----

GPU_CASES = [
    (config, 128, 20, 16e9),
    (config, 512, 77, 16e9),
    (BertConfig.preset("large"), 512, 77, 24e9),
    (BertConfig.preset("large"), 128, 20, 5e9),
    (BertConfig.preset("tiny"), 128, 20, 4e9),
]


def largest_right(config: BertConfig, T: int, P: int, room: float) -> int:
    one, two = (training_memory(config, B, T, P).total for B in (1, 2))
    return max(0, int((room - (2 * one - two)) // (two - one)))


def largest_all_scales(config: BertConfig, T: int, P: int, room: float) -> int:
    return int(room // training_memory(config, 1, T, P).total)


def largest_no_fixed(config: BertConfig, T: int, P: int, room: float) -> int:
    return int(room // training_memory(config, 1, T, P).activations)


def largest_weights_only(config: BertConfig, T: int, P: int, room: float) -> int:
    memory = training_memory(config, 1, T, P)
    return max(0, int((room - memory.weights) // memory.activations))


def largest_one_more(config: BertConfig, T: int, P: int, room: float) -> int:
    memory = training_memory(config, 1, T, P)
    return max(0, -int(-(room - memory.weights - memory.gradients - memory.moments) // memory.activations))


def largest_negative(config: BertConfig, T: int, P: int, room: float) -> int:
    memory = training_memory(config, 1, T, P)
    return int((room - memory.weights - memory.gradients - memory.moments) // memory.activations)


largest_batch = Exercise(
    right=largest_right,
    cases=GPU_CASES,
    where="Look at which of the four parts of training_memory grow with B.",
    what="Only the activations grow with B. Take the other three off the room first, then divide, and round down.",
    line="m = training_memory(config, 1, T, P); return max(0, int((room - m.total + m.activations) // m.activations))",
    mistakes=[
        Mistake(
            wrong=largest_all_scales,
            where="Look at the weights: does a larger batch need more of them?",
            what="You divide by all that a batch of one needs. Weights, gradients and moments are there once.",
        ),
        Mistake(
            wrong=largest_no_fixed,
            where="Look at what is there before the first sequence arrives.",
            what="You gave the whole room to activations. Weights, gradients and moments take theirs first.",
        ),
        Mistake(
            wrong=largest_weights_only,
            where="Look at what stands beside the weights.",
            what="Gradients take as much as the weights, and the two moments of AdamW twice as much.",
        ),
        Mistake(
            wrong=largest_one_more,
            where="Look at the rounding.",
            what="You round up, and the last sequence does not fit.",
        ),
        Mistake(
            wrong=largest_negative,
            where="Look at the case in which the model alone is too large.",
            what="A batch cannot be negative. Where nothing fits, the answer is 0.",
        ),
    ],
)

# ---- ALBERT ----


def albert_right(
    V: int, E: int, H: int, F: int, layers: int = 1, norm: int | None = None, bias: bool = True, pooler: bool = True
) -> int:
    """ALBERT: tables of width E, one Linear from E to H, one layer used again and again, the pooler."""
    tables = (V + 512 + 2) * E + 2 * (E if norm is None else norm)
    layer = 4 * (H * H + H) + 2 * H * F + F + H + 4 * H
    return tables + E * H + bias * H + layers * layer + pooler * (H * H + H)


def albert_no_factor(V: int, E: int, H: int, F: int) -> int:
    return albert_right(V, H, H, F) - H * H - H


def albert_no_link(V: int, E: int, H: int, F: int) -> int:
    return albert_right(V, E, H, F) - E * H - H


def albert_wide_small_tables(V: int, E: int, H: int, F: int) -> int:
    return albert_right(V, E, H, F) + 514 * (H - E)


albert = Exercise(
    right=albert_right,
    cases=[(30_000, 128, 768, 3072), (30_000, 128, 1024, 4096), (1000, 16, 64, 100)],
    where="Look at the bill of Base, and ask of each line: is it E wide or H wide, and is it there L times or once?",
    what="Tables and their LayerNorm are E wide; one Linear leads from E to H; one layer and the pooler are H wide.",
    line="return (V + 514) * E + 2 * E + E * H + H + 4 * (H * H + H) + (2 * H * F + F + H) + 4 * H + H * H + H",
    mistakes=[
        Mistake(
            wrong=lambda V, E, H, F: albert_right(V, E, H, F, layers=12),
            where="Look at the layers.",
            what="You count twelve. There is one, and it is applied twelve times: used often, counted once.",
        ),
        Mistake(
            wrong=albert_no_factor,
            where="Look at the width of the tables.",
            what="Yours are H wide. ALBERT's are E wide, and one Linear brings the sum from E to H.",
        ),
        Mistake(
            wrong=albert_no_link,
            where="Look between the tables and the first layer: E numbers come out, H are wanted.",
            what="A Linear from E to H is missing: E·H weights and H biases.",
        ),
        Mistake(
            wrong=lambda V, E, H, F: albert_right(V, E, H, F, bias=False),
            where="Look at the Linear from E to H.",
            what="It has a bias: H more.",
        ),
        Mistake(
            wrong=lambda V, E, H, F: albert_right(V, E, H, F, norm=H),
            where="Look at the LayerNorm of the embeddings.",
            what="It comes before the Linear, so it is E wide: 2·E.",
        ),
        Mistake(
            wrong=albert_wide_small_tables,
            where="Look at the position and the segment table.",
            what="They are added to the token's row, so they are E wide like it.",
        ),
        Mistake(
            wrong=lambda V, E, H, F: albert_right(V, E, H, F, pooler=False),
            where="Look at what stands after the layers.",
            what="The pooler is missing: H·H + H.",
        ),
        Mistake(
            wrong=lambda V, E, H, F: albert_right(V, E, H, F, norm=0),
            where="Look at the LayerNorms: how many are there?",
            what="The sum of the three rows has a LayerNorm of its own: 2·E.",
        ),
    ],
)
