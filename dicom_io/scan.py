"""The element scanner: raw values of chosen elements out of a DICOM stream, without reading the rest.

It is called for every received Instance, so it takes few steps: it walks over element headers and seeks past values. It
converts nothing, so nothing in a value can make it fail or warn (pydicom quotes odd values in warnings and log lines,
which are no place for patient data). It holds no more than the chosen values, and walks nested sequences with a stack
of its own, at most `MAX_DEPTH` deep. Encoding rules: PS3.5 section 7.
"""

import io
import zlib
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO, Final

from dicom_io.errors import HeaderError
from dicom_io.syntaxes import BIG_ENDIAN, DEFLATED

MAX_DEPTH = 64
MAX_VALUE = 1 << 20
"""Values longer than this (bytes) are passed over unless asked for: no header attribute is that long."""
MAX_INFLATED = 8 << 20
"""How much of a deflated dataset is inflated (bytes) unless more is asked for: a header fits."""

_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFEE000
_ITEM_GROUP = (b"\xfe\xff", b"\xff\xfe")  # items and delimiters have no VR: their length may look like one
_ENDS = frozenset({0xFFFEE00D, 0xFFFEE0DD})  # of an item, of a sequence
_HEAD, _LENGTH = 8, 4
_LAST_GROUP = 0x7FFF
_LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_TRANSFER_SYNTAX_UID = 0x00020010
_PREAMBLE = 128
_CHUNK = 1 << 16
_META_GROUP_END = 0x00030000


class _Everything:
    def __contains__(self, tag: object) -> bool:
        return True


EVERYTHING: Final = _Everything()
"""For who wants every element."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """How elements are encoded: VR and byte order."""

    explicit: bool
    little_endian: bool


@dataclass(frozen=True, slots=True)
class Stream:
    """An opened file: its file meta elements, and the dataset's `source` at its first element."""

    meta: dict[int, bytes]
    syntax: Syntax
    source: BinaryIO


@dataclass(frozen=True, slots=True)
class Formats:
    """The layouts of an element's beginning in one byte order."""

    explicit: Struct
    implicit: Struct
    length: Struct


_FORMATS = {
    True: Formats(Struct("<HH2sH"), Struct("<HHL"), Struct("<L")),
    False: Formats(Struct(">HH2sH"), Struct(">HHL"), Struct(">L")),
}
_META_SYNTAX = Syntax(explicit=True, little_endian=True)


@dataclass(frozen=True, slots=True)
class Elements:
    """Raw values and VRs (b"" where implicit) of elements by tag number, and the tags that could not be had.

    `missed` are wanted elements whose value is longer than the limit, or cut short by the end of the stream.
    """

    values: dict[int, bytes]
    vrs: dict[int, bytes]
    missed: frozenset[int]


def open_stream(source: BinaryIO, *, max_inflated: int = MAX_INFLATED) -> Stream:
    """Find the dataset in `source`, a Part 10 file or, as old software writes them, one without preamble or file meta.

    Of a deflated dataset at most the first `max_inflated` bytes are there, however far it would expand. Raises
    HeaderError if what stands there is no DICOM element.
    """
    head = source.read(_PREAMBLE + 4)
    if head[_PREAMBLE:] != b"DICM":
        source.seek(0)
    meta: dict[int, bytes] = {}
    start = source.tell()
    for tag, _, value in _elements(source, _META_SYNTAX, EVERYTHING, stop=_META_GROUP_END, limit=MAX_VALUE):
        if value is not None:
            meta[tag] = value
            start = source.tell()
    source.seek(start)
    transfer_syntax = meta.get(_TRANSFER_SYNTAX_UID, b"").rstrip(b"\0 ").decode("ascii", "replace")
    if transfer_syntax in DEFLATED:
        source = _inflate(source, max_inflated)
    return Stream(meta, _guess(source, transfer_syntax), source)


def read_elements(
    source: BinaryIO, syntax: Syntax, wanted: Container[int], *, stop: int, limit: int = MAX_VALUE
) -> Elements:
    """Return the `wanted` elements (by tag number) before the first element at or after `stop`.

    `source` is then at that element. The end of the stream ends the reading: whether enough was there is for the caller
    to say. Of a tag that stands twice the last value counts, as in pydicom. With a negative `limit` no value is read:
    `missed` says what is there.
    """
    values: dict[int, bytes] = {}
    vrs: dict[int, bytes] = {}
    missed: set[int] = set()
    for tag, vr, value in _elements(source, syntax, wanted, stop=stop, limit=limit):
        if value is None:
            missed.add(tag)
        else:
            values[tag], vrs[tag] = value, vr
    return Elements(values, vrs, frozenset(missed))


def read_items(value: bytes, syntax: Syntax, wanted: Container[int]) -> Iterator[tuple[Elements, Syntax]]:
    """Yield, for each item of a sequence's raw `value`, its `wanted` elements and how they are encoded."""
    item_head = _FORMATS[syntax.little_endian].implicit
    position = 0
    while position + _HEAD <= len(value):
        group, element, length = item_head.unpack_from(value, position)
        if group << 16 | element != _ITEM:
            return
        position += _HEAD
        if length == _UNDEFINED:
            length = _item_length(value, position, syntax)
        item = value[position : position + length]
        inner = Syntax(_is_explicit(item[4:6]), syntax.little_endian) if len(item) >= _HEAD else syntax
        yield read_elements(io.BytesIO(item), inner, wanted, stop=_ITEM, limit=len(item)), inner
        position += length


