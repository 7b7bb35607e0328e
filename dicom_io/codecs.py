"""From encoded pixel data to stored values, frame by frame, whatever the transfer syntax (PS3.5 section 8, annex A).

Decoders, in the order in which they are tried: GDCM for JPEG, OpenJPEG (pylibjpeg-openjpeg) then GDCM for JPEG 2000 and
HTJ2K, CharLS (pyjpegls) then GDCM for JPEG-LS, pylibjpeg-rle then pydicom for RLE, pydicom for uncompressed pixels.
The codestream's own header is compared with the dataset's before a decoder may allocate by it.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydicom.encaps import encapsulate, generate_fragments, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from dicom_io import reasons
from dicom_io.codestream import Codestream, read_codestream
from dicom_io.errors import PixelError
from dicom_io.image import Image, PixelDescription
from dicom_io.silence import quiet_pydicom

Pixels = np.ndarray[Any, np.dtype[Any]]

_EXPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
_NATIVE: Final = frozenset({"1.2.840.10008.1.2", _EXPLICIT_LITTLE_ENDIAN, "1.2.840.10008.1.2.2"})
_ENCAPSULATED_UNCOMPRESSED: Final = "1.2.840.10008.1.2.1.98"
_DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
_RLE: Final = "1.2.840.10008.1.2.5"
_JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
_RETIRED_JPEG: Final = frozenset({"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"})
_PLUGINS: Final = {
    "1.2.840.10008.1.2.4.50": ("gdcm", "pillow"),
    _JPEG_EXTENDED: ("gdcm", "pillow"),
    "1.2.840.10008.1.2.4.57": ("gdcm",),
    "1.2.840.10008.1.2.4.70": ("gdcm",),
    "1.2.840.10008.1.2.4.80": ("pyjpegls", "gdcm"),
    "1.2.840.10008.1.2.4.81": ("pyjpegls", "gdcm"),
    "1.2.840.10008.1.2.4.90": ("pylibjpeg", "gdcm"),
    "1.2.840.10008.1.2.4.91": ("pylibjpeg", "gdcm"),
    "1.2.840.10008.1.2.4.201": ("pylibjpeg",),
    "1.2.840.10008.1.2.4.202": ("pylibjpeg",),
    "1.2.840.10008.1.2.4.203": ("pylibjpeg",),
    _RLE: ("pylibjpeg", "pydicom"),
}
_SELF_CORRECTING: Final = frozenset(uid for uid in _PLUGINS if ".4.8" in uid or ".4.9" in uid or ".4.20" in uid)
"""JPEG-LS and JPEG 2000: pydicom aligns their values by the codestream's own precision and sign."""
_RLE_GAIN: Final = 64  # two bytes make at most 128 (PS3.5 G.3)
_FOREIGN: Final = (ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError)
_FOREIGN_ERRORS: Final = (*_FOREIGN, TypeError, ValueError, struct.error, zlib.error)
"""What decoders raise on damaged input."""


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """The stored values of one frame, [rows, columns] or [rows, columns, 3], and how to take their colours."""

    pixels: Pixels
    photometric_interpretation: str


def decode(image: Image) -> Iterator[StoredFrame]:
    """Yield the frames of an image. PixelError where one cannot be had; those before it have been yielded."""
    description = image.description
    uid = description.transfer_syntax_uid
    if uid in _NATIVE:
        frames = _decode_native(image)
    elif uid in _RETIRED_JPEG or (uid == _JPEG_EXTENDED and description.bits_stored > 8):  # noqa: PLR2004  # bits
        frames = _decode_by_gdcm(image)
    elif uid in _PLUGINS or uid in (_ENCAPSULATED_UNCOMPRESSED, _DEFLATED_FRAMES):
        frames = (_decode_frame(frame, description) for frame in split_frames(image))
    else:
        raise PixelError(reasons.NO_DECODER)
    yield from frames


def split_frames(image: Image) -> list[bytes]:
    """Return the encoded frames of encapsulated pixel data (PS3.5 A.4)."""
    count = image.description.number_of_frames
    try:
        with quiet_pydicom():
            fragments = _fragments(image.pixel_data)
            if count == 1:
                return [b"".join(fragments)]
            if len(fragments) == count:
                return fragments
            frames = generate_frames(image.pixel_data, number_of_frames=count, extended_offsets=image.extended_offsets)
            found = [frame for frame, _ in zip(frames, range(count), strict=False)]
    except _FOREIGN_ERRORS as error:
        raise PixelError(reasons.DAMAGED) from error
    if len(found) < count:
        raise PixelError(reasons.TRUNCATED)
    return found


def _fragments(pixel_data: bytes) -> list[bytes]:
    fragments = list(generate_fragments(pixel_data))
    return fragments[1:]


def _decode_native(image: Image) -> Iterator[StoredFrame]:
    description = image.description
    frame_bits = description.rows * description.columns * description.samples_per_pixel * description.bits_allocated
    if description.photometric_interpretation == "YBR_FULL_422":
        frame_bits = frame_bits // 3 * 2
    if len(image.pixel_data) * 8 < frame_bits * description.number_of_frames:
        raise PixelError(reasons.TRUNCATED)
    options = {**_options(description), "number_of_frames": description.number_of_frames, "pixel_vr": image.pixel_vr}
    for index in range(description.number_of_frames):
        yield _call_pydicom(description, image.pixel_data, options, description.transfer_syntax_uid, index=index)


