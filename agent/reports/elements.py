"""Elements and items as bytes, Explicit VR Little Endian (PS3.5 section 7): what is taken over stays as it came."""

from collections.abc import Mapping
from struct import pack
from typing import Final

from agent.reports.evidence import CODE

_LONG: Final = frozenset({"SQ", "UT"})
_ITEM: Final = pack("<HH", 0xFFFE, 0xE000)
_REQUIRED_OF_CODE: Final = frozenset({0x00080100, 0x00080102, 0x00080104})


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Return an element, padded to an even length."""
    value += b" " * (len(value) % 2 and vr != "SQ")
    head = pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode("ascii")
    return head + (pack("<HL", 0, len(value)) if vr in _LONG else pack("<H", len(value))) + value


def item(values: Mapping[int, bytes], vrs: Mapping[int, str]) -> bytes:
    """Return an item of a sequence that is taken over; b"" for one that says nothing, or a code that is incomplete."""
    present = {tag: value for tag, value in values.items() if value.strip(b"\0 ")}
    if vrs is CODE and not present.keys() >= _REQUIRED_OF_CODE:
        return b""
    body = b"".join(element(tag, vrs[tag], present[tag].rstrip(b"\0")) for tag in sorted(present))
    return _ITEM + pack("<L", len(body)) + body if body else b""
