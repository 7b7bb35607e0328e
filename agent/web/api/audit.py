"""The audit trail: who saw, did, sent or was refused what, when and from where."""

from typing import Annotated, Final

from fastapi import APIRouter, Body
from pydantic import Field
from starlette.requests import Request

from agent.web import trail
from agent.web.api.model import Instant, Line, Model, Moment, Uid
from agent.web.api.paging import MOST, Found, Place, place, placed
from agent.web.api.security import Auditor
from agent.web.services import services_of
from db.audit_search import AuditPage, AuditQuery, AuditRow, search
from db.audit_search import Place as AuditPlace
from db.audit_terms import EventAction, EventId, EventType

router: Final = APIRouter(tags=["Audit"])


class AuditWanted(Model):
    """What is searched for; what is null is not asked about."""

    person: Line | None = Field(None, description="Who: an account, a token, an AE title.", examples=["reader1"])
    source: Line | None = Field(None, description="From which address.", examples=["10.0.0.7"])
    study_instance_uid: Uid | None = None
    patient_id: Line | None = Field(None, description="As the patient was called then.")
    event: EventId | None = None
    action: EventAction | None = None
    failures: bool = Field(default=False, description="Only what did not go well.")
    since: Instant | None = Field(None, examples=["2026-03-01T00:00:00Z"])
    until: Instant | None = Field(None, description="Itself not within.", examples=["2026-03-02T00:00:00Z"])
    after: Place = None
    limit: int = Field(default=50, ge=1, le=MOST)


class AuditTold(Model):
    """An event of the trail, in the words of DICOM's audit messages (PS3.15 A.5)."""

    id: int
    at: Moment
    event: EventId
    type: EventType | None
    action: EventAction
    outcome: int = Field(description="0: success; 4, 8, 12: minor, serious, major failure.")
    person: str
    role: str
    source: str
    counterpart: str = Field(description="The other end of a transfer.")
    study_instance_uid: str
    patient_id: str
    detail: str


class AuditFound(Found[AuditTold]):
    """A part of the trail, the newest first."""


@router.post("/audit/search", summary="Search the audit trail, the newest events first")
def search_audit(request: Request, _auditor: Auditor, wanted: Annotated[AuditWanted, Body()]) -> AuditFound:
    """Search by who, from where, which study or patient, what, and when. The search itself is an event of the trail."""
    trail.seen(request, EventId.AUDIT_LOG_USED, detail="search by the API")
    query = AuditQuery(**wanted.model_dump(exclude={"after", "limit"}))
    before = placed(wanted.after)
    found = search(
        services_of(request).database,
        query,
        after=None if before is None else AuditPlace(*before),
        limit=wanted.limit,
    )
    return AuditFound(items=tuple(_told(row) for row in found.rows), next=_next(found))


def _next(found: AuditPage) -> str | None:
    return None if found.next is None else place(found.next.at, found.next.id)


def _told(row: AuditRow) -> AuditTold:
    event, who = row.event, row.event.who
    names = ("at", "event", "type", "action", "outcome", "counterpart", "study_instance_uid", "patient_id", "detail")
    values = {name: getattr(event, name) for name in names}
    return AuditTold(id=row.id, person=who.name, role=who.role, source=who.source, **values)
