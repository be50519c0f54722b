"""Pretraining: optimizer, schedule, loop, metrics, and a resume that, on the CPU, continues bit for bit."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from bertmini import distributed
from bertmini.batches import Batch, Epoch, Pairs, document_pairs
from bertmini.checkpoint import save
from bertmini.config import BertConfig, InputError
from bertmini.corpus import Corpus
from bertmini.disk import damaged, flush, replace_folder
from bertmini.evaluation import HELD_OUT_INSTANCES, held_out_batches, score, summarise, summary, unigram_nats
from bertmini.microworld import Floor, Grammar, window_pairs
from bertmini.microworld.measure import measure, report
from bertmini.mlm import CHOSEN
from bertmini.pretraining import BertForPreTraining, Objective
from bertmini.saved import checkpoints, keep_metrics, newest_checkpoint, prune, read_state, write_state
from bertmini.tokenizer import Tokenizer

SHORT_SHARE = 0.5  # the share of the steps with short sequences
SHORT_RATIO = 4  # how many times shorter these are
WARM_UP = 0.1  # share of the steps; the original: 10,000 of 1,000,000
WEIGHT_DECAY = 0.01
CLIP = 1.0  # the largest norm of the whole gradient
SHORTEST = 8  # tokens in the shortest sequence that makes sense: [CLS], two [SEP] and a few words
WIDTHS = 4  # different lengths of batches on a GPU, which computes fastest what it has computed before
LOADERS = 4  # processes that make batches for a GPU
EVALUATIONS = 12  # at the start, ten on the way, at the end
LOGGED = 300  # lines of metrics a run


@dataclass(frozen=True)
class Options:
    """What fixes a run's result: bit for bit on one CPU with as many threads. A resumed run cannot change any of it."""

    corpus: str = "manual"  # or microworld, or a file: text, or a grammar (.toml)
    held_out: str | None = None  # a text file; None: documents of the corpus
    preset: str = "tiny"
    vocab_size: int | None = None  # None, here and below: by corpus
    steps: int | None = None
    batch_size: int | None = None
    max_length: int | None = None
    seed: int = 0
    masked_lm_prob: float | None = None  # the share of tokens to predict in training; held out it is always 15%
    learning_rate: float | None = None  # None: by preset
    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True)
class Fit:
    """How a step fits into the machine there is. It changes rounding at most, so a resumed run may choose anew."""

    accumulate: int = 1  # parts of a step's batch, one after the other
    recompute: bool = False  # each layer keeps its input only, and is computed again in the backward pass
    shard: bool = False  # weights, gradients and moments are spread over the processes
    compile: bool = False  # torch.compile: minutes at the start, then faster on a GPU


