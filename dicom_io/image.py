"""An image Instance as it lies in a file: what describes its pixels, and the pixel data as encoded.

Nothing is decoded here and nothing is allocated that the file merely claims.
"""

import io
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from dicom_io import reasons
from dicom_io.attributes import Attributes
from dicom_io.charset import ascii_text
from dicom_io.errors import HeaderError, PixelError
from dicom_io.scan import MAX_INFLATED, Stream, open_stream, read_elements
from dicom_io.syntaxes import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, NATIVE

_TRANSFER_SYNTAX_UID: Final = 0x00020010
_SOP_CLASS_UID: Final = 0x00080016
_SAMPLES_PER_PIXEL: Final = 0x00280002
_PHOTOMETRIC_INTERPRETATION: Final = 0x00280004
_PLANAR_CONFIGURATION: Final = 0x00280006
_NUMBER_OF_FRAMES: Final = 0x00280008
_ROWS: Final = 0x00280010
_COLUMNS: Final = 0x00280011
_BITS_ALLOCATED: Final = 0x00280100
_BITS_STORED: Final = 0x00280101
_HIGH_BIT: Final = 0x00280102
_PIXEL_REPRESENTATION: Final = 0x00280103
_EXTENDED_OFFSET_TABLE: Final = 0x7FE00001
_EXTENDED_OFFSET_TABLE_LENGTHS: Final = 0x7FE00002
_PIXEL_DATA: Final = 0x7FE00010
_KEYWORDS: Final = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", _PIXEL_DATA: "PixelData"}
_WANTED: Final = frozenset(
    {_SOP_CLASS_UID, _SAMPLES_PER_PIXEL, _PHOTOMETRIC_INTERPRETATION, _PLANAR_CONFIGURATION, _NUMBER_OF_FRAMES}
    | {_ROWS, _COLUMNS, _BITS_ALLOCATED, _BITS_STORED, _HIGH_BIT, _PIXEL_REPRESENTATION}
)
_PIXEL_TAGS: Final = frozenset({_EXTENDED_OFFSET_TABLE, _EXTENDED_OFFSET_TABLE_LENGTHS, *_KEYWORDS})
_FIRST_PIXEL_TAG: Final = min(_PIXEL_TAGS)
_STOP: Final = _PIXEL_DATA + 1
_MAX_ATTRIBUTE: Final = 64 << 20  # bytes: more than the functional groups of any image within the limits take
_NONE: Final = -1  # a limit of length that reads no value
_SLACK: Final = 1 << 20  # bytes that a deflated dataset may have behind its pixels
_ALLOCATIONS: Final = frozenset({1, 8, 16, 32, 64})
_MONOCHROME: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOURS: Final = 3
_PHOTOMETRIC: Final = {1: "MONOCHROME2", 3: "RGB"}  # by samples per pixel, where old files do not say


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelLimits:
    """How much is decoded at most: frames, rows x columns of one, and bytes of the file and of all decoded frames."""

    max_frames: int = 256
    max_pixels_per_frame: int = 100_000_000
    max_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelDescription:
    """The Image Pixel module (PS3.3 C.7.6.3) as far as decoding needs it, checked for consistency."""

    transfer_syntax_uid: str
    keyword: str
    photometric_interpretation: str
    samples_per_pixel: int
    planar_configuration: int
    number_of_frames: int
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    @property
    def frame_bytes(self) -> int:
        """The bytes of one decoded frame."""
        return math.ceil(self.rows * self.columns * self.samples_per_pixel * self.bits_allocated / 8)

    @property
    def is_gray(self) -> bool:
        """Whether the frames are shown as gray rather than as RGB."""
        return self.photometric_interpretation in _MONOCHROME


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image Instance: its description, further attributes, and its pixel data as they are encoded in the file."""

    path: Path
    description: PixelDescription
    attributes: Attributes
    pixel_data: bytes
    pixel_vr: str
    extended_offsets: tuple[bytes, bytes] | None


def open_image(path: Path, limits: PixelLimits, wanted: Collection[int] = ()) -> Image:
    """Read the image in a file, and with it the `wanted` attributes (by tag number).

    The description is read and judged first: of pixel data that cannot be or are too large nothing is read or inflated.
    PixelError if there is no image, its pixel data are cut short, its description contradicts itself, or it is larger
    than the limits.
    """
    try:
        if path.stat().st_size > limits.max_bytes:
            raise PixelError(reasons.TOO_LARGE)
        with path.open("rb") as file:
            return _open(file, path, limits, _WANTED.union(wanted))
    except (HeaderError, OSError) as error:
        raise PixelError(reasons.UNREADABLE) from error


def _open(file: BinaryIO, path: Path, limits: PixelLimits, wanted: Collection[int]) -> Image:
    header_room = min(MAX_INFLATED, limits.max_bytes)
    stream = open_stream(file, max_inflated=header_room)
    source, syntax = stream.source, stream.syntax
    elements = read_elements(source, syntax, wanted, stop=_FIRST_PIXEL_TAG, limit=_MAX_ATTRIBUTE)
    start = source.tell()
    present = read_elements(source, syntax, _PIXEL_TAGS, stop=_STOP, limit=_NONE).missed
    if not present and source is not file and _size(source) >= header_room:
        raise PixelError(reasons.TOO_LARGE)
    tag = _pixel_tag(present, is_dicom=bool(stream.meta) or _SOP_CLASS_UID in elements.values)
    attributes = Attributes(elements, syntax)
    description = _describe(attributes, _transfer_syntax(stream), _KEYWORDS[tag])
    _check(description, limits)
    if not elements.missed.isdisjoint(wanted):
        raise PixelError(reasons.BAD_DESCRIPTION)
    if source is not file:  # deflated: as far as the header until now
        file.seek(0)
        room = start + 2 * description.frame_bytes * description.number_of_frames + _SLACK
        source = open_stream(file, max_inflated=room).source
    source.seek(start)
    pixels = Attributes(read_elements(source, syntax, _PIXEL_TAGS, stop=_STOP, limit=limits.max_bytes), syntax)
    if not pixels.elements.missed.isdisjoint(_KEYWORDS):
        raise PixelError(reasons.TRUNCATED)
    if not pixels.raw(tag):
        raise PixelError(reasons.EMPTY)
    offsets = pixels.raw(_EXTENDED_OFFSET_TABLE), pixels.raw(_EXTENDED_OFFSET_TABLE_LENGTHS)
    return Image(
        path=path,
        description=description,
        attributes=attributes,
        pixel_data=pixels.raw(tag),
        pixel_vr=pixels.elements.vrs[tag].decode("ascii") or "OW",
        extended_offsets=offsets if all(offsets) else None,
    )


def _size(source: BinaryIO) -> int:
    return source.seek(0, io.SEEK_END)


def _pixel_tag(present: Collection[int], *, is_dicom: bool) -> int:
    tags = [tag for tag in _KEYWORDS if tag in present]
    if not tags:
        raise PixelError(reasons.NO_PIXELS if is_dicom else reasons.UNREADABLE)
    return tags[-1]


def _transfer_syntax(stream: Stream) -> str:
    """Return the transfer syntax of the pixel data: as stated, but for uncompressed ones as they were found to be."""
    stated = ascii_text(stream.meta.get(_TRANSFER_SYNTAX_UID, b""))
    if stated and stated not in NATIVE | DEFLATED:
        return stated
    if not stream.syntax.little_endian:
        return BIG_ENDIAN
    return EXPLICIT if stream.syntax.explicit else IMPLICIT


def _describe(attributes: Attributes, transfer_syntax: str, keyword: str) -> PixelDescription:
    samples = attributes.short(_SAMPLES_PER_PIXEL, 1)
    allocated = attributes.short(_BITS_ALLOCATED)
    stored = attributes.short(_BITS_STORED) or allocated
    high_bit = attributes.short(_HIGH_BIT)
    frames = attributes.decimals(_NUMBER_OF_FRAMES)
    return PixelDescription(
        transfer_syntax_uid=transfer_syntax,
        keyword=keyword,
        photometric_interpretation=attributes.text(_PHOTOMETRIC_INTERPRETATION) or _PHOTOMETRIC.get(samples, ""),
        samples_per_pixel=samples,
        planar_configuration=attributes.short(_PLANAR_CONFIGURATION),
        number_of_frames=max(int(frames[0]), 1) if frames and not math.isnan(frames[0]) else 1,
        rows=attributes.short(_ROWS),
        columns=attributes.short(_COLUMNS),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high_bit if stored - 1 <= high_bit < allocated else stored - 1,
        signed=attributes.short(_PIXEL_REPRESENTATION) == 1,
    )


def _check(description: PixelDescription, limits: PixelLimits) -> None:
    """PixelError if the description is impossible or too large."""
    sound = (
        description.samples_per_pixel in _PHOTOMETRIC
        and description.bits_allocated in _ALLOCATIONS
        and description.bits_stored <= description.bits_allocated
        and description.planar_configuration in (0, 1)
        and description.rows > 0
        and description.columns > 0
    )
    if not sound:
        raise PixelError(reasons.BAD_DESCRIPTION)
    if description.number_of_frames > limits.max_frames:
        raise PixelError(reasons.TOO_MANY_FRAMES)
    shown = description.rows * description.columns * (1 if description.is_gray else _COLOURS)
    decoded = max(description.frame_bytes, shown) * description.number_of_frames
    if description.rows * description.columns > limits.max_pixels_per_frame or decoded > limits.max_bytes:
        raise PixelError(reasons.TOO_LARGE)
