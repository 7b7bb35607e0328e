"""A frame for a viewer: its values with their gray are what is displayed, and a pixel's size says what it is worth."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from dicom_io.errors import PixelError
from dicom_io.values import read_values
from dicom_io.viewing import read_view

Write = Callable[..., Path]
RAMP = np.linspace(0, 4095, 12 * 10).astype(np.uint16).reshape(12, 10)


@pytest.mark.parametrize(
    "attributes",
    [
        {"BitsStored": 12, "HighBit": 11, "WindowCenter": 900, "WindowWidth": 700},
        {"BitsStored": 12, "HighBit": 11, "PhotometricInterpretation": "MONOCHROME1"},
        {"BitsStored": 12, "HighBit": 11, "PixelPaddingValue": 0, "PixelPaddingRangeLimit": 400},
        {"BitsStored": 12, "HighBit": 11, "WindowCenter": 900, "WindowWidth": 700, "VOILUTFunction": "SIGMOID"},
        {"RescaleSlope": "0.5", "RescaleIntercept": "-1000"},
    ],
)
def test_values_with_their_gray_are_what_is_displayed(write: Write, attributes: dict[str, Any]) -> None:
    path = write(RAMP, **attributes)
    found = read_values(path, 0)
    assert np.array_equal(found.levels[found.pixels.astype(int) - found.says["least"]], read_view(path, 0))
    assert np.array_equal(found.pixels, RAMP)


def test_a_look_up_table_comes_with_the_straight_window_that_is_nearest(
    write: Write, lut: Callable[..., Dataset]
) -> None:
    rising = [min(max(n - 1000, 0), 2000) for n in range(4096)]
    found = read_values(write(RAMP, BitsStored=12, HighBit=11, VOILUTSequence=[lut(0, rising, 11)]), 0)
    assert found.says["window"]["center"] == pytest.approx(2000, abs=30)
    assert found.says["window"]["width"] == pytest.approx(2000, abs=60)
    assert not found.says["inverse"]
    falling = read_values(
        write(RAMP, BitsStored=12, HighBit=11, VOILUTSequence=[lut(0, [2000 - n for n in rising], 11)]), 0
    )
    assert falling.says["inverse"]
    assert falling.says["window"]["center"] == pytest.approx(2000, abs=30)


def test_deep_values_come_as_they_are_displayed(write: Write) -> None:
    path = write(RAMP.astype(np.uint32) * 70_000)
    found = read_values(path, 0)
    assert not found.says["stored"]
    assert np.array_equal(found.pixels, read_view(path, 0))


@pytest.mark.parametrize(
    ("attributes", "measure", "spacing"),
    [
        ({}, "none", [1, 1]),
        ({"PixelAspectRatio": ["2", "1"]}, "none", [2, 1]),
        ({"ImagerPixelSpacing": ["0.2", "0.1"]}, "detector", [0.2, 0.1]),
        ({"ImagerPixelSpacing": ["0.2", "0.2"], "PixelSpacing": ["0.2", "0.2"]}, "detector", [0.2, 0.2]),
        ({"ImagerPixelSpacing": ["0.2", "0.2"], "PixelSpacing": ["0.15", "0.15"]}, "calibrated", [0.15, 0.15]),
        ({"PixelSpacing": ["0.2", "0.2"], "PixelSpacingCalibrationType": "FIDUCIAL"}, "calibrated", [0.2, 0.2]),
        ({"PixelSpacing": ["0.2", "0.2"]}, "unstated", [0.2, 0.2]),
        ({"NominalScannedPixelSpacing": ["0.1", "0.1"]}, "film", [0.1, 0.1]),
        ({"PixelSpacing": ["0", "0.2"], "ImagerPixelSpacing": ["0.2"]}, "none", [1, 1]),
    ],
)
def test_a_pixels_size_says_what_it_is_worth(
    write: Write, attributes: dict[str, Any], measure: str, spacing: list[float]
) -> None:
    """PS3.3 section 10.7."""
    says = read_values(write(RAMP, **attributes), 0).says
    assert (says["measure"], says["spacing"]) == (measure, spacing)


def test_bytes_come_as_bytes_and_colours_as_they_are_displayed(write: Write) -> None:
    gray = RAMP.astype(np.uint8)
    found = read_values(write(gray), 0)
    assert (found.says["type"], np.array_equal(found.pixels, gray)) == ("uint8", True)
    colours = np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3)
    coloured = read_values(write(colours, SamplesPerPixel=3), 1)
    assert not coloured.says["stored"]
    assert np.array_equal(coloured.pixels, colours[1])


def test_one_frame_of_many_is_looked_at_alone_also_where_two_pixels_share_their_chroma(write: Write) -> None:
    frames = np.arange(3 * 12 * 10, dtype=np.uint16).reshape(3, 12, 10) % 97
    path = write(frames)
    assert np.array_equal(read_values(path, 2).pixels, frames[2])
    data = bytes([50, 200, 100, 150, 60, 70, 128, 128])  # of each frame: Y1 Y2 B R, twice
    shared = write(
        np.zeros((2, 1, 4, 3), dtype=np.uint8),
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
        PixelData=bytes(8) + data,
    )
    alone = write(
        np.zeros((1, 1, 4, 3), dtype=np.uint8),
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
        PixelData=data,
    )
    assert np.array_equal(read_view(shared, 1), read_view(alone, 0))


@pytest.mark.parametrize("index", [-1, 3, 1 << 31])
def test_a_frame_that_is_not_there_is_refused(write: Write, index: int) -> None:
    path = write(np.zeros((3, 4, 4), np.uint16))
    for read in (read_values, read_view):
        with pytest.raises(PixelError, match="truncated"):
            read(path, index)


def test_gray_of_three_samples_is_refused(write: Write) -> None:
    path = write(np.zeros((1, 4, 4, 3), np.uint8), SamplesPerPixel=3, PhotometricInterpretation="MONOCHROME2")
    with pytest.raises(PixelError):
        read_view(path, 0)
