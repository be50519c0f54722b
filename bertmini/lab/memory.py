"""How many bytes a computation really holds at once: a tally of every tensor's storage, from its making to its end."""

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tally(TorchDispatchMode):
    """While it is active, `now` is what the tensors made since hold together, and `peak` the most that it was.

    It works on the meta device too, where tensors have sizes and no numbers: a dry run of a model of any size.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()  # the storages that are counted, by their address in Python

    def __torch_dispatch__(self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        made = operation(*args, **kwargs or {})
        old = {id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and id(storage := tensor.untyped_storage()) not in self.known | old:
                self.known.add(id(storage))
                self.now += storage.nbytes()
                weakref.finalize(storage, self.forget, id(storage), storage.nbytes())
        self.peak = max(self.peak, self.now)
        return made

    def forget(self, address: int, size: int) -> None:
        self.known.discard(address)
        self.now -= size


def held(action: Callable[[], Any]) -> tuple[int, int]:
    """Bytes of the tensors that action() makes: what its result holds when it returns, and the most on the way."""
    with Tally() as tally:
        result = action()
    kept = tally.now
    del result
    return kept, tally.peak
