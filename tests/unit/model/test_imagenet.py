"""The checkpoint reader builds tensors and nothing else."""

import io
import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.errors import PretrainedError
from model.imagenet import efficientnet_lite0, read_state_dict

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class _Global:
    """Pickles as a reference to any global, called with arguments."""

    def __init__(self, module: str, name: str, arguments: tuple[Any, ...]) -> None:
        self.module, self.name, self.arguments = module, name, arguments


class _Storage:
    def __init__(self, key: str, size: int) -> None:
        self.key, self.size = key, size


_PythonPickler: Any = vars(pickle)["_Pickler"]  # the one written in Python, whose output can be written by hand


class _Pickler(_PythonPickler):  # type: ignore[misc] # a class that the type stubs do not have
    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, _Storage):
            return ("storage", _Global("torch", "FloatStorage", ()), obj.key, "cpu", obj.size, None)
        return None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:  # noqa: FBT001, FBT002 (the base class's signature)
        if not isinstance(obj, _Global):
            super().save(obj, save_persistent_id)
            return
        self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        if obj.arguments:
            super().save(obj.arguments)
            self.write(pickle.REDUCE)


def _dump(obj: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, protocol=2).dump(obj)
    return stream.getvalue()


def _tensor(size: int, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> _Global:
    arguments: tuple[Any, ...] = (_Storage("7", size), offset, shape, stride, False, OrderedDict())
    return _Global("torch._utils", "_rebuild_tensor_v2", arguments)


def _checkpoint(state: Any, data: np.ndarray, *, magic: int = _MAGIC) -> bytes:
    head = [_dump(part) for part in (magic, _PROTOCOL, {"little_endian": True}, state, ["7"])]
    return b"".join(head) + struct.pack("<q", data.size) + data.astype("<f4").tobytes()


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], dict[str, np.ndarray]]:
    def from_bytes(content: bytes) -> dict[str, np.ndarray]:
        (tmp_path / "weights.pth").write_bytes(content)
        return read_state_dict(tmp_path / "weights.pth")

    return from_bytes


Read = Callable[[bytes], dict[str, np.ndarray]]


def test_tensors_come_out_with_their_shape_offset_and_stride(read: Read) -> None:
    state = OrderedDict(a=_tensor(6, 0, (2, 3), (3, 1)), b=_tensor(6, 0, (3, 2), (1, 3)), c=_tensor(6, 5, (), ()))
    found = read(_checkpoint(state, np.arange(6)))
    assert list(found) == ["a", "b", "c"]
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["b"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["c"].tolist() == 5


@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("torch", "DoubleStorage")]
)
def test_any_other_global_is_refused_and_nothing_runs(
    read: Read, module: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("the pickle ran a command"))
    with pytest.raises(PretrainedError, match=f"global={module}.{name}"):
        read(_checkpoint(OrderedDict(a=_Global(module, name, ("true",))), np.arange(6)))


@pytest.mark.parametrize(
    ("offset", "shape", "stride"), [(1, (2, 3), (3, 1)), (0, (7,), (1,)), (-1, (2,), (1,)), (3, (4,), (-1,))]
)
def test_a_tensor_outside_its_storage_is_refused(
    read: Read, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    with pytest.raises(PretrainedError, match="inside its storage"):
        read(_checkpoint(OrderedDict(a=_tensor(6, offset, shape, stride)), np.arange(6)))


@pytest.mark.parametrize("missing", [1, 8, 25, 40])
def test_a_truncated_file_is_refused(read: Read, missing: int) -> None:
    whole = _checkpoint(OrderedDict(a=_tensor(6, 0, (6,), (1,))), np.arange(6))
    with pytest.raises(PretrainedError):
        read(whole[:-missing])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"rubbish"])
def test_another_format_is_refused(read: Read, content: bytes) -> None:
    with pytest.raises(PretrainedError):
        read(content)


def test_another_magic_number_is_refused(read: Read) -> None:
    with pytest.raises(PretrainedError, match="magic number"):
        read(_checkpoint(OrderedDict(), np.arange(0), magic=1))


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PretrainedError, match="FileNotFoundError"):
        read_state_dict(tmp_path / "absent.pth")


def test_the_published_weights_read() -> None:
    state = efficientnet_lite0()
    floats = {name: array for name, array in state.items() if array.dtype == np.float32}
    assert sum(array.size for name, array in floats.items() if "running" not in name) == 4_652_008
    assert state["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert all(np.isfinite(array).all() for array in floats.values())
    variances = np.concatenate([array for name, array in floats.items() if name.endswith("running_var")])
    assert variances.min() >= 0
    assert (variances > 0).mean() > 0.99
