"""Elements and items as bytes, Explicit VR Little Endian (PS3.5 section 7): what is taken over stays as it came.

What the agent says itself is a pydicom Dataset of plain ASCII: its texts, sequences and pixels are written here, which
takes a fifth of pydicom's time, and anything else by pydicom.
"""

from collections.abc import Iterable, Mapping
from struct import pack
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr, write_data_element

from agent.reports.evidence import CODE, CODE_PARTS

_LONG: Final = frozenset({"OB", "SQ", "UC", "UR", "UT"})
_TEXTS: Final = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"})
_PADDED_BY_NULL: Final = frozenset({"OB", "UI"})
_ITEM: Final = pack("<HH", 0xFFFE, 0xE000)


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Return an element, padded to an even length."""
    if len(value) % 2:
        value += b"\0" if vr in _PADDED_BY_NULL else b" "
    head = pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode("ascii")
    return head + (pack("<HL", 0, len(value)) if vr in _LONG else pack("<H", len(value))) + value


def item(values: Mapping[int, bytes], vrs: Mapping[int, str]) -> bytes:
    """Return an item of a sequence that is taken over; b"" for one that says nothing, or a code that is incomplete."""
    present = {tag: value for tag, value in values.items() if value.strip(b"\0 ")}
    if vrs is CODE and not present.keys() >= set(CODE_PARTS):
        return b""
    body = b"".join(element(tag, vrs[tag], present[tag].rstrip(b"\0")) for tag in sorted(present))
    return _ITEM + pack("<L", len(body)) + body if body else b""


def sequence(tag: int, items: Iterable[bytes]) -> bytes:
    """Return a sequence of items, each the bytes of its elements."""
    return element(tag, "SQ", b"".join(_ITEM + pack("<L", len(one)) + one for one in items))


def encoded(dataset: Dataset) -> bytes:
    """Return the elements of a Dataset, whose texts are ASCII."""
    if any(" or " in one.VR for one in dataset):
        correct_ambiguous_vr(dataset, is_little_endian=True)
    return b"".join(map(own, dataset))


def own(one: DataElement) -> bytes:
    """Return an element of a Dataset, whose texts are ASCII."""
    vr, value = str(one.VR), one.value
    if vr == "SQ":
        return sequence(one.tag, map(encoded, value))
    if vr in _TEXTS and isinstance(value, str):
        return element(one.tag, vr, value.encode("ascii"))
    if vr == "OB" and isinstance(value, bytes):  # pixels: pydicom would copy megabytes twice more
        return element(one.tag, vr, value)
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = False
    write_data_element(buffer, one)
    return buffer.getvalue()
