"""A weights file comes back as it was written, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from model import weights
from model.errors import WeightsError


class _Weight:
    def __init__(self, path: str, value: np.ndarray) -> None:
        self.path, self.value, self.shape = path, value, value.shape

    def assign(self, value: np.ndarray) -> None:
        self.value = value


class _Network:
    """What `collect` and `assign` need of a Keras model."""

    name = "made_up"

    def __init__(self, scale: float = 1.0) -> None:
        values = np.linspace(-1, 1, 24, dtype=np.float32) * scale
        self.weights = [_Weight("conv/kernel", values.reshape(2, 3, 4)), _Weight("bn/gamma", values[:3] + 1e-6)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "made_up.npz"
    weights.save(path, [weights.collect(_Network(scale)) for scale in (1.0, 2.0)])
    return path


def test_members_come_back_in_order_kernels_as_float16_the_rest_as_float32(path: Path) -> None:
    first, second = weights.load(path)
    assert first["conv/kernel"].dtype == np.float16
    assert first["bn/gamma"].dtype == np.float32
    assert (second["conv/kernel"] == _Network(2.0).weights[0].value.astype(np.float16)).all()
    network = _Network(9.0)
    weights.assign(network, first)
    assert np.abs(network.weights[0].value - _Network().weights[0].value).max() < 1e-3
    assert (network.weights[1].value == _Network().weights[1].value).all()


def test_what_was_rounded_once_stays_as_it_is() -> None:
    network = _Network()
    weights.assign(network, weights.collect(network))
    once = weights.collect(network)
    weights.assign(network, once)
    assert all((once[name] == again).all() for name, again in weights.collect(network).items())


def test_the_same_weights_give_the_same_file(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    digest = weights.save(other, weights.load(path))
    assert digest == weights.sha256(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["made_up.npz", "other.npz"]


def test_every_truncation_and_any_flipped_byte_of_the_data_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(WeightsError):
            weights.load(path)
    for at in range(70, 120, 7):  # compressed data; what the reader ignores before it is covered by the digest
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(WeightsError):
            weights.assign(_Network(), weights.load(path)[0])


def test_a_pickle_inside_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", allow_pickle=True, **{"0/conv/kernel": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(WeightsError):
        weights.load(tmp_path / "bad.npz")


@pytest.mark.parametrize("keys", [["1/a"], ["0/a", "2/a"], ["x/a"], []])
def test_members_that_do_not_count_from_zero_are_refused(tmp_path: Path, keys: list[str]) -> None:
    np.savez(tmp_path / "bad.npz", allow_pickle=True, **{key: np.zeros(2) for key in keys})
    with pytest.raises(WeightsError):
        weights.load(tmp_path / "bad.npz")


def test_weights_of_another_network_are_refused(path: Path) -> None:
    member = dict(weights.load(path)[0])
    renamed = {name.replace("bn", "norm"): array for name, array in member.items()}
    with pytest.raises(WeightsError, match="differing in bn/gamma"):
        weights.assign(_Network(), renamed)
    with pytest.raises(WeightsError, match="conv/kernel of shape"):
        weights.assign(_Network(), member | {"conv/kernel": member["conv/kernel"].T})


def test_a_weight_that_is_no_number_is_refused(path: Path) -> None:
    member = dict(weights.load(path)[0])
    member["bn/gamma"] = np.array([1.0, np.nan, 1.0], np.float32)
    with pytest.raises(WeightsError, match="expected finite bn/gamma"):
        weights.assign(_Network(), member)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        weights.load(tmp_path / "absent.npz")
    with pytest.raises(WeightsError):
        weights.sha256(tmp_path / "absent.npz")
