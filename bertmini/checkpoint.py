"""Save and load in the layout that the whole field shares: config.json, model.safetensors, vocabulary files."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bertmini.config import BertConfig, InputError
from bertmini.encoder import Bert, Pooler
from bertmini.pretraining import BertForPreTraining
from bertmini.tokenizer import Tokenizer

# Our name -> the checkpoint's. {} is the layer's number; .weight and .bias follow. A tuple is stacked into one matrix.
NAMES: dict[str, str | tuple[str, ...]] = {
    "bert.embeddings.token": "bert.embeddings.word_embeddings",
    "bert.embeddings.position": "bert.embeddings.position_embeddings",
    "bert.embeddings.segment": "bert.embeddings.token_type_embeddings",
    "bert.embeddings.norm": "bert.embeddings.LayerNorm",
    "bert.layers.{}.attention.qkv": (
        "bert.encoder.layer.{}.attention.self.query",
        "bert.encoder.layer.{}.attention.self.key",
        "bert.encoder.layer.{}.attention.self.value",
    ),
    "bert.layers.{}.attention.output": "bert.encoder.layer.{}.attention.output.dense",
    "bert.layers.{}.attention_norm": "bert.encoder.layer.{}.attention.output.LayerNorm",
    "bert.layers.{}.feed_forward.inner": "bert.encoder.layer.{}.intermediate.dense",
    "bert.layers.{}.feed_forward.outer": "bert.encoder.layer.{}.output.dense",
    "bert.layers.{}.output_norm": "bert.encoder.layer.{}.output.LayerNorm",
    "bert.pooler.dense": "bert.pooler.dense",
    "mlm.transform": "cls.predictions.transform.dense",
    "mlm.norm": "cls.predictions.transform.LayerNorm",
    "mlm": "cls.predictions",  # its bias, one number a token
    "nsp.score": "cls.seq_relationship",
}


def checkpoint_names(name: str) -> tuple[str, ...]:
    """The checkpoint's names of one of our tensors: mlm.norm.bias -> (cls.predictions.transform.LayerNorm.bias,)."""
    module, kind = name.rsplit(".", 1)
    layer = re.search(r"\d+", module)
    theirs = NAMES[re.sub(r"\d+", "{}", module)]
    theirs = (theirs,) if isinstance(theirs, str) else theirs
    return tuple(f"{their.format(layer and layer[0])}.{kind}" for their in theirs)


def to_checkpoint(model: BertForPreTraining | Bert) -> dict[str, Tensor]:
    """A model's tensors under the checkpoint's names, query, key and value apart."""
    prefix = "bert." if isinstance(model, Bert) else ""
    tensors = {}
    for name, tensor in model.state_dict().items():
        theirs = checkpoint_names(prefix + name)
        for their, part in zip(theirs, tensor.chunk(len(theirs)), strict=True):
            tensors[their] = part.detach().cpu().contiguous()
    return tensors


def save(directory: Path | str, model: BertForPreTraining | Bert, tokenizer: Tokenizer) -> None:
    """Write config.json, model.safetensors and the vocabulary files; `transformers` loads the directory unchanged."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    if isinstance(model, Bert) or model.mlm is None:
        architecture = "BertModel"
    else:
        architecture = "BertForPreTraining" if model.nsp else "BertForMaskedLM"
    model.config.to_json(directory / "config.json", architecture)
    save_file(to_checkpoint(model), directory / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(directory)


def load(directory: Path | str, model: type[nn.Module] = BertForPreTraining) -> tuple[nn.Module, Tokenizer]:
    """Read a checkpoint's directory. A head or pooler that the file does not hold is absent (None), never random.

    model: BertForPreTraining or Bert. Returns (model in eval mode, tokenizer); InputError names file and tensor.
    """
    directory = Path(directory)
    config = BertConfig.from_json(directory / "config.json")
    path = directory / "model.safetensors"
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; a checkpoint's folder holds its weights there") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({error}); copy or download it again") from None
    # The first checkpoints, bert-base-uncased among them, have other names for a LayerNorm's weight and bias.
    for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
        tensors = {name.replace(old, new): tensor for name, tensor in tensors.items()}
    if "embeddings.word_embeddings.weight" in tensors:  # an encoder saved alone has no prefix
        tensors = {f"bert.{name}": tensor for name, tensor in tensors.items()}
    with torch.device("meta"):
        built = BertForPreTraining(config, nsp="cls.seq_relationship.weight" in tensors)
        if "bert.pooler.dense.weight" not in tensors:
            built.bert.pooler = None
        elif built.bert.pooler is None:
            built.bert.pooler = Pooler(config)
        if "cls.predictions.bias" not in tensors:
            built.mlm = None
    built.load_state_dict(from_checkpoint(tensors, built, path), assign=True)
    tokenizer = Tokenizer.load(directory)
    if len(tokenizer) > config.vocab_size:
        raise InputError(
            f"{directory}: {len(tokenizer)} tokens in the vocabulary but {config.vocab_size} in config.json; "
            "take both from one checkpoint"
        )
    return (built.bert if model is Bert else built).eval(), tokenizer


def from_checkpoint(tensors: dict[str, Tensor], model: BertForPreTraining, path: Path) -> dict[str, Tensor]:
    """The tensors under our names, query, key and value stacked; InputError for one that is missing or misshapen."""
    state = {}
    for name, wanted in model.state_dict().items():
        theirs = checkpoint_names(name)
        shape = (wanted.shape[0] // len(theirs), *wanted.shape[1:])
        for their in theirs:
            if their not in tensors:
                raise InputError(f"{path}: no tensor {their}; this is not a BERT checkpoint, or not a whole one")
            if tensors[their].shape != shape:
                raise InputError(f"{path}: {their} is {tuple(tensors[their].shape)}, config.json asks for {shape}")
        state[name] = nn.Parameter(torch.cat([tensors[their] for their in theirs]).float())
    return state


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder beside its place and then rename it: a whole one is left, the old or the new."""
    beside, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        write(beside)
        for path in beside.rglob("*.*"):
            with path.open("rb+") as file:
                os.fsync(file.fileno())
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, OSError | RuntimeError | SafetensorError):  # a full disk shows as any of the three
            raise InputError(
                f"{folder}: could not be saved ({error}); what was there before is whole; "
                "make room, or close what uses it, and try again"
            ) from error
        raise
