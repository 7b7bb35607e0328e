"""Stored values of compressed images against FFmpeg's own decoders, which share no code with ours (or with DCMTK's).

Ours are OpenJPEG, CharLS and GDCM (the IJG's libjpeg); DCMTK has CharLS and libjpeg, too, and GDCM has OpenJPEG.
HTJ2K is compared with OpenJPH as well.
"""

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import av
import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from dicom_io.codecs import decode, split_frames
from dicom_io.errors import PixelError
from dicom_io.image import Image, PixelLimits, open_image

pytestmark = pytest.mark.shared

PREFIX = "1.2.840.10008.1.2.4."
CODECS = {
    **dict.fromkeys((f"{PREFIX}{end}" for end in ("50", "51", "57", "70")), "mjpeg"),
    **dict.fromkeys((f"{PREFIX}{end}" for end in ("80", "81")), "jpegls"),
    **dict.fromkeys((f"{PREFIX}{end}" for end in ("90", "91", "201", "202", "203")), "jpeg2000"),
}
LOSSLESS = {f"{PREFIX}{end}" for end in ("57", "70", "80", "81", "90", "201", "202")}
"""Two decoders must agree on every bit: also for near-lossless JPEG-LS, where only the encoder loses something."""
LIMITS = PixelLimits(max_frames=2000)
DOCUMENT = Path(__file__).parents[3] / "docs" / "pixels.md"
FRAMES = 3  # of each image: the others are decoded in the same way
FFMPEG_CANNOT = {
    "sm_image_jpegls.dcm": "JPEG-LS interleaved by sample, as the next four",
    "sm_image_jpegls_nobot.dcm": "",
    "JLSL_RGB_ILV2.dcm": "",
    "SC_rgb_jls_lossy_sample.dcm": "",
    "TestPattern_JPEG-Lossless_RGB.dcm": "takes lossless RGB for something else",
    "JPEGLosslessP14SV1_3s_2f_u_08_08.dcm": "takes lossless RGB for something else",
    "ct_head_ybr422_jpeg.dcm": "smooths subsampled colours, as the next three",
    "TestPattern_JPEG-Baseline_YBR422.dcm": "",
    "SC_rgb_jpeg_lossy_gdcm.dcm": "",
    "examples_ybr_color.dcm": "",
}
"""What is compared with DCMTK only (test_against_dcmtk), by the end of the file's name."""


def precision(frame: bytes, codec: str) -> tuple[int, bool]:
    """Return the bits of a frame's values and whether they are signed, by the codestream's own header."""
    if codec == "jpeg2000":
        depth = frame[frame.index(b"\xff\x4f\xff\x51") + 42]
        return (depth & 0x7F) + 1, bool(depth & 0x80)
    markers = (b"\xff\xf7\x00",) if codec == "jpegls" else tuple(b"\xff%c\x00" % mark for mark in (0xC0, 0xC1, 0xC3))
    start = min(place for mark in markers if (place := frame.find(mark)) >= 0)
    return frame[start + 4], False


def by_ffmpeg(frame: bytes, codec: str) -> NDArray[Any]:
    """Return a frame's values as its codestream has them: FFmpeg moves them to the upper bits, from zero on."""
    context = av.CodecContext.create(codec, "r")
    assert context.codec.name == codec, "FFmpeg's own decoder, not a wrapped library"
    picture = (list(context.decode(av.Packet(frame))) + list(context.decode(None)))[0]
    values = picture.to_ndarray().astype(np.int64)
    if picture.format.name == "yuvj444p":
        values = values.transpose(1, 2, 0)
    bits, signed = precision(frame, codec)
    values >>= picture.format.components[0].bits - bits
    return values - (1 << bits - 1) if signed else values


