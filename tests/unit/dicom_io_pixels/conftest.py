"""Hand-made images."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)

Write = Callable[..., Path]


def _image(pixels: np.ndarray[Any, Any], syntax: str, attributes: dict[str, Any]) -> Dataset:
    """Return an image of `pixels`: [rows, columns], [frames, rows, columns], one axis more with SamplesPerPixel=3."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3.4"
    samples = attributes.pop("SamplesPerPixel", 1)
    shape = pixels.shape if samples == 1 else pixels.shape[:-1]
    if len(shape) == 3:
        dataset.NumberOfFrames = shape[0]
    dataset.SamplesPerPixel = samples
    dataset.Rows, dataset.Columns = shape[-2:]
    dataset.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "RGB"
    if samples == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    dataset.add_new(0x7FE00010, "OW" if pixels.dtype.itemsize > 1 else "OB", data + b"\0" * (len(data) % 2))
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return `write(pixels, syntax=..., **attributes)`: writes an image, returns its path; None removes one."""
    numbers = itertools.count()

    def to_file(pixels: np.ndarray[Any, Any], syntax: str = ExplicitVRLittleEndian, **attributes: object) -> Path:
        path = tmp_path / f"{next(numbers)}.dcm"
        _image(pixels, syntax, attributes).save_as(path, enforce_file_format=True)
        return path

    return to_file


@pytest.fixture
def lut() -> Callable[..., Dataset]:
    """Return `lut(first, entries, bits)`: an item of a Modality or VOI LUT Sequence."""

    def item(first: int, entries: list[int], bits: int, *, vr: str = "US", packed: bool = False) -> Dataset:
        made = Dataset()
        made.add_new(0x00283002, vr, [len(entries) % 65536, first, bits])
        if packed:
            made.add_new(0x00283006, "OW", bytes(entries))
        else:
            made.add_new(0x00283006, "US", entries)
        return made

    return item
