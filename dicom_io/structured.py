"""A structured report (SR, Key Object Selection) as people read it: its content tree as plain text (PS3.3 C.17.3)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydicom import Dataset, dcmread

from dicom_io.errors import HeaderError
from dicom_io.opened import FOREIGN_ERRORS
from dicom_io.silence import quiet_pydicom

SR_CLASSES: Final = "1.2.840.10008.5.1.4.1.1.88."
"""What the SOP Class UIDs of all documents with a content tree begin with."""

_LARGEST: Final = 16 << 20  # bytes of a file
_DEEPEST: Final = 32
_MOST: Final = 5000  # content items
_LONGEST: Final = 20_000  # characters of one value


@dataclass(frozen=True, slots=True)
class ContentItem:
    """A content item: what it is about, its value in words ("" of a container), and what it holds.

    `reference` is the SOP Instance UID of the object that it points at, or "".
    """

    concept: str
    value: str
    reference: str
    items: tuple["ContentItem", ...]


@dataclass(frozen=True, slots=True)
class StructuredReport:
    """A report: its title, what it says of its own state, and its content; `whole` is false where it was too long."""

    title: str
    completion: str
    verification: str
    content_date: str
    content_time: str
    manufacturer: str
    items: tuple[ContentItem, ...]
    whole: bool


class _Room:
    """How many content items may still be read."""

    def __init__(self) -> None:
        self.left = _MOST
        self.whole = True

    def take(self, depth: int) -> bool:
        """Tell whether there is room for one more at that depth."""
        self.left -= 1
        self.whole = self.whole and self.left >= 0 and depth <= _DEEPEST
        return self.left >= 0 and depth <= _DEEPEST


def read_structured(path: Path) -> StructuredReport:
    """Return the report in a file. HeaderError if there is none, or it makes no sense."""
    try:
        with quiet_pydicom():
            return _read(path)
    except HeaderError:
        raise
    except FOREIGN_ERRORS as error:
        message = f"expected a structured report. Received: {type(error).__name__}"
        raise HeaderError(message) from None


def _read(path: Path) -> StructuredReport:
    if path.stat().st_size > _LARGEST:
        message = "expected a report of a readable size. Received: a larger one"
        raise HeaderError(message)
    dataset = dcmread(path, stop_before_pixels=True)
    if not str(dataset.get("SOPClassUID", "")).startswith(SR_CLASSES):
        message = "expected a structured report. Received: an object of another class"
        raise HeaderError(message)
    room = _Room()
    items = tuple(_items(dataset, room, 1))
    return StructuredReport(
        title=_meaning(dataset, "ConceptNameCodeSequence") or "Report",
        completion=_text(dataset, "CompletionFlag"),
        verification=_text(dataset, "VerificationFlag"),
        content_date=_text(dataset, "ContentDate"),
        content_time=_text(dataset, "ContentTime"),
        manufacturer=_text(dataset, "Manufacturer"),
        items=items,
        whole=room.whole,
    )


def _items(dataset: Dataset, room: _Room, depth: int) -> Iterator[ContentItem]:
    for item in dataset.get("ContentSequence") or ():
        if not room.take(depth):
            return
        value, reference = _value(item)
        yield ContentItem(
            _meaning(item, "ConceptNameCodeSequence"), value, reference, tuple(_items(item, room, depth + 1))
        )


_SIMPLE: Final = {
    "TEXT": "TextValue",
    "PNAME": "PersonName",
    "DATE": "Date",
    "TIME": "Time",
    "DATETIME": "DateTime",
    "UIDREF": "UID",
}
"""The attribute that holds the value, by value type (PS3.3 table C.17.3-7)."""


def _value(item: Dataset) -> tuple[str, str]:
    """Return a content item's value in words, and the SOP Instance UID that it refers to."""
    kind = _text(item, "ValueType")
    if kind in _SIMPLE:
        return _text(item, _SIMPLE[kind]), ""
    match kind:
        case "CODE":
            return _meaning(item, "ConceptCodeSequence"), ""
        case "NUM":
            return _number(item), ""
        case "IMAGE" | "COMPOSITE" | "WAVEFORM":
            return _reference(item)
        case "SCOORD" | "SCOORD3D" | "TCOORD":
            shape = _text(item, "GraphicType") or _text(item, "TemporalRangeType")
            return f"coordinates: {shape.lower()}", ""
        case _:
            return "", ""


def _number(item: Dataset) -> str:
    measured = next(iter(item.get("MeasuredValueSequence") or ()), None)
    if measured is None:
        return _meaning(item, "NumericValueQualifierCodeSequence") or "no value"
    unit = _meaning(measured, "MeasurementUnitsCodeSequence")
    return f"{_text(measured, 'NumericValue')} {'' if unit == 'no units' else unit}".strip()


def _reference(item: Dataset) -> tuple[str, str]:
    referred = next(iter(item.get("ReferencedSOPSequence") or ()), None)
    if referred is None:
        return "an object", ""
    frames = _text(referred, "ReferencedFrameNumber")
    return f"frame {frames}" if frames else "", _text(referred, "ReferencedSOPInstanceUID")


def _meaning(dataset: Dataset, keyword: str) -> str:
    """Return what a code means: its meaning, else its value."""
    code = next(iter(dataset.get(keyword) or ()), None)
    return "" if code is None else _text(code, "CodeMeaning") or _text(code, "CodeValue")


def _text(dataset: Dataset, keyword: str) -> str:
    value: Any = dataset.get(keyword)
    if value is None:
        return ""
    parts = value if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else (value,)
    return ", ".join(str(part) for part in parts)[:_LONGEST].strip()
