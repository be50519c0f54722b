"""What the notebooks use beside the package: figures, widgets, checks for exercises, and d2l."""

import functools
import importlib
import importlib.util
import sys
from types import ModuleType


@functools.cache
def d2l() -> ModuleType:
    """The module `d2l.torch` of Dive into Deep Learning 1.0.3, our witness for what a well-known book computes.

    It imports torchvision, which it does not declare and of which we use nothing. Where that is missing, an empty
    placeholder stands in during the import. It is removed right after: left in place, it breaks transformers.
    """
    placeholders = {}
    if importlib.util.find_spec("torchvision") is None:
        placeholders = {name: ModuleType(name) for name in ("torchvision", "torchvision.transforms")}
        placeholders["torchvision"].transforms = placeholders["torchvision.transforms"]
    sys.modules.update(placeholders)
    try:
        return importlib.import_module("d2l.torch")
    finally:
        for name in placeholders:
            del sys.modules[name]
