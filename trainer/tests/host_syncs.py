"""Counts host syncs on a CPU, where none happens: what would make the process wait for a GPU.

These are values that Python reads, results whose size depends on the data, and copies between CPU and GPU that block.
Every tensor counts as one on the GPU, except those that follow from `cpu()`, `from_numpy`, `tensor`, `randperm` and the
given batch. Hidden copies of Python lists that index a tensor are not seen.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Their results depend on values, or have a size that does.
SYNCS = {"aten._local_scalar_dense", "aten.nonzero", "aten._unique2", "aten.masked_select", "torchvision.nms"}
INDEXING = {"aten.index", "aten.index_put", "aten.index_put_", "aten._index_put_impl_"}


class HostSyncs(TorchDispatchMode):
    """Counts by operation in `counts`. Marks tensors on the CPU with an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func.overloadpacket)
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        if name == "aten.randperm" or (tensors and all(map(is_on_host, tensors))):
            mark(result)
        elif name in SYNCS or (name in INDEXING and has_sized_mask(name, args)):
            self.counts[name] += 1
        return result


def has_sized_mask(name: str, args: Any) -> bool:
    """Returns whether a mask selects values. Setting all of them to one number fills by mask instead."""
    has_mask = any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])
    return has_mask and (name == "aten.index" or args[2].numel() > 1)


def is_on_host(tensor: Tensor) -> bool:
    return getattr(tensor, "on_host", False)


def mark(value: Any) -> Any:
    for one in tree_leaves(value):
        if isinstance(one, Tensor):
            one.on_host = True
    return value


@contextmanager
def counted_syncs(batch: dict[str, list[Any]]) -> Iterator[Counter[str]]:
    """Counts the syncs of what runs inside. `batch` is on the CPU."""
    for sample, image in zip(batch["data_samples"], batch["inputs"], strict=True):
        mark([image, *(one for one in sample.gt_instances.values() if isinstance(one, Tensor))])
    mode = HostSyncs()
    originals = {name: getattr(Tensor, name) for name in ("cpu", "to", "tolist", "new_tensor")}

    def cpu(tensor: Tensor) -> Tensor:
        mode.counts["cpu"] += not is_on_host(tensor)
        # A copy, so that the mark does not change the original.
        return mark(tensor.clone())

    def to(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        has_device = "device" in kwargs or any(isinstance(one, torch.device | str | Tensor) for one in args)
        if not is_on_host(tensor) or not has_device:
            return originals["to"](tensor, *args, **kwargs)
        mode.counts["to"] += not kwargs.get("non_blocking", False)
        copy = originals["to"](tensor, *args, **kwargs).clone()
        copy.on_host = False
        return copy

    def tolist(tensor: Tensor) -> Any:
        mode.counts["tolist"] += not is_on_host(tensor)
        return originals["tolist"](tensor)

    def new_tensor(tensor: Tensor, data: Any, *args: Any, **kwargs: Any) -> Tensor:
        mode.counts["new_tensor"] += not isinstance(data, Tensor)
        return originals["new_tensor"](tensor, data, *args, **kwargs)

    from_numpy, tensor = torch.from_numpy, torch.tensor
    with pytest.MonkeyPatch.context() as patch, mode:
        for name, method in {"cpu": cpu, "to": to, "tolist": tolist, "new_tensor": new_tensor}.items():
            patch.setattr(Tensor, name, method)
        patch.setattr(torch, "from_numpy", lambda array: mark(from_numpy(array)))
        patch.setattr(torch, "tensor", lambda *args, **kwargs: mark(tensor(*args, **kwargs)))
        yield mode.counts
