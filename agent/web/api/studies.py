"""One study: everything on record about it."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from agent.web import trail
from agent.web.api.conditions import IfMatch, seen_of, tag_of, whole
from agent.web.api.model import UID_PATTERN, Model
from agent.web.api.record_model import StudyTold, told_record
from agent.web.api.security import Operator, Viewer
from agent.web.objects import record_of
from agent.web.services import services_of
from db.requeue import requeue_study

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


@router.get("/studies/{study_instance_uid}", summary="Tell everything on record about a study")
def show_study(request: Request, response: Response, _viewer: Viewer, study_instance_uid: StudyUid) -> StudyTold:
    """Events, Instances with the outcomes of images, results, reports, and deliveries with their attempts.

    Its ETag stays the same as long as nothing happens to the study; changes are made with it, in If-Match.
    """
    record = record_of(request, study_instance_uid)
    trail.viewed(request, study_instance_uid, "study by the API")
    response.headers["ETag"] = tag_of(record, seen_of(services_of(request).database, study_instance_uid))
    return told_record(record, services_of(request).clock())


class AnalysedAgain(Model):
    """What began."""

    revision: int = Field(ge=2, description="The new revision.")


@router.post("/studies/{study_instance_uid}/requeue", summary="Analyse a study again")
def analyse_again(
    request: Request, operator: Operator, study_instance_uid: StudyUid, if_match: IfMatch = None
) -> AnalysedAgain:
    """Begin a new revision of a concluded study in which every image is analysed again.

    Images that were withdrawn with a result count again. The last outcome stays on the worklist, marked as updating.
    """
    services = services_of(request)
    before, uid = whole(if_match), record_of(request, study_instance_uid).study.study_instance_uid
    revision = requeue_study(
        services.database, services.queue, uid, actor=operator.name, now=services.clock(), only_if=before
    )
    return AnalysedAgain(revision=revision)
