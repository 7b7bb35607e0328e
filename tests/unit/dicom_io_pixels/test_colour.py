"""Colours come out as RGB: the formulas of PS3.3 C.7.6.3.1.2, palettes of C.7.9."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_io.errors import PixelError
from dicom_io.frames import read_frames

Write = Callable[..., Path]
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)


def rgb(y: int, blue: int, red: int) -> list[float]:
    """Return the RGB of YBR_FULL, as ITU-T T.871 gives the inverse of PS3.3 C.7.6.3.1.2."""
    b, r = blue - 128, red - 128
    return [y + 1.402 * r, y - 0.344136 * b - 0.714136 * r, y + 1.772 * b]


def test_rgb_is_shown_as_it_is(write: Write) -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    (frame,) = read_frames(write(pixels[np.newaxis], SamplesPerPixel=3))
    assert np.array_equal(frame, pixels)


@pytest.mark.parametrize(("kind", "bits"), [("u2", 16), ("u2", 12), ("u4", 32)])
def test_deeper_rgb_is_scaled_to_eight_bits(write: Write, kind: str, bits: int) -> None:
    most = 2**bits - 1
    pixels = np.array([[[[0, most // 2, most]]]], dtype=kind)
    (frame,) = read_frames(write(pixels, SamplesPerPixel=3, BitsStored=bits, HighBit=bits - 1))
    assert frame.tolist() == [[[0, 127, 255]]] or frame.tolist() == [[[0, 128, 255]]]


def test_ybr_full_becomes_rgb_by_the_formula(write: Write) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (1, 20, 20, 3), dtype=np.uint8)
    (frame,) = read_frames(write(pixels, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL"))
    expected = np.clip([[rgb(*map(int, pixel)) for pixel in row] for row in pixels[0]], 0, 255)
    assert np.abs(frame - expected).max() <= 1


def test_ybr_full_422_shares_its_chroma_between_two_pixels(write: Write) -> None:
    data = bytes([50, 200, 100, 150, 60, 70, 128, 128])  # Y1 Y2 B R, twice
    path = write(
        np.zeros((1, 1, 4, 3), dtype=np.uint8),
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
        PixelData=data,
    )
    (frame,) = read_frames(path)
    expected = np.clip([rgb(50, 100, 150), rgb(200, 100, 150), rgb(60, 128, 128), rgb(70, 128, 128)], 0, 255)
    assert np.abs(frame[0] - expected).max() <= 1


def palette(entries: list[list[int]], bits: int, first: int = 0) -> dict[str, object]:
    """Return the attributes of a palette from its RGB entries."""
    made: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for number, channel in enumerate(("Red", "Green", "Blue")):
        made[f"{channel}PaletteColorLookupTableDescriptor"] = [len(entries), first, bits]
        words = np.array([entry[number] for entry in entries], dtype="<u2" if bits == 16 else "u1")
        made[f"{channel}PaletteColorLookupTableData"] = words.tobytes()
    return made


@pytest.mark.parametrize("syntax", NATIVE)
def test_a_palette_of_sixteen_bits_is_looked_up_in_every_byte_order(write: Write, syntax: str) -> None:
    table = palette([[0, 65535, 0x0110], [0x0912, 0x0834, 0x0756]], 16, first=4)
    if syntax == ExplicitVRBigEndian:
        for keyword in list(table):
            if keyword.endswith("Data"):
                table[keyword] = np.frombuffer(table[keyword], dtype="<u2").astype(">u2").tobytes()  # type: ignore[call-overload]
    (frame,) = read_frames(write(np.array([[3, 4, 5, 6]], dtype=np.uint8), syntax, **table))
    assert frame.tolist() == [[[0, 255, 1], [0, 255, 1], [9, 8, 7], [9, 8, 7]]]


def test_a_palette_of_eight_bits_is_looked_up(write: Write) -> None:
    (frame,) = read_frames(write(np.array([[1, 0]], dtype=np.uint8), **palette([[1, 2, 3], [4, 5, 6]], 8)))
    assert frame.tolist() == [[[4, 5, 6], [1, 2, 3]]]


def test_a_palette_image_without_its_palette_is_refused(write: Write) -> None:
    with pytest.raises(PixelError, match="look-up table"):
        read_frames(write(np.array([[1]], dtype=np.uint16), PhotometricInterpretation="PALETTE COLOR"))


@pytest.mark.parametrize("photometric", ["YBR_PARTIAL_420", "HSV", "CMYK", "RUBBISH", "YBR_PARTIAL_422"])
def test_colours_that_are_not_supported_are_refused(write: Write, photometric: str) -> None:
    with pytest.raises(PixelError):
        read_frames(
            write(np.zeros((1, 2, 2, 3), dtype=np.uint8), SamplesPerPixel=3, PhotometricInterpretation=photometric)
        )


def test_gray_with_three_samples_is_refused(write: Write) -> None:
    path = write(np.zeros((1, 2, 2, 3), dtype=np.uint8), SamplesPerPixel=3, PhotometricInterpretation="MONOCHROME2")
    with pytest.raises(PixelError, match="describe"):
        read_frames(path)
