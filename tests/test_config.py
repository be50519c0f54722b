"""The presets, the file, and a sentence for everything that cannot be."""

import dataclasses
import json
from pathlib import Path

import pytest

import bertmini
from bertmini import BertConfig, InputError

PUBLISHED = {"tiny": (2, 128, 2), "mini": (4, 256, 4), "small": (4, 512, 8), "medium": (8, 512, 8)}
PUBLISHED |= {"base": (12, 768, 12), "large": (24, 1024, 16)}

BASE_UNCASED = """{
  "architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1, "gradient_checkpointing": false,
  "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02,
  "intermediate_size": 3072, "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "model_type": "bert",
  "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 0, "position_embedding_type": "absolute",
  "transformers_version": "4.6.0.dev0", "type_vocab_size": 2, "use_cache": true, "vocab_size": 30522
}"""  # as published; the keys that bertmini does not know change nothing in the arithmetic


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_are_the_published_sizes(name):
    config = BertConfig.preset(name)
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == PUBLISHED[name]
    assert config.intermediate_size == 4 * config.hidden_size
    assert config.hidden_size // config.num_attention_heads == 64
    assert (config.vocab_size, config.max_position_embeddings, config.hidden_act) == (30522, 512, "gelu")


def test_overrides_replace_single_keys():
    assert BertConfig.preset("mini", vocab_size=99, intermediate_size=7) == BertConfig(99, 256, 4, 4, 7)


def test_the_default_is_base():
    assert BertConfig() == BertConfig.preset("base")


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        BertConfig().hidden_size = 1


def test_every_key_is_read_by_some_module():
    modules = [path for path in Path(bertmini.__file__).parent.glob("*.py") if path.name != "config.py"]
    code = "".join(path.read_text(encoding="utf-8") for path in modules)
    assert [field.name for field in dataclasses.fields(BertConfig) if f"config.{field.name}" not in code] == []


def test_the_file_gives_the_config_back(tmp_path):
    config = BertConfig(100, 30, 3, 5, 7, 64, 3, 0.2, 0.0, "gelu_new", 1e-5, 0.5, 9)
    unchanged = [field.name for field in dataclasses.fields(config) if getattr(config, field.name) == field.default]
    assert unchanged == [], "a key left at its default proves little"
    config.to_json(tmp_path / "config.json")
    assert BertConfig.from_json(tmp_path / "config.json") == config
    assert b"\r" not in (tmp_path / "config.json").read_bytes()


def test_a_published_file_is_read_and_its_inert_keys_ignored(tmp_path):
    (tmp_path / "config.json").write_text(BASE_UNCASED, encoding="utf-8")
    assert BertConfig.from_json(tmp_path / "config.json") == BertConfig()


IMPOSSIBLE = [
    ({"hidden_size": 10, "num_attention_heads": 3}, "hidden_size 10 is not a multiple of num_attention_heads 3"),
    ({"hidden_act": "relu"}, "hidden_act is 'relu': choose one of gelu, gelu_new, gelu_pytorch_tanh"),
    ({"hidden_act": ["gelu"]}, "hidden_act is ['gelu']"),
    ({"num_hidden_layers": 0}, "num_hidden_layers is 0: it must be a positive whole number"),
    ({"vocab_size": -5}, "vocab_size is -5"),
    ({"hidden_size": 64.0}, "hidden_size is 64.0"),
    ({"hidden_size": "64"}, "hidden_size is '64'"),
    ({"type_vocab_size": True}, "type_vocab_size is True"),
    ({"hidden_dropout_prob": 1.0}, "hidden_dropout_prob is 1.0: it must be a number from 0 to 1"),
    ({"attention_probs_dropout_prob": -0.1}, "attention_probs_dropout_prob is -0.1"),
    ({"hidden_dropout_prob": None}, "hidden_dropout_prob is None"),
    ({"layer_norm_eps": float("nan")}, "layer_norm_eps is nan"),
    ({"pad_token_id": 30522}, "pad_token_id 30522 is outside a vocabulary of 30522"),
    ({"pad_token_id": -1}, "pad_token_id is -1"),
]


@pytest.mark.parametrize(("keys", "words"), IMPOSSIBLE, ids=[str(keys) for keys, _ in IMPOSSIBLE])
def test_an_impossible_value_gets_a_sentence(keys, words, tmp_path):
    with pytest.raises(InputError) as error:
        BertConfig(**keys)
    assert words in str(error.value)

    path = tmp_path / "config.json"  # and from a file, the same sentence after the file's name
    path.write_text(json.dumps(keys), encoding="utf-8")
    with pytest.raises(InputError) as from_file:
        BertConfig.from_json(path)
    assert str(from_file.value) == f"{path}: {error.value}"
    assert "\n" not in str(from_file.value)


def test_zero_is_a_possible_dropout_and_padding_id():
    config = BertConfig(hidden_dropout_prob=0, attention_probs_dropout_prob=0.0, pad_token_id=0)
    assert config.hidden_dropout_prob == config.attention_probs_dropout_prob == 0


def test_an_unknown_preset_gets_a_sentence():
    with pytest.raises(InputError, match="no preset 'huge': choose one of tiny, mini, small, medium, base, large"):
        BertConfig.preset("huge")


@pytest.mark.parametrize(("key", "value"), [
    ("model_type", "roberta"),
    ("position_embedding_type", "relative_key"),
    ("is_decoder", True),
    ("add_cross_attention", True),
    ("tie_word_embeddings", False),
    ("pruned_heads", {"0": [1]}),
    ("embedding_size", 128),
    ("quantization_config", {"bits": 4}),
])  # fmt: skip
def test_a_key_that_would_change_the_arithmetic_is_named(key, value, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(BASE_UNCASED) | {key: value}), encoding="utf-8")
    with pytest.raises(InputError) as error:
        BertConfig.from_json(path)
    assert str(error.value).startswith(f"{path}: {key} is {value!r}, which bertmini does not compute")


@pytest.mark.parametrize(("content", "words"), [
    (b"{", "not a JSON object"),
    (b"", "not a JSON object"),
    (b"[1, 2]", "not a JSON object"),
    (b'"hidden_size"', "not a JSON object"),
    (b"\xff\xfe\x00", "not a JSON object"),
    (None, "no such file"),
    ("folder", "config.json"),
], ids=["cut", "empty", "list", "string", "binary", "missing", "folder"])  # fmt: skip
def test_an_unreadable_file_gets_a_sentence(content, words, tmp_path):
    path = tmp_path / "config.json"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        BertConfig.from_json(path)
    assert str(path) in str(error.value)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
