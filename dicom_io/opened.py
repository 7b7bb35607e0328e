"""A stored file opened for handing out: its dataset up to the pixel data, and where the pixel data lie in the file.

Pixel data are neither read nor decoded, and of other long values only the place is noted, so that a file of any size
takes little memory. What is read has bounds: an empty item of a sequence has 8 bytes in a file and 700 in memory.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from dicom_io.errors import HeaderError
from dicom_io.scan import open_stream
from dicom_io.silence import quiet_pydicom

PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""Float Pixel Data, Double Float Pixel Data, Pixel Data."""

LONG: Final = 1 << 24
"""Values longer than this (bytes) stay in the file."""

_MOST_READS: Final = 600_000  # of the heads and values of elements and items
_MOST_BYTES: Final = 1 << 27
_MOST_ITEMS: Final = 200_000
_ITEMS: Final = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # how an item begins, in either byte order (PS3.5 7.5)
_LONG_VRS: Final = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_UNDEFINED: Final = 0xFFFFFFFF
_FOREIGN: Final = (ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RuntimeError)
FOREIGN_ERRORS: Final = (*_FOREIGN, TypeError, ValueError, struct.error, BytesLengthException, InvalidDicomError)
"""What pydicom raises on damaged input; RecursionError, for sequences too deep, is a RuntimeError."""


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where pixel data lie: from `offset` on; `length` is None where they are encapsulated (PS3.5 A.4)."""

    tag: int
    vr: str
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file: its elements before the pixel data, and the `source` in which what was left out lies."""

    dataset: Dataset
    source: BinaryIO
    little_endian: bool
    pixels: PixelPlace | None

    def value(self, keyword: str) -> Any:  # noqa: ANN401 - whatever pydicom makes of it
        """Return an element's value by keyword, None if it is absent or makes no sense."""
        try:
            with quiet_pydicom():
                return self.dataset.get(keyword)
        except FOREIGN_ERRORS:
            return None


class _Metered:
    """A file that is read within bounds. HeaderError beyond them."""

    def __init__(self, file: BinaryIO) -> None:
        self.seek = file.seek
        self.tell = file.tell
        self._file = file
        self._reads = self._bytes = 0

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        self._reads += 1
        self._bytes += len(found)
        if self._reads > _MOST_READS or self._bytes > _MOST_BYTES:
            raise _too_much()
        return found


def _too_much() -> HeaderError:
    return HeaderError("expected a header that fits in memory. Received: more elements, items or bytes")


def _check_items(dataset: Dataset) -> None:
    """Raise HeaderError for sequences that would not fit in memory, once they are made of their bytes."""
    size = items = 0
    rest = [dataset]
    while rest:
        for element in rest.pop().values():
            if not isinstance(element, RawDataElement):
                rest.extend(element.value if element.VR == "SQ" else ())
            elif isinstance(element.value, bytes) and element.value.startswith(_ITEMS):
                size += len(element.value)
                items += sum(element.value.count(item) for item in _ITEMS)
    if size > LONG or items > _MOST_ITEMS:
        raise _too_much()


@contextmanager
def open_dataset(path: Path, *, max_inflated: int) -> Iterator[Opened]:
    """Open a file for a block; of a deflated dataset at most `max_inflated` bytes are there.

    Raises HeaderError for what cannot be read as DICOM.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        message = f"expected a readable file. Received: error={type(error).__name__}"
        raise HeaderError(message) from error
    with file:
        yield _read(file, max_inflated)


def _read(file: BinaryIO, max_inflated: int) -> Opened:
    stream = open_stream(file, max_inflated=max_inflated)
    found: list[tuple[int, str, int]] = []

    def is_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if tag in PIXEL_TAGS:
            found.append((int(tag), vr or "", length))
        return bool(found)

    implicit = not stream.syntax.explicit
    source: Any = _Metered(stream.source)
    try:
        with quiet_pydicom():
            dataset = read_dataset(source, implicit, stream.syntax.little_endian, stop_when=is_pixels, defer_size=LONG)
            _check_items(dataset)
    except FOREIGN_ERRORS as error:
        message = f"expected a dataset that can be read. Received: error={type(error).__name__}"
        raise HeaderError(message) from None
    pixels = None
    if found:
        tag, vr, length = found[0]
        head = 12 if not implicit and vr in _LONG_VRS else 8
        offset = stream.source.tell() + head
        pixels = PixelPlace(tag, vr or "OW", offset, None if length == _UNDEFINED else length)
    return Opened(dataset, stream.source, stream.syntax.little_endian, pixels)
