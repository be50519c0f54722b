"""The measurement of notebooks/07_next_sentence.ipynb: bags of words, the two shipped models and the best player.

All see the same held-out instances, corrupted as in pretraining. Next sentence: one pair, does the second segment
follow? Order: a pair that follows, in both orders, which is the right one?
"""

import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bertmini import BertForPreTraining, load
from bertmini.batches import Batch, Epoch, Pairs
from bertmini.corpus import Corpus, write_corpus
from bertmini.microworld import Floor, Grammar, stories, window_pairs
from bertmini.microworld.grammar import MAX_LENGTH
from bertmini.microworld.measure import rows
from bertmini.relatives.bags import Bags, OneBag, TwoBags, accuracy, bags, fit

MODELS = Path(__file__).resolve().parents[3] / "data/models"
TRAINING, HELD_OUT = 40_000, 3_000  # stories
PASSES = 8  # over the stories by the scorers of bags; pairs and masks are drawn anew in each
SEEDS = 0, 1, 2
HOURS = "dawn", "noon", "dusk"
GRAMMAR = Grammar.load()


def order_pairs(corpus: Corpus, room: int, seed: int, epoch: int) -> np.ndarray:
    """Pairs that follow, half of them with their segments exchanged: 1 in the last column."""
    plan = window_pairs(corpus, room, seed, epoch)
    plan = plan[plan[:, 4] == 0]
    exchanged = np.random.default_rng([seed, epoch, 2]).random(len(plan)) < 0.5
    plan[exchanged] = plan[exchanged][:, [2, 3, 0, 1, 4]]
    plan[:, 4] = exchanged
    return plan


def instances(corpus: Corpus, pairs: Pairs, seed: int, epoch: int) -> Batch:
    """A whole epoch as one batch."""
    every = Epoch(corpus, GRAMMAR.tokenizer, MAX_LENGTH, seed, epoch, pairs)
    return every.collate([every[i] for i in range(len(every))])


def bags_of(batch: Batch, without: Sequence[str] = ()) -> Bags:
    """without: words that count as none, as the special tokens do."""
    special = [GRAMMAR.tokenizer.vocab[token] for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *without)]
    return bags(batch.token_ids, batch.segment_ids, batch.is_random, len(GRAMMAR.tokenizer), special)


def without_friends(batch: Batch) -> Batch:
    """The same instances, with every name that does not begin a sentence shown as [MASK]: only the heroes' are left."""
    vocab, token_ids = GRAMMAR.tokenizer.vocab, batch.token_ids
    names = torch.tensor([vocab[name] for name in GRAMMAR.hidden["name"]])
    before = torch.tensor([vocab[token] for token in ("[CLS]", "[SEP]", ".")])  # what stands before a sentence
    friends = torch.isin(token_ids, names) & ~torch.isin(token_ids.roll(1, 1), before)
    return batch._replace(token_ids=token_ids.masked_fill(friends, GRAMMAR.tokenizer.mask_id))


def exchanged(batch: Batch) -> Batch:
    """The same instances as [CLS] second [SEP] first [SEP]; without predictions."""
    token_ids, segment_ids = batch.token_ids.clone(), batch.segment_ids.clone()
    for row, (shown, segments, *_) in enumerate(rows([batch])):
        first, second = np.split(shown[1:-1], [int((segments == 0).sum()) - 1])  # `first` ends with its [SEP]
        token_ids[row, 1 : len(shown) - 1] = torch.from_numpy(np.concatenate([second, first[-1:], first[:-1]]))
        segment_ids[row, : len(shown)] = torch.arange(len(shown)).ge(len(second) + 2).long()
    return batch._replace(token_ids=token_ids, segment_ids=segment_ids)


def logits(model: BertForPreTraining, batch: Batch) -> Tensor:
    """(B, 2), from the next-sentence head alone."""
    read = batch.positions[:, :1]  # no token is predicted: the last layer is computed at [CLS] and one position
    return model.nsp(model.bert(batch.token_ids, batch.segment_ids, batch.keep, read).pooled)


@torch.no_grad()
def chances(model: BertForPreTraining, batch: Batch) -> Tensor:
    """(B,): the model's probability that the second segment is random."""
    parts = torch.arange(len(batch.is_random)).split(100)
    return torch.cat([logits(model, Batch(*(part[i] for part in batch))) for i in parts]).softmax(-1)[:, 1]


