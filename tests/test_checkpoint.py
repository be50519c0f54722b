"""Folders that `transformers` loads, folders that it saved, and a sentence for folders that nobody can load."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from bertmini import Bert, BertConfig, BertForPreTraining, InputError, Tokenizer, load, save
from bertmini.checkpoint import NAMES

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "##s", "on", "mat", "."]
CONFIG = BertConfig(15, 12, 2, 3, 20, max_position_embeddings=16, hidden_act="gelu_new", layer_norm_eps=1e-7)
INPUTS = {
    "input_ids": torch.tensor([[2, 5, 6, 3, 5, 10, 11, 3], [2, 4, 6, 8, 3, 0, 0, 0]]),
    "token_type_ids": torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1], [0] * 8]),
    "attention_mask": torch.tensor([[1] * 8, [1, 1, 1, 1, 1, 0, 0, 0]]),
}
OURS = (INPUTS["input_ids"], INPUTS["token_type_ids"], INPUTS["attention_mask"].bool())


@pytest.fixture
def model(shake) -> BertForPreTraining:
    return shake(BertForPreTraining(CONFIG)).eval()


@pytest.fixture
def saved(tmp_path, model) -> Path:
    save(tmp_path / "saved", model, Tokenizer(WORDS))
    return tmp_path / "saved"


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_transformers_loads_what_was_saved(saved, model):
    theirs, info = transformers.BertForPreTraining.from_pretrained(saved, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    with torch.no_grad():
        expected, got = theirs.eval()(**INPUTS), model(*OURS)
    close(got.mlm_logits, expected.prediction_logits)
    close(got.nsp_logits, expected.seq_relationship_logits)
    assert theirs.config.hidden_act == "gelu_new"
    assert theirs.config.layer_norm_eps == 1e-7
    assert transformers.AutoTokenizer.from_pretrained(saved)("The cats sat.")["input_ids"] == [2, 5, 6, 8, 7, 11, 3]


def test_transformers_loads_a_model_without_next_sentences(tmp_path, shake):
    model = shake(BertForPreTraining(CONFIG, nsp=False)).eval()
    save(tmp_path, model, Tokenizer(WORDS))
    theirs, info = transformers.BertForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    with torch.no_grad():
        close(model(*OURS).mlm_logits, theirs.eval()(**INPUTS).logits)


def test_an_encoder_is_saved_alone(tmp_path, model):
    save(tmp_path, model.bert, Tokenizer(WORDS))
    token_ids = torch.tensor([[2, 7, 8, 3]])
    theirs = transformers.BertModel.from_pretrained(tmp_path).eval()
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["architectures"] == ["BertModel"]
    with torch.no_grad():
        close(theirs(token_ids).pooler_output, model.bert(token_ids).pooled)
        close(load(tmp_path, Bert)[0](token_ids).pooled, model.bert(token_ids).pooled)


def test_saved_and_loaded_is_the_same_bit_for_bit(saved, model):
    again, tokenizer = load(saved)
    assert again.config == CONFIG
    assert not again.training
    assert tokenizer.tokens == WORDS
    state = again.state_dict()
    assert state.keys() == model.state_dict().keys()
    for name, weights in model.state_dict().items():
        assert torch.equal(state[name], weights), name
    assert torch.equal(again(*OURS).mlm_logits, model(*OURS).mlm_logits)
    again(*OURS).mlm_logits.sum().backward()  # and it can be trained
    assert all(weights.grad is not None for name, weights in again.named_parameters() if name.startswith("bert.layers"))


def test_saving_writes_its_files_and_nothing_else(tmp_path, model):
    save(tmp_path / "a" / "model", model, Tokenizer(WORDS))
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    names = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
    assert files == [f"a/model/{name}" for name in names]


def test_the_file_holds_the_tied_matrix_once(saved):
    tensors = load_file(saved / "model.safetensors")
    assert [name for name, tensor in tensors.items() if tensor.shape == (15, 12)] == [
        "bert.embeddings.word_embeddings.weight"
    ]


def their(tmp_path: Path, name: str) -> tuple[Path, torch.nn.Module]:
    """A folder that `transformers` saved, with weights far from those it starts with."""
    torch.manual_seed(0)
    theirs = getattr(transformers, name)(transformers.BertConfig(**CONFIG.__dict__)).eval()
    with torch.no_grad():
        for weights_name, weights in theirs.named_parameters():
            weights.normal_(1.0 if "LayerNorm.weight" in weights_name else 0.0, 0.3)
    theirs.save_pretrained(tmp_path / name)
    Tokenizer(WORDS).save(tmp_path / name)
    return tmp_path / name, theirs


@torch.no_grad()
def test_a_pretraining_model_of_transformers_is_loaded(tmp_path):
    folder, theirs = their(tmp_path, "BertForPreTraining")
    ours, expected = load(folder)[0](*OURS), theirs(**INPUTS)
    close(ours.mlm_logits, expected.prediction_logits)
    close(ours.nsp_logits, expected.seq_relationship_logits)


@torch.no_grad()
def test_a_masked_language_model_of_transformers_has_no_pooler_and_no_next_sentence_head(tmp_path):
    folder, theirs = their(tmp_path, "BertForMaskedLM")
    ours, _ = load(folder)
    assert ours.nsp is None
    assert ours.bert.pooler is None
    output = ours(*OURS)
    close(output.mlm_logits, theirs(**INPUTS).logits)
    assert output.nsp_logits is None


@torch.no_grad()
@pytest.mark.parametrize("model_class", [Bert, BertForPreTraining])
def test_an_encoder_of_transformers_has_no_heads(model_class, tmp_path):
    folder, theirs = their(tmp_path, "BertModel")
    ours, _ = load(folder, model=model_class)
    assert type(ours) is model_class
    expected = theirs(**INPUTS)
    if model_class is Bert:
        got = ours(*OURS)
    else:
        assert ours.mlm is None
        assert ours.nsp is None
        assert ours(*OURS) == (None, None)
        got = ours.bert(*OURS)
    close(got.hidden, expected.last_hidden_state)
    close(got.pooled, expected.pooler_output)


def rewrite(folder: Path, changes: dict[str, torch.Tensor | None]) -> None:
    """Replace tensors of a checkpoint; None takes one out."""
    tensors = load_file(folder / "model.safetensors") | changes
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(kept, folder / "model.safetensors")


def test_tensors_that_are_no_weights_of_ours_are_ignored(saved, model):
    tensors = load_file(saved / "model.safetensors")
    decoder = tensors["bert.embeddings.word_embeddings.weight"].clone()
    # Checkpoints of older libraries hold these two.
    rewrite(saved, {"bert.embeddings.position_ids": torch.arange(16)[None], "cls.predictions.decoder.weight": decoder})
    assert torch.equal(load(saved)[0](*OURS).mlm_logits, model(*OURS).mlm_logits)


def test_half_precision_is_read_as_single(saved, model):
    save_file({k: t.half() for k, t in load_file(saved / "model.safetensors").items()}, saved / "model.safetensors")
    again, _ = load(saved)
    assert {weights.dtype for weights in again.parameters()} == {torch.float32}
    torch.testing.assert_close(again(*OURS).mlm_logits, model(*OURS).mlm_logits, rtol=0, atol=0.05)


def test_layer_norms_under_their_old_names_are_read(saved, model):
    """The first checkpoints, bert-base-uncased among them, call a LayerNorm's weight gamma and its bias beta."""
    tensors = load_file(saved / "model.safetensors")
    renamed = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for name in list(tensors):
        for new, old in renamed.items():
            if name.endswith(new):
                tensors[name.replace(new, old)] = tensors.pop(name)
    save_file(tensors, saved / "model.safetensors")
    with torch.no_grad():  # `transformers` reads them too
        theirs = transformers.BertForPreTraining.from_pretrained(saved).eval()
        close(theirs(**INPUTS).prediction_logits, model(*OURS).mlm_logits)
    assert torch.equal(load(saved)[0](*OURS).mlm_logits, model(*OURS).mlm_logits)


