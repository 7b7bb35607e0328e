"""A stored file opened for handing out: its dataset up to the pixel data, and where the pixel data lie in the file.

Pixel data are neither read nor decoded, and of other long values only the place is noted, so that a file of any size
takes little memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydicom import Dataset
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

_LONG_VRS: Final = frozenset({"OB", "OW", "OF", "OD", "OL", "OV", "UN"})
_UNDEFINED: Final = 0xFFFFFFFF
_FOREIGN: Final = (ArithmeticError, AttributeError, EOFError, LookupError, NotImplementedError, OSError, RuntimeError)
FOREIGN_ERRORS: Final = (*_FOREIGN, TypeError, ValueError, BytesLengthException, InvalidDicomError)
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
    try:
        with quiet_pydicom():
            dataset = read_dataset(
                stream.source, implicit, stream.syntax.little_endian, stop_when=is_pixels, defer_size=LONG
            )
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
