"""Weights on disk: one compressed .npz, kernels as float16, everything else (normalisation, bias) as float32.

A file holds one or more members of an ensemble, each under its number: `0/conv_stem/kernel`.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.errors import WeightsError
from model.runtime import Network

Array = npt.NDArray[np.generic]
Member = dict[str, Array]

_KERNEL_DIMENSIONS = 2  # an array of at least this many axes is a kernel


def collect(network: Network) -> Member:
    """Copy a network's weights by their Keras path, rounded as they will be stored."""
    return {weight.path: rounded(np.asarray(weight.value)) for weight in network.weights}


def rounded(array: Array) -> Array:
    """Round one array as it will be stored."""
    return array.astype(np.float16 if array.ndim >= _KERNEL_DIMENSIONS else np.float32)


def assign(network: Network, member: Mapping[str, Array]) -> None:
    """Put one member's weights into a network.

    Raises:
        WeightsError: names or shapes differ from the network's, or a value is not finite.

    """
    expected = {weight.path: weight for weight in network.weights}
    if set(expected) != set(member):
        odd = sorted(set(expected) ^ set(member))
        msg = f"expected {len(expected)} weights of {network.name}. Received: {len(member)}, differing in {odd[0]}"
        raise WeightsError(msg)
    for path, weight in expected.items():
        if tuple(weight.shape) != member[path].shape or not np.isfinite(member[path]).all():
            msg = f"expected finite {path} of shape {tuple(weight.shape)}. Received: shape={member[path].shape}"
            raise WeightsError(msg)
        weight.assign(member[path].astype(np.float32))


def save(path: Path, members: Sequence[Mapping[str, Array]]) -> str:
    """Write the members of an ensemble to one file and return its sha256."""
    arrays = {f"{number}/{name}": array for number, member in enumerate(members) for name, array in member.items()}
    partial = path.with_name(f"{path.stem}.partial.npz")
    np.savez_compressed(partial, allow_pickle=False, **arrays)
    partial.replace(path)
    return sha256(path)


def load(path: Path) -> tuple[Member, ...]:
    """Read every member of a weights file.

    Raises:
        WeightsError: the file is absent, damaged or no such archive.

    """
    members: dict[int, Member] = {}
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            for key in archive.files:
                number, _, name = key.partition("/")
                members.setdefault(int(number), {})[name] = archive[key]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        msg = f"expected a readable weights file. Received: {path.name} ({type(error).__name__})"
        raise WeightsError(msg) from error
    if sorted(members) != list(range(len(members))) or not members:
        msg = f"expected members 0..n-1 in a weights file. Received: {path.name} with {sorted(members)}"
        raise WeightsError(msg)
    return tuple(members[number] for number in range(len(members)))


def sha256(path: Path) -> str:
    """Digest a file: its sha256, hexadecimal.

    Raises:
        WeightsError: the file cannot be read.

    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        msg = f"expected a readable weights file. Received: {path.name} ({type(error).__name__})"
        raise WeightsError(msg) from error
