"""The models in data/models: the weights are those of their card, and as good as it says."""

import hashlib
import json
import shlex
from pathlib import Path

import pytest

import bertmini
from bertmini.evaluation import score
from bertmini.microworld import Grammar
from bertmini.microworld.generate import HELD_OUT_STORIES
from bertmini.microworld.measure import sample

DATA = Path(__file__).parent.parent / "data"
MOST_BYTES = {"microworld-tiny": 2e6, "microworld-mini": 8e6}


@pytest.mark.parametrize("name", MOST_BYTES)
def test_a_model_and_its_card(name):
    folder = DATA / "models" / name
    weights = (folder / "model.safetensors").read_bytes()
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert hashlib.sha256(weights).hexdigest() == card["sha256"] and len(weights) <= MOST_BYTES[name]
    run = json.loads((DATA / "runs" / f"pretrain-{name}.json").read_text(encoding="utf-8"))
    assert card["command"] == run["command"] and name.split("-")[1] in shlex.split(card["command"])
    assert card["seed"] == run["options"]["seed"]

    grammar = Grammar.load()
    model, tokenizer = bertmini.load(folder)
    assert tokenizer.tokens == grammar.tokenizer.tokens, "the grammar has changed: make runs trains the models again"
    scores = score(model, sample(grammar, HELD_OUT_STORIES, card["seed"]), tokenizer.mask_id)
    assert float(scores.nats[scores.masked].mean()) == pytest.approx(card["held_out_mlm_loss_masked"], abs=2e-3)
    assert float(scores.nsp_right.float().mean()) == pytest.approx(card["held_out_nsp_accuracy"], abs=4e-3)
    last = run["metrics"][-1]  # half precision costs next to nothing
    assert card["held_out_mlm_loss_masked"] == pytest.approx(last["held_out_mlm_loss_masked"], abs=5e-3)
