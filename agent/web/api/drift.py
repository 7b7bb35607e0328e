"""The watch on drift: what came lately, against the model's card."""

from typing import Final

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from agent.watch.drift import REPORT, DriftReport
from agent.web.api.model import Model, Moment
from agent.web.api.security import Watcher
from agent.web.services import services_of
from db.drift import drift_alarms, drift_reports

router: Final = APIRouter(tags=["Drift"])


class AlarmTold(Model):
    """Something that lies beyond its limit."""

    name: str = Field(examples=["flag rate"])
    since: Moment
    reason: str


class SpanTold(Model):
    """What came in one span of time."""

    span: str = Field(examples=["week"])
    made_at: Moment
    report: DriftReport


class DriftTold(Model):
    """What was found last; no patient is named."""

    alarms: tuple[AlarmTold, ...]
    spans: tuple[SpanTold, ...]


@router.get("/drift", summary="Tell how what came lately differs from what the model was made for")
def show_drift(request: Request, _watcher: Watcher) -> DriftTold:
    """Tell the alarms that stand, and the counts and distances of the last day and week."""
    database = services_of(request).database
    return DriftTold(
        alarms=tuple(AlarmTold.model_validate(one) for one in drift_alarms(database)),
        spans=tuple(
            SpanTold(span=span, made_at=made_at, report=REPORT.validate_json(content))
            for span, (made_at, content) in sorted(drift_reports(database).items())
        ),
    )
