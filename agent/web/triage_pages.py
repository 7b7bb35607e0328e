"""The page of the switch that ends triage: who threw it, why, and what was not analysed meanwhile."""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.tokens import SYSTEM_READ, SYSTEM_WRITE
from agent.web import system, triage
from agent.web.access import Address
from agent.web.forms import form_of
from agent.web.services import page, services_of
from agent.web.system_pages import system_page
from agent.web.trail import who_asks
from db.errors import RefusedError
from db.not_triaged import count_not_triaged, requeue_not_triaged
from db.triage import switch_off, switch_on, switches, triage_off

_HERE: Final = "/system/triage"
MOST_AT_ONCE: Final = 200
"""Studies that one press of the button has analysed again."""


def show_triage(request: Request) -> Response:
    """Show whether triage is on, and each time that it was not."""
    services = services_of(request)
    now, zone = services.clock(), services.zone
    return system_page(
        request,
        "triage.html",
        is_off=triage_off(services.database) is not None,
        history=[triage.shown_switch(one, now, zone) for one in switches(services.database)],
        not_triaged=count_not_triaged(services.database),
        at_once=MOST_AT_ONCE,
        longest=triage.LONGEST_REASON,
    )


def throw(request: Request) -> Response:
    """Switch triage off or on, as the form says."""
    services, form = services_of(request), form_of(request)
    reason, to = form.get("reason", "")[: triage.LONGEST_REASON], form.get("to", "")
    change = {"off": switch_off, "on": switch_on}.get(to)
    if change is None or not reason:
        return page(request, "problem.html", 400, title="Nothing was changed", sentence=triage.NO_REASON)
    try:
        change(services.database, reason=reason, who=who_asks(request), now=services.clock())
    except RefusedError:
        return RedirectResponse(_HERE + system.done_query("switched_already"), 303)
    if to == "on" and form.get("again") == "yes":
        return RedirectResponse(_HERE + system.done_query("on_again", _again(request)), 303)
    return RedirectResponse(_HERE + system.done_query(to), 303)


def analyse_again(request: Request) -> Response:
    """Have analysed again what nobody has read and was not analysed because triage was off."""
    return RedirectResponse(_HERE + system.done_query("analysed_again", _again(request)), 303)


def _again(request: Request) -> int:
    services, who = services_of(request), who_asks(request)
    now = services.clock()
    return requeue_not_triaged(services.database, services.queue, who=who, now=now, limit=MOST_AT_ONCE)


ADDRESSES: Final = (
    Address("GET", _HERE, show_triage, SYSTEM_READ),
    Address("POST", _HERE, throw, SYSTEM_WRITE),
    Address("POST", f"{_HERE}/again", analyse_again, SYSTEM_WRITE),
)
