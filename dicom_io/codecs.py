"""From encoded pixel data to stored values, frame by frame, whatever the transfer syntax (PS3.5 section 8, annex A).

Decoders, in the order in which they are tried: GDCM for JPEG, OpenJPEG (pylibjpeg-openjpeg) then GDCM for JPEG 2000 and
HTJ2K, CharLS (pyjpegls) then GDCM for JPEG-LS, pylibjpeg-rle for RLE, pydicom for uncompressed pixels.
The codestream's own header is compared with the dataset's before a decoder may allocate by it.
"""

import dataclasses
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydicom.encaps import encapsulate, generate_fragments, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from dicom_io import reasons
from dicom_io.codestream import Codestream, read_codestream
from dicom_io.errors import PixelError
from dicom_io.gdcm_codec import decode_jpeg
from dicom_io.image import Image, PixelDescription
from dicom_io.silence import quiet_pydicom
from dicom_io.syntaxes import BIG_ENDIAN, EXPLICIT, NATIVE

Pixels = np.ndarray[Any, np.dtype[Any]]

_ENCAPSULATED_UNCOMPRESSED: Final = "1.2.840.10008.1.2.1.98"
_DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
_RLE: Final = "1.2.840.10008.1.2.5"
_JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
_RETIRED_JPEG: Final = ("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55")
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
    _RLE: ("pylibjpeg",),  # pydicom's own forgives runs that end outside the frame: what comes of them is no image
}
_DCT_PRECISIONS: Final = {
    "1.2.840.10008.1.2.4.50": (8,),
    **dict.fromkeys((_JPEG_EXTENDED, *_RETIRED_JPEG), (8, 12)),
}
"""What a frame of lossy JPEG may say of its bits (ITU-T T.81 table B.2); by anything else GDCM ends the process."""
_SELF_CORRECTING: Final = frozenset(uid for uid in _PLUGINS if ".4.8" in uid or ".4.9" in uid or ".4.20" in uid)
"""JPEG-LS and JPEG 2000: pydicom aligns their values by the codestream's own precision and sign."""
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_LEAST_PRECISION: Final = 8  # of what decoders put out, for images of fewer bits too
_RLE_GAIN: Final = 64  # two bytes make at most 128 (PS3.5 G.3)
_PANIC: Final = "pyo3_runtime"  # its PanicException, of decoders written in Rust, is no Exception and cannot be named
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
    uid = image.description.transfer_syntax_uid
    if uid in NATIVE:
        yield from _decode_native(image)
    elif uid in _DECODERS:
        for frame in split_frames(image):
            yield _DECODERS[uid](frame, image.description)
    else:
        raise PixelError(reasons.NO_DECODER)


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
        raise _failed(error) from error
    if len(found) < count:
        raise PixelError(reasons.TRUNCATED)
    return found


def _fragments(pixel_data: bytes) -> list[bytes]:
    fragments = list(generate_fragments(pixel_data))
    return fragments[1:]


def _decode_native(image: Image) -> Iterator[StoredFrame]:
    description, count = image.description, image.description.number_of_frames
    frame_bits = description.rows * description.columns * description.samples_per_pixel * description.bits_allocated
    if description.photometric_interpretation == "YBR_FULL_422":
        frame_bits = frame_bits // 3 * 2
    if len(image.pixel_data) * 8 < frame_bits * count:
        raise PixelError(reasons.TRUNCATED)
    if image.pixel_data.endswith(_SEQUENCE_END) and image.pixel_data.startswith(_ITEM):
        raise PixelError(reasons.BAD_DESCRIPTION)  # encapsulated under an uncompressed transfer syntax
    if description.bits_allocated == 1:
        swapped = description.transfer_syntax_uid == BIG_ENDIAN and image.pixel_vr == "OW"
        packed = swap_words(image.pixel_data) if swapped else image.pixel_data
        yield from (_unpack(packed, description, index) for index in range(count))
        return
    options = {**_options(description), "number_of_frames": count, "pixel_vr": image.pixel_vr}
    for index in range(count):
        yield _call_pydicom(description, image.pixel_data, options, description.transfer_syntax_uid, index=index)


