"""Chapter 09's exercises, beside what is true of all (test_exercises.py): their answers agree with other witnesses."""

import pytest
import torch
from transformers import AlbertConfig, AlbertModel, RobertaConfig, RobertaModel

from bertmini.lab.check import Exercise, same
from bertmini.lab.exercises import counting_parameters

EXERCISES = {name: value for name, value in vars(counting_parameters).items() if isinstance(value, Exercise)}


def built(model, config) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in model(config).parameters())


def test_roberta_and_albert_are_as_large_as_those_of_transformers():
    roberta = RobertaConfig(vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1)
    assert built(RobertaModel, roberta) - 109_482_240 == EXERCISES["roberta"].right == 15_163_392
    for V, E, H, F, A in ((30_000, 128, 768, 3072, 12), (30_000, 128, 1024, 4096, 16), (1000, 16, 64, 100, 4)):
        albert = AlbertConfig(
            vocab_size=V,
            embedding_size=E,
            hidden_size=H,
            intermediate_size=F,
            num_attention_heads=A,
            max_position_embeddings=512,
        )
        assert built(AlbertModel, albert) == EXERCISES["albert"].right(V, E, H, F)


@pytest.mark.parametrize("answer", [2.38e19 / (4 * 24 * 3600 * 16), 4.3e12, 4.307e12, 4_307_000_000_000])
def test_a_rounded_rate_is_right(answer):
    assert EXERCISES["chip_rate"].verdict(answer) == "right"


def test_a_rate_that_is_off_is_not_and_one_in_tflop_is_told_so():
    assert EXERCISES["chip_rate"].verdict(4.5e12).startswith("not yet: ")
    assert "TFLOP a second?" in EXERCISES["chip_rate"].verdict(4.3)


@pytest.mark.parametrize("off", [-1, 1, 1.0, 0.5])
def test_a_count_is_right_to_the_last_parameter(off):
    roberta, albert = EXERCISES["roberta"], EXERCISES["albert"]
    assert roberta.verdict(roberta.right + off).startswith("not yet: ")
    assert albert.verdict(lambda *case: albert.right(*case) + off).startswith("not yet: ")
    assert roberta.verdict(float(roberta.right)) == "right"


@pytest.mark.parametrize(
    "given, wanted, agree",
    [
        (10**8, 10**8 + 1, False),
        (2**60, 2**60 + 1, False),
        (1e8, 10**8, True),
        (3 * 0.1 * 10, 3, True),
        ([1, 10**8], (1, 10**8 + 1), False),
        (torch.tensor([10**8]), torch.tensor([10**8 + 1]), False),
        ([1.0, 1e8], [1.0, 1e8 + 1], True),
        (1e8 + 1, 1e8, True),
    ],
)
def test_integers_are_compared_exactly_and_others_to_five_digits(given, wanted, agree):
    assert same(given, wanted) is agree


def test_the_chips_of_the_paper_and_the_batch_that_fits():
    assert EXERCISES["chip_rate"].right == pytest.approx(4.307e12, rel=1e-3)
    for case in counting_parameters.GPU_CASES:
        config, T, P, room = case
        B = EXERCISES["largest_batch"].right(*case)
        memory = counting_parameters.training_memory
        assert B == 0 or memory(config, B, T, P).total <= room
        assert memory(config, B + 1, T, P).total > room
