"""The worklist: the studies in the order in which they should be read."""

from typing import Final

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from agent.web import trail
from agent.web.api.model import Model, Moment
from agent.web.api.paging import After, Limit, Page, next_page, place, placed
from agent.web.api.security import Viewer
from agent.web.api.study_model import Study, told_study
from agent.web.services import services_of
from db.worklist import worklist
from db.worklist_counts import MOST, worklist_counts

router: Final = APIRouter(tags=["Worklist"])


class Worklist(Page[Study]):
    """A part of the worklist, the next study to read first."""


class Counts(Model):
    """What waits to be read."""

    studies: int = Field(ge=0, description=f"No more than {MOST} are counted: then all of it is true of these.")
    flagged: int = Field(ge=0)
    overdue: int = Field(ge=0, description="Past their due time.")
    oldest_received_at: Moment | None = Field(description="Since when the oldest one waits; null: none does.")


@router.get("/worklist", summary="List the studies that wait to be read, the next one first")
def list_worklist(request: Request, _viewer: Viewer, limit: Limit = 50, after: After = None) -> Worklist:
    """List them in the order of their due times. A study leaves the list when it has been read."""
    trail.searched(request, "worklist of the API")
    rows = worklist(services_of(request).database, limit=limit + 1, after=placed(after))
    shown = rows[:limit]
    following = next_page(request, rows, limit, place(shown[-1].due_at, shown[-1].id)) if shown else None
    return Worklist(items=tuple(told_study(row) for row in shown), next=following)


@router.get("/worklist/counts", summary="Count the studies that wait to be read")
def count_worklist(request: Request, _viewer: Viewer) -> Counts:
    """All that wait, the flagged ones, those past their due time, and since when the oldest waits."""
    services = services_of(request)
    return Counts.model_validate(worklist_counts(services.database, now=services.clock()))
