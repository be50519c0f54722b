"""What several processes add to a run, and nothing else: `torchrun --nproc-per-node 8 -m bertmini pretrain …`.

All processes plan the same batches, and each takes its share of every batch's rows. The loss is divided by the counts
of the whole step and the gradients are summed, so a step is the one that a single process makes, but for rounding.
Process 0 prints, evaluates and writes. Where torchrun did not start several processes, nothing here does anything.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from datetime import timedelta
from io import StringIO
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bertmini.config import InputError
from bertmini.pretraining import BertForPreTraining, Objective

Result = TypeVar("Result")

PATIENCE = timedelta(days=1)  # to prepare a large corpus takes process 0 hours


def size() -> int:
    """How many processes share this run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if size() > 1 else 0


def is_main() -> bool:
    return rank() == 0


def restarted() -> bool:
    """Whether `torchrun --max-restarts` started this process in place of one that failed."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0


@contextmanager
def session(device: str) -> Iterator[None]:
    """Join the processes that torchrun started; what the others than process 0 print is dropped.

    device: as on the command line; with CUDA each process of a machine takes a GPU of its own. InputError where there
    are too few, and, later, where another process has died.
    """
    if not dist.is_available() or not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        yield
        return
    if os.environ["TORCHELASTIC_MAX_RESTARTS"] != "0" and os.environ["TORCHELASTIC_USE_AGENT_STORE"] == "True":
        raise InputError(  # PyTorch's issue 135712, seen in 2.13: restarted processes look for the dead ones
            "torchrun --max-restarts needs TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in its environment, "
            "and --standalone or --rdzv-backend=c10d: give it both"
        )
    if device == "mps":
        raise InputError("--device mps works with one process only: leave torchrun out, or choose --device cpu")
    if device != "cpu" and torch.cuda.is_available():
        local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= gpus:
            raise InputError(f"process {local} of this machine finds {gpus} GPUs: give --nproc-per-node {gpus} or less")
        torch.cuda.set_device(local)
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        with nullcontext() if is_main() else redirect_stdout(StringIO()):
            yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise InputError(
            f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} has lost another one, which failed or was "
            "killed; all up to the last checkpoint is saved: start the same command with --resume to go on from there"
        ) from error
    dist.destroy_process_group()


def from_main(action: Callable[[], Result]) -> Result:
    """What an action of process 0 returns, in every process; where it refuses, all end, and process 0 says why."""
    if size() == 1:
        return action()
    waiting = dist.new_group(backend="gloo", timeout=PATIENCE)
    answer: list[Result | Exception | None] = [None]
    if is_main():
        try:
            answer = [action()]
        except (InputError, OSError) as error:
            answer = [error]
    dist.broadcast_object_list(answer, src=0, group=waiting)
    if isinstance(answer[0], Exception):
        raise answer[0] if is_main() else SystemExit(2)
    return answer[0]


def share(rows: np.ndarray) -> np.ndarray:
    """This process's rows of a batch; none, where there are fewer rows than processes."""
    return np.array_split(rows, size())[rank()]


def total(values: Tensor) -> Tensor:
    """The sum over all processes."""
    if size() > 1:
        values = values.clone()
        dist.all_reduce(values)
    return values


def anyone(wants: bool) -> bool:
    """Whether any process says so. The others must stop with the one that was asked to, or wait for it for ever."""
    return bool(total(torch.tensor(int(wants))))


def gather(tensor: Tensor) -> list[Tensor]:
    """The tensors of all processes, in their order."""
    if size() == 1:
        return [tensor]
    everyone = [torch.empty_like(tensor) for _ in range(size())]
    dist.all_gather(everyone, tensor)
    return everyone


def own_dropout(seed: int, step: int) -> None:
    """Let every process but 0 draw from a sequence of its own, or all would drop the same."""
    if rank():
        torch.manual_seed(int(np.random.default_rng([seed, step, rank()]).integers(2**63)))


def wrap(objective: Objective, shard: bool = False) -> nn.Module:
    """The module to call in training: its gradients are averaged over the processes.

    shard: weights, gradients and the optimizer's moments are spread over the processes, layer by layer, instead of
    copied (ZeRO: Rajbhandari et al. 2020). The model itself then holds shards; make the optimizer after this.
    """
    if size() == 1:
        if shard:
            raise InputError("--shard spreads a model over several processes: start them with torchrun, or drop it")
        return objective
    if not shard:
        return DistributedDataParallel(objective)
    # Imported here, because one process in one machine need not wait for it.
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view")  # which we do not write into
    mesh = init_device_mesh(next(objective.parameters()).device.type, (size(),))
    for layer in objective.model.bert.layers:
        fully_shard(layer, mesh=mesh)
    return fully_shard(objective, mesh=mesh)


def exchange(objective: nn.Module, now: bool) -> AbstractContextManager:
    """Exchange the gradients of a forward and backward pass now, or let them add up until a pass that does."""
    return nullcontext() if now or not isinstance(objective, DistributedDataParallel) else objective.no_sync()


def is_shard(value: object) -> bool:
    return hasattr(value, "full_tensor")  # a DTensor, without waiting for its import


def whole(state: dict) -> dict:
    """A state with its shards put together, by all processes at once."""

    def join(value: object) -> object:
        return whole(value) if isinstance(value, dict) else value.full_tensor() if is_shard(value) else value

    return {key: join(value) for key, value in state.items()}


def whole_model(model: BertForPreTraining) -> BertForPreTraining:
    """The model in one piece, to evaluate and to save: itself, or a copy that all processes put together."""
    if not is_shard(next(model.parameters())):
        return model
    with torch.device("meta"):
        copy = BertForPreTraining(model.config)
    copy.load_state_dict(whole(model.state_dict()), assign=True)
    return copy


def load_whole(model: BertForPreTraining, optimizer: torch.optim.Optimizer, weights: dict, moments: dict) -> None:
    """Load what `whole` made, in however many processes; each keeps its shards."""
    if is_shard(next(model.parameters())):
        from torch.distributed.tensor import distribute_tensor

        own = model.state_dict()
        weights = {
            name: distribute_tensor(w, own[name].device_mesh, own[name].placements) for name, w in weights.items()
        }
    model.load_state_dict(weights)
    optimizer.load_state_dict(moments)
    for p, kept in optimizer.state.items():
        if is_shard(p):
            kept |= {
                name: distribute_tensor(value, p.device_mesh, p.placements)
                for name, value in kept.items()
                if value.shape == p.shape  # not the step's number
            }
