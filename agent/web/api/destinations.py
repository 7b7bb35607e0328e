"""Destinations: what is under way to each, whether it rests, and trying it now."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request

from agent.web.api.model import Model, Moment
from agent.web.api.security import Operator, Watcher
from agent.web.services import services_of
from agent.web.trail import who_asks
from db.breaker import rests, try_now
from db.delivery_list import open_deliveries

router: Final = APIRouter(tags=["Destinations"])

Name = Annotated[
    str, Path(max_length=32, pattern=r"^[A-Za-z0-9._-]+$", description="As configured.", examples=["PACS"])
]


class UnderWay(Model):
    """How much stands in one state that is not its last."""

    state: Literal["PARKED", "QUEUED", "STORED", "HELD"]
    reports: int = Field(ge=0)
    instances: int = Field(ge=0, description="Objects, in router mode.")
    oldest_created_at: Moment


class RestTold(Model):
    """That a destination failed."""

    state: Literal["CLOSED", "OPEN", "HALF_OPEN"] = Field(
        description="OPEN: it rests, nothing is sent. HALF_OPEN: it is being asked. CLOSED: it is sent to."
    )
    failures: int = Field(ge=0, description="In a row.")
    reason: str
    opened_at: Moment | None
    probe_at: Moment | None = Field(description="When it is asked again.")
    updated_at: Moment


class DestinationTold(Model):
    """A destination to which something is under way, or that has failed."""

    destination: str = Field(examples=["PACS"])
    under_way: tuple[UnderWay, ...]
    rest: RestTold | None = Field(description="Null: it has not failed.")


class Destinations(Model):
    """All of them, by name."""

    items: tuple[DestinationTold, ...]


class Tried(Model):
    """What is tried now."""

    deliveries: int = Field(ge=0, description="How many waited for it.")


@router.get("/destinations", summary="List destinations with what is under way, and whether they rest")
def list_destinations(request: Request, _watcher: Watcher) -> Destinations:
    """List those to which something is under way or parked, and those that have failed."""
    database = services_of(request).database
    failed = {row.destination: row for row in rests(database)}
    parts: dict[str, list[UnderWay]] = {name: [] for name in failed}
    for one in open_deliveries(database):
        parts.setdefault(one.destination, []).append(UnderWay.model_validate(one))
    return Destinations(
        items=tuple(
            DestinationTold(
                destination=name,
                under_way=tuple(parts[name]),
                rest=RestTold.model_validate(failed[name]) if name in failed else None,
            )
            for name in sorted(parts)
        )
    )


@router.post("/destinations/{destination}/try", summary="Try a destination now")
def try_destination(request: Request, _operator: Operator, destination: Name) -> Tried:
    """Ask it now if it rests, and send now what waits for its time. A repeat does no harm."""
    services = services_of(request)
    count = try_now(services.database, services.queue, destination, who=who_asks(request), now=services.clock())
    return Tried(deliveries=count)
