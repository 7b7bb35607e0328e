"""One study: everything on record about it."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.web import trail
from agent.web.api.conditions import tag_of
from agent.web.api.model import UID_PATTERN
from agent.web.api.record_model import StudyTold, told_record
from agent.web.api.security import Viewer
from agent.web.services import services_of
from db.worklist import StudyRecord, study_record

router: Final = APIRouter(tags=["Studies"])

StudyUid = Annotated[
    str,
    Path(
        max_length=64,
        pattern=UID_PATTERN,
        description="Study Instance UID (0020,000D).",
        examples=["1.2.826.0.1.3680043.10.1505.1"],
    ),
]
NO_STUDY: Final = "No study of that Study Instance UID has been received here."


@router.get("/studies/{study_instance_uid}", summary="Tell everything on record about a study")
def show_study(request: Request, response: Response, _viewer: Viewer, study_instance_uid: StudyUid) -> StudyTold:
    """Events, Instances with the outcomes of images, results, reports, and deliveries with their attempts.

    Its ETag stays the same as long as nothing happens to the study; changes are made with it, in If-Match.
    """
    record = record_of(request, study_instance_uid)
    trail.viewed(request, study_instance_uid, "study by the API")
    response.headers["ETag"] = tag_of(record)
    return told_record(record)


def record_of(request: Request, study_instance_uid: str) -> StudyRecord:
    """Return a study. HTTPException, 404, if there is none."""
    record = study_record(services_of(request).database, study_instance_uid)
    if record is None:
        raise HTTPException(404, NO_STUDY)
    return record
