"""The pixel gate's small network, in numpy alone: what it was fitted to, kept in one checked file.

Four convolutions and two dense layers, batch normalisation folded in: some 5 million multiplications an image, about
a millisecond on one core, and no framework to import for a command that only wants to know whether this is a chest.
"""

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.errors import WeightsError

SIDE: Final = 64
CLASSES: Final = ("chest", "inverted", "rotated", "cropped", "lateral", "not_a_chest")
STRIDES: Final = (2, 2, 2, 1)

Array = npt.NDArray[np.float32]
Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where the gate closes, all of it chosen on images that are neither fitted to nor tested on.

    `chest` is the least share of evidence for a chest, `distance` the greatest distance from the chests that were
    fitted to; the `readmit_` pair is the stricter one that overrules the text of a header.
    """

    chest: float
    distance: float
    readmit_chest: float
    readmit_distance: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the network sees: the share of each class, summing to 1, and the distance from the chests it knows."""

    shares: tuple[float, ...]
    distance: float

    @property
    def chest(self) -> float:
        """The share of evidence for an upright frontal chest radiograph."""
        return self.shares[0]

    @property
    def most_like(self) -> str:
        """The class other than `chest` that has most of the evidence."""
        others = self.shares[1:]
        return CLASSES[1 + others.index(max(others))]


def normalised(square: Gray) -> Array:
    """Reduce a gray square to the network's input: float32 [64, 64], its 1st and 99th percentile at 0 and 1.

    Exposure and window are no evidence for or against a chest, so they are taken out.
    """
    image = Image.fromarray(square)
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    low, high = gray_range(small, 0.01)
    scaled: Array = np.clip((small - np.float32(low)) / np.float32(max(high - low, 1.0)), 0.0, 1.0)
    return scaled


def gray_range(picture: npt.NDArray[np.generic], share: float) -> tuple[float, float]:
    """Return the gray levels that a share of the pixels is below, and above."""
    last = picture.size - 1
    ranks = (int(share * last), last - int(share * last))
    ordered = np.partition(picture, ranks, axis=None)
    return float(ordered[ranks[0]]), float(ordered[ranks[1]])


class GateNetwork:
    """The fitted network, its distances and its thresholds."""

    def __init__(self, arrays: dict[str, npt.NDArray[np.generic]], sha256: str) -> None:
        """Take the arrays of a weights file; WeightsError unless they are exactly what the network needs."""
        try:
            self.sha256 = sha256
            self._kernels = [_finite(arrays[f"convolution_{i}/kernel"]) for i in range(len(STRIDES))]
            self._biases = [_finite(arrays[f"convolution_{i}/bias"]) for i in range(len(STRIDES))]
            self._hidden = _finite(arrays["hidden/kernel"]), _finite(arrays["hidden/bias"])
            self._output = _finite(arrays["output/kernel"]), _finite(arrays["output/bias"])
            self._centre, self._whitening = _finite(arrays["distance/centre"]), _finite(arrays["distance/whitening"])
            self.thresholds = Thresholds(
                **{
                    name: float(value)
                    for name, value in zip(Thresholds.__slots__, _finite(arrays["thresholds"]), strict=True)
                }
            )
            self.evidence(np.zeros((SIDE, SIDE), np.float32))
        except (KeyError, ValueError, IndexError) as error:
            msg = f"expected the pixel gate's weights. Received: sha256={sha256:.12} ({type(error).__name__})"
            raise WeightsError(msg) from error

    def evidence(self, image: Array) -> Evidence:
        """Judge one normalised image [64, 64]."""
        features = self.features(image)
        logits = features @ self._output[0] + self._output[1]
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        distance = float(np.linalg.norm((features - self._centre) @ self._whitening) / np.sqrt(features.size))
        return Evidence(tuple(float(share) for share in shares), distance)

    def features(self, image: Array) -> Array:
        """Return the last layer but one: what the distance is measured in, float32 [96]."""
        maps = image[..., np.newaxis]
        for kernel, bias, stride in zip(self._kernels, self._biases, STRIDES, strict=True):
            maps = np.maximum(_convolve(maps, kernel, stride) + bias, 0.0)
        rows, columns, channels = maps.shape
        pooled = maps.reshape(rows // 2, 2, columns // 2, 2, channels).mean(axis=(1, 3))
        features: Array = np.maximum(pooled.ravel() @ self._hidden[0] + self._hidden[1], 0.0)
        return features


def _convolve(maps: Array, kernel: Array, stride: int) -> Array:
    """Convolve [rows, columns, channels] with [height, width, channels, filters], padded by half the kernel."""
    height, width, channels, filters = kernel.shape
    padded = np.pad(maps, ((height // 2, height // 2), (width // 2, width // 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(0, 1))[::stride, ::stride]
    rows, columns = windows.shape[:2]
    # a product for each row of the map: small enough for BLAS to stay on this thread, whose start-up of others took
    # several times as long as the whole
    patches = windows.transpose(0, 1, 3, 4, 2).reshape(rows, columns, height * width * channels)
    return np.asarray(patches @ kernel.reshape(-1, filters))


def _finite(array: npt.NDArray[np.generic]) -> Array:
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        msg = "expected finite weights"
        raise ValueError(msg)
    return values


def read_network(path: Path, *, sha256: str) -> GateNetwork:
    """Read the network from its file.

    Raises:
        WeightsError: the file is absent, damaged, or not the one of that digest.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"expected the pixel gate's weights. Received: {path.name} ({type(error).__name__})"
        raise WeightsError(msg) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        msg = f"expected weights with sha256 {sha256:.12}. Received: {path.name} with sha256={digest:.12}"
        raise WeightsError(msg)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        msg = f"expected a readable weights file. Received: {path.name} ({type(error).__name__})"
        raise WeightsError(msg) from error
    return GateNetwork(arrays, digest)
