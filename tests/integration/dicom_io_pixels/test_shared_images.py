"""Every file of the shared folder: frames, or one of the stated reasons, and never another exception."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dicom_io import reasons
from dicom_io.errors import HeaderError, PixelError
from dicom_io.frames import PixelLimits, read_frames
from dicom_io.header import read_header
from dicom_io.image import open_image

pytestmark = pytest.mark.shared

LIMITS = PixelLimits(max_frames=2000)
DOCUMENT = Path(__file__).parents[3] / "docs" / "pixels.md"
REFUSED = {
    "pylibjpeg_966_dx_pa.dcm": reasons.DAMAGED,  # its JPEG 2000 stream is broken; every decoder gives up
    "ljdata__ds__JPEG2000Lossless__966.dcm": reasons.DAMAGED,  # the same
    "src__pydicom__data__test_files__JPEG2000-embedded-sequence-delimiter.dcm": reasons.SIZE_DIFFERS,
}
"""The images outside the malformed folder that have pixel data and are refused."""
MALFORMED = {
    "132_bytes_only.dcm": reasons.UNREADABLE,
    "conf__data__pydicom__MR_truncated.dcm": reasons.TRUNCATED,
    "conf__data__pydicom__nested_priv_SQ.dcm": reasons.BAD_DESCRIPTION,
    "conf__src__pydicom__data__test_files__JPEG2000-embedded-sequence-delimiter.dcm": reasons.SIZE_DIFFERS,
    "empty.dcm": reasons.UNREADABLE,
    "html_named_dcm_github.dcm": reasons.UNREADABLE,
    "html_named_dcm_small.dcm": reasons.UNREADABLE,
    "png_named_dcm_gray.dcm": reasons.UNREADABLE,
    "rsna_truncated_100.dcm": reasons.UNREADABLE,
    "rsna_truncated_132.dcm": reasons.UNREADABLE,
    "rsna_truncated_150786.dcm": reasons.TRUNCATED,
    "rsna_truncated_400.dcm": reasons.NO_PIXELS,
    "rsna_zero_tail.dcm": reasons.TRUNCATED,
}
"""Of the malformed folder; what is not listed is odd but whole, and becomes frames."""
HEADLESS = {
    "132_bytes_only.dcm",
    "conf__data__pydicom__nested_priv_SQ.dcm",
    "empty.dcm",
    "html_named_dcm_github.dcm",
    "html_named_dcm_small.dcm",
    "png_named_dcm_gray.dcm",
    "rsna_truncated_100.dcm",
    "rsna_truncated_132.dcm",
    "rsna_truncated_400.dcm",
}
"""Of the malformed folder, the files without a header that says which Instance they are."""


def outcomes(paths: Iterable[Path]) -> dict[str, str]:
    """Return why each file is refused, "" if it becomes frames; some files are in two folders, and decoded once."""
    known: dict[bytes, str] = {}
    found = {}
    for path in paths:
        content = path.read_bytes()
        if content not in known:
            known[content] = outcome(path)
        found[path.name] = known[content]
    return found


def outcome(path: Path) -> str:
    try:
        frames = read_frames(path, limits=LIMITS)
    except PixelError as error:
        return error.reason
    assert frames
    assert all(frame.dtype == np.uint8 and frame.ndim in (2, 3) for frame in frames)
    return ""


def test_every_real_image_becomes_frames_but_for_three_that_are_broken(shared: Path) -> None:
    folder = shared / "data" / "dicom"
    paths = [path for part in ("chest", "not-chest", "transfer-syntaxes") for path in (folder / part).rglob("*.dcm")]
    refused = {name: reason for name, reason in outcomes(paths).items() if reason not in ("", reasons.NO_PIXELS)}
    assert refused == REFUSED


def test_malformed_files_are_refused_with_what_is_wrong_with_them(shared: Path) -> None:
    paths = (shared / "data" / "dicom" / "malformed").glob("*.dcm")
    assert {name: reason for name, reason in outcomes(paths).items() if reason} == MALFORMED


def test_malformed_files_have_a_header_or_are_refused_as_unreadable(shared: Path) -> None:
    refused = set()
    for path in (shared / "data" / "dicom" / "malformed").glob("*.dcm"):
        try:
            assert read_header(path).sop_instance_uid
        except HeaderError:
            refused.add(path.name)
    assert refused == HEADLESS


def test_encodings_that_no_other_tool_reads_give_the_pixels_of_the_uncompressed_image(
    shared: Path, stored: Callable[[Path], list[NDArray[np.generic]]], installed: Callable[[str], Path]
) -> None:
    """Single bits under RLE, JPEG 2000 and Deflated Image Frame Compression."""
    folder = shared / "data" / "dicom" / "transfer-syntaxes" / "pydicom__pydicom-data"
    for plain, prefix in (
        (installed("liver.dcm"), "data_store__data__liver"),
        (folder / "data_store__data__liver_nonbyte_aligned.dcm", "data_store__data__liver_nonbyte_aligned"),
    ):
        expected = stored(plain)
        for encoding in ("rle", "deflate", "j2k"):
            assert np.array_equal(expected, stored(folder / f"{prefix}_{encoding}.dcm"))


def test_high_throughput_jpeg_2000_lossy_is_close_to_lossless(
    shared: Path, stored: Callable[[Path], list[NDArray[np.generic]]]
) -> None:
    """Nothing else here decodes HTJ2K; the two files show the same scene."""
    folder = shared / "data" / "dicom" / "transfer-syntaxes" / "pydicom__pydicom-data"
    lossless, lossy = (
        stored(folder / f"data_store__data__HTJ2K{kind}_08_RGB.dcm")[0].astype(int) for kind in ("Lossless", "")
    )
    assert np.abs(lossless - lossy).max() <= 4
    assert lossless.std() > 20


def test_single_bits_are_shown_black_and_white(
    shared: Path, stored: Callable[[Path], list[NDArray[np.generic]]]
) -> None:
    """DCMTK does not show them; their stored values are compared in test_against_dcmtk."""
    compared = 0
    for path in sorted((shared / "data" / "dicom").rglob("*.dcm")):
        try:
            description = open_image(path, LIMITS).description
        except PixelError:
            continue
        if description.bits_allocated == 1:
            shown = np.stack(read_frames(path, limits=LIMITS))
            assert np.array_equal(shown, np.stack(stored(path)).astype(np.uint8) * 255), path.name
            compared += 1
    assert compared >= 17


def test_the_document_lists_every_combination_that_was_read(shared: Path) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for path in (shared / "data" / "dicom").rglob("*.dcm"):
        try:
            description = open_image(path, LIMITS).description
        except PixelError:
            continue
        found[description.transfer_syntax_uid, description.photometric_interpretation] += 1
    rows = [line.split("|")[1:-1] for line in DOCUMENT.read_text().splitlines() if line.startswith("| 1.2.840")]
    listed = {(row[0].split()[0].strip("`"), row[1].strip()): int(row[2]) for row in rows}
    assert listed == dict(found)
