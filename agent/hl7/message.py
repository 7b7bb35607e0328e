"""HL7 v2 messages as segments, fields and components (v2.5.1 chapter 2, 2.5), read from any bytes and written."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.hl7 import charsets
from agent.hl7.errors import MessageError
from agent.hl7.text import STANDARD, Delimiters, delimiters_of

Component: TypeAlias = str | tuple[str, ...]
"""A text, or its subcomponents."""
Repetition: TypeAlias = str | tuple[Component, ...]
"""A text, or its components."""
Field: TypeAlias = Repetition | list[Repetition]
"""What a field is written from: a text, its components as a tuple, or its repetitions as a list. All are escaped."""

Written: TypeAlias = tuple[str, Mapping[int, Field]]
"""A segment to write: its name, and its fields by number."""

_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})  # whose first field is the field separator itself


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that was read. Fields, repetitions and components count from 1, as in the standard."""

    name: str
    fields: tuple[str, ...]
    delimiters: Delimiters
    codec: str = "ascii"

    def field(self, number: int) -> str:
        """Return a field as it was sent; "" where there is none."""
        return self.fields[number - 1] if number <= len(self.fields) else ""

    def repetitions(self, number: int) -> tuple[str, ...]:
        """Return each repetition of a field as it was sent; none of an empty field."""
        whole = self.field(number)
        return tuple(whole.split(self.delimiters.repetition)) if whole else ()

    def value(self, number: int, component: int = 1, subcomponent: int = 1, *, repetition: int = 1) -> str:
        """Return a value without escape sequences; "" where there is none."""
        part = _part(self.field(number), self.delimiters.repetition, repetition)
        return self.part(part, component, subcomponent)

    def part(self, repetition: str, component: int = 1, subcomponent: int = 1) -> str:
        """Return a value of one of the `repetitions`, without escape sequences; "" where there is none."""
        part = _part(repetition, self.delimiters.component, component)
        return self.delimiters.unescaped(_part(part, self.delimiters.subcomponent, subcomponent), self.codec)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was read. `as_declared` is false where its character set had to be guessed."""

    segments: tuple[Segment, ...]
    as_declared: bool

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.header.value(10)

    def every(self, name: str) -> Iterator[Segment]:
        """Yield all segments of a name, in order."""
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment | None:
        """Return the first segment of a name."""
        return next(self.every(name), None)


def parse(message: bytes, *, default_charset: str = charsets.ASCII) -> Message:
    r"""Return the message in a frame. Segments may end with \n or \r\n too; lines that are none are left out.

    Raises MessageError unless it begins with MSH and delimiters that can be.
    """
    decoded = charsets.decode(message.lstrip(b"\r\n \t"), default=default_charset)
    delimiters = delimiters_of(decoded.text)
    if delimiters is None:
        detail = "expected a message that begins with MSH and its delimiters. Received: something else"
        raise MessageError(detail)
    lines = re.split(r"[\r\n]+", decoded.text)
    segments = tuple(_segment(line, delimiters, decoded.codec) for line in lines if _NAME.match(line))
    return Message(segments, decoded.as_declared)


def write(segments: Iterable[Written], charset: str) -> bytes:
    """Return a message: segments with their fields by number, each text escaped, empty ones at an end left out."""
    text = "".join(f"{_written(name, fields)}\r" for name, fields in segments)
    return charsets.encode(text, charset)


def _segment(line: str, delimiters: Delimiters, codec: str) -> Segment:
    name, *fields = line.split(delimiters.field)
    if name in _HEADERS:
        fields.insert(0, delimiters.field)
    return Segment(name, tuple(fields), delimiters, codec)


def _part(text: str, delimiter: str, number: int) -> str:
    parts = text.split(delimiter, number)
    return parts[number - 1] if number <= len(parts) else ""


def _written(name: str, fields: Mapping[int, Field]) -> str:
    first = 1
    parts = [name]
    if name in _HEADERS:
        parts.append(STANDARD.encoding_characters)
        first = 3
    parts += [_field(fields.get(number, "")) for number in range(first, max(fields, default=0) + 1)]
    return STANDARD.field.join(parts).rstrip(STANDARD.field)


def _field(value: Field) -> str:
    if isinstance(value, list):
        return STANDARD.repetition.join(_repetition(one) for one in value)
    return _repetition(value)


def _repetition(value: Repetition) -> str:
    if isinstance(value, str):
        return STANDARD.escaped(value)
    return _joined(STANDARD.component, [_component(one) for one in value])


def _component(value: Component) -> str:
    if isinstance(value, str):
        return STANDARD.escaped(value)
    return _joined(STANDARD.subcomponent, [STANDARD.escaped(one) for one in value])


def _joined(delimiter: str, parts: Sequence[str]) -> str:
    return delimiter.join(parts).rstrip(delimiter)
