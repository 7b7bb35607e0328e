"""A document inside a DICOM object: Encapsulated PDF and its like (PS3.3 A.45)."""

from pathlib import Path
from typing import Final

from dicom_io.attributes import Attributes
from dicom_io.errors import HeaderError
from dicom_io.scan import open_stream, read_elements

PDF_CLASS: Final = "1.2.840.10008.5.1.4.1.1.104.1"
_DOCUMENT, _MIME_TYPE, _LENGTH = 0x00420011, 0x00420012, 0x00420015
_STOP: Final = 0x00430000
_LARGEST: Final = 64 << 20  # bytes
_BEGINS: Final = b"%PDF-"
_PADDING: Final = 1


def read_pdf(path: Path) -> bytes:
    """Return the PDF in a file. HeaderError if there is none, or what is there is no PDF."""
    with path.open("rb") as file:
        stream = open_stream(file, max_inflated=_LARGEST)
        wanted = frozenset({_DOCUMENT, _MIME_TYPE, _LENGTH})
        elements = read_elements(stream.source, stream.syntax, wanted, stop=_STOP, limit=_LARGEST)
    found = Attributes(elements, stream.syntax)
    document = found.raw(_DOCUMENT)
    if found.text(_MIME_TYPE) != "application/pdf" or not document.startswith(_BEGINS):
        message = "expected a PDF inside the object. Received: none"
        raise HeaderError(message)
    length = int.from_bytes(found.raw(_LENGTH), "little" if stream.syntax.little_endian else "big")
    return document[:length] if len(document) - length == _PADDING else document
