"""Identifiers of queries, from and to their bytes (PS3.4 C.4.1.1.3): a dataset of keys in a context's transfer syntax.

Read by the element scanner, so that nothing in an Identifier can make it fail, warn or be logged; answers are written
in UTF-8 (ISO_IR 192), which holds any name.
"""

import io
import struct
import zlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final

from dicom_io.charset import codec_names, decode_text
from dicom_io.errors import HeaderError, MatchingError
from dicom_io.matching import Value
from dicom_io.query_keys import KEYS
from dicom_io.scan import EVERYTHING, MAX_INFLATED, Elements, Syntax, read_elements
from dicom_io.syntaxes import BIG_ENDIAN, DEFLATED, IMPLICIT

_CHARACTER_SET: Final = 0x00080005
_LEVEL: Final = 0x00080052
_RETRIEVE_AE_TITLE: Final = 0x00080054
_AVAILABILITY: Final = 0x00080056
_FAILED_UIDS: Final = 0x00080058
_TIMEZONE: Final = 0x00080201
_NAMES: Final = {key.tag: name for name, key in KEYS.items()}
_WITHOUT_MEANING: Final = frozenset({_CHARACTER_SET, _LEVEL, _RETRIEVE_AE_TITLE, _AVAILABILITY, _TIMEZONE})
_GROUP_LENGTH: Final = 0xFFFF
_BEHIND_ALL: Final = 1 << 32
_LONGEST_SHORT: Final = 0xFFFE
_LONG_VRS: Final = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
_PADDED_WITH_NUL: Final = frozenset({"UI", "OB", "UN"})


@dataclass(frozen=True, slots=True)
class Identifier:
    """What a request's Identifier says: the level, and the text of each key that we know by its keyword.

    `has_others` tells of keys that we neither match nor return.
    """

    level: str
    values: Mapping[str, str]
    has_others: bool


def syntax_of(transfer_syntax: str) -> Syntax:
    """Return how elements are encoded in a transfer syntax."""
    return Syntax(transfer_syntax != IMPLICIT, transfer_syntax != BIG_ENDIAN)


def read_identifier(data: bytes, transfer_syntax: str) -> Identifier:
    """Read an Identifier. Raises MatchingError for bytes that are none."""
    elements = scan_dataset(data, transfer_syntax)
    codecs = codec_names([term.decode("ascii", "replace") for term in _parts(elements, _CHARACTER_SET)])
    little = syntax_of(transfer_syntax).little_endian
    values = {
        name: _text(elements.values[tag], KEYS[name].vr, codecs, little_endian=little)
        for tag, name in _NAMES.items()
        if tag in elements.values
    }
    others = elements.values.keys() - _NAMES.keys() - _WITHOUT_MEANING
    level = decode_text(elements.values.get(_LEVEL, b""), ("ascii",)).strip("\0 ")
    return Identifier(level, values, any(tag & _GROUP_LENGTH for tag in others))


def scan_dataset(
    data: bytes, transfer_syntax: str, wanted: Container[int] = EVERYTHING, *, stop: int = _BEHIND_ALL
) -> Elements:
    """Return raw elements of a small dataset out of a message: the `wanted` ones before tag `stop`.

    Raises MatchingError for bytes that are no dataset.
    """
    try:
        if transfer_syntax in DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MAX_INFLATED)
        return read_elements(io.BytesIO(data), syntax_of(transfer_syntax), wanted, stop=stop, limit=len(data))
    except (HeaderError, zlib.error) as error:
        message = f"expected a dataset. Received: {type(error).__name__}"
        raise MatchingError(message) from None


def _parts(elements: Elements, tag: int) -> list[bytes]:
    return [part.strip(b"\0 ") for part in elements.values.get(tag, b"").split(b"\\")]


def _text(value: bytes, vr: str, codecs: tuple[str, ...], *, little_endian: bool) -> str:
    if vr == "US":
        return str(int.from_bytes(value[:2], "little" if little_endian else "big")) if len(value) > 1 else ""
    return decode_text(value.rstrip(b"\0"), codecs)


def encode_answer(
    level: str, retrieve_ae_title: str, attributes: Mapping[str, Value], names: tuple[str, ...], transfer_syntax: str
) -> bytes:
    """Return the Identifier of a response: the attributes of `names`, and from where what they describe can be had."""
    elements: dict[int, tuple[str, bytes]] = {
        _CHARACTER_SET: ("CS", b"ISO_IR 192"),
        _LEVEL: ("CS", level.encode("ascii")),
        _RETRIEVE_AE_TITLE: ("AE", retrieve_ae_title.encode("ascii")),
        _AVAILABILITY: ("CS", b"ONLINE"),
    }
    little = syntax_of(transfer_syntax).little_endian
    for name in names:
        key = KEYS[name]
        elements[key.tag] = (key.vr, _encoded(attributes.get(name, ""), key.vr, little_endian=little))
    return encode_elements(elements, transfer_syntax)


def encode_failed_uids(sop_instance_uids: list[str], transfer_syntax: str) -> bytes:
    """Return the Identifier that lists the Instances which could not be sent (PS3.4 C.4.2.1.4.2)."""
    return encode_elements({_FAILED_UIDS: ("UI", "\\".join(sop_instance_uids).encode("ascii"))}, transfer_syntax)


def _encoded(value: Value, vr: str, *, little_endian: bool) -> bytes:
    if vr == "US":
        number = min(int(value), 0xFFFF) if isinstance(value, int) else 0
        return number.to_bytes(2, "little" if little_endian else "big") if number else b""
    if value == 0:  # nobody has read it
        return b""
    text = "\\".join(value) if isinstance(value, tuple) else str(value)
    return text.encode()


def encode_items(items: list[bytes], transfer_syntax: str) -> bytes:
    """Return the value of a sequence of encoded items (PS3.5 7.5)."""
    order = "<" if syntax_of(transfer_syntax).little_endian else ">"
    return b"".join(struct.pack(f"{order}HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)


def encode_elements(elements: Mapping[int, tuple[str, bytes]], transfer_syntax: str) -> bytes:
    """Return a dataset of elements (VR and value by tag; PS3.5 7.1.2).

    A value too long for the short length of its VR goes as UN (PS3.5 6.2.2).
    """
    syntax = syntax_of(transfer_syntax)
    order = "<" if syntax.little_endian else ">"
    parts = []
    for tag, (vr, value) in sorted(elements.items()):
        padded = value + (b"" if len(value) % 2 == 0 else b"\0" if vr in _PADDED_WITH_NUL else b" ")
        if not syntax.explicit:
            head = struct.pack(f"{order}HHL", tag >> 16, tag & 0xFFFF, len(padded))
        elif vr in _LONG_VRS or len(padded) > _LONGEST_SHORT:
            long = vr.encode("ascii") if vr in _LONG_VRS else b"UN"
            head = struct.pack(f"{order}HH2sHL", tag >> 16, tag & 0xFFFF, long, 0, len(padded))
        else:
            head = struct.pack(f"{order}HH2sH", tag >> 16, tag & 0xFFFF, vr.encode("ascii"), len(padded))
        parts.append(head + padded)
    data = b"".join(parts)
    if transfer_syntax not in DEFLATED:
        return data
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(data) + deflater.flush()
    return deflated + b"\0" * (len(deflated) % 2)
