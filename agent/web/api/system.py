"""The state of the system: what is done periodically, and the disks. It names no patient."""

from typing import Final, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from agent.web.api.model import Model, Moment
from agent.web.api.security import Watcher
from agent.web.services import services_of
from db.disks import disks
from db.ticks import ticks

router: Final = APIRouter(tags=["System"])


class TickTold(Model):
    """Something that is done periodically, once in the cluster."""

    name: str = Field(examples=["completion"])
    health: Literal["new", "ok", "running", "failing", "overdue"]
    process: str = Field(description="Which process does it.")
    period_seconds: float
    longest_seconds: float
    next_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    seconds: float | None = Field(description="How long the last run took.")
    runs: int = Field(ge=0)
    failures: int = Field(ge=0)
    failures_in_a_row: int = Field(ge=0)
    failing_since: Moment | None
    error: str = Field(description="Of the last run that failed.")


class Ticks(Model):
    """All of them; there are few."""

    items: tuple[TickTold, ...]


class DiskTold(Model):
    """How much room there is where store or database lie."""

    place: str = Field(examples=["store"])
    free_megabytes: int
    low_megabytes: int = Field(description="Below this it is said to be low.")
    refused_megabytes: int = Field(description="Below this new images are refused; 0: never.")
    refuses: bool
    low_since: Moment | None
    looked_at: Moment


class Disks(Model):
    """All of them."""

    items: tuple[DiskTold, ...]


@router.get("/ticks", summary="List what is done periodically")
def list_ticks(request: Request, _watcher: Watcher) -> Ticks:
    """When each ran, runs next, and how it went."""
    services = services_of(request)
    now = services.clock()
    names = [name for name in TickTold.model_fields if name != "health"]
    rows = ticks(services.database)
    return Ticks.model_validate(
        {"items": [{"health": row.health(now), **{name: getattr(row, name) for name in names}} for row in rows]}
    )


@router.get("/disks", summary="List the disks of store and database")
def list_disks(request: Request, _watcher: Watcher) -> Disks:
    """How much room there is, as was last looked."""
    return Disks(items=tuple(DiskTold.model_validate(row) for row in disks(services_of(request).database)))