def _is_explicit(vr: bytes) -> bool:
    """Tell a VR from the low bytes of an implicit element's length, which would be 16 KiB and more."""
    return vr.isalpha() and vr.isupper()


def _guess(source: BinaryIO, transfer_syntax: str) -> Syntax:
    """Tell the encoding from the first element, since headers lie about it and bare datasets do not say."""
    start = source.tell()
    head = source.read(_HEAD)
    source.seek(start)
    if len(head) < _HEAD:
        message = "expected a dataset. Received: nothing after the file meta information"
        raise HeaderError(message)
    little_endian = transfer_syntax != BIG_ENDIAN
    if not transfer_syntax:
        little_endian = head[1] == 0 or head[0] != 0
    group = int.from_bytes(head[:2], "little" if little_endian else "big")
    if not 0 < group <= _LAST_GROUP:
        message = f"expected a DICOM element. Received: group={group:#06x}"
        raise HeaderError(message)
    return Syntax(_is_explicit(head[4:6]), little_endian)


def _next(read: Callable[[int], bytes], formats: Formats, *, explicit: bool) -> tuple[int, bytes, int] | None:
    """Read an element's tag, VR and length, or None at the end. The VR is b"" where the element has none.

    Elements of explicit VR that have none are taken as implicit: some software switches within a file.
    """
    if len(head := read(_HEAD)) < _HEAD:
        return None
    vr = head[4:6]
    if not explicit or not _is_explicit(vr) or head[:2] in _ITEM_GROUP:
        group, element, length = formats.implicit.unpack(head)
        return group << 16 | element, b"", length
    group, element, _, length = formats.explicit.unpack(head)
    if vr in _LONG_VRS:
        if len(extra := read(_LENGTH)) < _LENGTH:
            return None
        (length,) = formats.length.unpack(extra)
    return group << 16 | element, vr, length


def _elements(
    source: BinaryIO, syntax: Syntax, wanted: Container[int], *, stop: int, limit: int
) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Yield tag, VR and raw value of each wanted element before `stop`; None where the value cannot be had.

    In the end `source` is at the element that stopped it.
    """
    formats = _FORMATS[syntax.little_endian]
    while head := _next(source.read, formats, explicit=syntax.explicit):
        if head[0] >= stop:
            source.seek(-(_HEAD + _LENGTH if head[1] in _LONG_VRS else _HEAD), io.SEEK_CUR)
            return
        tag, vr, length = head
        whole = True
        if length == _UNDEFINED:
            position = source.tell()
            whole = _skip_sequence(source, syntax, implicit=vr == b"UN")
            length = source.tell() - position
            source.seek(position)
        if tag in wanted and whole and length <= limit:
            value = source.read(length)
            yield tag, vr, value if len(value) == length else None
        else:
            source.seek(length, io.SEEK_CUR)
            if tag in wanted:
                yield tag, vr, None


def _skip_sequence(source: BinaryIO, syntax: Syntax, *, implicit: bool = False) -> bool:
    """Move `source` behind the end of the sequence (or item) of undefined length whose content starts here.

    Return whether there was an end. Each level keeps whether its elements have an explicit VR: what stands in an
    element of VR UN is always implicit (PS3.5 6.2.2).
    """
    formats = _FORMATS[syntax.little_endian]
    levels = [syntax.explicit and not implicit]
    while levels and (head := _next(source.read, formats, explicit=levels[-1])):
        tag, vr, length = head
        if tag in _ENDS:
            levels.pop()
        elif length == _UNDEFINED:
            levels.append(levels[-1] and vr != b"UN")
        else:
            source.seek(length, io.SEEK_CUR)
        if len(levels) > 2 * MAX_DEPTH:
            message = f"expected sequences nested at most {MAX_DEPTH} deep. Received: more"
            raise HeaderError(message)
    return not levels


def _item_length(value: bytes, position: int, syntax: Syntax) -> int:
    """Return the length of the item of undefined length whose first element stands at `position`."""
    inner = Syntax(_is_explicit(value[position + 4 : position + 6]), syntax.little_endian)
    source = io.BytesIO(value)
    source.seek(position)
    _skip_sequence(source, inner)
    return source.tell() - position


def _inflate(source: BinaryIO, room: int) -> BinaryIO:
    """Inflate at most `room` bytes from the beginning of a raw deflate stream (PS3.5 A.5)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    parts: list[bytes] = []
    try:
        while room > 0 and not inflater.eof and (chunk := inflater.unconsumed_tail or source.read(_CHUNK)):
            parts.append(inflater.decompress(chunk, room))
            room -= len(parts[-1])
    except zlib.error:
        pass  # what was inflated before the damage may hold the header
    return io.BytesIO(b"".join(parts))
