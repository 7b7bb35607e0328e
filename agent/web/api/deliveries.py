"""Deliveries of reports: what is parked, what waits, and putting back what was parked. They name no patient."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Body, Query
from pydantic import Field
from starlette.requests import Request

from agent.web.api.model import Line, Model, Moment, Uid
from agent.web.api.paging import After, Limit, Page, next_page, place, placed
from agent.web.api.security import Operator, Watcher
from agent.web.services import services_of
from agent.web.trail import who_asks
from db.delivery_list import listed_deliveries
from db.requeue import requeue_deliveries

router: Final = APIRouter(tags=["Deliveries"])

StateName = Literal["PARKED", "QUEUED", "HELD", "STORED", "ACKNOWLEDGED", "TESTED", "SUPERSEDED"]


class ListedDelivery(Model):
    """One report on its way to one destination."""

    id: int
    study_instance_uid: Uid
    destination: str = Field(examples=["PACS"])
    report: str = Field(examples=["sr"])
    version: int = Field(ge=1)
    state: StateName
    attempts: int = Field(ge=0)
    reason: str
    confirmation: str = Field(description="How the destination was seen to have it.")
    created_at: Moment
    updated_at: Moment


class Deliveries(Page[ListedDelivery]):
    """A part of the deliveries, those that changed last first."""


class Wanted(Model):
    """Which parked deliveries are meant: all where nothing is said."""

    delivery_id: int | None = Field(None, ge=1, le=2_000_000_000)
    destination: Line = Field("", examples=["PACS"])
    study_instance_uid: Uid | Literal[""] = ""


class Requeued(Model):
    """What was put back."""

    deliveries: int = Field(ge=0, description="How many: those that are parked no more are left alone.")


@router.get("/deliveries", summary="List deliveries of reports, those that changed last first")
def list_deliveries(
    request: Request,
    _watcher: Watcher,
    state: StateName | None = None,
    destination: Annotated[Line, Query()] = "",
    limit: Limit = 50,
    after: After = None,
) -> Deliveries:
    """All, or those in one state or to one destination."""
    rows = listed_deliveries(
        services_of(request).database,
        state=state or "",
        destination=destination,
        limit=limit + 1,
        before=placed(after),
    )
    shown = rows[:limit]
    following = next_page(request, rows, limit, place(shown[-1].updated_at, shown[-1].id)) if shown else None
    return Deliveries(items=tuple(ListedDelivery.model_validate(row) for row in shown), next=following)


@router.post("/deliveries/requeue", summary="Send parked deliveries again")
def requeue_parked(request: Request, _operator: Operator, wanted: Annotated[Wanted, Body()]) -> Requeued:
    """Queue parked deliveries again, of reports and of objects. A repeat finds none parked, and changes nothing."""
    services = services_of(request)
    count = requeue_deliveries(
        services.database,
        services.queue,
        now=services.clock(),
        who=who_asks(request),
        study_instance_uid=wanted.study_instance_uid,
        destination=wanted.destination,
        delivery_id=wanted.delivery_id,
    )
    return Requeued(deliveries=count)
