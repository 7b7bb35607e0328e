"""Shared images against decoders that share no code with ours: stored values, and what is displayed.

Uncompressed values are taken from the file by hand; DCMTK decodes JPEG, JPEG-LS and RLE and displays; JPEG 2000 is
decoded by GDCM, which has an OpenJPEG of its own.
"""

import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian

from dicom_io.errors import PixelError
from dicom_io.frames import read_frames
from dicom_io.grayscale import WANTED, read_grayscale
from dicom_io.image import PixelDescription, PixelLimits, open_image
from dicom_io.voi import Lut

pytestmark = [pytest.mark.shared, pytest.mark.tools]
Stored = Callable[[Path], list[NDArray[Any]]]

PREFIX = "1.2.840.10008.1.2"
NATIVE = (PREFIX, f"{PREFIX}.1", f"{PREFIX}.2", f"{PREFIX}.1.99")
JPEG_2000 = (f"{PREFIX}.4.90", f"{PREFIX}.4.91")
DCMTK = {
    **{f"{PREFIX}.4.{end}": ("dcmdjpeg", "+cn") for end in ("50", "51", "53", "55", "57", "70")},  # +cn: YBR as it is
    **{f"{PREFIX}.4.{end}": ("dcmdjpls",) for end in ("80", "81")},
    f"{PREFIX}.5": ("dcmdrle",),
}
QUIETLY = ("--log-level", "error")  # one file is worth 600,000 warnings
ELSEWHERE = {
    "conf__data_store__data__liver_nonbyte_aligned_deflate.dcm": "the uncompressed original, test_shared_images",
    "conf__data_store__data__liver_rle.dcm": "the uncompressed original, test_shared_images",
    "data_store__data__liver_deflate.dcm": "the uncompressed original, test_shared_images",
    "data_store__data__liver_nonbyte_aligned_rle.dcm": "the uncompressed original, test_shared_images",
    "data_store__data__HTJ2KLossless_08_RGB.dcm": "test_against_ffmpeg",
    "data_store__data__HTJ2K_08_RGB.dcm": "test_against_ffmpeg",
    "data_store__data__JLSL_08_07_0_1F.dcm": "test_against_ffmpeg",
    "src__pydicom__data__test_files__SC_rgb_jpeg.dcm": "test_against_ffmpeg",
}
"""Every image whose stored values are compared elsewhere, and where."""
REFUSED = {"pylibjpeg_966_dx_pa.dcm", "ljdata__ds__JPEG2000Lossless__966.dcm"}
"""What is found out to be broken after a second's decoding, as test_shared_images proves."""
LIMITS = PixelLimits(max_frames=2000)
DOCUMENT = Path(__file__).parents[3] / "docs" / "pixels.md"
JUDGES = ("by hand", "DCMTK", "GDCM")
TOOL_CANNOT = {
    "liver_rle.dcm": "DCMTK has no RLE of single bits",
    "liver_nonbyte_aligned_rle.dcm": "DCMTK has no RLE of single bits",
    "SC_rgb_jpeg.dcm": "DCMTK refuses its dataset, which ends within an element",
    "JLSL_08_07_0_1F.dcm": "DCMTK 3.6.7 has no JPEG-LS of 7 bits",
}
"""What the tools cannot do, by the end of the file's name."""
DISPLAY_DIFFERS = {
    "lidc_0005_lateral.dcm": "its window was made for CT, and counts as none here (test_grayscale)",
    "SC_ybr_full_uncompressed.dcm": "DCMTK truncates YBR to RGB; ours is within 1 of the formula (test_colour)",
    "sm_image_grayscale.dcm": "a constant image is gray here, black there",
    "sm_image_grayscale_reversed.dcm": "a constant image is gray here, black there",
    "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm": "DCMTK does not look into functional groups",
}
"""What DCMTK displays otherwise, by the end of the file's name."""


def listed(path: Path, known: dict[str, str]) -> bool:
    """Tell whether a file is in a list of exceptions."""
    return path.name.endswith(tuple(known))


@cache
def images(shared: Path) -> list[tuple[Path, PixelDescription]]:
    """Return every shared image that can be opened, with its description."""
    known: set[bytes] = set()
    found = []
    for path in sorted((shared / "data" / "dicom").rglob("*.dcm")):
        if (content := path.read_bytes()) in known or path.name in REFUSED:
            continue  # some images are in two folders
        known.add(content)
        try:
            found.append((path, open_image(path, LIMITS).description))
        except PixelError:
            continue
    return found


