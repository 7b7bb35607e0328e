"""The beginning of a Part 10 file: preamble, prefix and file meta information (PS3.10 section 7.1).

Written deterministically, without the AE titles of who sent it: the same dataset makes the same file, whichever peer it
comes from. That is why the implementation's version name never changes: a file written by one release must have the
digest that another gives it.
"""

import contextlib
import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from dicom_io.errors import HeaderError, UidError
from dicom_io.header import read_uid
from dicom_io.scan import open_stream, read_elements
from dicom_io.syntaxes import BIG_ENDIAN, EXPLICIT, IMPLICIT

IMPLEMENTATION_CLASS_UID: Final = "2.25.138214149991803761768463242179982822671"
IMPLEMENTATION_VERSION_NAME: Final = "TIBABU"

_PREAMBLE: Final = bytes(128) + b"DICM"
_GROUP: Final = 0x0002
_SOP_CLASS_UID: Final = 0x00080016
_SOP_INSTANCE_UID: Final = 0x00080018
_MEDIA_STORAGE_SOP_CLASS_UID: Final = 0x00020002
_MEDIA_STORAGE_SOP_INSTANCE_UID: Final = 0x00020003
_TRANSFER_SYNTAX_UID: Final = 0x00020010
_NATIVE: Final = {  # how a dataset without file meta information is encoded: (explicit VR, little endian)
    (False, True): IMPLICIT,
    (True, True): EXPLICIT,
    (True, False): BIG_ENDIAN,
}
_SHORT: Final = struct.Struct("<HH2sH")
_LONG: Final = struct.Struct("<HH2sHL")
_LONG_VRS: Final = frozenset({b"OB", b"OW", b"UN", b"UT", b"SQ"})
_MAX_VALUE: Final = 1 << 16  # more than any UID; what private information is longer does not matter here


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What it takes to send a file: its identity, its transfer syntax, and where in the file its dataset starts."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    dataset_offset: int


def encode_file_meta(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Return all of a Part 10 file that stands before its dataset. Values are written as they are, valid or not."""
    elements = b"".join(
        (
            _LONG.pack(_GROUP, 0x0001, b"OB", 0, 2) + b"\x00\x01",
            _element(0x0002, b"UI", sop_class_uid),
            _element(0x0003, b"UI", sop_instance_uid),
            _element(0x0010, b"UI", transfer_syntax_uid),
            _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
        )
    )
    return _PREAMBLE + _SHORT.pack(_GROUP, 0x0000, b"UL", 4) + struct.pack("<L", len(elements)) + elements


def _element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(_GROUP, number, vr, len(value)) + value


def read_file_meta(source: Path | bytes) -> FileMeta:
    """Read what it takes to send a file (or `bytes` that are a whole file) as it is.

    The identity is the dataset's, which is what a receiver compares; the file meta information's where the dataset
    cannot be read. Raises HeaderError for what is no DICOM file.
    """
    if isinstance(source, bytes):
        return _read(io.BytesIO(source))
    try:
        with source.open("rb") as file:
            return _read(file)
    except OSError as error:
        message = f"expected a readable file. Received: error={type(error).__name__}"
        raise HeaderError(message) from error


def _read(source: BinaryIO) -> FileMeta:
    meta, offset = _meta_group(source)
    source.seek(0)
    identity: dict[int, bytes] = {}
    native = ""
    try:
        stream = open_stream(source)
        wanted = (_SOP_CLASS_UID, _SOP_INSTANCE_UID)
        identity = read_elements(stream.source, stream.syntax, wanted, stop=_SOP_INSTANCE_UID + 1).values
        native = _NATIVE.get((stream.syntax.explicit, stream.syntax.little_endian), "")
    except HeaderError:
        pass  # a private transfer syntax may be anything: the file meta information says what it holds
    return FileMeta(
        _uid("SOP Class UID", identity.get(_SOP_CLASS_UID), meta.get(_MEDIA_STORAGE_SOP_CLASS_UID)),
        _uid("SOP Instance UID", identity.get(_SOP_INSTANCE_UID), meta.get(_MEDIA_STORAGE_SOP_INSTANCE_UID)),
        _uid("Transfer Syntax UID", meta.get(_TRANSFER_SYNTAX_UID), native.encode("ascii")),
        offset,
    )


def _uid(name: str, *candidates: bytes | None) -> str:
    """Return the first candidate that is a UID."""
    for candidate in candidates:
        with contextlib.suppress(UidError):
            return read_uid(candidate)
    message = f"expected a DICOM file with its {name}. Received: none"
    raise HeaderError(message)


def _meta_group(source: BinaryIO) -> tuple[dict[int, bytes], int]:
    """Return the raw values of the elements of group 2, by tag number, and where the first other element stands."""
    offset = len(_PREAMBLE) if source.read(len(_PREAMBLE))[128:] == b"DICM" else 0
    values: dict[int, bytes] = {}
    while True:
        source.seek(offset)
        head = source.read(_LONG.size)
        if len(head) < _SHORT.size or head[:2] != b"\x02\x00":
            return values, offset
        is_long = head[4:6] in _LONG_VRS
        start = _LONG.size if is_long else _SHORT.size
        length = int.from_bytes(head[8:12] if is_long else head[6:8], "little")
        source.seek(offset + start)
        values[_GROUP << 16 | int.from_bytes(head[2:4], "little")] = source.read(min(length, _MAX_VALUE))
        offset += start + length
