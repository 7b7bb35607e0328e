"""Files to download: Instances and reports byte for byte, whole or a part (RFC 9110 14), pictures and heat maps."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from agent.web import image_pages, trail
from agent.web.api.model import UID_PATTERN
from agent.web.api.security import Viewer
from agent.web.api.studies import StudyUid
from agent.web.objects import AS_IT_IS, LOST, instance_of, record_of
from agent.web.services import services_of
from dicom_io.errors import LostError, StoreError
from dicom_io.store import Store

router: Final = APIRouter(tags=["Files"])

_CHUNK: Final = 1 << 18
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
NO_REPORT: Final = "No report of that number has been rendered for this study."
NOT_IN_IT: Final = "The file is shorter than the part that was asked for."
STORE_AWAY: Final = "The stored files cannot be reached just now. Nothing is lost; try again."

InstanceUid = Annotated[
    str,
    Path(
        max_length=64,
        pattern=UID_PATTERN,
        description="SOP Instance UID (0008,0018).",
        examples=["1.2.826.0.1.3680043.10.1505.1.1"],
    ),
]
Range = Annotated[str | None, Header(description="A part, as bytes=0-1023; one that is no single part is ignored.")]
IfRange = Annotated[str | None, Header(description="The ETag of which the part is wanted; else the whole is sent.")]
IfNoneMatch = Annotated[str | None, Header(description="The ETag of what is here already: 304.")]


def _binary(media_type: str) -> dict[int | str, dict[str, Any]]:
    content = {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}
    return {200: {"description": "The whole.", **content}}


def _parts(media_type: str) -> dict[int | str, dict[str, Any]]:
    whole = _binary(media_type)
    return {
        **whole,
        206: {**whole[200], "description": "The part."},
        304: {"description": "It is what is here already."},
    }


_INSTANCE: Final = "/studies/{study_instance_uid}/instances/{sop_instance_uid}"


@router.get(
    f"{_INSTANCE}/file",
    summary="Download an object",
    response_class=Response,
    responses=_parts("application/dicom"),
)
def download_instance(
    request: Request,
    _viewer: Viewer,
    study_instance_uid: StudyUid,
    sop_instance_uid: InstanceUid,
    range: Range = None,  # noqa: A002 - the header's name
    if_range: IfRange = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Send the file as it was received, or as the agent wrote it."""
    instance = instance_of(request)
    trail.viewed(request, study_instance_uid, f"file of {sop_instance_uid}")
    part = range if if_range is None or if_range == f'"{instance.sha256}"' else None
    store = services_of(request).store
    return _sent(store, instance.path, instance.sha256, instance.size, "application/dicom", part, if_none_match)


@router.get(
    "/studies/{study_instance_uid}/reports/{report_id}/file",
    summary="Download a report",
    response_class=Response,
    responses=_parts("*/*"),
)
def download_report(
    request: Request,
    _viewer: Viewer,
    study_instance_uid: StudyUid,
    report_id: Annotated[int, Path(ge=1, le=2_000_000_000, description="Of the study's `reports`.")],
    range: Range = None,  # noqa: A002 - the header's name
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Send a report as every destination was sent it; 404 before its first send. Its type is `media_type`."""
    record = record_of(request, study_instance_uid)
    row = next((one for one in record.reports if one["id"] == report_id and one["path"]), None)
    if row is None:
        raise HTTPException(404, NO_REPORT)
    trail.viewed(request, study_instance_uid, f"report {report_id}")
    store = services_of(request).store
    return _sent(store, row["path"], row["sha256"], row["size"], row["media_type"], range, if_none_match)


@router.get(
    f"{_INSTANCE}/heat-map",
    summary="Get the heat map of a flagged image",
    response_class=Response,
    responses=_binary("image/png"),
)
def get_heat_map(
    request: Request, _viewer: Viewer, study_instance_uid: StudyUid, sop_instance_uid: InstanceUid
) -> Response:
    """Send it as an overlay of the image's shape. It shows where the network's attention lay, not where disease is."""
    del study_instance_uid, sop_instance_uid  # of the request's path, where the page's own function looks
    return image_pages.show_heat_map(request)


@router.get(
    f"{_INSTANCE}/frames/{{frame}}/picture",
    summary="Get a frame as it is displayed",
    response_class=Response,
    responses=_binary("image/png"),
)
def get_picture(
    request: Request,
    _viewer: Viewer,
    study_instance_uid: StudyUid,
    sop_instance_uid: InstanceUid,
    frame: Annotated[int, Path(ge=1, le=99_999, description="From 1 on.")],
) -> Response:
    """Send a picture of the frame, with its own window."""
    del study_instance_uid, sop_instance_uid, frame
    return image_pages.show_picture(request)


def _sent(
    store: Store, path: str, sha256: str, size: int, media_type: str, part: str | None, has: str | None
) -> Response:
    """Return the file, or the part that is asked for."""
    tag = f'"{sha256}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", **AS_IT_IS}
    if has is not None and tag in {one.strip().removeprefix("W/") for one in has.split(",")}:
        return Response(status_code=304, headers={"ETag": tag})
    wanted = _wanted(part, size)
    start, end = wanted or (0, size)
    body = _pieces(store, path, start, end - start)
    try:
        first = next(body, b"")  # while there can be another answer
    except LostError:
        raise HTTPException(410, LOST) from None
    except StoreError:
        raise HTTPException(503, STORE_AWAY, {"Retry-After": "5"}) from None
    headers["Content-Length"] = str(end - start)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 200 if wanted is None else 206
    return StreamingResponse(chain((first,), body), status, headers=headers, media_type=media_type)


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


def _pieces(store: Store, relative: str, start: int, length: int) -> Iterator[bytes]:
    """Yield a part of a file piece by piece. Raises StoreError."""
    with store.local(relative) as path, path.open("rb") as file:
        file.seek(start)
        while length and (piece := file.read(min(_CHUNK, length))):
            length -= len(piece)
            yield piece
