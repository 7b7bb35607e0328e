"""Stored files as answers: whole or a part (RFC 9110 14), piece by piece."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agent.web.objects import AS_IT_IS, stored_file
from dicom_io.store import pieces

_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
NOT_IN_IT: Final = "The file is shorter than the part that was asked for."


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of the store as a row names it."""

    path: str
    sha256: str
    size: int
    media_type: str


def sent(
    request: Request, file: StoredFile, *, part: str | None = None, has: str | None = None, headers: Mapping[str, str]
) -> Response:
    """Return the file, or the `part` that is asked for; 304 if it is what who asks `has` already."""
    tag = f'"{file.sha256}"'
    if has is not None and tag in {one.strip().removeprefix("W/") for one in has.split(",")}:
        return Response(status_code=304, headers={"ETag": tag})
    wanted = _wanted(part, file.size)
    start, end = wanted or (0, file.size)
    said = {"ETag": tag, "Accept-Ranges": "bytes", "Content-Length": str(end - start), **AS_IT_IS, **headers}
    if wanted is not None:
        said["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    body = _pieces(request, file.path, start, end - start)
    first = next(body, b"")  # while there can be another answer
    status = 200 if wanted is None else 206
    return StreamingResponse(chain((first,), body), status, headers=said, media_type=file.media_type)


def _wanted(part: str | None, size: int) -> tuple[int, int] | None:
    """Return where a part begins and ends; None for the whole. HTTPException, 416, for what is not in it."""
    found = _RANGE.fullmatch(part.strip()) if part else None
    if found is None or (not found[1] and not found[2]):
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2] or size - 1) + 1)
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise HTTPException(416, NOT_IN_IT, {"Content-Range": f"bytes */{size}"})
    return start, end


def _pieces(request: Request, relative: str, start: int, length: int) -> Iterator[bytes]:
    """Yield a part of a file piece by piece. HTTPException: 410, 503."""
    with stored_file(request, relative) as path:
        yield from pieces(path, start, length)
