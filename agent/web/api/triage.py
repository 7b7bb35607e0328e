"""The switch that ends triage: while it is thrown, nothing that the model says is told to anybody."""

from typing import Annotated, Final

from fastapi import APIRouter, Body
from pydantic import Field
from starlette.requests import Request

from agent.web.api.model import Model, Moment
from agent.web.api.security import Operator, Watcher
from agent.web.services import services_of
from agent.web.trail import who_asks
from agent.web.triage import LONGEST_REASON
from agent.web.triage_pages import MOST_AT_ONCE
from db.not_triaged import count_not_triaged, requeue_not_triaged
from db.triage import Switch, switch_off, switch_on, switches

router: Final = APIRouter(tags=["Triage"])


class SwitchTold(Model):
    """One time that triage was off; `on_at`, `on_by` and `on_reason` are null while it is."""

    off_at: Moment
    off_by: str
    off_reason: str
    on_at: Moment | None
    on_by: str | None
    on_reason: str | None


class TriageTold(Model):
    """Whether triage is on."""

    on: bool
    not_triaged: int = Field(ge=0, description="Unread studies that were not analysed because it was off.")
    history: tuple[SwitchTold, ...] = Field(description="The times that it was off, the latest first.")


class TriageWanted(Model):
    """Whether triage is to be on, and why."""

    on: bool
    reason: str = Field(min_length=1, max_length=LONGEST_REASON, pattern=r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$")


@router.get("/triage", summary="Tell whether triage is on")
def show_triage(request: Request, _watcher: Watcher) -> TriageTold:
    """Tell whether it is on, and each time that it was not."""
    return _told(request, switches(services_of(request).database))


@router.put("/triage", summary="Switch triage off or on")
def switch_triage(request: Request, _operator: Operator, wanted: Annotated[TriageWanted, Body()]) -> TriageTold:
    """Switch it off for whatever is not concluded yet, or on again; 409 where it is so already.

    What was concluded meanwhile stays "not analysed" until a person has it analysed again.
    """
    services = services_of(request)
    change = switch_on if wanted.on else switch_off
    change(services.database, reason=wanted.reason, who=who_asks(request), now=services.clock())
    return _told(request, switches(services.database))


class TriagedAgain(Model):
    """What began."""

    studies: int = Field(ge=0, description=f"How many are analysed again: {MOST_AT_ONCE} at most, those due first.")


@router.post("/triage/again", summary="Analyse again what was not analysed while triage was off")
def triage_again(request: Request, _operator: Operator) -> TriagedAgain:
    """Begin a new revision of studies that nobody has read and that were concluded while triage was off.

    None while it is off: they would come to the same. A repeat goes on with the next ones.
    """
    services, who = services_of(request), who_asks(request)
    now = services.clock()
    count = requeue_not_triaged(services.database, services.queue, who=who, now=now, limit=MOST_AT_ONCE)
    return TriagedAgain(studies=count)


def _told(request: Request, history: tuple[Switch, ...]) -> TriageTold:
    return TriageTold(
        on=not history or history[0].on_at is not None,
        not_triaged=count_not_triaged(services_of(request).database),
        history=tuple(SwitchTold.model_validate(one) for one in history),
    )
