"""Save and load in the layout that the whole field shares: config.json, model.safetensors, vocabulary files."""

import re
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bertmini.config import BertConfig, InputError
from bertmini.encoder import Bert, Pooler
from bertmini.hub import locate
from bertmini.pretraining import BertForPreTraining
from bertmini.tokenizer import Tokenizer, read_json

# Regular expressions for the names in checkpoints of other forms, and what stands in NAMES instead.
RENAMED = {
    r"LayerNorm\.gamma$": "LayerNorm.weight",  # the first ones, bert-base-uncased among them
    r"LayerNorm\.beta$": "LayerNorm.bias",
    r"^(embeddings|encoder|pooler)\.": r"bert.\1.",  # an encoder saved alone has no prefix
    r"^cls\.predictions\.decoder\.bias$": "cls.predictions.bias",
}
HEADS = ("bert.pooler.", "cls.predictions.", "cls.seq_relationship.")
TOKEN_TABLE = "bert.embeddings.word_embeddings.weight"

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


def load(
    source: Path | str, model: type[nn.Module] = BertForPreTraining, revision: str | None = None
) -> tuple[nn.Module, Tokenizer]:
    """Read a checkpoint. A head or pooler that the file does not hold is absent (None), never random.

    source, revision: as in `locate`, a folder, "minilm" or a name on the hub. model: BertForPreTraining or Bert.
    Returns (model in eval mode, tokenizer), in single precision; InputError names file and tensor.
    """
    folder = locate(source, revision)
    config = BertConfig.from_json(folder / "config.json")
    path, tensors = read_tensors(folder)
    pooler, mlm, nsp = (any(name.startswith(head) for name in tensors) for head in HEADS)
    with torch.device("meta"):
        built = BertForPreTraining(config, nsp)
        if pooler and not nsp:
            built.bert.pooler = Pooler(config)
        if not mlm:
            built.mlm = None
    built.load_state_dict(from_checkpoint(tensors, built, path), assign=True)
    tokenizer = Tokenizer.load(folder)
    if len(tokenizer) > config.vocab_size:  # fewer are common: tables are padded to a round number of rows
        raise InputError(
            f"{folder}: {len(tokenizer)} tokens in the vocabulary but {config.vocab_size} in config.json; "
            "take both from one checkpoint"
        )
    return (built.bert if model is Bert else built).eval(), tokenizer


def read_tensors(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """The file to name in a complaint, and a checkpoint's tensors under today's names, from one file or several."""
    path, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if path.exists() or not index.exists():
        tensors = read_file(path)
    else:
        path, tensors = index, {}
        weight_map = read_json(index).get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
            raise InputError(f"{index}: no weight_map from tensors to files; copy or download it again")
        for name in sorted(set(weight_map.values())):
            if Path(name).name != name:
                raise InputError(f"{index}: {name!r} is not the name of a file beside it; download it again")
            tensors |= read_file(folder / name)
    for old, new in RENAMED.items():
        tensors = {re.sub(old, new, name): tensor for name, tensor in tensors.items()}
    return path, tensors


def read_file(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        if list(path.parent.glob("*.bin")):
            raise InputError(
                f"{path}: no such file, only a .bin, a pickle, which runs code when it is opened; where you trust it, "
                "convert it: load it with `transformers` and save_pretrained"
            ) from None
        raise InputError(f"{path}: no such file; a checkpoint's folder holds its weights there") from None
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a whole safetensors file ({error}); copy or download it again") from None


def from_checkpoint(tensors: dict[str, Tensor], model: BertForPreTraining, path: Path) -> dict[str, Tensor]:
    """The tensors under our names, query, key and value stacked.

    InputError for one that is missing, misshapen, not finite, or that the encoder cannot use; a warning names those of
    heads that we do not have.
    """
    state, left = {}, dict(tensors)
    for name, wanted in model.state_dict().items():
        theirs = checkpoint_names(name)
        shape = (wanted.shape[0] // len(theirs), *wanted.shape[1:])
        for their in theirs:
            tensor = left.pop(their, None)
            if tensor is None:
                raise InputError(f"{path}: no tensor {their}; this is not a BERT checkpoint, or not a whole one")
            if tensor.shape != shape:
                raise InputError(f"{path}: {their} is {tuple(tensor.shape)}, config.json asks for {shape}")
            if not tensor.is_floating_point():
                raise InputError(f"{path}: {their} holds {tensor.dtype}; bertmini reads floating-point weights only")
            if not tensor.float().sum().isfinite():  # one infinity or NaN shows in the sum
                raise InputError(f"{path}: {their} holds numbers that are not finite; copy or download it again")
        state[name] = nn.Parameter(torch.cat([tensors[their] for their in theirs]).float())
    # Some files repeat the tied matrix and the bias, and count the positions.
    decoder = left.pop("cls.predictions.decoder.weight", None)
    if decoder is not None and model.mlm and not torch.equal(decoder, tensors[TOKEN_TABLE]):
        raise InputError(f"{path}: its decoder is not the token table, and bertmini has one matrix for both")
    strange = sorted(name for name in left if not name.endswith(".position_ids"))
    if unused := [name for name in strange if name.startswith("bert.")]:
        raise InputError(f"{path}: {', '.join(unused)}: config.json has no place for it; take both from one checkpoint")
    if strange:
        warnings.warn(f"{path}: not used: {', '.join(strange)}", stacklevel=3)
    return state
