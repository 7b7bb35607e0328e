"""The DICOM JSON Model (PS3.18 annex F) from and to the dataset of a message: small datasets of keys and attributes.

Read by the element scanner, so that nothing in a peer's dataset can make it fail, warn or be logged: an element that
cannot be had, is binary, or whose value is none of its VR is left out. Written in UTF-8 (ISO_IR 192).
"""

import base64
import binascii
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from pydicom.datadict import dictionary_has_tag, dictionary_VR

from dicom_io.charset import ascii_text, codec_names, decode_text, without_controls
from dicom_io.errors import MatchingError
from dicom_io.identifier import encode_elements, encode_items, scan_dataset, syntax_of
from dicom_io.scan import EVERYTHING, Elements, Syntax, read_items
from dicom_io.syntaxes import DEFLATED, EXPLICIT

Model: TypeAlias = Mapping[str, Any]
"""A dataset: by tag in 8 hexadecimal digits a `vr`, and a `Value` where there is one."""

DEEPEST: Final = 8
"""Sequences nested deeper are left out."""
LARGEST: Final = 1 << 20
"""Larger datasets (bytes) are refused."""

_CHARACTER_SET: Final = 0x00080005
_UNICODE: Final = {"vr": "CS", "Value": ["ISO_IR 192"]}
_NUMBERS: Final = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_TEXTS: Final = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
)
_ONE_VALUE: Final = frozenset({"LT", "ST", "UT", "UR"})
COMPONENTS: Final = ("Alphabetic", "Ideographic", "Phonetic")
"""The component groups of a name (PS3.18 F.2.2), in their order in a value of VR PN."""


def decode(data: bytes, transfer_syntax: str) -> dict[str, Any]:
    """Return what a message's dataset says. Raises MatchingError for bytes that are none, or too many."""
    if len(data) > LARGEST:
        message = f"expected a dataset of at most {LARGEST} bytes. Received: {len(data)}"
        raise MatchingError(message)
    return _decoded(scan_dataset(data, transfer_syntax), syntax_of(transfer_syntax), ("ascii",), DEEPEST)


def encode(model: Model, transfer_syntax: str) -> bytes:
    """Return the dataset of a model, with its Specific Character Set. Raises MatchingError for what is no model."""
    native = EXPLICIT if transfer_syntax in DEFLATED else transfer_syntax
    elements = _elements({f"{_CHARACTER_SET:08X}": _UNICODE, **model}, native)
    return encode_elements(elements, transfer_syntax)


def text_of(model: Model, tag: str) -> str:
    """Return the first value of an element as text, "" where there is none."""
    for value in values_of(model, tag):
        return str(value.get("Alphabetic", "")) if isinstance(value, Mapping) else "" if value is None else str(value)
    return ""


def values_of(model: Model, tag: str) -> list[Any]:
    """Return the values of an element: of a sequence its items."""
    element = model.get(tag)
    found = element.get("Value") if isinstance(element, Mapping) else None
    return list(found) if isinstance(found, list) else []


def name_of(groups: Mapping[str, Any]) -> str:
    """Return a value of VR PN as one text, its component groups (PS3.5 6.2.1) parted by "="."""
    return "=".join(str(groups.get(kind, "")) for kind in COMPONENTS).rstrip("=")


def _decoded(elements: Elements, syntax: Syntax, codecs: tuple[str, ...], depth: int) -> dict[str, Any]:
    if said := elements.values.get(_CHARACTER_SET):
        codecs = codec_names([ascii_text(term) for term in said.split(b"\\")])
    found: dict[str, Any] = {}
    for tag, value in sorted(elements.values.items()):
        if tag == _CHARACTER_SET or not tag & 0xFFFF or tag >> 16 <= 2:  # noqa: PLR2004 - group lengths; no dataset's
            continue
        vr = elements.vrs[tag].decode("ascii", "replace") or (dictionary_VR(tag) if dictionary_has_tag(tag) else "UN")
        if vr == "UN" and dictionary_has_tag(tag):  # PS3.5 6.2.2: its sender did not know better
            vr = dictionary_VR(tag)
        if vr == "SQ" and depth > 0:
            items = read_items(value, syntax, EVERYTHING)
            found[f"{tag:08X}"] = _with({"vr": vr}, [_decoded(item, inner, codecs, depth - 1) for item, inner in items])
        elif vr in _TEXTS:
            found[f"{tag:08X}"] = _with({"vr": vr}, _texts(vr, decode_text(value.rstrip(b"\0"), codecs)))
        elif vr in _NUMBERS:
            found[f"{tag:08X}"] = _with({"vr": vr}, _numbers(vr, value, "<" if syntax.little_endian else ">"))
    return found


def _with(element: dict[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    return {**element, "Value": list(values)} if values else element


def _texts(vr: str, text: str) -> list[Any]:
    if not text.strip():
        return []
    if vr in _ONE_VALUE:
        return [text.rstrip()]
    parts = [without_controls(part).strip() for part in text.split("\\")]
    if vr == "PN":
        return [dict(_groups(part)) for part in parts]
    return [_value(vr, part) if part else None for part in parts]


def _value(vr: str, text: str) -> str | int | float:
    """Return a number in text as a number, if it is one."""
    try:
        if vr == "IS":
            return int(text)
        if vr == "DS" and math.isfinite(number := float(text)):
            return number
    except ValueError:
        pass
    return text


def _groups(name: str) -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in zip(COMPONENTS, name.split("="), strict=False) if text]


def _numbers(vr: str, value: bytes, order: str) -> list[Any]:
    size = struct.calcsize(f"={_NUMBERS[vr]}")
    whole = value[: len(value) // size * size]
    return [one for (one,) in struct.iter_unpack(f"{order}{_NUMBERS[vr]}", whole)]


def _elements(model: Model, transfer_syntax: str) -> dict[int, tuple[str, bytes]]:
    found = {}
    for tag, element in model.items():
        try:
            found[int(tag, 16)] = element["vr"], _encoded(element, transfer_syntax)
        except (KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
            message = f"expected the DICOM JSON Model. Received: ({tag[:8]}) {type(error).__name__}"
            raise MatchingError(message) from None
    return found


def _encoded(element: Mapping[str, Any], transfer_syntax: str) -> bytes:
    vr, values = element["vr"], element.get("Value", [])
    if vr == "SQ":
        items = [encode_elements(_elements(item, transfer_syntax), transfer_syntax) for item in values]
        return encode_items(items, transfer_syntax)
    if vr in _NUMBERS:
        order = "<" if syntax_of(transfer_syntax).little_endian else ">"
        return b"".join(struct.pack(f"{order}{_NUMBERS[vr]}", value) for value in values)
    if vr in _TEXTS:
        return "\\".join(_written(vr, value) for value in values).encode()
    try:
        return base64.b64decode(element.get("InlineBinary", ""), validate=True)
    except binascii.Error as error:
        raise ValueError from error


def _written(vr: str, value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if value is None:
        return ""
    return name_of(value) if vr == "PN" else str(value)
