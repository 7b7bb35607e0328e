"""From stored values to the display: each transformation by itself, and their order, by values worked out by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from dicom_io.errors import PixelError
from dicom_io.frames import read_frames

Write = Callable[..., Path]
Item = Callable[..., Dataset]
RAMP = np.array([[0, 1, 2, 3], [100, 200, 254, 255]], dtype=np.uint8)
DEEP = np.array([[100, 200, 300], [400, 500, 600]], dtype=np.uint16)


def show(path: Path) -> list[list[int]]:
    """Return the only frame of a file."""
    (frame,) = read_frames(path)
    assert frame.dtype == np.uint8
    listed: list[list[int]] = frame.tolist()
    return listed


def spread(values: list[float], low: float, high: float) -> list[int]:
    """Return values of low..high as 0..255, rounded half up."""
    return [int(np.floor((value - low) / (high - low) * 255 + 0.5)) for value in values]


def test_eight_bits_without_a_window_are_shown_as_they_are(write: Write) -> None:
    assert show(write(RAMP)) == RAMP.tolist()
    assert show(write(RAMP[:1])) == RAMP[:1].tolist()


@pytest.mark.parametrize("bits", [1, 5, 7])
def test_fewer_bits_without_a_window_are_shown_over_their_whole_possible_range(write: Write, bits: int) -> None:
    most = 2**bits - 1
    pixels = np.array([[0, most // 2]], dtype=np.uint8)
    assert show(write(pixels, BitsStored=bits, HighBit=bits - 1)) == [spread([0, most // 2], 0, most)]


def test_signed_eight_bits_without_a_window_are_shown_from_minus_128_to_127(write: Write) -> None:
    assert show(write(np.array([[-128, 0, 127]], dtype=np.int8))) == [[0, 128, 255]]


def test_deeper_pixels_without_a_window_are_shown_from_the_least_to_the_greatest(write: Write) -> None:
    assert show(write(DEEP)) == [[0, 51, 102], [153, 204, 255]]
    assert show(write(DEEP.astype(np.int16) - 350)) == [[0, 51, 102], [153, 204, 255]]


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16"])
def test_a_value_is_shown_alike_wherever_it_stands_in_an_image_of_any_size(write: Write, kind: str) -> None:
    """Values are looked up part by part: 250 x 300 are several parts, the last one not whole."""
    values = np.random.default_rng(0).integers(0 if kind[0] == "u" else -100, 100, (250, 300)).astype(kind)
    (shown,) = read_frames(write(values, WindowCenter=50, WindowWidth=80, VOILUTFunction="LINEAR_EXACT"))
    expected = np.floor(np.clip((values.astype(float) - 50) / 80 + 0.5, 0, 1) * 255 + 0.5)
    assert np.array_equal(shown, expected)


def test_a_constant_deep_image_is_gray(write: Write) -> None:
    assert show(write(np.full((2, 2), 700, dtype=np.uint16))) == [[128, 128], [128, 128]]


def test_padding_is_black_and_does_not_stretch_the_range(write: Write) -> None:
    made = show(write(np.array([[65535, 200, 600]], dtype=np.uint16), PixelPaddingValue=65535))
    assert made == [[0, 0, 255]]
    ranged = np.array([[0, 200, 300, 350, 400]], dtype=np.uint16)
    assert show(write(ranged, PixelPaddingValue=0, PixelPaddingRangeLimit=250)) == [[0, 0, 0, 128, 255]]


def test_padding_is_black_in_monochrome1_too(write: Write) -> None:
    made = write(
        np.array([[0, 200, 600]], dtype=np.uint16), PixelPaddingValue=0, PhotometricInterpretation="MONOCHROME1"
    )
    assert show(made) == [[0, 255, 0]]


def test_a_padding_value_that_is_everywhere_is_no_padding(write: Write) -> None:
    made = write(np.full((1, 2), 7, dtype=np.uint16), PixelPaddingValue=7, WindowCenter=7, WindowWidth=1)
    assert show(made) == [[255, 255]]


def test_a_signed_padding_value_is_read_as_signed(write: Write) -> None:
    pixels = np.array([[-2000, 0, 100]], dtype=np.int16)
    assert show(write(pixels, PixelPaddingValue=-2000)) == [[0, 0, 255]]


@pytest.mark.parametrize(
    ("function", "expected"),
    [(None, [0, 0, 128, 255, 255]), ("LINEAR", [0, 0, 128, 255, 255]), ("LINEAR_EXACT", [0, 0, 127, 254, 255])],
)
def test_the_first_window_is_applied_by_its_function(write: Write, function: str | None, expected: list[int]) -> None:
    pixels = np.array([[0, 1000, 1128, 1255, 5000]], dtype=np.uint16)
    more: dict[str, Any] = {"VOILUTFunction": function} if function else {}
    made = show(write(pixels, WindowCenter=[1128, 5], WindowWidth=[256, 9], **more))
    assert np.abs(np.array(made[0]) - np.array(expected)).max() <= 1
    assert (made[0][0], made[0][-1]) == (0, 255)


def test_a_sigmoid_window_is_half_at_its_center(write: Write) -> None:
    pixels = np.array([[0, 900, 1000, 1100, 4000]], dtype=np.uint16)
    made = show(write(pixels, WindowCenter=1000, WindowWidth=400, VOILUTFunction="SIGMOID"))
    assert made == [[0, round(255 / (1 + np.e)), 128, round(255 / (1 + 1 / np.e)), 255]]


@pytest.mark.parametrize(("center", "width"), [("300", "0"), ("300", "-5"), ("300", "0.5"), ("", ""), ("300", "")])
def test_an_unusable_window_counts_as_none(write: Write, center: str, width: str) -> None:
    assert show(write(DEEP, WindowCenter=center, WindowWidth=width)) == [[0, 51, 102], [153, 204, 255]]


@pytest.mark.parametrize("center", [-600, -1.5, 65536.5])
def test_a_window_whose_center_no_pixel_can_have_counts_as_none(write: Write, center: float) -> None:
    """An archive put the CT window -600 / 1600 into its radiographs, and they come out white."""
    assert show(write(DEEP, WindowCenter=center, WindowWidth=1600)) == show(write(DEEP))
    assert show(write(RAMP, WindowCenter=-600, WindowWidth=1600)) == RAMP.tolist()
    other = write(DEEP, WindowCenter=[center, 300], WindowWidth=[1600, 301])
    assert show(other) == show(write(DEEP, WindowCenter=300, WindowWidth=301))


def test_a_window_at_the_edge_of_what_pixels_can_have_counts(write: Write) -> None:
    shown = show(write(RAMP, WindowCenter=256, WindowWidth=512))
    assert shown == [spread(row, 0, 511) for row in RAMP.tolist()]
    rescaled = write(DEEP, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=-600, WindowWidth=401)
    assert show(rescaled) != show(write(DEEP, RescaleSlope=1, RescaleIntercept=-1024))


def test_the_first_usable_window_counts(write: Write) -> None:
    assert show(write(DEEP, WindowCenter=["0", "300.5"], WindowWidth=["0", "1"])) == [[0, 0, 0], [255, 255, 255]]


def test_the_rescale_comes_before_the_window(write: Write) -> None:
    made = show(write(DEEP, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=-99.5, WindowWidth=1))
    assert made == [[0, 0, 0], [0, 255, 255]]


def test_a_negative_slope_turns_the_image_around(write: Write) -> None:
    assert show(write(DEEP, RescaleSlope=-1, RescaleIntercept=0)) == [[255, 204, 153], [102, 51, 0]]
    assert show(write(RAMP, RescaleSlope=-1, RescaleIntercept=255)) == (255 - RAMP.astype(int)).tolist()


@pytest.mark.parametrize(("slope", "intercept"), [("0", "0"), ("", "5"), ("1", "")])
def test_an_unusable_rescale_counts_as_none(write: Write, slope: str, intercept: str) -> None:
    made = write(DEEP, RescaleSlope=slope, RescaleIntercept=intercept, WindowCenter=350, WindowWidth=1)
    assert show(made) == [[0, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, "1.2.840.10008.1.2.1"])
def test_a_modality_lut_comes_before_the_window(write: Write, lut: Item, syntax: str) -> None:
    table = lut(200, [7, 8, *range(9, 400)], 16)
    made = write(DEEP, syntax, ModalityLUTSequence=[table], WindowCenter=107, WindowWidth=1)
    assert show(made) == [[0, 0, 255], [255, 255, 255]]


def test_a_modality_lut_without_a_window_is_shown_over_the_values_that_occur(write: Write, lut: Item) -> None:
    table = lut(0, [50, 10, 20, 30], 8)
    assert show(write(np.array([[1, 2, 3]], dtype=np.uint8), ModalityLUTSequence=[table])) == [[0, 128, 255]]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, "1.2.840.10008.1.2.1"])
def test_a_voi_lut_counts_before_a_window(write: Write, lut: Item, syntax: str) -> None:
    table = lut(200, [0, 1024, *[2048] * 299, 4095], 12)
    made = write(DEEP, syntax, VOILUTSequence=[table], WindowCenter=0, WindowWidth=1)
    assert show(made) == [[0, 0, 128], [128, 128, 255]]


def test_the_first_input_of_a_voi_lut_is_signed_where_values_may_be_negative(write: Write, lut: Item) -> None:
    stored = np.array([[0, 1, 2]], dtype=np.uint16)
    table = lut(65535, [0, 128, 255], 8)
    assert show(write(stored, VOILUTSequence=[table], RescaleSlope=1, RescaleIntercept=-1)) == [[0, 128, 255]]
    assert show(write(stored, VOILUTSequence=[table])) == [[0, 0, 0]]
    signed = lut(-1, [0, 128, 255], 8, vr="SS")
    assert show(write(np.array([[-1, 0, 1]], dtype=np.int16), VOILUTSequence=[signed])) == [[0, 128, 255]]


def test_a_voi_lut_of_bytes_is_read(write: Write, lut: Item) -> None:
    table = lut(0, [10, 20, 30, 255], 8, packed=True)
    assert show(write(np.array([[0, 1, 3]], dtype=np.uint16), VOILUTSequence=[table])) == [[10, 20, 255]]


def test_a_voi_lut_of_65536_entries_is_read(write: Write, lut: Item) -> None:
    table = lut(0, list(range(65536)), 16)
    pixels = np.array([[0, 32768, 65535]], dtype=np.uint16)
    assert show(write(pixels, ImplicitVRLittleEndian, VOILUTSequence=[table])) == [[0, 128, 255]]


def test_a_voi_lut_whose_entries_need_more_bits_than_stated_is_not_cut(write: Write, lut: Item) -> None:
    table = lut(0, [0, 512, 1023], 8)
    assert show(write(np.array([[0, 1, 2]], dtype=np.uint16), VOILUTSequence=[table])) == [[0, 128, 255]]


def test_a_truncated_lut_is_refused_and_an_empty_one_counts_as_none(write: Write, lut: Item) -> None:
    cut = lut(0, [1, 2], 8)
    for descriptor in ([200, 0, 8], [2, 0]):
        cut.LUTDescriptor = descriptor
        with pytest.raises(PixelError, match="look-up table"):
            read_frames(write(DEEP, VOILUTSequence=[cut]))
    assert show(write(DEEP, VOILUTSequence=[Dataset()], ModalityLUTSequence=[Dataset()])) == show(write(DEEP))


@pytest.mark.parametrize(
    ("photometric", "shape", "inverse"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
        ("MONOCHROME1", "LIN OD", True),
    ],
)
def test_small_values_are_white_by_shape_or_else_by_photometric_interpretation(
    write: Write, photometric: str, shape: str | None, *, inverse: bool
) -> None:
    more = {"PresentationLUTShape": shape} if shape else {}
    expected = 255 - RAMP if inverse else RAMP
    assert show(write(RAMP, PhotometricInterpretation=photometric, **more)) == expected.tolist()


def test_each_frame_has_the_transformations_of_its_functional_groups(write: Write) -> None:
    def groups(rescale: float | None, center: float | None) -> Dataset:
        made = Dataset()
        if rescale is not None:
            made.PixelValueTransformationSequence = [Dataset()]
            made.PixelValueTransformationSequence[0].RescaleSlope = 1
            made.PixelValueTransformationSequence[0].RescaleIntercept = rescale
        if center is not None:
            made.FrameVOILUTSequence = [Dataset()]
            made.FrameVOILUTSequence[0].WindowCenter = center
            made.FrameVOILUTSequence[0].WindowWidth = 1
        return made

    path = write(
        np.array([[[10, 20, 30]]] * 3, dtype=np.uint16),
        SharedFunctionalGroupsSequence=[groups(0, 15)],
        PerFrameFunctionalGroupsSequence=[groups(None, None), groups(10, None), groups(0, 25)],
    )
    assert [frame.tolist() for frame in read_frames(path)] == [[[0, 255, 255]], [[255, 255, 255]], [[0, 0, 255]]]


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels_are_shown_and_what_is_no_number_is_black(write: Write, keyword: str) -> None:
    kind = np.float32 if keyword == "FloatPixelData" else np.float64
    values = np.array([[-0.5, 0.0, 0.5, np.nan, np.inf]], dtype=kind)
    more = {
        "PixelData": None,
        "BitsStored": None,
        "HighBit": None,
        "PixelRepresentation": None,
        keyword: values.tobytes(),
    }
    assert show(write(values, **more)) == [[0, 128, 255, 0, 0]]
    windowed = write(values, WindowCenter=0.25, WindowWidth=0.5, VOILUTFunction="LINEAR_EXACT", **more)
    assert show(windowed) == [[0, 0, 255, 0, 0]]
    nothing = np.full_like(values, np.nan)
    with pytest.raises(PixelError, match="damaged"):
        read_frames(write(nothing, **more | {keyword: nothing.tobytes()}))


def test_thirty_two_bits_are_shown(write: Write) -> None:
    pixels = np.array([[0, 2**30, 2**31, 2**32 - 1]], dtype=np.uint32)
    assert show(write(pixels)) == [[0, 64, 128, 255]]


@pytest.mark.shared
def test_the_shared_pair_that_differs_in_its_interpretation_only_is_each_others_negative(shared: Path) -> None:
    folder = shared / "data" / "dicom" / "chest"
    (plain,) = read_frames(next(folder.glob("siim_1.2.276*")))
    (negative,) = read_frames(folder / "siim_same_pixels_tagged_MONOCHROME1.dcm")
    assert np.array_equal(plain, 255 - negative)
