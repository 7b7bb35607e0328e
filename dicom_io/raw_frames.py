"""Frames of a stored file as they are encoded in it, one at a time, without decoding: WADO-RS frames (PS3.18 10.4).

Uncompressed frames are handed out in little endian. Of the file nothing is read but the frames that are asked for.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydicom.encaps import get_frame

from dicom_io import reasons
from dicom_io.errors import HeaderError, PixelError
from dicom_io.json_model import in_little_endian
from dicom_io.opened import FOREIGN_ERRORS, Opened, PixelPlace, open_dataset
from dicom_io.silence import quiet_pydicom

_MAX_INFLATED: Final = 1 << 26  # of a deflated file, pixel data included; twice as much memory for each request
_MAX_FRAME: Final = 1 << 30
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class RawFrames:
    """The frames of an open file."""

    count: int
    encapsulated: bool
    _opened: Opened
    _place: PixelPlace

    def frame(self, number: int) -> bytes:
        """Return a frame by its number, the first is 1. PixelError if it is not there."""
        if not 1 <= number <= self.count:
            raise PixelError(reasons.TRUNCATED)
        return self._encapsulated(number) if self.encapsulated else self._native(number)

    def _encapsulated(self, number: int) -> bytes:
        source = self._opened.source
        source.seek(self._place.offset)
        tables = self._opened.value("ExtendedOffsetTable"), self._opened.value("ExtendedOffsetTableLengths")
        extended = tables if all(isinstance(table, bytes) and table for table in tables) else None
        try:
            with quiet_pydicom():
                found = get_frame(source, number - 1, number_of_frames=self.count, extended_offsets=extended)
        except FOREIGN_ERRORS:
            raise PixelError(reasons.DAMAGED) from None
        return found

    def _native(self, number: int) -> bytes:
        place, bits = self._place, _frame_bits(self._opened)
        first, size = (number - 1) * bits, math.ceil(bits / 8)
        if first % 8 or size > _MAX_FRAME:
            raise PixelError(reasons.NO_DECODER)  # frames of single bits that begin within a byte
        if place.length is None or first // 8 + size > place.length:
            raise PixelError(reasons.TRUNCATED)
        self._opened.source.seek(place.offset + first // 8)
        value = self._opened.source.read(size)
        if len(value) < size:
            raise PixelError(reasons.TRUNCATED)
        wide = "OW" if _is_wide(self._opened) else place.vr
        return in_little_endian(
            value, {0x7FE00008: "OF", 0x7FE00009: "OD"}.get(place.tag, wide), self._opened.little_endian
        )


@contextmanager
def raw_frames(path: Path, *, encapsulated: bool) -> Iterator[RawFrames]:
    """Open the frames of a file for a block; `encapsulated` is what its transfer syntax says.

    PixelError if it has no pixel data, or other ones than its transfer syntax says.
    """
    try:
        with open_dataset(path, max_inflated=_MAX_INFLATED) as opened:
            if opened.pixels is None:
                raise PixelError(reasons.NO_PIXELS)
            if (opened.pixels.length is None) != encapsulated:
                raise PixelError(reasons.BAD_DESCRIPTION)
            yield RawFrames(_count(opened), encapsulated, opened, opened.pixels)
    except HeaderError:
        raise PixelError(reasons.UNREADABLE) from None


def bulk_value(path: Path, where: Sequence[int]) -> Iterator[bytes]:
    """Yield a binary value piece by piece, in little endian; `where` are tags with numbers of items between them.

    HeaderError, before the first piece, if there is no such value.
    """
    message = "expected the place of a binary value. Received: another"
    with open_dataset(path, max_inflated=_MAX_INFLATED) as opened:
        if opened.pixels is not None and list(where) == [opened.pixels.tag]:
            if opened.pixels.length is None:
                raise HeaderError(message)
            yield from _pieces(opened, opened.pixels.offset, opened.pixels.length)
            return
        yield _nested_value(opened, where, message)


def _nested_value(opened: Opened, where: Sequence[int], message: str) -> bytes:
    dataset: Any = opened.dataset
    raw: Any = None
    rest = list(where)
    try:
        with quiet_pydicom():
            while len(rest) > 1:
                tag, number = rest.pop(0), rest.pop(0)
                dataset = dataset[tag].value[number - 1] if number > 0 else dataset[-1]
            raw = dataset.get_item(rest[0])
            value: Any = dataset[rest[0]].value if raw is not None and raw.value is not None else None
    except FOREIGN_ERRORS:
        raise HeaderError(message) from None
    if raw is not None and value is None and len(where) == 1 and getattr(raw, "length", 0) > 0:
        opened.source.seek(raw.value_tell)
        value = opened.source.read(raw.length)
    if not isinstance(value, bytes):
        raise HeaderError(message)
    return in_little_endian(value, str(getattr(raw, "VR", "OB") or "OW"), opened.little_endian)


def _pieces(opened: Opened, offset: int, length: int) -> Iterator[bytes]:
    opened.source.seek(offset)
    wide = _is_wide(opened)
    while length > 0 and (piece := opened.source.read(min(_CHUNK, length))):
        length -= len(piece)
        yield in_little_endian(piece, "OW" if wide else "OB", opened.little_endian)


def _is_wide(opened: Opened) -> bool:
    """Tell whether a pixel takes more than a byte."""
    allocated = opened.value("BitsAllocated")
    return isinstance(allocated, int) and allocated > 8  # noqa: PLR2004 - bits of a byte


def _count(opened: Opened) -> int:
    try:
        return max(int(opened.value("NumberOfFrames") or 1), 1)
    except FOREIGN_ERRORS:
        return 1


def _frame_bits(opened: Opened) -> int:
    """Return how many bits one uncompressed frame takes (PS3.3 C.7.6.3, PS3.5 8.1.1)."""
    said = [opened.value(name) for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")]
    if not all(isinstance(value, int) and value > 0 for value in said):
        raise PixelError(reasons.BAD_DESCRIPTION)
    bits = math.prod(int(value) for value in said if value is not None)
    return bits // 3 * 2 if opened.value("PhotometricInterpretation") == "YBR_FULL_422" else bits
