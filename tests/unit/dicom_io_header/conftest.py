"""Hand-made datasets, byte by byte, so that a test can write what no library would."""

import struct
from collections.abc import Callable

import pytest

LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT"}
UIDS = {0x00080016: b"1.2.840.10008.5.1.4.1.1.1", 0x00080018: b"1.2.3.4", 0x0020000D: b"1.2.3", 0x0020000E: b"1.2.3.1"}

Element = Callable[..., bytes]
Part10 = Callable[..., bytes]


def _element(tag: int, vr: bytes, value: bytes, *, length: int | None = None, order: str = "<") -> bytes:
    """Return an element; a VR of b"" makes it implicit, `length` may lie."""
    value += b"\0" * (len(value) % 2)
    count = len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if not vr:
        return head + struct.pack(f"{order}L", count) + value
    if vr in LONG:
        return head + vr + struct.pack(f"{order}HL", 0, count) + value
    return head + vr + struct.pack(f"{order}H", count) + value


def _part10(elements: dict[int, tuple[bytes, bytes]], *, implicit: bool = False, meta: bytes | None = None) -> bytes:
    """Return a file of the UIDs every Instance has and `elements` (tag to VR and value), in order."""
    merged = {tag: (b"UI", value) for tag, value in UIDS.items()} | elements
    body = b"".join(_element(tag, b"" if implicit else vr, value) for tag, (vr, value) in sorted(merged.items()))
    syntax = b"1.2.840.10008.1.2" if implicit else b"1.2.840.10008.1.2.1"
    if meta is None:
        meta = _element(0x00020010, b"UI", syntax)
    return b"\0" * 128 + b"DICM" + meta + body


@pytest.fixture
def element() -> Element:
    """Return the maker of single elements."""
    return _element


@pytest.fixture
def part10() -> Part10:
    """Return the maker of whole files."""
    return _part10