def parameter_groups(model: nn.Module) -> list[dict]:
    """Decay the matrices; leave biases and LayerNorms alone, as google-research/bert does."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    return [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": vectors, "weight_decay": 0.0},
    ]


def schedule(step: int, steps: int) -> float:
    """The share of the full rate at a step, counted from 1: up in a line, then down towards zero in a line."""
    rise = max(1, round(WARM_UP * steps))
    return min(step / rise, (steps - step + 1) / (steps - rise + 1))


def short_steps(options: Options) -> int:
    """How many steps, from the first on, see four times as many sequences of a quarter of the length.

    The original's way: 90% of the steps at T = 128, 10% at 512 (Devlin et al. 2019, appendix A.2). Here it is
    half and half, so that a short run has time for the far positions. In our trials tiny left the level of word
    frequencies sooner this way; the share and the rate were chosen by a few partial runs of one seed.
    """
    return round(SHORT_SHARE * options.steps) if options.max_length >= SHORT_RATIO * SHORTEST else 0


def stream(
    corpus: Corpus,
    tokenizer: Tokenizer,
    options: Options,
    step: int,
    epoch: int,
    start: int,
    pairs: Pairs = document_pairs,
) -> Iterator[tuple[int, int, Batch]]:
    """The batches of all steps after `step`, from batch `start` of an epoch on; of several processes, each its share.

    Yields (epoch, number, batch), the first two of the batch that comes next. The change to the full length begins
    a new epoch.
    """
    while True:
        left = short_steps(options) - step if pairs is document_pairs else 0  # windows hold whole sentences
        ratio = SHORT_RATIO if left > 0 else 1  # times shorter, and times as many: a step has the same number of tokens
        widths = WIDTHS if options.device == "cuda" else None
        length, share = options.max_length // ratio, options.masked_lm_prob or CHOSEN
        instances = Epoch(corpus, tokenizer, length, options.seed, epoch, pairs, widths, share)
        order = instances.batches(options.batch_size * ratio)[start:][: left if left > 0 else None]
        mine = [distributed.share(rows) for rows in order]
        # Its own generator, or the loader would draw from the one that dropout uses, and resuming would not be exact.
        own = torch.Generator()
        gpu = {"num_workers": LOADERS, "pin_memory": True} if options.device == "cuda" else {}
        loader = DataLoader(instances, batch_sampler=mine, collate_fn=instances.collate, generator=own, **gpu)
        for done, batch in enumerate(loader, 1):
            yield (epoch, start + done, batch) if done < len(order) else (epoch + 1, 0, batch)
        step, epoch, start = step + len(order), epoch + 1, 0


class Training:
    """A run in progress: all that a checkpoint holds, and the step that changes it."""

    def __init__(self, config: BertConfig, options: Options, fit: Fit = Fit()):
        torch.manual_seed(options.seed)
        self.options, self.fit, self.device = options, fit, torch.device(options.device)
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # products of fp32 by TF32
        self.model = BertForPreTraining(config).to(self.device).train()
        self.model.bert.recompute = fit.recompute
        self.objective = distributed.wrap(Objective(self.model), fit.shard)
        if fit.compile:
            self.objective.compile()
        distributed.own_dropout(options.seed, 0)
        # The original's AdamW leaves out the bias correction; with a warm-up the two differ little.
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model), eps=1e-6, fused=True)
        self.step = self.epoch = self.next_batch = 0
        self.sums = torch.zeros(2, device=self.device)  # MLM and NSP loss since the last logged step
        self.logged = 0  # that step

    @property
    def rate(self) -> float:
        return self.options.learning_rate * schedule(self.step, self.options.steps) if self.step else 0.0

    def update(self, batch: Batch) -> None:
        """One optimizer step on one batch; of several processes, each brings its share of the batch."""
        self.step += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        half = self.options.precision == "bf16"
        predicted, pairs = distributed.total(batch.counts()).tolist()  # of the whole step
        for number, part in enumerate(batch.split(self.fit.accumulate), 1):
            part = part.to(self.device)
            with distributed.exchange(self.objective, now=number == self.fit.accumulate):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                    losses = self.objective(part, predicted, pairs)
                (losses.total * distributed.size()).backward()  # times, because processes average their gradients
            self.sums += torch.stack([losses.mlm, losses.nsp]).detach()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def mean_losses(self) -> dict[str, float]:
        """The means over the steps since the last call, in nats."""
        mlm, nsp = (distributed.total(self.sums) / max(1, self.step - self.logged)).tolist()
        self.sums, self.logged = torch.zeros_like(self.sums), self.step
        if not math.isfinite(mlm + nsp):
            raise InputError(f"the loss is {mlm + nsp} at step {self.step}: begin again with a smaller --learning-rate")
        return {"mlm_loss": mlm, "nsp_loss": nsp}

    def state(self) -> dict:
        """All that an exact resume needs, in one piece; several processes make it together."""
        cuda = self.device.type == "cuda"
        return {
            "model": distributed.whole(self.model.state_dict()),
            "optimizer": distributed.whole(self.optimizer.state_dict()),
            "place": [self.step, self.epoch, self.next_batch, self.logged],
            "sums": distributed.total(self.sums),
            "random": distributed.gather(torch.get_rng_state()),  # one a process
            "random_cuda": distributed.gather(torch.cuda.get_rng_state()) if cuda else [],
        }

    def restore(self, state: dict) -> None:
        """Go on from a state, which another number of processes may have saved."""
        distributed.load_whole(self.model, self.optimizer, state["model"], state["optimizer"])
        self.step, self.epoch, self.next_batch, self.logged = state["place"]
        self.sums = state["sums"] * distributed.is_main()
        rank = distributed.rank()
        if rank >= len(state["random"]):
            distributed.own_dropout(self.options.seed, self.step)
            return
        torch.set_rng_state(state["random"][rank].cpu())
        if state["random_cuda"]:
            torch.cuda.set_rng_state(state["random_cuda"][rank].cpu())


def train(
    out: Path,
    config: BertConfig,
    options: Options,
    save_every: int | None = None,
    stop_after: int | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    keep: int | None = None,
    fit: Fit = Fit(),
) -> int:
    """Train the run in `out`, from its newest checkpoint if it has one; at the end save a checkpoint and model/.

    out: its data/ holds what `corpus.prepare` or, with a grammar.toml, `prepare_world` writes. keep: how many
    checkpoints, the newest ones; None: all. Returns the step that was reached. Several processes call it together;
    process 0 evaluates and writes.
    """
    main = distributed.is_main()
    tokenizer = Tokenizer.load(out / "data")
    corpus, held_out = Corpus.open(out / "data/train"), Corpus.open(out / "data/held_out")
    world = out / "data/grammar.toml"
    floor = Floor(Grammar.load(world)) if world.exists() else None
    pairs, most = (window_pairs, len(held_out.documents) - 1) if floor else (document_pairs, HELD_OUT_INSTANCES)
    evaluation = held_out_batches(held_out, tokenizer, options.max_length, options.batch_size, pairs, most)
    players = measure(floor, evaluation) if floor and main else None
    unigram = unigram_nats(corpus, config.vocab_size)
    evaluation_steps = {round(k * options.steps / (EVALUATIONS - 1)) for k in range(EVALUATIONS)}
    log_every = math.ceil(options.steps / LOGGED)

    training = Training(config, options, fit)
    saved = -1
    newest = newest_checkpoint(out)
    for folder in takewhile(lambda folder: folder != newest, checkpoints(out)):
        tqdm.write(f"{damaged(folder)} is missing or damaged: going on from {newest.name if newest else 'the start'}.")
    if newest:
        training.restore(read_state(newest / "training.pt", training.device))
        saved = training.step
    if main:
        keep_metrics(out / "metrics.jsonl", saved)

    def log(record: dict) -> None:
        evaluate = training.step in evaluation_steps
        model = distributed.whole_model(training.model) if evaluate else None
        if not main:
            return
        if evaluate:
            scores = score(model, evaluation, tokenizer.mask_id)
            record |= summarise(scores, unigram)
            if players:
                record |= report(players, scores.nats.numpy(), unigram[scores.labels].numpy())
            tqdm.write(summary(record))
        with (out / "metrics.jsonl").open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(record) + "\n")

    def checkpoint() -> None:
        state, model = training.state(), distributed.whole_model(training.model)
        if not main:
            return
        # The checkpoint last: it is what says that all up to its step is saved.
        flush(out / "metrics.jsonl")
        replace_folder(out / "model", lambda folder: save(folder, model, tokenizer))
        replace_folder(out / f"checkpoints/step-{training.step:06}", lambda folder: write_state(state, folder))
        prune(out, training.step, keep)

    if saved < 0:
        log({"step": 0, "epoch": 0, "lr": 0.0})
    last = min(options.steps, stop_after or options.steps)
    batches = stream(corpus, tokenizer, options, training.step, training.epoch, training.next_batch, pairs)
    with tqdm(total=options.steps, initial=training.step, unit="step", disable=None if main else True) as bar:
        tokens, since = 0, time.perf_counter()
        while training.step < last and not distributed.anyone(should_stop()):
            training.epoch, training.next_batch, batch = next(batches)
            training.update(batch)
            tokens += batch.tokens()
            bar.update()
            if training.step % log_every == 0 or training.step in evaluation_steps:
                losses = training.mean_losses()
                tokens = int(distributed.total(torch.tensor(tokens)))
                rate = {"lr": training.rate, "tokens_per_second": round(tokens / (time.perf_counter() - since))}
                bar.set_postfix_str(f"loss {sum(losses.values()):.2f}, {rate['tokens_per_second']:,} tokens/s")
                log({"step": training.step, "epoch": training.epoch} | losses | rate)
                tokens, since = 0, time.perf_counter()
            if save_every and training.step % save_every == 0:
                checkpoint()
                saved = training.step
    if saved != training.step:
        checkpoint()
    return training.step
