"""Attributes of a dataset or of a sequence's item, understood from their raw values on request."""

import io
import math
import struct
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Self

from dicom_io.charset import ascii_text
from dicom_io.scan import Elements, Syntax, read_elements, read_items


@dataclass(frozen=True, slots=True)
class Attributes:
    """Elements with the means to understand them; what is absent or makes no sense is 0, "" or empty."""

    elements: Elements
    syntax: Syntax

    def raw(self, tag: int) -> bytes:
        """Return the raw value, b"" if absent."""
        return self.elements.values.get(tag, b"")

    def shorts(self, tag: int, *, signed: bool = False) -> tuple[int, ...]:
        """Return 16-bit integers (VR US, SS or OW)."""
        value = self.raw(tag)
        count = len(value) // 2
        order = "<" if self.syntax.little_endian else ">"
        return struct.unpack_from(f"{order}{count}{'h' if signed else 'H'}", value)

    def short(self, tag: int, default: int = 0) -> int:
        """Return an unsigned 16-bit integer."""
        return next(iter(self.shorts(tag)), default)

    def texts(self, tag: int) -> tuple[str, ...]:
        """Return the values of a multi-valued text of the default character set (VR CS, DS, IS, UI)."""
        value = ascii_text(self.raw(tag))
        return tuple(part.strip("\0 ") for part in value.split("\\")) if value else ()

    def text(self, tag: int) -> str:
        """Return the first of `texts`."""
        return next(iter(self.texts(tag)), "")

    def decimals(self, tag: int) -> tuple[float, ...]:
        """Return decimals (VR DS, IS), NaN where one is not a finite number."""
        return tuple(_decimal(text) for text in self.texts(tag))

    def items(self, tag: int, wanted: Container[int]) -> Iterator[Self]:
        """Yield the items of a sequence with their `wanted` elements."""
        for elements, syntax in read_items(self.raw(tag), self.syntax, wanted):
            yield type(self)(elements, syntax)

    def item(self, tag: int, wanted: Container[int]) -> Self:
        """Return the first item of a sequence with its `wanted` elements; if there is none, an empty one."""
        empty = type(self)(read_elements(io.BytesIO(), self.syntax, (), stop=0), self.syntax)
        return next(self.items(tag, wanted), empty)


def _decimal(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