def _decode_frame(frame: bytes, description: PixelDescription) -> StoredFrame:
    uid = description.transfer_syntax_uid
    if not frame:
        raise PixelError(reasons.EMPTY)
    if uid == _DEFLATED_FRAMES:
        frame = _inflate(frame, description.frame_bytes)
    if uid in (_DEFLATED_FRAMES, _ENCAPSULATED_UNCOMPRESSED):
        if len(frame) < description.frame_bytes:
            raise PixelError(reasons.TRUNCATED)
        options = {**_options(description), "pixel_vr": "OB"}
        return _call_pydicom(description, frame, options, _EXPLICIT_LITTLE_ENDIAN)
    if uid == _RLE:
        if len(frame) * _RLE_GAIN < description.frame_bytes:
            raise PixelError(reasons.TRUNCATED)
    else:
        _check_codestream(read_codestream(frame), description)
    return _try_plugins(frame, description)


def _check_codestream(codestream: Codestream | None, description: PixelDescription) -> None:
    if codestream is None:
        raise PixelError(reasons.DAMAGED)
    stated = (description.rows, description.columns, description.samples_per_pixel)
    if (codestream.rows, codestream.columns, codestream.samples) != stated:
        raise PixelError(reasons.SIZE_DIFFERS)
    if not codestream.complete:
        raise PixelError(reasons.TRUNCATED)


def _try_plugins(frame: bytes, description: PixelDescription) -> StoredFrame:
    uid = description.transfer_syntax_uid
    encapsulated = encapsulate([frame], has_bot=False)
    damaged = PixelError(reasons.DAMAGED)
    for plugin in _PLUGINS[uid]:
        try:
            return _call_pydicom(description, encapsulated, _options(description), uid, plugin=plugin)
        except PixelError as error:
            damaged.__cause__ = error.__cause__
    raise damaged


def _call_pydicom(
    description: PixelDescription,
    source: bytes,
    options: dict[str, Any],
    transfer_syntax_uid: str,
    *,
    index: int = 0,
    plugin: str = "",
) -> StoredFrame:
    try:
        with quiet_pydicom():
            decoder = get_decoder(UID(transfer_syntax_uid))
            pixels, meta = decoder.as_array(source, index=index, raw=True, decoding_plugin=plugin, **options)
    except _FOREIGN_ERRORS as error:
        raise PixelError(reasons.DAMAGED) from error
    if transfer_syntax_uid not in _SELF_CORRECTING and description.keyword == "PixelData":
        pixels = _stored_bits(pixels, description)
    return StoredFrame(pixels, str(meta["photometric_interpretation"]))


def _options(description: PixelDescription) -> dict[str, Any]:
    return {
        "bits_allocated": description.bits_allocated,
        "bits_stored": description.bits_stored,
        "columns": description.columns,
        "correct_unused_bits": False,
        "number_of_frames": 1,
        "photometric_interpretation": description.photometric_interpretation,
        "pixel_keyword": description.keyword,
        "pixel_representation": int(description.signed),
        "planar_configuration": description.planar_configuration,
        "rows": description.rows,
        "samples_per_pixel": description.samples_per_pixel,
    }


def _stored_bits(pixels: Pixels, description: PixelDescription) -> Pixels:
    """Take the stored bits out of the allocated ones: others may hold overlays or anything (PS3.5 8.1.1)."""
    if description.bits_allocated in (description.bits_stored, 1):
        return pixels
    width = pixels.dtype.itemsize * 8
    raised = np.left_shift(pixels, width - 1 - description.high_bit)
    return np.right_shift(raised, width - description.bits_stored)


def _inflate(frame: bytes, length: int) -> bytes:
    """Inflate one frame of Deflated Image Frame Compression, at most `length` bytes."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, length)
    except zlib.error as error:
        raise PixelError(reasons.DAMAGED) from error


def _decode_by_gdcm(image: Image) -> Iterator[StoredFrame]:
    """Decode JPEG of 12 bits, sequential or progressive, which pydicom's plugins refuse."""
    import gdcm  # noqa: PLC0415  # a large native library, needed for these few transfer syntaxes only here

    description = image.description
    for frame in split_frames(image):
        _check_codestream(read_codestream(frame), description)
    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()
    reader = gdcm.ImageReader()
    reader.SetFileName(str(image.path))
    if not reader.Read():
        raise PixelError(reasons.DAMAGED)
    try:
        data = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")  # GDCM hands bytes out as str
    except _FOREIGN_ERRORS as error:
        raise PixelError(reasons.DAMAGED) from error
    if len(data) != description.frame_bytes * description.number_of_frames:
        raise PixelError(reasons.DAMAGED)
    options = {**_options(description), "planar_configuration": 0, "number_of_frames": description.number_of_frames}
    for index in range(description.number_of_frames):
        yield _call_pydicom(description, data, options, _EXPLICIT_LITTLE_ENDIAN, index=index)
