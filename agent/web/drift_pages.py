"""The page of the watch on drift: what came lately, against the model's card."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import SYSTEM_READ
from agent.watch.drift import REPORT, SPANS
from agent.web import drift
from agent.web.access import Address
from agent.web.services import services_of
from agent.web.system_pages import system_page
from db.drift import drift_alarms, drift_reports


def show_drift(request: Request) -> Response:
    """Show the last day or the last week, and the alarms that stand."""
    services = services_of(request)
    reports = drift_reports(services.database)
    asked = request.query_params.get("span", "")
    span = asked if asked in SPANS else "week"
    made_at, content = reports.get(span, (None, ""))
    return system_page(
        request,
        "drift.html",
        span=span,
        spans=tuple(SPANS),
        report=None if made_at is None else drift.shown(span, made_at, REPORT.validate_json(content), services.zone),
        alarms=[drift.shown_alarm(alarm, services.zone) for alarm in drift_alarms(services.database)],
    )


ADDRESSES: Final = (Address("GET", "/system/drift", show_drift, SYSTEM_READ),)
