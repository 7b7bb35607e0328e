"""The switch: while it is thrown, nothing that the model says is told to anybody.

Nobody's priority is raised, and what would be flagged or not flagged is "not analysed (triage switched off)". What was
concluded before stays as it was, and nobody is lowered. The images are scored as ever, and what the model made of them
is kept apart (`withheld_result`), where no page, report or rule looks for an outcome.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select, update

from db.audit import AuditEvent, Who, note
from db.audit_terms import EventAction, EventId, EventType
from db.database import Database
from db.errors import RefusedError
from db.prepared import Prepared
from db.schema.triage import triage_switch

TRIAGE_OFF: Final = "triage switched off"
"""Why an image or a study was not analysed, as reports and pages say it."""

_LOCK: Final = ("triage_switch",)
_ACTIVE: Final = Prepared(
    select(triage_switch).where(triage_switch.c.on_at.is_(None)).order_by(triage_switch.c.id).limit(1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One time that triage was off: by whom and why; the last three are None while it is."""

    id: int
    off_at: datetime
    off_by: str
    off_reason: str
    on_at: datetime | None = None
    on_by: str | None = None
    on_reason: str | None = None


def triage_off(database: Database) -> Switch | None:
    """Return since when, by whom and why triage is off; None while it is on."""
    with database.read() as connection:
        return switched_off(connection)


def switched_off(connection: Connection) -> Switch | None:
    """Return the same as the caller's transaction sees it."""
    row = _ACTIVE.one_or_none(connection, {})
    return None if row is None else Switch(**row._asdict())


def switches(database: Database, *, limit: int = 50) -> tuple[Switch, ...]:
    """Return the times that triage was off, the latest first."""
    query = select(triage_switch).order_by(triage_switch.c.id.desc()).limit(limit)
    with database.read() as connection:
        return tuple(Switch(**row) for row in connection.execute(query).mappings())


def switch_off(database: Database, *, reason: str, who: Who, now: datetime) -> Switch:
    """Switch triage off, from this moment on, for whatever is not concluded yet.

    Raises RefusedError without a reason, or where it is off already: the first reason stands.
    """
    _check(reason)
    with database.begin(lock=_LOCK) as connection:
        if (found := switched_off(connection)) is not None:
            message = f"expected triage to be on. Received: switched off since {found.off_at:%Y-%m-%d %H:%M} UTC"
            raise RefusedError(message)
        row = connection.execute(
            insert(triage_switch).values(off_at=now, off_by=who.name, off_reason=reason).returning(triage_switch)
        ).mappings()
        made = Switch(**row.one())
        note(connection, _event(who, f"triage switched off: {reason}", now))
    return made


def switch_on(database: Database, *, reason: str, who: Who, now: datetime) -> Switch:
    """Switch triage on again; what was concluded meanwhile stays "not analysed" until a person has it analysed again.

    Raises RefusedError without a reason, or where it is on.
    """
    _check(reason)
    with database.begin(lock=_LOCK) as connection:
        found = switched_off(connection)
        if found is None:
            message = "expected triage to be off. Received: on"
            raise RefusedError(message)
        row = connection.execute(
            update(triage_switch)
            .where(triage_switch.c.id == found.id)
            .values(on_at=now, on_by=who.name, on_reason=reason)
            .returning(triage_switch)
        ).mappings()
        ended = Switch(**row.one())
        note(connection, _event(who, f"triage switched on again: {reason}", now))
    return ended


def _check(reason: str) -> None:
    if not reason.strip():
        message = "expected a reason. Received: reason="
        raise RefusedError(message)


def _event(who: Who, detail: str, now: datetime) -> AuditEvent:
    """Return what the audit trail says: a change of how the system works (PS3.15 A.5.3.11)."""
    return AuditEvent(
        event=EventId.SECURITY_ALERT,
        type=EventType.SOFTWARE_CONFIGURATION,
        action=EventAction.UPDATE,
        who=who,
        at=now,
        detail=detail,
    )
