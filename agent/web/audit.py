"""Events of the audit trail in words. Pure; which patient an event was about is asked for, and not shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from agent.web import times
from agent.web.people import readable
from db.audit_search import AuditRow
from db.audit_terms import EventAction, EventId, EventOutcome

EVENTS: Final = tuple((event.value, event.value.replace("_", " ")) for event in EventId)
"""What can be searched for, and how it is called."""
_ACTIONS: Final = {
    EventAction.CREATE: "made",
    EventAction.READ: "seen",
    EventAction.UPDATE: "changed",
    EventAction.DELETE: "removed",
    EventAction.EXECUTE: "done",
}
_FIELDS: Final = ("person", "source", "study", "patient", "event", "failures", "since", "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEvent:
    """One event."""

    at: times.Moment
    who: str
    source: str
    what: str
    action: str
    failed: str
    counterpart: str
    study_instance_uid: str
    detail: str


def kept(form: Mapping[str, str]) -> dict[str, str]:
    """Return what was searched for, for the form to show and for the next page to search."""
    return {name: form.get(name, "") for name in _FIELDS}


def shown(row: AuditRow, zone: tzinfo | None = None) -> ShownEvent:
    """Return an event in words."""
    event = row.event
    what = event.event.replace("_", " ")
    kind = f" ({event.type.replace('_', ' ')})" if event.type else ""
    return ShownEvent(
        at=times.exact(event.at, zone),
        who=readable(event.who.name) + (f", {readable(event.who.role)}" if event.who.role else ""),
        source=readable(event.who.source) or "this installation",
        what=what + kind,
        action=_ACTIONS[event.action],
        failed="" if event.outcome is EventOutcome.SUCCESS else event.outcome.name.replace("_", " ").lower(),
        counterpart=readable(event.counterpart),
        study_instance_uid=readable(event.study_instance_uid),
        detail=readable(event.detail),
    )
