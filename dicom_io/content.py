"""Whether two files under one SOP Instance UID are the same Instance in other bytes, or two different ones."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from pydicom import Dataset, dcmread
from pydicom.tag import BaseTag

from dicom_io.errors import PixelError
from dicom_io.frames import pixels_equal
from dicom_io.opened import FOREIGN_ERRORS

_ENCODING: Final = frozenset(
    {
        0x00080005,  # Specific Character Set: the decoded texts are compared
        0x00280004,  # Photometric Interpretation: a codec may change YBR to RGB
        0x00280006,  # Planar Configuration
        0x00282110,  # Lossy Image Compression
        0x00282112,  # ... Ratio
        0x00282114,  # ... Method
        0xFFFCFFFC,  # Data Set Trailing Padding
    }
)
_PIXEL_GROUP: Final = 0x7FE0
_CORRECTED: Final[Mapping[str, frozenset[int]]] = {
    "patient_name": frozenset({0x00100010}),
    "patient_id": frozenset({0x00100020, 0x00100024, 0x00101000, 0x00101002}),  # with its qualifiers, and other IDs
    "issuer_of_patient_id": frozenset({0x00100021, 0x00100024}),
    "patient_birth_date": frozenset({0x00100030, 0x00101010}),  # with Patient's Age
    "patient_sex": frozenset({0x00100040}),
}
_ORIGINAL_ATTRIBUTES: Final = 0x04000561  # what an archive that corrects writes down (PS3.3 C.12.1)


def same_content(first: Path, second: Path, corrected: Collection[str] = ()) -> bool:
    """Tell whether two files hold the same attributes and the same stored pixel values, whatever the transfer syntax.

    What only describes the encoding is not compared, nor are private attributes (a sender that changes to Implicit VR
    changes their VR), nor the attributes of identity that were `corrected` since the first came (their PS3.6 keywords
    in snake_case): an archive sends them corrected, too. What cannot be read or decoded is not the same: a person
    decides then.
    """
    try:
        one, other = dcmread(first, force=True), dcmread(second, force=True)
        for tag in _but_for(corrected):
            one.pop(tag, None)
            other.pop(tag, None)
        if not _same_attributes(one, other):
            return False
        if "PixelData" not in one and "PixelData" not in other:
            return True
        return pixels_equal(first, second)
    except (PixelError, *FOREIGN_ERRORS):
        return False


def _but_for(corrected: Collection[str]) -> set[int]:
    tags = {tag for name in corrected for tag in _CORRECTED.get(name, ())}
    return tags | {_ORIGINAL_ATTRIBUTES} if tags else tags


def _compared(dataset: Dataset) -> dict[BaseTag, object]:
    return {
        element.tag: element.value
        for element in dataset
        if element.tag not in _ENCODING
        and element.tag.group != _PIXEL_GROUP
        and not element.tag.is_private
        and element.tag.element != 0  # group lengths (retired) count encoded bytes
    }


def _same_attributes(one: Dataset, other: Dataset) -> bool:
    mine, theirs = _compared(one), _compared(other)
    if mine.keys() != theirs.keys():
        return False
    return all(_same_value(value, theirs[tag]) for tag, value in mine.items())


def _same_value(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list) and one and isinstance(one[0], Dataset):
        return len(one) == len(other) and all(_same_attributes(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other) or (not one and not other and one != 0 and other != 0)