def stored_bits(values: NDArray[Any], image: Image) -> NDArray[Any]:
    """Return values as the dataset says that they are stored (PS3.5 8.1.1)."""
    stated = image.description
    sign = 1 << (stated.bits_stored - 1)
    bits = values & ((1 << stated.bits_stored) - 1)
    return (bits ^ sign) - sign if stated.signed else bits


@cache
def compressed(shared: Path) -> list[tuple[Path, Image]]:
    """Return every shared image that FFmpeg has a decoder for."""
    found = []
    for path in sorted((shared / "data" / "dicom").rglob("*.dcm")):
        try:
            image = open_image(path, LIMITS)
        except PixelError:
            continue
        if image.description.transfer_syntax_uid in CODECS and not path.name.endswith(tuple(FFMPEG_CANNOT)):
            found.append((path, image))
    return found


def test_stored_values_are_those_of_ffmpeg(shared: Path) -> None:
    """Bit for bit where nothing is lost in decoding, else within 1: of 255, or of the values that are stored."""
    different: dict[str, int] = {}
    compared: dict[str, int] = dict.fromkeys(CODECS.values(), 0)
    known: set[bytes] = set()
    for path, image in compressed(shared):
        if (content := path.read_bytes()) in known:
            continue  # some images are in two folders
        known.add(content)
        uid = image.description.transfer_syntax_uid
        codec = CODECS[uid]
        try:
            ours = [frame.pixels for frame in itertools.islice(decode(image), FRAMES)]
        except PixelError:
            continue  # which these are is proved in test_shared_images
        for frame, pixels in zip(split_frames(image), ours, strict=False):
            theirs = stored_bits(by_ffmpeg(frame, codec), image)
            assert theirs.shape == pixels.shape, path.name
            difference = int(np.abs(theirs - pixels.astype(np.int64)).max())
            if difference > (0 if uid in LOSSLESS else 1):
                different[path.name] = difference
        compared[codec] += 1
    assert different == {}
    assert compared["mjpeg"] >= 20
    assert compared["jpegls"] >= 10
    assert compared["jpeg2000"] >= 20


@pytest.mark.parametrize(("kind", "tolerance"), [("Lossless", 0), ("", 1)])
def test_high_throughput_jpeg_2000_is_decoded_as_by_openjph(shared: Path, kind: str, tolerance: int) -> None:
    """The package imagecodecs lets values beyond 255 wrap to 0: there the image must be nearly white."""
    folder = shared / "data" / "dicom" / "transfer-syntaxes" / "pydicom__pydicom-data"
    image = open_image(folder / f"data_store__data__HTJ2K{kind}_08_RGB.dcm", LIMITS)
    (frame,), (stored,) = split_frames(image), decode(image)
    theirs, ours = imagecodecs.htj2k_decode(frame).astype(int), stored.pixels.astype(int)
    wrapped = (theirs == 0) & (ours >= 254)
    assert wrapped.sum() <= 1000 * tolerance
    assert np.abs(theirs - ours)[~wrapped].max() <= tolerance


def test_what_dcmtk_cannot_read_is_compared_here(shared: Path) -> None:
    """JPEG-LS of 7 bits, and a dataset that ends within an element (test_against_dcmtk leaves them out)."""
    names = {path.name for path, _ in compressed(shared)}
    assert {"data_store__data__JLSL_08_07_0_1F.dcm", "src__pydicom__data__test_files__SC_rgb_jpeg.dcm"} <= names
    assert {f"data_store__data__HTJ2K{kind}_08_RGB.dcm" for kind in ("", "Lossless")} <= names


def test_the_document_says_what_is_compared_with_ffmpeg(shared: Path) -> None:
    described = (image.description for _, image in compressed(shared))
    found = {(stated.transfer_syntax_uid, stated.photometric_interpretation) for stated in described}
    rows = [line.split("|")[1:-1] for line in DOCUMENT.read_text().splitlines() if line.startswith("| 1.2.840")]
    assert {(row[0].split()[0], row[1].strip()) for row in rows if "FFmpeg" in row[3]} == found
