"""Real images: those that pydicom and pydicom-data bring to every machine, and those shared by the project."""

from collections.abc import Callable
from pathlib import Path

import data_store
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from dicom_io.codecs import decode
from dicom_io.image import PixelLimits, open_image

LIMITS = PixelLimits(max_frames=2000)


@pytest.fixture(scope="session")
def installed() -> Callable[[str], Path]:
    """Return `installed(name)`: a file of pydicom-data, else of pydicom."""
    folders = (Path(data_store.__file__).parent / "data", Path(pydicom.__file__).parent / "data" / "test_files")
    return lambda name: next(folder / name for folder in folders if (folder / name).exists())


@pytest.fixture(scope="session")
def stored() -> Callable[[Path], list[NDArray[np.generic]]]:
    """Return `stored(path)`: the stored values of every frame."""
    return lambda path: [frame.pixels for frame in decode(open_image(path, LIMITS))]
