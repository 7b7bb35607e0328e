"""What readers thought of the AI: figures over time, and the opinions as a table to take away."""

import io
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from agent.tokens import WORKLIST_READ
from agent.watch.feedback import by_model, by_week, total, write_opinions
from agent.web import feedback, times, trail
from agent.web.access import Address
from agent.web.services import page, services_of
from db.audit import record
from db.audit_terms import EventAction, EventId
from db.feedback import all_feedback
from db.feedback_counts import feedback_counts

_DAYS: Final = 182


def show_feedback(request: Request) -> Response:
    """Show how readers and the AI agree, by week and by model."""
    services = services_of(request)
    now = services.clock()
    counts = feedback_counts(services.database, since=now - timedelta(days=_DAYS))
    weeks = by_week(counts)
    return page(
        request,
        "feedback.html",
        updated=times.exact(now, services.zone),
        all=feedback.shown_figures(total(counts)),
        weeks=[feedback.shown_figures(one) for one in reversed(weeks)],
        models=[feedback.shown_figures(one) for one in by_model(counts)],
        charts=feedback.charts(weeks),
        width=feedback.WIDTH,
        height=feedback.HEIGHT,
    )


def download_feedback(request: Request) -> Response:
    """Give every opinion of the same time as CSV; that it was taken away stands in the audit trail."""
    services = services_of(request)
    since = services.clock() - timedelta(days=_DAYS)
    file = io.StringIO(newline="")
    count = write_opinions(all_feedback(services.database, since=since), file)
    detail = f"{count} opinions of readers"
    record(services.database, trail.changed(request, EventId.EXPORT, EventAction.READ, detail=detail))
    headers = {"Content-Disposition": 'attachment; filename="feedback.csv"'}
    return Response(file.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


ADDRESSES: Final = (
    Address("GET", "/feedback", show_feedback, WORKLIST_READ),
    Address("GET", "/feedback.csv", download_feedback, WORKLIST_READ),
)