def decompress(path: Path, description: PixelDescription, folder: Path) -> Path:
    """Return an uncompressed copy of a file, made by an independent decoder."""
    target = folder / "decompressed.dcm"
    target.unlink(missing_ok=True)
    if description.transfer_syntax_uid in JPEG_2000:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, force=True)
            kind = f"<{'i' if description.signed else 'u'}{description.bits_allocated // 8}"
            dataset.PixelData = by_gdcm(path, description).astype(kind).tobytes()
            dataset["PixelData"].is_undefined_length = False
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            if description.photometric_interpretation.startswith("YBR"):
                dataset.PhotometricInterpretation = "RGB"
            dataset.save_as(target)
        return target
    name, *options = DCMTK[description.transfer_syntax_uid]
    tool = shutil.which(name)
    assert tool is not None
    subprocess.run([tool, *QUIETLY, *options, path, target], capture_output=True, check=False)  # noqa: S603
    assert target.exists(), f"{name} cannot decode {path.name}"
    return target


def by_hand(path: Path, stated: PixelDescription) -> NDArray[Any]:
    """Return the stored values of an uncompressed file, taken from its bytes, as a stack of frames."""
    shape = (stated.number_of_frames, stated.rows, stated.columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        if stated.keyword != "PixelData":
            kind = {"FloatPixelData": "<f4", "DoubleFloatPixelData": "<f8"}[stated.keyword]
            return np.frombuffer(dataset[stated.keyword].value, dtype=kind).reshape(shape)
        data, allocated, planar = dataset.PixelData, dataset.BitsAllocated, dataset.get("PlanarConfiguration") == 1
        big_endian = dataset.original_encoding[1] is False
    count = int(np.prod(shape)) * stated.samples_per_pixel
    words = np.frombuffer(data[: len(data) // 2 * 2], dtype="<u2")
    if big_endian and allocated <= 8 and dataset["PixelData"].VR == "OW":
        data = words.byteswap().tobytes()
    if allocated == 1:
        return np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")[:count].reshape(shape)
    kind = np.dtype(f"{'>' if big_endian else '<'}u{allocated // 8}")
    subsampled = stated.transfer_syntax_uid in NATIVE and stated.photometric_interpretation == "YBR_FULL_422"
    if subsampled:  # two of Y, then Cb and Cr of both (PS3.3 C.7.6.3.1.2)
        pairs = np.frombuffer(data, dtype=np.uint8, count=count // 3 * 2).reshape(*shape[:2], shape[2] // 2, 4)
        both = pairs[..., 2:, np.newaxis].repeat(2, axis=-1)
        return np.stack([pairs[..., :2], both[..., 0, :], both[..., 1, :]], axis=-1).reshape(*shape, 3)
    raw = np.frombuffer(data, dtype=kind, count=count).astype(np.int64)
    if stated.samples_per_pixel == 1:
        return signed_bits(raw.reshape(shape), stated)
    if planar:
        return signed_bits(raw.reshape(shape[0], 3, *shape[1:]).transpose(0, 2, 3, 1), stated)
    return signed_bits(raw.reshape(*shape, 3), stated)


@cache
def by_gdcm(path: Path, stated: PixelDescription) -> NDArray[Any]:
    """Return the stored values that GDCM reads, as a stack of frames; kept, for both comparisons need them."""
    gdcm.Trace.WarningOff()
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    data = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    shape = (stated.number_of_frames, stated.rows, stated.columns, *(3,) * (stated.samples_per_pixel == 3))
    size = len(data) // int(np.prod(shape))
    values = signed_bits(np.frombuffer(data, dtype=f"<u{size}").astype(np.int32).reshape(shape), stated)
    return values.astype(np.int16 if stated.signed else np.uint16)


def signed_bits(raw: NDArray[Any], stated: PixelDescription) -> NDArray[Any]:
    """Return the stored bits of each value, with their sign (PS3.5 8.1.1)."""
    bits = raw >> (stated.high_bit + 1 - stated.bits_stored) & ((1 << stated.bits_stored) - 1)
    sign = 1 << (stated.bits_stored - 1)
    return (bits ^ sign) - sign if stated.signed else bits


def theirs(path: Path, description: PixelDescription, folder: Path) -> NDArray[Any] | None:
    """Return the stored values by other means than ours, or None where there are none."""
    uid = description.transfer_syntax_uid
    if path.name in ELSEWHERE:
        return None
    if uid in NATIVE:
        return by_hand(path, description)
    if uid in JPEG_2000:
        return by_gdcm(path, description)
    return by_hand(decompress(path, description, folder), description) if uid in DCMTK else None


def test_stored_values_are_those_of_an_independent_decoder_bit_for_bit(
    shared: Path, stored: Stored, tmp_path: Path
) -> None:
    different, compared, everything, rows = [], set(), set(), set()
    for path, description in images(shared):
        try:
            ours = np.stack(stored(path))
        except PixelError:
            continue  # which these are is proved in test_shared_images
        everything.add(path.name)
        expected = theirs(path, description, tmp_path)
        if expected is None:
            continue
        compared.add(path.name)
        rows.add((description.transfer_syntax_uid, description.photometric_interpretation))
        if not np.array_equal(ours, expected):
            different.append(path.name)
    assert different == []
    assert everything - compared == set(ELSEWHERE)
    listed = [line.split("|")[1:-1] for line in DOCUMENT.read_text().splitlines() if line.startswith("| 1.2.840")]
    judged = {(row[0].split()[0], row[1].strip()) for row in listed if any(judge in row[3] for judge in JUDGES)}
    assert judged == rows, "the document says what is compared with what"


def test_12_bit_jpeg_is_what_gdcms_own_reader_makes_of_the_file(shared: Path, stored: Stored) -> None:
    """JPEG Extended and the retired progressive ones, which pydicom's plugins refuse; ours gives GDCM frames only."""
    compared = 0
    for path, description in images(shared):
        if description.transfer_syntax_uid.endswith((".4.51", ".4.53", ".4.55")) and description.bits_stored > 8:
            assert np.array_equal(np.stack(stored(path)), by_gdcm(path, description)), path.name
            compared += 1
    assert compared >= 6


def window_options(path: Path, description: PixelDescription) -> list[str]:
    """Return how DCMTK is told to choose the same window as ours."""
    if not description.photometric_interpretation.startswith("MONOCHROME"):
        return ["-W"]
    first = next(read_grayscale(open_image(path, LIMITS, WANTED).attributes, description))
    if first.voi is None:
        return ["-W"] if first.export_range is not None else ["+Wm"]
    return ["+Wl", "1"] if isinstance(first.voi, Lut) else ["+Wi", "1"]


def display(path: Path, description: PixelDescription, folder: Path) -> NDArray[np.uint8] | None:
    """Return the first frame as DCMTK displays it, or None if it cannot."""
    target = folder / "display.pnm"
    target.unlink(missing_ok=True)
    options = window_options(path, description)
    undecoded = description.transfer_syntax_uid in {*JPEG_2000, f"{PREFIX}.4.80", f"{PREFIX}.4.81"}
    source = decompress(path, description, folder) if undecoded else path
    tool = shutil.which("dcmj2pnm")
    assert tool is not None
    subprocess.run([tool, *QUIETLY, "-O", *options, source, target], capture_output=True, check=False)  # noqa: S603
    return np.asarray(Image.open(target)) if target.exists() else None


def displayable(shared: Path) -> Iterator[tuple[Path, PixelDescription]]:
    """Yield every image that DCMTK can display and means the same by."""
    known = {**TOOL_CANNOT, **DISPLAY_DIFFERS}
    for path, stated in images(shared):
        readable = stated.transfer_syntax_uid in {*NATIVE, *JPEG_2000, *DCMTK} and stated.keyword == "PixelData"
        usual = stated.bits_allocated in (8, 16) and b"\x28\x00\x53\x10UN" not in path.read_bytes()[:20_000]
        if readable and usual and not listed(path, known):
            yield path, stated


def test_what_is_displayed_is_within_one_of_what_dcmtk_displays(shared: Path, tmp_path: Path) -> None:
    different, compared = {}, 0
    for path, description in displayable(shared):
        try:
            ours = read_frames(path, limits=LIMITS)[0].astype(int)
        except PixelError:
            continue
        shown = display(path, description, tmp_path)
        if shown is None:
            different[path.name] = "not displayed"
        elif ours.shape != shown.shape or np.abs(ours - shown).max() > 1:
            different[path.name] = "other pixels"
        compared += 1
    assert different == {}
    assert compared >= 170
