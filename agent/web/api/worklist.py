"""The worklist: the studies in the order in which they should be read, other views of them, and search."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Body, Query
from pydantic import Field
from starlette.requests import Request

from agent.web import trail
from agent.web.api.model import Line, Model, Moment
from agent.web.api.paging import MOST as MOST_AT_ONCE
from agent.web.api.paging import After, Limit, Page, next_address, place, placed
from agent.web.api.security import Viewer
from agent.web.api.study_model import PriorityName, Study, told_study
from agent.web.services import services_of
from db.outcome import Outcome
from db.priority import Priority
from db.search import LONGEST, search_studies
from db.worklist_counts import MOST, worklist_counts
from db.worklist_view import Age, Show, Wanted, worklist_view

router: Final = APIRouter(tags=["Worklist"])

_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)
OutcomeName = Literal[Outcome.FLAGGED, Outcome.NOT_FLAGGED, Outcome.NOT_ANALYSED, Outcome.FAILED, "working"]


class Worklist(Page[Study]):
    """A part of the worklist, the next study to read first, or of another view."""


class Counts(Model):
    """What waits to be read."""

    studies: int = Field(ge=0, description=f"No more than {MOST} are counted: then all of it is true of these.")
    flagged: int = Field(ge=0)
    overdue: int = Field(ge=0, description="Past their due time.")
    oldest_received_at: Moment | None = Field(description="Since when the oldest one waits; null: none does.")
    mean_received_at: Moment | None = Field(description="From it until now they have waited in the mean.")


class SearchWanted(Model):
    """What is searched for."""

    typed: Annotated[str, Field(max_length=LONGEST, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        description="Words of a name, a Patient ID, an accession number or a UID.", examples=["doe"]
    )
    before: int | None = Field(default=None, ge=1, le=2_000_000_000, description="A place out of `next`.")
    limit: int = Field(default=50, ge=1, le=MOST_AT_ONCE)


class SearchFound(Model):
    """A part of the studies that were found, the latest first."""

    items: tuple[Study, ...]
    next: int | None = Field(description="The place to send as `before` for the next page; null: this is the last.")


@router.get("/worklist", summary="List the studies that wait to be read, the next one first, or another view")
def list_worklist(  # noqa: PLR0913, PLR0917 - what can be asked for
    request: Request,
    viewer: Viewer,
    show: Show = Show.UNREAD,
    outcome: OutcomeName | None = None,
    priority: PriorityName | None = None,
    modality: Annotated[Line, Query()] = "",
    sender: Annotated[Line, Query(description="Its AE title.")] = "",
    age: Age | None = None,
    mine: Annotated[bool, Query(description="Only what is assigned to who asks.")] = False,  # noqa: FBT002 - a parameter
    limit: Limit = 50,
    after: After = None,
) -> Worklist:
    """List them by due time; those that were read by when they were, others as they came, the latest first."""
    trail.searched(request, "worklist of the API")
    services = services_of(request)
    wanted = Wanted(
        show=show,
        outcome=outcome or "",
        priority=None if priority is None else Priority[priority.upper()],
        modality=modality,
        sender=sender,
        age=age,
        assigned_to=viewer.name if mine else "",
    )
    now = services.clock()
    seen = worklist_view(services.database, wanted, now=now, limit=limit, after=placed(after))
    following = None
    if seen.next is not None:
        at, number = seen.next
        following = next_address(request, place(at or _NO_TIME, number))
    return Worklist(items=tuple(told_study(row, now) for row in seen.rows), next=following)


@router.post("/worklist/search", summary="Search in all studies, the latest first")
def search_worklist(request: Request, _viewer: Viewer, wanted: Annotated[SearchWanted, Body()]) -> SearchFound:
    """Search for what somebody types. It names patients: it stands in the body and in no address."""
    trail.searched(request, "search by the API")
    services = services_of(request)
    found = search_studies(services.database, wanted.typed, limit=wanted.limit, before=wanted.before)
    return SearchFound(items=tuple(told_study(row, services.clock()) for row in found.rows), next=found.before)


@router.get("/worklist/counts", summary="Count the studies that wait to be read")
def count_worklist(request: Request, _viewer: Viewer) -> Counts:
    """All that wait, the flagged ones, those past their due time, and since when the oldest waits."""
    services = services_of(request)
    return Counts.model_validate(worklist_counts(services.database, now=services.clock()))
