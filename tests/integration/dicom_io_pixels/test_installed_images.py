"""Images that come with the installed packages, in several encodings of the same pixels: one proves the other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dicom_io.errors import PixelError
from dicom_io.frames import pixels_equal, read_frames

Find = Callable[[str], Path]
Stored = Callable[[Path], list[NDArray[np.generic]]]

LOSSLESS = [
    ("RG1_UNCR", "RG1_J2KR"),
    ("RG3_UNCR", "RG3_J2KR"),
    ("US1_UNCR", "US1_J2KR"),
    ("MR2_UNCR", "MR2_J2KR"),
    ("693_UNCR", "693_J2KR"),
    ("emri_small", "emri_small_RLE"),
    ("emri_small", "emri_small_jpeg_2k_lossless"),
    ("emri_small", "emri_small_jpeg_ls_lossless"),
    ("emri_small", "emri_small_big_endian"),
    ("MR_small", "MR_small_RLE"),
    ("MR_small", "MR_small_jp2klossless"),
    ("MR_small", "MR_small_jpeg_ls_lossless"),
    ("MR_small", "MR_small_bigendian"),
    ("MR_small", "MR_small_implicit"),
    ("MR_small", "MR_small_expb"),
    ("OBXXXX1A", "OBXXXX1A_rle"),
    ("OBXXXX1A", "OBXXXX1A_expb"),
    ("OBXXXX1A_2frame", "OBXXXX1A_rle_2frame"),
    ("OBXXXX1A_2frame", "OBXXXX1A_expb_2frame"),
    ("SC_rgb", "SC_rgb_rle"),
    ("SC_rgb", "SC_rgb_expb"),
    ("SC_rgb_2frame", "SC_rgb_rle_2frame"),
    ("SC_rgb_16bit_2frame", "SC_rgb_rle_16bit_2frame"),
    ("SC_rgb_16bit_2frame", "SC_rgb_expb_16bit_2frame"),
    ("SC_rgb_32bit_2frame", "SC_rgb_rle_32bit_2frame"),
    ("SC_rgb_32bit_2frame", "SC_rgb_expb_32bit_2frame"),
    ("rtdose", "rtdose_rle"),
    ("rtdose", "rtdose_expb"),
    ("liver", "liver_expb"),
    ("color-pl", "color-px"),
    ("gdcm-US-ALOKA-16", "gdcm-US-ALOKA-16_big"),
]
LOSSY = [
    ("RG1_UNCI", "RG1_J2KI"),
    ("RG3_UNCI", "RG3_J2KI"),
    ("US1_UNCI", "US1_J2KI"),
    ("MR2_UNCI", "MR2_J2KI"),
    ("693_UNCI", "693_J2KI"),
]


@pytest.mark.parametrize(("plain", "other"), LOSSLESS)
def test_lossless_encodings_give_the_stored_values_of_the_uncompressed_image(
    installed: Find, stored: Stored, plain: str, other: str
) -> None:
    frames = list(zip(stored(installed(f"{plain}.dcm")), stored(installed(f"{other}.dcm")), strict=True))
    assert frames
    assert all(np.array_equal(one, two) for one, two in frames)


@pytest.mark.parametrize(("plain", "other"), LOSSY)
def test_lossy_jpeg_2000_decodes_within_one_of_what_another_decoder_made_of_it(
    installed: Find, plain: str, other: str
) -> None:
    """The uncompressed files were made from the compressed ones by their author's own JPEG 2000 decoder."""
    (one,), (two,) = (read_frames(installed(f"{name}.dcm")) for name in (plain, other))
    assert np.abs(one.astype(int) - two.astype(int)).max() <= 1


def test_the_same_pixels_in_two_transfer_syntaxes_are_a_duplicate_and_lossy_ones_are_not(installed: Find) -> None:
    assert pixels_equal(installed("RG1_UNCR.dcm"), installed("RG1_J2KR.dcm"))
    assert not pixels_equal(installed("RG1_UNCR.dcm"), installed("RG1_J2KI.dcm"))
    assert not pixels_equal(installed("RG1_UNCR.dcm"), installed("RG3_UNCR.dcm"))


def test_the_chest_radiograph_is_shown_with_dark_lungs(installed: Find) -> None:
    """RG1 is MONOCHROME1 of 15 bits: air dark, mediastinum bright, as in every reading room."""
    (frame,) = read_frames(installed("RG1_UNCR.dcm"))
    rows, columns = frame.shape
    lungs = frame[rows // 4 : rows // 2, [columns // 4, 3 * columns // 4]].mean()
    mediastinum = frame[rows // 4 : rows // 2, columns // 2].mean()
    assert frame.shape == (1955, 1841)
    assert lungs + 30 < mediastinum


def test_a_codestream_cut_short_is_refused_where_decoders_would_fill_it(installed: Find) -> None:
    with pytest.raises(PixelError, match="truncated"):
        read_frames(installed("emri_small_jpeg_2k_lossless_too_short.dcm"))


def test_a_modality_lut_and_a_voi_lut_of_real_files_are_applied(installed: Find) -> None:
    for name in ("mlut_18.dcm", "vlut_04.dcm"):
        (frame,) = read_frames(installed(name))
        assert (frame.min(), frame.max()) == (0, 255)
