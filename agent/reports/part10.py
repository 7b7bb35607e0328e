"""The bytes of a report: a Part 10 file in Explicit VR Little Endian (PS3.10 section 7, PS3.5 section 7).

What the agent says is a pydicom Dataset of plain ASCII; what it takes over from the images is written as it came in.
The two are joined element by element, in order of tags.
"""

from collections.abc import Mapping
from struct import pack
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.uid import ExplicitVRLittleEndian

from agent.reports.document import Document
from agent.reports.evidence import CODE, TAKEN, Instance, Taken, taken_by_image
from dicom_io.file_meta import encode_file_meta

_LONG = frozenset({"SQ", "UT"})
_MAX_SHORT_LENGTH: Final = 0xFFFE
_ITEM: Final = pack("<HH", 0xFFFE, 0xE000)
_REQUIRED_OF_CODE: Final = frozenset({0x00080100, 0x00080102, 0x00080104})


def write(dataset: Dataset, source: Instance, *, image: bool = False) -> Document:
    """Return the document of what `dataset` says, in ASCII throughout, and of the identity in `source`.

    `image` says that the report is itself an image, which takes over a little more.
    """
    taken = taken_by_image(source) if image else TAKEN
    elements = {int(element.tag): _own(element) for element in dataset}
    elements |= {tag: written for tag, rule in taken.items() if (written := _take(tag, rule, source)) is not None}
    meta = encode_file_meta(dataset.SOPClassUID, dataset.SOPInstanceUID, ExplicitVRLittleEndian)
    return Document(
        media_type="application/dicom",
        data=meta + b"".join(elements[tag] for tag in sorted(elements)),
        sop_class_uid=dataset.SOPClassUID,
        identifier=dataset.SOPInstanceUID,
        series_instance_uid=dataset.SeriesInstanceUID,
    )


def _own(element: DataElement) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian = True
    buffer.is_implicit_VR = False
    write_data_element(buffer, element)
    return buffer.getvalue()


def _take(tag: int, rule: Taken, source: Instance) -> bytes | None:
    """Return the element as taken over, empty where it must be there, None where there is nothing to take."""
    if rule.items is not None:
        items = [_item(item, rule.items) for item in source.items(tag, rule.items)]
        value = b"".join(item for item in items if item)
        return _element(tag, rule.vr, value) if value else None
    value = source.values.get(tag, b"").rstrip(b"\0")
    bare = value.strip(b" ")
    if rule.pattern is not None:
        value = bare if rule.pattern.fullmatch(bare) else b""
    if not bare or len(value) > _MAX_SHORT_LENGTH:
        value = b""
    return _element(tag, rule.vr, value) if value or rule.type_2 else None


def _item(values: Mapping[int, bytes], vrs: Mapping[int, str]) -> bytes:
    """Return an item of a sequence that is taken over; b"" for one that says nothing, or a code that is incomplete."""
    present = {tag: value for tag, value in values.items() if value.strip(b"\0 ")}
    if vrs is CODE and not present.keys() >= _REQUIRED_OF_CODE:
        return b""
    body = b"".join(_element(tag, vrs[tag], present[tag].rstrip(b"\0")) for tag in sorted(present))
    return _ITEM + pack("<L", len(body)) + body if body else b""


def _element(tag: int, vr: str, value: bytes) -> bytes:
    value += b" " * (len(value) % 2 and vr != "SQ")
    head = pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode("ascii")
    return head + (pack("<HL", 0, len(value)) if vr in _LONG else pack("<H", len(value))) + value
