"""What readers think of the AI's results, as data: for those who evaluate it."""

from itertools import islice
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from agent.web import trail
from agent.web.api.model import Instant, Model, Moment, Uid
from agent.web.api.paging import After, Limit, Page, next_page, place, placed
from agent.web.api.security import Viewer
from agent.web.services import services_of
from db.feedback import Also, Finding, all_feedback
from db.outcome import Outcome

router: Final = APIRouter(tags=["Feedback"])


class FeedbackTold(Model):
    """An opinion, bound to the result and the model that it is of. Of each result the last that stands counts."""

    id: int
    study_instance_uid: Uid
    at: Moment
    person: str
    agrees: bool
    finding: Finding
    reason: str
    finding_text: str
    also: Also = Field(description="What else the reader sees, of a list that has codes, or empty.")
    revision: int = Field(ge=1)
    outcome: Outcome = Field(description="Of the AI. Triage aid, not a diagnosis.")
    probability: float | None
    threshold: float
    model_name: str
    model_version: str
    model_sha256: str
    undone_at: Moment | None = Field(description="When it was taken back; null: it stands.")


class Feedback(Page[FeedbackTold]):
    """A part of the opinions, the oldest first."""


@router.get("/feedback", summary="List what readers think of the AI's results, the oldest first")
def list_feedback(
    request: Request,
    _viewer: Viewer,
    since: Annotated[Instant | None, Query(examples=["2026-03-01T00:00:00Z"])] = None,
    until: Annotated[Instant | None, Query(description="Itself not within.")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Feedback:
    """List the opinions of a span of time, those that were taken back too."""
    trail.searched(request, "feedback by the API")
    rows = all_feedback(services_of(request).database, since=since, until=until, after=placed(after))
    found = list(islice(rows, limit + 1))
    shown = found[:limit]
    following = next_page(request, found, limit, place(shown[-1].at, shown[-1].id)) if shown else None
    return Feedback(items=tuple(FeedbackTold.model_validate(row) for row in shown), next=following)
