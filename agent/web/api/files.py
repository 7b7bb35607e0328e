"""Files to download: Instances and reports byte for byte, whole or a part (RFC 9110 14), pictures and heat maps."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.web import image_pages, trail
from agent.web.api.model import UID_PATTERN
from agent.web.api.security import Viewer
from agent.web.api.studies import StudyUid
from agent.web.objects import instance_of, record_of
from agent.web.sending import StoredFile, sent

router: Final = APIRouter(tags=["Files"])

NO_REPORT: Final = "No report of that number has been rendered for this study."

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
    del study_instance_uid, sop_instance_uid  # of the request's path, where the page's own function looks
    instance = instance_of(request)
    trail.exported(request, instance.study_instance_uid, f"object {instance.sop_instance_uid}")
    part = range if if_range is None or if_range == f'"{instance.sha256}"' else None
    file = StoredFile(path=instance.path, sha256=instance.sha256, size=instance.size, media_type="application/dicom")
    return sent(request, file, part=part, has=if_none_match, headers={})


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
    trail.exported(request, record.study.study_instance_uid, f"report {row['kind']}, {row['id']}")
    file = StoredFile(**{name: row[name] for name in ("path", "sha256", "size", "media_type")})
    return sent(request, file, part=range, has=if_none_match, headers={})


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
