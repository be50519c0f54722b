"""The shape of a BERT, in the keys that every BERT checkpoint's config.json uses."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path


class InputError(ValueError):
    """What the user gave cannot be used. The message says what is wrong, where, and what to do."""


PRESETS = {  # L, H, A; F = 4H, D = 64 (Devlin et al. 2019, section 3; the small ones: Turc et al. 2019)
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "medium": (8, 512, 8),
    "base": (12, 768, 12),
    "large": (24, 1024, 16),
}

ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}  # F.gelu's `approximate`

# Keys of other checkpoints that would change the arithmetic, with the values under which they do not.
PLAIN_VALUES = {
    "model_type": ("bert",),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
    "pruned_heads": ({}, None),
    "embedding_size": (None,),
    "quantization_config": (None,),
}

MOST = {"num_hidden_layers": 1_000}  # so that a damaged number is told, not tried until the memory is full
MOST_OF_ANY = 2**24


@dataclass(frozen=True)
class BertConfig:
    """Every number that fixes a BERT's shape and arithmetic (Devlin et al. 2019, section 3 and appendix A.2)."""

    vocab_size: int = 30522  # V
    hidden_size: int = 768  # H
    num_hidden_layers: int = 12  # L
    num_attention_heads: int = 12  # A
    intermediate_size: int = 3072  # F
    max_position_embeddings: int = 512  # the largest T
    type_vocab_size: int = 2  # segments: first and second
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    hidden_act: str = "gelu"  # the exact form; "gelu_new" and "gelu_pytorch_tanh" are the tanh form
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int and (type(value) is not int or value < (field.name != "pad_token_id")):
                raise InputError(f"{field.name} is {value!r}: it must be a positive whole number")
            if field.type is int and value > (most := MOST.get(field.name, MOST_OF_ANY)):
                raise InputError(f"{field.name} is {value}: it must be {most:,} or less")
            if field.type is float and (type(value) not in (int, float) or not 0 <= value < 1):
                raise InputError(f"{field.name} is {value!r}: it must be a number from 0 to 1, 1 excluded")
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}: "
                "every head takes an equal share of it"
            )
        if self.hidden_act not in tuple(ACTIVATIONS):  # a tuple: what is no string may not be hashable
            raise InputError(f"hidden_act is {self.hidden_act!r}: choose one of {', '.join(ACTIVATIONS)}")
        if self.pad_token_id >= self.vocab_size:
            raise InputError(f"pad_token_id {self.pad_token_id} is outside a vocabulary of {self.vocab_size}")

    @classmethod
    def preset(cls, name: str, **overrides) -> "BertConfig":
        """One of the published sizes, tiny to large; overrides replace single keys."""
        if name not in PRESETS:
            raise InputError(f"there is no preset {name!r}: choose one of {', '.join(PRESETS)}")
        layers, hidden, heads = PRESETS[name]
        shape = {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads}
        return cls(**shape | {"intermediate_size": 4 * hidden} | overrides)

    @classmethod
    def from_json(cls, path: Path | str) -> "BertConfig":
        """Read a checkpoint's config.json; keys that do not change the arithmetic are ignored, others must be plain."""
        try:
            keys = json.loads(Path(path).read_text(encoding="utf-8"))
            keys.items()
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; a checkpoint's folder holds a config.json") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); give a checkpoint's folder") from None
        except (ValueError, AttributeError, RecursionError):
            raise InputError(f"{path}: not a JSON object; download or save the checkpoint again") from None
        for key, plain in PLAIN_VALUES.items():
            if key in keys and keys[key] not in plain:
                raise InputError(f"{path}: {key} is {keys[key]!r}, which bertmini does not compute (only {plain[0]!r})")
        known = {field.name for field in dataclasses.fields(cls)}
        try:
            return cls(**{key: value for key, value in keys.items() if key in known})
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def to_json(self, path: Path | str, architecture: str = "BertForPreTraining") -> None:
        """Write a config.json that `from_json`, and the `transformers` library, read back.

        architecture: the class in `transformers` that holds the same heads.
        """
        keys = {"model_type": "bert", "architectures": [architecture], **dataclasses.asdict(self)}
        Path(path).write_text(json.dumps(keys, indent=2) + "\n", encoding="utf-8", newline="\n")
