"""The audit trail: who did, saw, sent or asked what, when and from where. It is written here and nowhere else.

A change notes itself in its own transaction (`note`); a view, which changes nothing, has one of its own (`record`).
Rows are never changed. What a sink is to be told of (db.audit_outbox) is put down in the same transaction.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Text, bindparam, insert, literal, select

from db.audit_terms import EventAction, EventId, EventOutcome, EventType
from db.database import Database
from db.prepared import Prepared
from db.schema.audit import audit_event, audit_outbox, audit_sink
from db.schema.domain import study

AGENT: Final = "agent"
"""Who acts where nobody asked for it: this installation itself."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who acts: a name, in which role, and from which network address ("": this installation itself)."""

    name: str
    role: str = ""
    source: str = ""


THE_AGENT: Final = Who(AGENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One event of the audit trail. `detail` is for people, says what exactly was done, and names no patient.

    Of a study its UID is enough: who is its patient is looked up when the event is written.
    """

    event: EventId
    action: EventAction
    who: Who
    at: datetime
    type: EventType | None = None
    outcome: EventOutcome = EventOutcome.SUCCESS
    counterpart: str = ""  # the other end of a transfer
    study_instance_uid: str = ""
    patient_id: str = ""
    detail: str = ""


_HAND_OVER: Final = Prepared(
    insert(audit_outbox).from_select(
        ["sink", "audit_event_id"], select(audit_sink.c.name, bindparam("written", type_=audit_event.c.id.type))
    )
)
_TRANSFER: Final = Prepared(
    insert(audit_event)
    .from_select(
        [
            *("event", "type", "action", "outcome", "role", "detail"),
            *("person", "source", "counterpart", "at", "study_instance_uid", "patient_id"),
        ],
        select(
            *(literal(value) for value in (EventId.INSTANCES_TRANSFERRED.value, "", EventAction.CREATE.value)),
            *(literal(EventOutcome.SUCCESS.value), literal(""), literal("")),
            *(bindparam(name, type_=Text()) for name in ("person", "source", "counterpart")),
            bindparam("at", type_=audit_event.c.at.type),
            study.c.study_instance_uid,
            study.c.patient_id,
        ).where(study.c.id == bindparam("study")),
    )
    .returning(audit_event.c.id)
)


def note(connection: Connection, event: AuditEvent) -> int:
    """Write an event in the caller's transaction: it stands if and only if what it tells of does. Return its id."""
    if event.study_instance_uid and not event.patient_id:
        event = replace(event, patient_id=_patient_of(connection, event.study_instance_uid))
    number = connection.execute(
        insert(audit_event)
        .values(
            at=event.at,
            event=event.event,
            type=event.type or "",
            action=event.action,
            outcome=event.outcome,
            person=event.who.name,
            role=event.who.role,
            source=event.who.source,
            counterpart=event.counterpart,
            study_instance_uid=event.study_instance_uid,
            patient_id=event.patient_id,
            detail=event.detail,
        )
        .returning(audit_event.c.id)
    ).scalar_one()
    _HAND_OVER.run(connection, {"written": number})
    return int(number)


def note_transfer(connection: Connection, study_id: int, who: Who, *, counterpart: str = "", at: datetime) -> None:
    """Note in the caller's transaction that objects of a study came from `who`, or went from them to `counterpart`."""
    parameters = {"study": study_id, "person": who.name, "source": who.source, "counterpart": counterpart, "at": at}
    (new,) = _TRANSFER.rows(connection, parameters)
    _HAND_OVER.run(connection, {"written": new.id})


def record(database: Database, event: AuditEvent) -> int:
    """Commit an event that has no change to go with: that somebody saw, asked, came in or was refused."""
    with database.begin() as connection:
        return note(connection, event)


def _patient_of(connection: Connection, study_instance_uid: str) -> str:
    query = select(study.c.patient_id).where(study.c.study_instance_uid == study_instance_uid)
    return connection.execute(query).scalar_one_or_none() or ""