def teach_order(model: BertForPreTraining, batches: list[Batch], lr: float = 3e-4, size: int = 32) -> None:
    """Train a model on for sentence order: head, pooler and encoder, one pass over each of the batches."""
    optimizer = torch.optim.AdamW(model.parameters(), lr, eps=1e-6, weight_decay=0.01)
    steps = [(batch, i) for batch in batches for i in torch.randperm(len(batch.is_random)).split(size)]
    for step, (batch, i) in enumerate(steps):
        part = Batch(*(tensor[i] for tensor in batch))
        width = int(part.keep.sum(1).max())
        part = Batch(*(tensor[:, :width] for tensor in part[:3]), *part[3:])
        optimizer.param_groups[0]["lr"] = lr * min(1 - step / len(steps), 0.01 + 10 * step / len(steps))
        loss = F.cross_entropy(logits(model, part), part.is_random)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def chosen(right: Tensor, wrong: Tensor) -> float:
    """How often the right order is found less random than the wrong one; a tie is decided by a coin."""
    return float((right < wrong).double().mean() + (right == wrong).double().mean() / 2)


@torch.no_grad()
def chosen_by(scorer: torch.nn.Module, pairs: Bags) -> float:
    """The same for a scorer of bags. pairs: in the right order."""
    margin = scorer(pairs.first, pairs.second) - scorer(pairs.second, pairs.first)  # (B, 2)
    return chosen(margin[:, 1] - margin[:, 0], torch.zeros(len(margin)))


def play_with_bags(
    kind: type[torch.nn.Module], task: str, passes: list[Batch], held_out: Batch, without: Sequence[str] = ()
) -> dict[str, list]:
    """Three scorers of one kind, trained for one task, at both questions."""
    following, scores = only_following(held_out), {"next sentence": [], "order": []}
    for seed in SEEDS:
        torch.manual_seed(seed)
        scorer = kind(len(GRAMMAR.tokenizer))
        fit(scorer, lambda number: bags_of(passes[number], without), PASSES, lr=3e-3, batch_size=256)
        scores["order"].append(chosen_by(scorer, bags_of(following, without)))
        if task == "next sentence":
            scores[task].append(accuracy(scorer, bags_of(held_out, without)))
    return scores


def only_following(batch: Batch) -> Batch:
    return Batch(*(part[batch.is_random == 0] for part in batch))


def play_with(model: BertForPreTraining, held_out: Batch) -> dict[str, float]:
    """A model at both questions."""
    model.eval()
    following = only_following(held_out)
    right = (chances(model, held_out) > 0.5) == held_out.is_random.bool()
    return {
        "next sentence": float(right.double().mean()),
        "where it follows": float(right[held_out.is_random == 0].double().mean()),
        "where it is random": float(right[held_out.is_random == 1].double().mean()),
        "order": chosen(chances(model, following), chances(model, exchanged(following))),
    }


def best(held_out: Batch) -> dict[str, float]:
    """The best player at both questions: the mean chance that the likelier answer is right."""
    floor, answers = Floor(GRAMMAR), {"next sentence": [], "order": []}
    for shown, segment_ids, positions, _, is_random in rows([held_out]):
        p = floor.best_prediction(shown, segment_ids, positions).is_random
        answers["next sentence"].append(max(p, 1 - p))
        if not is_random:
            p = floor.order(shown, segment_ids, positions)
            answers["order"].append(max(p, 1 - p))
    return {task: float(np.mean(chance)) for task, chance in answers.items()}


def players() -> dict:
    """The share of right answers of every player, for both questions; of three seeds where it was trained here."""
    with tempfile.TemporaryDirectory() as folder:
        told = stories(GRAMMAR, seed=7)
        held_out, train = (
            write_corpus((story.texts() for story in islice(told, count)), GRAMMAR.tokenizer, Path(folder) / name)
            for name, count in (("held_out", HELD_OUT), ("train", TRAINING))
        )
        held_out = instances(held_out, window_pairs, 0, 0)
        result = {"pairs": HELD_OUT, "following": int((held_out.is_random == 0).sum()), "best": best(held_out)}
        for name in ("tiny", "mini"):
            result[name] = play_with(load(MODELS / f"microworld-{name}")[0], held_out)
        for task, pairs in (("next sentence", window_pairs), ("order", order_pairs)):
            passes = [instances(train, pairs, 1, number) for number in range(PASSES)]
            for name, kind in (("one bag", OneBag), ("two bags", TwoBags)):
                result[f"{name}, taught {task}"] = play_with_bags(kind, task, passes, held_out)
            if task == "next sentence":
                result["two bags without friends, taught next sentence"] = play_with_bags(
                    TwoBags, task, [without_friends(batch) for batch in passes], without_friends(held_out)
                )
        hourless = play_with_bags(TwoBags, "order", passes, held_out, HOURS)
        result["two bags without hours, taught order"] = hourless
        result["tiny, taught order"] = {"order": []}
        for seed in SEEDS:
            torch.manual_seed(seed)
            model = load(MODELS / "microworld-tiny")[0].train()
            teach_order(model, passes[:2])
            result["tiny, taught order"]["order"].append(play_with(model, held_out)["order"])
    return result


RUNS = {"next-sentence": players}