def swap_words(value: bytes) -> bytes:
    """Return 16-bit words in the other byte order; an odd byte at the end is left out."""
    return np.frombuffer(value[: len(value) // 2 * 2], dtype="<u2").byteswap().tobytes()


def _unpack(packed: bytes, description: PixelDescription, index: int = 0) -> StoredFrame:
    """Take frame `index` out of bits, the first pixel the least significant (PS3.5 8.1.1); pydicom loses the last bits.

    Frames of native pixel data begin where the one before ends, within a byte if need be.
    """
    shape = (description.rows, description.columns)
    if description.samples_per_pixel != 1:
        raise PixelError(reasons.BAD_DESCRIPTION)
    count = shape[0] * shape[1]
    start, skipped = divmod(index * count, 8)
    octets = np.frombuffer(packed, dtype=np.uint8, offset=start, count=math.ceil((skipped + count) / 8))
    bits = np.unpackbits(octets, bitorder="little")[skipped : skipped + count]
    return StoredFrame(bits.reshape(shape), description.photometric_interpretation)


def _decode_uncompressed(frame: bytes, description: PixelDescription) -> StoredFrame:
    if len(frame) < description.frame_bytes:
        raise PixelError(reasons.TRUNCATED)
    if description.bits_allocated == 1:
        return _unpack(frame, description)
    return _call_pydicom(description, frame, {**_options(description), "pixel_vr": "OB"}, EXPLICIT)


def _decode_deflated(frame: bytes, description: PixelDescription) -> StoredFrame:
    """Decode Deflated Image Frame Compression (PS3.5 A.4.13), never inflating more than the frame has."""
    try:
        inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, description.frame_bytes)
    except zlib.error as error:
        raise PixelError(reasons.DAMAGED) from error
    return _decode_uncompressed(inflated, description)


def _decode_rle(frame: bytes, description: PixelDescription) -> StoredFrame:
    if len(frame) * _RLE_GAIN < description.frame_bytes:
        raise PixelError(reasons.TRUNCATED)
    if description.bits_allocated > 1:
        return _try_plugins(frame, description)
    packed = dataclasses.replace(
        description, rows=1, columns=description.frame_bytes, bits_allocated=8, bits_stored=8, high_bit=7
    )
    return _unpack(_try_plugins(frame, packed).pixels.tobytes(), description)


def _decode_codestream(frame: bytes, description: PixelDescription) -> StoredFrame:
    _check_codestream(read_codestream(frame), description)
    return _try_plugins(frame, description)


def _decode_deep_jpeg(frame: bytes, description: PixelDescription) -> StoredFrame:
    """Decode JPEG that may have 12 bits."""
    codestream = read_codestream(frame)
    _check_codestream(codestream, description)
    if codestream is not None and codestream.precision <= 8 and description.transfer_syntax_uid == _JPEG_EXTENDED:  # noqa: PLR2004  # bits
        return _try_plugins(frame, description)
    try:
        samples = decode_jpeg(frame, description)
    except _FOREIGN_ERRORS as error:
        raise _failed(error) from error
    by_pixel = dataclasses.replace(description, planar_configuration=0)
    return _decode_uncompressed(samples, by_pixel)


def _check_codestream(codestream: Codestream | None, description: PixelDescription) -> None:
    if codestream is None:
        raise PixelError(reasons.DAMAGED)
    stated = (description.rows, description.columns, description.samples_per_pixel)
    if (codestream.rows, codestream.columns, codestream.samples) != stated:
        raise PixelError(reasons.SIZE_DIFFERS)
    possible = _DCT_PRECISIONS.get(description.transfer_syntax_uid, (codestream.precision,))
    if codestream.precision > max(description.bits_allocated, _LEAST_PRECISION) or codestream.precision not in possible:
        raise PixelError(reasons.BAD_DESCRIPTION)
    if not codestream.complete or not codestream.possible:
        raise PixelError(reasons.TRUNCATED)


def _try_plugins(frame: bytes, description: PixelDescription) -> StoredFrame:
    uid = description.transfer_syntax_uid
    encapsulated = encapsulate([frame], has_bot=False)
    failed = PixelError(reasons.DAMAGED)
    for plugin in _PLUGINS[uid]:
        try:
            return _call_pydicom(description, encapsulated, _options(description), uid, plugin=plugin)
        except PixelError as error:
            failed = error
    raise failed


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
        raise _failed(error) from error
    except BaseException as error:
        if type(error).__module__ != _PANIC:
            raise
        raise PixelError(reasons.DAMAGED) from error
    if transfer_syntax_uid not in _SELF_CORRECTING and description.keyword == "PixelData":
        pixels = _stored_bits(pixels, description)
    return StoredFrame(pixels, str(meta["photometric_interpretation"]))


def _failed(error: BaseException) -> PixelError:
    """Say why, by what a decoder raised: an image that there is no room for is not damaged."""
    return PixelError(reasons.OUT_OF_MEMORY if isinstance(error, MemoryError) else reasons.DAMAGED)


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


_DECODERS: Final[dict[str, Callable[[bytes, PixelDescription], StoredFrame]]] = {
    **dict.fromkeys(_PLUGINS, _decode_codestream),
    **dict.fromkeys((_JPEG_EXTENDED, *_RETIRED_JPEG), _decode_deep_jpeg),
    _RLE: _decode_rle,
    _ENCAPSULATED_UNCOMPRESSED: _decode_uncompressed,
    _DEFLATED_FRAMES: _decode_deflated,
}
"""One frame of encapsulated pixel data to its stored values, by transfer syntax."""