def test_the_bias_of_the_head_under_its_second_name(saved, model):
    bias = load_file(saved / "model.safetensors")["cls.predictions.bias"]
    rewrite(saved, {"cls.predictions.bias": None, "cls.predictions.decoder.bias": bias})
    assert torch.equal(load(saved)[0](*OURS).mlm_logits, model(*OURS).mlm_logits)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_in_several_files(tmp_path, dtype):
    """As `transformers` writes them: an index, and in each file as many tensors as fit."""
    _, theirs = their(tmp_path, "BertForPreTraining")
    theirs.to(dtype).save_pretrained(tmp_path / "parts", max_shard_size="2KB")
    Tokenizer(WORDS).save(tmp_path / "parts")
    assert len(list((tmp_path / "parts").glob("model-*-of-*.safetensors"))) > 2
    close(load(tmp_path / "parts")[0](*OURS).mlm_logits, theirs.float()(**INPUTS).prediction_logits)


@pytest.fixture
def parts(tmp_path) -> Path:
    _, theirs = their(tmp_path, "BertForPreTraining")
    theirs.save_pretrained(tmp_path / "parts", max_shard_size="2KB")
    Tokenizer(WORDS).save(tmp_path / "parts")
    return tmp_path / "parts"


@pytest.mark.parametrize(("index", "message"), [
    ("{}", "no weight_map from tensors to files; "),
    ('{"weight_map": {"a": 1}}', "no weight_map from tensors to files; "),
    ('{"weight_map": {"a": "../secret.safetensors"}}', "'../secret.safetensors' is not the name of a file beside it; "),
    ('{"weight_map": {}}', "no tensor bert.embeddings.word_embeddings.weight; "),
    ("{", "not a JSON object; "),
])  # fmt: skip
def test_a_bad_index(parts, index, message):
    (parts / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    assert sentence(parts).startswith(f"{parts / 'model.safetensors.index.json'}: {message}")


def test_a_missing_part(parts):
    first = min(parts.glob("model-*.safetensors"))
    first.unlink()
    assert sentence(parts).startswith(f"{first}: no such file; ")


def test_every_name_of_the_table_is_used(model):
    modules = {name.rsplit(".", 1)[0] for name in model.state_dict()}
    assert {name.replace("layers.0", "layers.{}") for name in modules if "layers.1" not in name} == set(NAMES)


# What cannot be loaded gets one line that names the file and says what to do


def sentence(folder: Path) -> str:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(InputError) as error:
        load(folder)
    assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before, "loading changed a file"
    return str(error.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file(saved, name):
    (saved / name).unlink()
    message = sentence(saved)
    assert message.startswith(f"{saved / name}: no such file; ")
    assert "checkpoint's folder holds" in message


def test_a_missing_folder(tmp_path):
    assert str(tmp_path / "nowhere") in sentence(tmp_path / "nowhere")


def test_a_missing_vocabulary(saved):
    (saved / "vocab.txt").unlink()
    (saved / "tokenizer.json").unlink()
    assert sentence(saved) == f"{saved}: neither vocab.txt nor tokenizer.json; give a folder that holds one"


@pytest.mark.parametrize("size", [0, 5, 100, 5000])
def test_a_truncated_file(saved, size):
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    message = sentence(saved)
    assert message.startswith(f"{path}: not a whole safetensors file (")
    assert message.endswith("; copy or download it again")


def test_a_file_of_something_else(saved):
    path = saved / "model.safetensors"
    path.write_bytes(b"PK\x03\x04" + bytes(range(256)) * 20)
    assert sentence(saved).startswith(f"{path}: not a whole safetensors file (")


def test_the_safetensors_of_another_model(saved):
    path = saved / "model.safetensors"
    save_file({"transformer.wte.weight": torch.zeros(15, 12)}, path)
    expected = "no tensor bert.embeddings.word_embeddings.weight; this is not a BERT checkpoint, or not a whole one"
    assert sentence(saved) == f"{path}: {expected}"


@pytest.mark.parametrize("name", [
    "bert.encoder.layer.1.attention.self.key.bias",
    "bert.embeddings.LayerNorm.weight",
    "bert.pooler.dense.bias",
    "cls.predictions.transform.dense.weight",
    "cls.seq_relationship.bias",
])  # fmt: skip
def test_a_missing_tensor_is_named(saved, name):
    rewrite(saved, {name: None})
    assert sentence(saved).startswith(f"{saved / 'model.safetensors'}: no tensor {name}; ")


@pytest.mark.parametrize(("name", "shape", "wanted"), [
    ("bert.embeddings.word_embeddings.weight", (14, 12), (15, 12)),
    ("bert.encoder.layer.0.output.dense.bias", (13,), (12,)),
    ("bert.encoder.layer.0.attention.self.key.weight", (13, 12), (12, 12)),
    ("bert.encoder.layer.0.attention.self.key.weight", (12, 11), (12, 12)),
    ("bert.encoder.layer.0.attention.output.dense.weight", (12,), (12, 12)),
])  # fmt: skip
def test_a_misshapen_tensor_is_named(saved, name, shape, wanted):
    rewrite(saved, {name: torch.zeros(shape)})
    expected = f"{saved / 'model.safetensors'}: {name} is {shape}, config.json asks for {wanted}"
    assert sentence(saved).startswith(expected)


def test_two_misshapen_tensors_whose_rows_add_up_are_seen(saved):
    """Query one row too long and key one too short: stacked they would fit, every row of the key in the wrong place."""
    attention = "bert.encoder.layer.0.attention.self"
    rewrite(saved, {f"{attention}.query.weight": torch.zeros(13, 12), f"{attention}.key.weight": torch.zeros(11, 12)})
    assert f"{attention}.query.weight is (13, 12)" in sentence(saved)


@pytest.mark.parametrize(("tensor", "message"), [
    (torch.full((12,), torch.nan), "holds numbers that are not finite; "),
    (torch.tensor([torch.inf, -torch.inf] + [0.0] * 10), "holds numbers that are not finite; "),
    (torch.tensor([torch.inf] + [0.0] * 11).half(), "holds numbers that are not finite; "),
    (torch.zeros(12, dtype=torch.int8), "holds torch.int8; bertmini reads floating-point weights only"),
])  # fmt: skip
def test_weights_that_are_no_numbers(saved, tensor, message):
    rewrite(saved, {"bert.pooler.dense.bias": tensor})
    assert sentence(saved).startswith(f"{saved / 'model.safetensors'}: bert.pooler.dense.bias {message}")


def test_a_next_sentence_head_needs_its_pooler(saved):
    rewrite(saved, {"bert.pooler.dense.weight": None, "bert.pooler.dense.bias": None})
    assert "no tensor bert.pooler.dense.weight; " in sentence(saved)


def test_half_a_head_is_not_taken_for_none(saved):
    rewrite(saved, {"cls.predictions.bias": None})
    assert "no tensor cls.predictions.bias; " in sentence(saved)


def test_a_decoder_of_its_own_is_refused(saved):
    rewrite(saved, {"cls.predictions.decoder.weight": torch.zeros(15, 12)})
    assert sentence(saved).endswith("its decoder is not the token table, and bertmini has one matrix for both")


def test_an_encoder_with_more_than_the_config_says_is_refused(saved):
    rewrite(saved, {"bert.encoder.layer.2.output.dense.bias": torch.zeros(12)})
    expected = "bert.encoder.layer.2.output.dense.bias: config.json has no place for it; take both from one checkpoint"
    assert sentence(saved) == f"{saved / 'model.safetensors'}: {expected}"


def test_the_head_of_another_task_is_named_and_left(saved, model):
    rewrite(saved, {"classifier.weight": torch.zeros(2, 12), "classifier.bias": torch.zeros(2)})
    with pytest.warns(UserWarning) as caught:
        again, _ = load(saved)
    assert [str(warning.message) for warning in caught] == [
        f"{saved / 'model.safetensors'}: not used: classifier.bias, classifier.weight"
    ]
    assert caught[0].filename == __file__
    assert torch.equal(again(*OURS).mlm_logits, model(*OURS).mlm_logits)


def test_a_pickle_is_never_opened(saved):
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    message = sentence(saved)
    assert message.startswith(f"{saved / 'model.safetensors'}: no such file, only a .bin, a pickle, ")
    assert "convert it" in message


def test_a_vocabulary_larger_than_the_config(saved):
    (saved / "vocab.txt").write_text("\n".join([*WORDS, "a", "b", "c", "d"]) + "\n", encoding="utf-8")
    assert sentence(saved).startswith(f"{saved}: 16 tokens in the vocabulary but 15 in config.json; ")


def test_a_config_of_another_shape(saved):
    keys = json.loads((saved / "config.json").read_text(encoding="utf-8"))
    (saved / "config.json").write_text(json.dumps(keys | {"num_hidden_layers": 3}), encoding="utf-8")
    assert "no tensor bert.encoder.layer.2." in sentence(saved)
