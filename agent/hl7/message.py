"""HL7 v2 messages as segments, fields and components (v2.5.1 chapter 2, 2.5), read from any bytes and written.

python-hl7 divides and joins them. Texts are unescaped, escaped, decoded and encoded here (`text`, `charsets`).
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import hl7

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

Part: TypeAlias = hl7.Container | str
"""A part of a message as the library holds it; a text where nothing divides it."""

MOST_PARTS: Final = 100_000
"""Of a message that is read: the library makes objects of all (about 8 microseconds and 700 bytes for each)."""

_NO_MESSAGE: Final = "expected a message that begins with MSH and its delimiters. Received: something else"
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})  # whose first field is the field separator itself

for _module in (hl7.containers, hl7.util):  # it names its loggers by file, and what they log quotes values
    logging.getLogger(_module.__file__).disabled = True


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that was read. Fields, repetitions and components count from 1, as in the standard."""

    parts: hl7.Segment
    delimiters: Delimiters
    codec: str = "ascii"

    @property
    def name(self) -> str:
        """What it begins with."""
        return str(self.parts[0])

    def field(self, number: int) -> str:
        """Return a field as it was sent; "" where there is none."""
        return str(self._field(number))

    def repetitions(self, number: int) -> tuple[Part, ...]:
        """Return each repetition of a field, for `part`; none of an empty field."""
        return tuple(self._field(number)) if self.field(number) else ()

    def value(self, number: int, component: int = 1, subcomponent: int = 1, *, repetition: int = 1) -> str:
        """Return a value without escape sequences; "" where there is none."""
        return self.part(_child(self._field(number), repetition), component, subcomponent)

    def part(self, repetition: Part, component: int = 1, subcomponent: int = 1) -> str:
        """Return a value of one of the `repetitions`, without escape sequences; "" where there is none."""
        leaf = _child(_child(repetition, component), subcomponent)
        return self.delimiters.unescaped(str(leaf), self.codec)

    def _field(self, number: int) -> Part:
        return self.parts[number] if number < len(self.parts) else ""


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

    Raises MessageError unless it begins with MSH and delimiters that can be, and has no more than MOST_PARTS.
    """
    decoded = charsets.decode(message.lstrip(b"\r\n \t"), default=default_charset)
    delimiters = delimiters_of(decoded.text)
    if delimiters is None:
        raise MessageError(_NO_MESSAGE)
    lines = [line for line in re.split(r"[\r\n]+", decoded.text) if _NAME.match(line)]
    lines[0] += delimiters.field  # the library looks for the end of MSH-2, and takes MSH for its own fields without
    if len(lines) + sum(decoded.text.count(one) for one in delimiters.dividing) > MOST_PARTS:
        detail = f"expected a message of at most {MOST_PARTS} fields and parts of fields. Received: more"
        raise MessageError(detail)
    try:
        found = hl7.parse("\r".join(lines))
    except (hl7.HL7Exception, LookupError, ValueError):  # they quote what they did not expect
        raise MessageError(_NO_MESSAGE) from None
    return Message(tuple(Segment(one, delimiters, decoded.codec) for one in found), decoded.as_declared)


def write(segments: Iterable[Written], charset: str) -> bytes:
    """Return a message: segments with their fields by number, each text escaped, empty ones at an end left out."""
    message = hl7.Message(sequence=[_segment(name, fields) for name, fields in segments])
    return charsets.encode(str(message), charset)


def _child(part: Part, number: int) -> Part:
    """Return a part's part; what nothing divides is its own first one."""
    if isinstance(part, str):
        return part if number == 1 else ""
    return part(number) if number <= len(part) else ""


def _segment(name: str, fields: Mapping[int, Field]) -> hl7.Segment:
    parts: list[Part] = [name]
    if name in _HEADERS:
        parts += [STANDARD.field, STANDARD.encoding_characters]
    parts += [_field(fields.get(number, "")) for number in range(len(parts), max(fields, default=0) + 1)]
    return hl7.Segment(sequence=_trimmed(parts))


def _field(value: Field) -> Part:
    if isinstance(value, list):
        return hl7.Field(sequence=[_repetition(one) for one in value])
    return _repetition(value)


def _repetition(value: Repetition) -> Part:
    if isinstance(value, str):
        return STANDARD.escaped(value)
    return hl7.Repetition(sequence=_trimmed([_component(one) for one in value]))


def _component(value: Component) -> Part:
    if isinstance(value, str):
        return STANDARD.escaped(value)
    return hl7.Component(sequence=_trimmed([STANDARD.escaped(one) for one in value]))


def _trimmed(parts: list[Part]) -> list[Part]:
    while parts and not str(parts[-1]):
        parts.pop()
    return parts
