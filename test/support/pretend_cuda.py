"""A CUDA device that is not there: tensors that say "cuda:0", compute on the CPU, and behave as a GPU's do.

What a GPU refuses is refused (operations that mix devices, `numpy()` of a tensor of the device), and what makes the
host wait for a GPU is counted: `.item()`, `nonzero`, masks as indices, and copies that block. Values are those of the
CPU, so that code whose path depends on them runs as it would, its backward pass included, for which FakeTensorMode
needs a CUDA driver.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda:0")
aten = torch.ops.aten
# Operations whose result has a size, or a value on the host, that only the device knows.
WAITING = {
    aten._local_scalar_dense: "item",
    aten.nonzero: "nonzero",
    aten.masked_select: "masked_select",
    aten.unique_consecutive: "unique",
    aten._unique2: "unique",
    aten.bincount: "bincount",
    aten.equal: "equal",
    aten.repeat_interleave: "repeat_interleave",
}
# Whose tensors may lie on different devices.
COPIES = {aten.copy_, aten._to_copy}
INDEXED = {aten.index, aten.index_put_, aten.index_put, aten._index_put_impl_}


class DeviceTensor(Tensor):
    """A tensor on the device that is not there; `here` holds its values."""

    here: Tensor

    @staticmethod
    def __new__(cls, here: Tensor) -> DeviceTensor:
        made = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, here.size(), strides=here.stride(), storage_offset=here.storage_offset(), dtype=here.dtype,
            layout=here.layout, device=here.device,
        )  # fmt: skip
        made.here = here
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        made = DeviceTensor(self.here.detach().clone()).requires_grad_(self.requires_grad)
        if isinstance(self, nn.Parameter):
            made = nn.Parameter(made, self.requires_grad)
        memo[id(self)] = made
        return made

    def __repr__(self, **options: Any) -> str:
        return f"DeviceTensor({self.here!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        _check_devices(packet, args, kwargs)
        if packet in WAITING:
            _waited(WAITING[packet])
        if packet in INDEXED and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        ):
            _waited("mask as index")
        result = func(*tree_map(_unwrapped, args), **tree_map(_unwrapped, kwargs))
        known = {id(leaf.here): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, DeviceTensor)}
        if packet is aten.copy_:
            return args[0]
        return tree_map(lambda value: known[id(value)] if id(value) in known else _wrapped(value), result)


def _unwrapped(value: Any) -> Any:
    return value.here if isinstance(value, DeviceTensor) else value


def _wrapped(value: Any) -> Any:
    return DeviceTensor(value) if isinstance(value, Tensor) and not isinstance(value, DeviceTensor) else value


def _check_devices(packet: Any, args: Any, kwargs: Any) -> None:
    if packet in COPIES:
        return
    tensors = [args[0], *args[2:]] if packet in INDEXED else (args, kwargs)
    for leaf in tree_leaves(tensors):
        if isinstance(leaf, Tensor) and not isinstance(leaf, DeviceTensor) and leaf.dim() > 0:
            raise RuntimeError(
                f"{packet}: expected all tensors to be on the same device, but found cuda:0 and cpu {tuple(leaf.shape)}"
            )


_waits: collections.Counter[str] = collections.Counter()


def _waited(reason: str) -> None:
    _waits[reason] += 1


class _PretendMode(TorchFunctionMode):
    """Factories and copies that name the device, as PyTorch hands them to every function of its own."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        kwargs.pop("pin_memory", None)
        first = args[0] if args else None
        if func in (Tensor.cpu, Tensor.tolist, Tensor.numpy) and isinstance(first, DeviceTensor):
            if func is Tensor.numpy:
                raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
            _waited("copy to the host")
            return func(first.here)
        if func is Tensor.pin_memory:
            return first
        if func is Tensor.to:
            return self._to(first, *args[1:], **kwargs)
        if _is_cuda(kwargs.get("device")):
            kwargs["device"] = "cpu"
            made = func(*args, **kwargs)
            if func in (torch.tensor, torch.as_tensor, torch.asarray):
                _waited("copy to the device")
            return _wrapped(made)
        return func(*args, **kwargs)

    def _to(self, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        blocking = not kwargs.pop("non_blocking", False)
        wanted: Any = None
        rest = []
        for value in args:
            if isinstance(value, Tensor):
                wanted = value.device
                kwargs["dtype"] = value.dtype
            elif isinstance(value, str | torch.device):
                wanted = torch.device(value)
            elif isinstance(value, bool):
                blocking = not value
            elif value is not None:
                rest.append(value)
        named = kwargs.pop("device", None)
        wanted = torch.device(named) if named is not None else wanted
        on_device = isinstance(tensor, DeviceTensor)
        if wanted is not None and (wanted.type == "cuda") != on_device:
            if blocking:
                _waited("copy to the host" if on_device else "copy to the device")
            tensor = tensor.here.clone() if on_device else DeviceTensor(tensor.detach().clone())
        return Tensor.to(tensor, *rest, **kwargs) if rest or kwargs else tensor


def _is_cuda(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


class _Mark:
    """Of `torch.cuda.Event` what is used."""

    def __init__(self, enable_timing: bool = False) -> None:
        pass

    def record(self, stream: Any = None) -> None:
        pass

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        _waited("event")

    def elapsed_time(self, other: _Mark) -> float:
        return 1.0


def on_pretended(module: nn.Module) -> nn.Module:
    """A copy of a module with weights and buffers on the device that is not there."""
    module = copy.deepcopy(module)
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = nn.Parameter(DeviceTensor(parameter.detach()), parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = DeviceTensor(buffer)
    return module


@contextlib.contextmanager
def pretended_cuda() -> Iterator[collections.Counter[str]]:
    """Within, "cuda" exists. What made the host wait for it is counted, by reason, in what is yielded."""
    _waits.clear()
    autocast, generator = torch.autocast, torch.Generator

    class Autocast(autocast):  # type: ignore[misc,valid-type]
        def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
            super().__init__("cpu", *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, _PretendMode():
        patch.setattr(torch, "autocast", Autocast)
        patch.setattr(torch, "Generator", lambda device="cpu": generator())
        patch.setattr(torch.cuda, "Event", _Mark)
        patch.setattr(torch.cuda, "current_stream", lambda device=None: types.SimpleNamespace())
        patch.setattr(torch.cuda, "empty_cache", lambda: None)
        yield _waits
