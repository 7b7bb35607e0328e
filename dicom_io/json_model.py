"""The DICOM JSON Model (PS3.18 annex F) of a stored file. Never fails for an odd value: that element is left out.

Pixel data and long binary values are addresses (BulkDataURI), the rest is inline. Text is Unicode, whatever the file's
character set, and Specific Character Set says so.
"""

import base64
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag

from dicom_io.json_message import COMPONENTS
from dicom_io.opened import FOREIGN_ERRORS, Opened
from dicom_io.silence import quiet_pydicom

Uri = Callable[[str], str]
"""Makes the address of a bulk value from its path: tags of 8 hexadecimal digits, numbers of items between them."""

INLINE: Final = 1024
"""Longer binary values (bytes) are addresses."""

_WORDS: Final = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_BINARY: Final = frozenset({"OB", "UN", *_WORDS})
_WHOLE: Final = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
_REAL: Final = frozenset({"DS", "FD", "FL"})
_SPECIFIC_CHARACTER_SET: Final = "00080005"
_UNICODE: Final = {"vr": "CS", "Value": ["ISO_IR 192"]}


def json_model(opened: Opened, uri: Uri) -> dict[str, Any]:
    """Return the elements of a file, by tag in 8 hexadecimal digits."""
    with quiet_pydicom():
        found = _Converter(uri, little_endian=opened.little_endian).dataset(opened.dataset, "")
    if opened.pixels is not None:
        key = f"{opened.pixels.tag:08X}"
        found[key] = {"vr": opened.pixels.vr, "BulkDataURI": uri(key)}
    return {_SPECIFIC_CHARACTER_SET: _UNICODE, **found}


class _Converter:
    def __init__(self, uri: Uri, *, little_endian: bool) -> None:
        self._uri = uri
        self._little_endian = little_endian

    def dataset(self, dataset: Dataset, path: str) -> dict[str, Any]:
        """Return a dataset or an item; `path` is that of its sequence's item, with a slash at its end."""
        found = {}
        for tag in sorted(dataset.keys()):
            if tag.element == 0 or tag.group <= 2:  # noqa: PLR2004 - group lengths, and what is not the dataset's
                continue
            key = f"{tag:08X}"
            if (element := self._element(dataset, tag, path + key)) is not None:
                found[key] = element
        if _SPECIFIC_CHARACTER_SET in found:
            found[_SPECIFIC_CHARACTER_SET] = _UNICODE
        return found

    def _element(self, dataset: Dataset, tag: BaseTag, path: str) -> dict[str, Any] | None:
        try:
            raw = dataset.get_item(tag)
            if isinstance(raw, RawDataElement) and raw.value is None and raw.length > 0:  # so long that it was left
                vr = raw.VR or dictionary_VR(tag)
                return {"vr": vr, "BulkDataURI": self._uri(path)} if vr in _BINARY else None
            return self._converted(dataset[tag], path)
        except FOREIGN_ERRORS:
            return None

    def _converted(self, element: DataElement, path: str) -> dict[str, Any]:
        vr = str(element.VR)  # of those that implicit VR leaves open, the one that pydicom finds: else it raises
        if vr == "SQ":
            items = [self.dataset(item, f"{path}/{number}/") for number, item in enumerate(element.value, 1)]
            return {"vr": vr, "Value": items} if items else {"vr": vr}
        if vr in _BINARY:
            return self._binary(vr, element.value, path)
        values = [] if element.is_empty else list(element.value) if element.VM > 1 else [element.value]
        return {"vr": vr, "Value": [_value(vr, value) for value in values]} if values else {"vr": vr}

    def _binary(self, vr: str, value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401 - bytes, or what they were made
        if not value:
            return {"vr": vr}
        if not isinstance(value, bytes):
            message = f"expected bytes. Received: type={type(value).__name__}"
            raise TypeError(message)
        if len(value) > INLINE:
            return {"vr": vr, "BulkDataURI": self._uri(path)}
        return {"vr": vr, "InlineBinary": base64.b64encode(in_little_endian(value, vr, self._little_endian)).decode()}


def in_little_endian(value: bytes, vr: str, is_little_endian: bool) -> bytes:  # noqa: FBT001 - one word says it all
    """Return a binary value in the byte order of the model (PS3.18 F.2.7)."""
    size = _WORDS.get(vr, 1)
    if is_little_endian or size == 1:
        return value
    return np.frombuffer(value[: len(value) // size * size], f">u{size}").byteswap().tobytes()


def _value(vr: str, value: Any) -> Any:  # noqa: ANN401 - what pydicom makes of an element, and what JSON takes
    if value is None or value == "":
        return None
    if vr == "PN":
        groups = zip(COMPONENTS, str(value).split("="), strict=False)
        return {name: text for name, text in groups if text}
    if vr == "AT":
        return f"{int(value):08X}"
    if vr in _WHOLE:
        return int(value)
    if vr in _REAL:
        number = float(value)
        return number if math.isfinite(number) else str(number)
    return str(value)
