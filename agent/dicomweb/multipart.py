"""Bodies of multipart/related (RFC 2387), made while they are sent."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from starlette.responses import StreamingResponse


@dataclass(frozen=True, slots=True)
class BodyPart:
    """A part: its media type, its address ("" if it has none), its bytes piece by piece."""

    media_type: str
    location: str
    pieces: Iterable[bytes]


def multipart(
    parts: Iterable[BodyPart], media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> StreamingResponse:
    """Return the answer that consists of `parts`, all of a media type; none of them is held in memory whole."""
    boundary = secrets.token_hex(16)
    content_type = f'multipart/related; type="{media_type}"; boundary={boundary}'
    return StreamingResponse(_body(parts, boundary), status, headers, media_type=content_type)


def _body(parts: Iterable[BodyPart], boundary: str) -> Iterator[bytes]:
    for part in parts:
        location = f"Content-Location: {part.location}\r\n" if part.location else ""
        yield f"--{boundary}\r\nContent-Type: {part.media_type}\r\n{location}\r\n".encode()
        yield from part.pieces
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
