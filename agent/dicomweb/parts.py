"""The parts of a multipart/related body (RFC 2387, RFC 2046 5.1) as they arrive: no part is held in memory.

The parser is python-multipart's, which is fed what comes and says what it found.
"""

from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from agent.dicomweb.problems import ProblemError

DICOM: Final = "application/dicom"
_RELATED: Final = b"multipart/related"
_MAX_HEADERS: Final = 8
_MAX_HEADER_SIZE: Final = 1024

UNSUPPORTED: Final = 'expected a body of multipart/related; type="application/dicom"; boundary=... Received: another'
BROKEN: Final = "expected a body of well-formed parts. Received: another"
CUT: Final = "expected a body that ends with its last boundary. Received: one that ends before"


@dataclass(frozen=True, slots=True)
class PartBegins:
    """The headers of a part are over: its media type, without parameters, in lower case; "" if it does not say."""

    media_type: str


@dataclass(frozen=True, slots=True)
class PartData:
    """Some of a part's bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnds:
    """The part is complete."""


Found = PartBegins | PartData | PartEnds


@dataclass(slots=True)
class _Header:
    name: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)


class Parts:
    """A body as it arrives. Raises ProblemError for one that is not what its Content-Type says."""

    def __init__(self, content_type: str) -> None:
        """Begin; 415 for a Content-Type other than that of Part 10 files (PS3.18 8.6.1.1, 10.5.2)."""
        media_type, options = parse_options_header(content_type)
        kind, boundary = options.get(b"type", b"").lower(), options.get(b"boundary", b"")
        if media_type != _RELATED or kind.decode("latin-1") != DICOM or not boundary:
            raise ProblemError(415, UNSUPPORTED)
        self._found: list[Found] = []
        self._header = _Header()
        self._media_type = ""
        self._over = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_begin": self._begin_header,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": lambda: self._found.append(PartBegins(self._media_type)),
                    "on_part_data": lambda data, start, end: self._found.append(PartData(data[start:end])),
                    "on_part_end": lambda: self._found.append(PartEnds()),
                    "on_end": self._end,
                },
                max_header_count=_MAX_HEADERS,
                max_header_size=_MAX_HEADER_SIZE,
            )
        except FormParserError:
            raise ProblemError(415, UNSUPPORTED) from None

    def feed(self, chunk: bytes) -> list[Found]:
        """Return what is complete with `chunk`, in order."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise ProblemError(400, BROKEN) from None
        found, self._found = self._found, []
        return found

    def finish(self) -> None:
        """Take note that the body is over: 400 if its last boundary has not come."""
        if not self._over:
            raise ProblemError(400, CUT)

    def _begin(self) -> None:
        self._media_type = ""

    def _begin_header(self) -> None:
        self._header = _Header()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header.name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header.value += data[start:end]

    def _end_header(self) -> None:
        if self._header.name.lower() == b"content-type":
            self._media_type = self._header.value.partition(b";")[0].strip().lower().decode("latin-1")

    def _end(self) -> None:
        self._over = True
