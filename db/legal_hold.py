"""Legal holds: what is under one is never removed, whatever retention says, until a person releases it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, false, insert, or_, select, update

from db.advance import lock, note
from db.database import Database, Lock
from db.errors import RefusedError
from db.schema.domain import study
from db.schema.hl7 import patient_alias
from db.schema.keeping import legal_hold

KEEPING: Final[Lock] = ("keeping", "all")
"""The lock in which holds are placed and studies removed: no hold is placed while a study goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold on one study (`study_instance_uid`), or on a patient with all studies, those to come too."""

    study_instance_uid: str | None
    patient_id: str | None
    issuer_of_patient_id: str
    reason: str
    placed_by: str
    placed_at: datetime
    released_by: str | None
    released_at: datetime | None


def hold_study(database: Database, study_instance_uid: str, *, reason: str, actor: str, now: datetime) -> None:
    """Hold a study, and say so in its audit trail. Raises RefusedError if it is unknown, removed, or held already."""
    with database.begin(lock=KEEPING) as connection:
        study_id = _known(connection, study_instance_uid)
        if connection.scalars(select(legal_hold.c.id).where(_of_study(study_id))).first() is not None:
            message = f"expected a study that is not held. Received: {study_instance_uid}"
            raise RefusedError(message)
        _place(connection, reason=reason, actor=actor, now=now, study_id=study_id)
        _note(connection, study_id, "HELD", detail=reason, actor=actor, now=now)


def release_study(database: Database, study_instance_uid: str, *, actor: str, now: datetime) -> None:
    """Release a study, and say so in its audit trail. Raises RefusedError if it is not held."""
    with database.begin(lock=KEEPING) as connection:
        study_id = _known(connection, study_instance_uid)
        if not _release(connection, _of_study(study_id), actor, now):
            message = f"expected a study that is held. Received: {study_instance_uid}"
            raise RefusedError(message)
        _note(connection, study_id, "HOLD_RELEASED", detail="", actor=actor, now=now)


def hold_patient(
    database: Database, patient_id: str, issuer_of_patient_id: str = "", *, reason: str, actor: str, now: datetime
) -> int:
    """Hold what there is and will be of a patient; return how many studies that are. RefusedError if held already."""
    with database.begin(lock=KEEPING) as connection:
        mine = _of_patient(patient_id, issuer_of_patient_id)
        if connection.scalars(select(legal_hold.c.id).where(mine)).first() is not None:
            message = "expected a patient who is not held. Received: one who is"
            raise RefusedError(message)
        whose = {"patient_id": patient_id, "issuer_of_patient_id": issuer_of_patient_id}
        _place(connection, reason=reason, actor=actor, now=now, **whose)
        return _note_all(connection, patient_id, issuer_of_patient_id, "HELD", detail=reason, actor=actor, now=now)


def release_patient(
    database: Database, patient_id: str, issuer_of_patient_id: str = "", *, actor: str, now: datetime
) -> int:
    """Release a patient; return how many studies that are. Raises RefusedError if the patient is not held."""
    with database.begin(lock=KEEPING) as connection:
        if not _release(connection, _of_patient(patient_id, issuer_of_patient_id), actor, now):
            message = "expected a patient who is held, with this issuer. Received: another"
            raise RefusedError(message)
        what = "HOLD_RELEASED"
        return _note_all(connection, patient_id, issuer_of_patient_id, what, detail="", actor=actor, now=now)


def holds(database: Database) -> tuple[Hold, ...]:
    """Return all holds, the oldest first: those that stand, and those that were released."""
    names = [column for column in legal_hold.c if column.name in Hold.__dataclass_fields__]
    query = select(study.c.study_instance_uid, *names).select_from(legal_hold).outerjoin(study)
    with database.read() as connection:
        return tuple(Hold(**row) for row in connection.execute(query.order_by(legal_hold.c.id)).mappings())


def is_held(connection: Connection) -> ColumnElement[bool]:
    """Return the condition that a study is held, itself or with its patient, as of now."""
    stands = legal_hold.c.released_at.is_(None)
    rows = connection.execute(select(legal_hold).where(stands, legal_hold.c.patient_id.is_not(None))).all()
    studies = select(legal_hold.c.study_id).where(stands, legal_hold.c.study_id.is_not(None))
    return or_(study.c.id.in_(studies), *(_is_of(connection, row) for row in rows))


def _is_of(connection: Connection, hold: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a row of `legal_hold`
    """Return the condition that a study is of the patient, under this ID or one that a merge ties to it.

    A study stays under an old ID where nobody could tell whether the merge was about it. An Issuer that one side leaves
    out does not contradict; of an ID that came by a merge none does: rather one study too many is kept.
    """
    issuer = hold.issuer_of_patient_id
    own = study.c.patient_id == hold.patient_id
    if issuer:
        own = and_(own, study.c.issuer_of_patient_id.in_(("", issuer)))
    found, new = {hold.patient_id}, {hold.patient_id}
    while new:
        into = select(patient_alias.c.patient_id).where(patient_alias.c.prior_patient_id.in_(sorted(new)))
        prior = select(patient_alias.c.prior_patient_id).where(patient_alias.c.patient_id.in_(sorted(new)))
        new = set(connection.scalars(into.union(prior))) - found
        found |= new
    others = sorted(found - {hold.patient_id})
    return or_(own, study.c.patient_id.in_(others) if others else false())


def _known(connection: Connection, study_instance_uid: str) -> int:
    found: int | None = connection.execute(
        select(study.c.id).where(study.c.study_instance_uid == study_instance_uid, study.c.removed_at.is_(None))
    ).scalar_one_or_none()
    if found is None:
        message = f"expected the Study Instance UID of a study that is here. Received: {study_instance_uid}"
        raise RefusedError(message)
    return found


def _of_study(study_id: int) -> ColumnElement[bool]:
    return and_(legal_hold.c.study_id == study_id, legal_hold.c.released_at.is_(None))


def _of_patient(patient_id: str, issuer: str) -> ColumnElement[bool]:
    table = legal_hold.c
    return and_(table.patient_id == patient_id, table.issuer_of_patient_id == issuer, table.released_at.is_(None))


def _place(connection: Connection, *, reason: str, actor: str, now: datetime, **whose: object) -> None:
    values = {"issuer_of_patient_id": ""} | whose
    connection.execute(insert(legal_hold).values(reason=reason, placed_by=actor, placed_at=now, **values))


def _release(connection: Connection, which: ColumnElement[bool], actor: str, now: datetime) -> bool:
    done = connection.execute(update(legal_hold).where(which).values(released_by=actor, released_at=now))
    return bool(done.rowcount)


def _note_all(
    connection: Connection, patient_id: str, issuer: str, event: str, *, detail: str, actor: str, now: datetime
) -> int:
    whose = [study.c.patient_id == patient_id, study.c.removed_at.is_(None)]
    whose += [study.c.issuer_of_patient_id.in_(("", issuer))] if issuer else []
    ids = connection.scalars(select(study.c.id).where(*whose).order_by(study.c.id)).all()
    for study_id in ids:
        _note(connection, study_id, event, detail=f"with its patient: {detail}".rstrip(": "), actor=actor, now=now)
    return len(ids)


def _note(connection: Connection, study_id: int, event: str, *, detail: str, actor: str, now: datetime) -> None:
    position = lock(connection, study_id)
    note(connection, position, event, position.state, at=now, detail=detail, actor=actor)
