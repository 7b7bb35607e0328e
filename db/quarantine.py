"""Studies in conflict of identity: what contradicts what, and what a person decides. Nothing is ever lost by it.

Instances that a person keeps apart stay, with their role and why; those that are of the study after all count like any
that arrive now. Either way the study closes anew and is concluded as a revision that no earlier conclusion can settle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, select, update

from db import audit, kinds
from db.advance import Position, advance, note
from db.analysis import raise_study
from db.audit import AuditEvent
from db.audit_terms import EventAction, EventId
from db.database import Database
from db.delivery_state import DeliveryState
from db.errors import RefusedError
from db.flagged import is_flagged
from db.forwarding import QUARANTINED
from db.identity import OF_PATIENT
from db.lifecycle import Event
from db.priority import Allowances
from db.queue import Queue
from db.reading_acts import Acting, Kind, Opened, Seen, open_for_act, write
from db.roles import Role
from db.schema.domain import delivery, instance, study
from db.search_index import learn_anew
from db.told import IDENTITY_CORRECTED
from db.triage import switched_off
from db.work_due import work_due
from db.workitems import replace_task

KEPT_APART: Final = "kept apart: a person says that it is not of this study"
MOST: Final = 200
"""Studies that wait for a person which are listed."""


class Decision(StrEnum):
    """Whose the Instances in conflict are."""

    ACCEPT = "accept"  # the study's patient's, after all
    ASSIGN = "assign"  # and so is the study: its patient is theirs
    KEEP_APART = "keep_apart"  # not of this study


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedStudy:
    """A study in conflict, or whose patient is in doubt, as it is listed."""

    study_instance_uid: str
    patient_id: str
    patient_name: str
    received_at: datetime
    conflict: str
    doubt: str
    instances: int  # in conflict, undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictInstance:
    """An Instance in conflict. `has_twin`: its SOP Instance UID is another one's already; it cannot be accepted."""

    id: int
    sop_instance_uid: str
    path: str
    calling_ae_title: str
    received_at: datetime
    has_twin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified:
    """What the file of an Instance in conflict says: whether it is to be analysed, and whose it is."""

    instance_id: int
    is_candidate: bool
    patient: Mapping[str, str]  # by the names of `db.identity.OF_PATIENT`


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a person decides of the Instances in conflict that they saw, and why."""

    decision: Decision
    identified: Sequence[Identified]
    reason: str


def quarantined(database: Database, *, limit: int = MOST) -> tuple[QuarantinedStudy, ...]:
    """Return the studies that wait for a person to say whose they are, the first to be due at the top."""
    waits = and_(study.c.removed_at.is_(None), (study.c.conflict != "") | (study.c.doubt != ""))
    query = select(study).where(waits).order_by(study.c.due_at, study.c.id).limit(limit)
    with database.read() as connection:
        rows = connection.execute(query).all()
        undecided = select(instance.c.study_id).where(
            instance.c.study_id.in_([row.id for row in rows]), *_undecided_instances()
        )
        counts: dict[int, int] = {}
        for study_id in connection.scalars(undecided):
            counts[study_id] = counts.get(study_id, 0) + 1
    names = ("study_instance_uid", "patient_id", "patient_name", "received_at", "conflict", "doubt")
    return tuple(
        QuarantinedStudy(**{name: getattr(row, name) for name in names}, instances=counts.get(row.id, 0))
        for row in rows
    )


def in_conflict(database: Database, study_instance_uid: str) -> tuple[ConflictInstance, ...]:
    """Return the Instances of a study on which nobody has decided, in the order in which they came."""
    names = ("id", "sop_instance_uid", "path", "calling_ae_title", "received_at")
    query = (
        select(*(instance.c[name] for name in names), _has_twin().label("has_twin"))
        .join(study)
        .where(study.c.study_instance_uid == study_instance_uid, *_undecided_instances())
        .order_by(instance.c.id)
    )
    with database.read() as connection:
        return tuple(ConflictInstance(**row) for row in connection.execute(query).mappings())


def resolve(
    database: Database,
    queue: Queue,
    seen: Seen,
    acting: Acting,
    verdict: Verdict,
    *,
    allowances: Allowances,
) -> int:
    """Commit what a person decides of a study in conflict; return the act's id.

    RefusedError where other Instances are in conflict by now, or where they are of several patients and one is to be
    the study's; ChangedError where the study has changed since it was seen.
    """
    decision, identified = verdict.decision, verdict.identified
    if not verdict.reason.strip():
        message = "Give the reason for what you decide."
        raise RefusedError(message)
    with database.begin() as connection:
        opened = open_for_act(connection, seen, acting)
        if not opened.row.conflict:
            message = "The study is not in quarantine any more."
            raise RefusedError(message)
        ids = [one.instance_id for one in identified]
        which = (instance.c.study_id == opened.row.id, *_undecided_instances())
        if sorted(ids) != sorted(connection.scalars(select(instance.c.id).where(*which))):
            message = "More has come meanwhile that is in conflict. Look at it again."
            raise RefusedError(message)
        values = _identity(identified) if decision is Decision.ASSIGN else {}
        moved = _release(opened, values)
        if decision is Decision.KEEP_APART:
            _keep_apart(opened, ids)
        else:
            _accept(opened, queue, moved, identified)
        if values:
            _correct(opened, queue, moved, values)
        if decision is Decision.ACCEPT:
            _hold_to_record(opened, identified)
        _let_go_on(opened, queue, moved, allowances)
        return write(
            replace(opened, position=moved),
            Kind.RESOLVED,
            before={"conflict": opened.row.conflict},
            after={"decision": decision, "instances": len(ids)},
            words=verdict.reason,
            detail=f"{decision.replace('_', ' ')}: {len(ids)} objects in conflict",
        )


def settle_doubt(database: Database, seen: Seen, acting: Acting, *, reason: str) -> int:
    """Commit that a person says that the study's patient is right; return the act's id."""
    if not reason.strip():
        message = "Give the reason for what you decide."
        raise RefusedError(message)
    with database.begin() as connection:
        opened = open_for_act(connection, seen, acting)
        if not opened.row.doubt:
            message = "The study's patient is not in doubt any more."
            raise RefusedError(message)
        connection.execute(update(study).where(study.c.id == opened.row.id).values(doubt=""))
        said = {"doubt": opened.row.doubt}
        return write(opened, Kind.RESOLVED, before=said, after={"doubt": ""}, words=reason, detail="doubt settled")


def _undecided_instances() -> tuple[Any, ...]:
    return (instance.c.role == Role.CONFLICT, instance.c.withdrawn.is_(None))


@cache
def _has_twin() -> ColumnElement[bool]:
    other = instance.alias()
    return exists().where(
        other.c.sop_instance_uid == instance.c.sop_instance_uid,
        other.c.id != instance.c.id,
        other.c.role.not_in((Role.CONFLICT, Role.REMOVED)),
    )


def _identity(identified: Sequence[Identified]) -> dict[str, str]:
    """Return whose the Instances are. RefusedError if that is not one patient; without a Patient ID, names decide."""
    found = {_person(one.patient): one.patient for one in identified}
    if len(found) != 1:
        message = "The objects in conflict are of several patients, or of none: they cannot say whose the study is."
        raise RefusedError(message)
    return dict(next(iter(found.values())))


def _person(said: Mapping[str, str]) -> tuple[str, ...]:
    by_name = not said["patient_id"]
    return tuple(said[name] for name in OF_PATIENT[: 3 if by_name else 2])


def _release(opened: Opened, values: Mapping[str, str]) -> Position:
    """Take the study out of quarantine and let it close at once, as a revision of its own."""
    at = opened.acting.at
    moved = advance(opened.connection, opened.position, Event.RESOLVED, at=at, actor=opened.acting.who.name)
    if moved is None:  # every state takes this event, and the row is locked
        message = f"expected a study that can be resolved. Received: state={opened.position.state}"
        raise RuntimeError(message)
    fresh = {"conflict": "", "closes_at": at, "started_at": at, "read_at": None, "read_how": None}
    opened.connection.execute(update(study).where(study.c.id == opened.row.id).values(fresh | dict(values)))
    return moved


def _keep_apart(opened: Opened, ids: Sequence[int]) -> None:
    opened.connection.execute(update(instance).where(instance.c.id.in_(ids)).values(withdrawn=KEPT_APART))


def _accept(opened: Opened, queue: Queue, moved: Position, identified: Sequence[Identified]) -> None:
    """Let the Instances count, but for those whose UID another one has: of these one cannot tell which is meant."""
    ids = [one.instance_id for one in identified]
    uids = (instance.c.sop_instance_uid, func.min(instance.c.id).label("first"))
    firsts = select(*uids).where(instance.c.id.in_(ids), ~_has_twin()).group_by(instance.c.sop_instance_uid)
    twins = set(ids) - {row.first for row in opened.connection.execute(firsts)}
    _keep_apart(opened, sorted(twins))
    for one in identified:
        if one.instance_id in twins:
            continue
        role = Role.CANDIDATE if one.is_candidate else Role.EVIDENCE
        values = {"role": role, "analysis_revision": moved.revision if one.is_candidate else None}
        opened.connection.execute(update(instance).where(instance.c.id == one.instance_id).values(values))
        if one.is_candidate:
            key, due = str(one.instance_id), work_due(opened.row)
            queue.enqueue(opened.connection, kinds.SCORE, key, due_at=due, run_at=opened.acting.at)


def _hold_to_record(opened: Opened, identified: Sequence[Identified]) -> None:
    """Remember what the Instances say otherwise than the record: reports made of them say what is on record."""
    said = {name for one in identified for name in OF_PATIENT if one.patient[name] != getattr(opened.row, name)}
    corrected = " ".join(sorted({*said, *opened.row.corrected.split()}))
    opened.connection.execute(update(study).where(study.c.id == opened.row.id).values(corrected=corrected))


def _correct(opened: Opened, queue: Queue, moved: Position, values: Mapping[str, str]) -> None:
    """Note that the study is another patient's: what was sent before named the wrong one, and is taken back."""
    changed = [name for name in OF_PATIENT if values[name] != getattr(opened.row, name)]
    corrected = " ".join(sorted({*changed, *opened.row.corrected.split()}))
    connection, row = opened.connection, opened.row
    connection.execute(update(study).where(study.c.id == row.id).values(corrected=corrected, doubt=""))
    learn_anew(connection, row.id)
    names, at = " ".join(changed), opened.acting.at
    note(connection, moved, IDENTITY_CORRECTED, moved.state, at=at, detail=names, actor=opened.acting.who.name)
    replace_task(connection, queue, row.id, at=at)
    event = AuditEvent(
        event=EventId.PROCEDURE_RECORD,
        action=EventAction.UPDATE,
        who=opened.acting.who,
        at=at,
        study_instance_uid=row.study_instance_uid,
        patient_id=values["patient_id"],
        detail="resolved: the study is this patient's",
    )
    audit.note(connection, event)  # the act's own event names whose it was


def _let_go_on(opened: Opened, queue: Queue, moved: Position, allowances: Allowances) -> None:
    """Do what was held back: raise a study that was flagged meanwhile, send on what was parked."""
    connection, at = opened.connection, opened.acting.at
    if switched_off(connection) is None and is_flagged(connection, opened.row.id):
        raise_study(connection, moved, at=at, allowances=allowances)
    parked = select(delivery.c.id, delivery.c.destination).join(instance)
    of_study = (instance.c.study_id == opened.row.id, instance.c.role != Role.CONFLICT)
    held = (delivery.c.state == DeliveryState.PARKED, delivery.c.reason == QUARANTINED)
    rows = connection.execute(parked.where(*of_study, *held)).all()
    if rows:
        again = {"state": DeliveryState.QUEUED, "attempts": 0, "not_before": None, "updated_at": at}
        connection.execute(update(delivery).where(delivery.c.id.in_([row.id for row in rows])).values(again))
    for destination in sorted({row.destination for row in rows}):
        due = work_due(opened.row)
        queue.enqueue(connection, kinds.forward(destination), str(opened.row.id), due_at=due, run_at=at)
