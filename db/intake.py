"""Received Instances become rows: one transaction for the Instance, what it does to its study, and the next job."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, Row, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.advance import Position, advance, lock, note
from db.arrival import bring
from db.attributes import InstanceAttributes
from db.database import Database
from db.kinds import COMPARE, SCORE
from db.lifecycle import Event, State
from db.outcome import CONFLICTING_IDENTITY
from db.priority import Allowances, Priority, due_at
from db.queue import Queue
from db.schema import instance, report, result, study


class Role(StrEnum):
    """What an Instance is to its study."""

    CANDIDATE = "candidate"  # to be analysed
    EVIDENCE = "evidence"  # kept, changes nothing
    OWN = "own"  # this agent wrote it; it came back
    UNVERIFIED = "unverified"  # a known SOP Instance UID with other bytes; a worker compares
    DUPLICATE = "duplicate"  # the same content in other bytes
    CONFLICT = "conflict"  # another identity or other content under a known UID; a person decides


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingInstance:
    """An Instance that lies durably in the store; attributes as in PS3.6, "" where the Instance does not say.

    `association_id` names the open association that brings it, "" where that is on record for its study already.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    sha256: str
    path: str
    size: int
    candidate: bool
    is_image: bool
    device_uids: tuple[str, ...]
    order_priority: Priority
    calling_ae_title: str
    received_at: datetime
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    patient_age: str
    accession_number: str
    study_date: str
    study_time: str
    study_description: str
    study_id: str = ""
    referring_physician_name: str = ""
    attributes: InstanceAttributes
    association_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a study is complete without anybody saying so: quiet for `quiet`, or `forced` after its revision began."""

    quiet: timedelta = timedelta(seconds=30)
    forced: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an Instance. `known` means that these very bytes had been recorded before: nothing changed."""

    study_id: int
    instance_id: int
    role: Role
    known: bool


def record_instance(
    database: Database, queue: Queue, incoming: IncomingInstance, *, timing: Timing, allowances: Allowances
) -> Recorded:
    """Commit one received Instance; when this returns, row and job are synced to disk.

    Safe to repeat: the same bytes are recorded once. Raises db.errors.DatabaseError when nothing was recorded.
    """
    # The lock is on the SOP Instance UID: two studies that bring the same one at once have to see each other.
    with database.begin(lock=("sop_instance", incoming.sop_instance_uid)) as connection:
        if (known := _known_bytes(connection, incoming)) is not None:
            _bring_again(connection, known, incoming, timing)
            return known
        study_id, is_new = _study_of(connection, incoming, timing, allowances)
        position = lock(connection, study_id)
        if (known := _known_bytes(connection, incoming)) is not None:  # somebody else was first and has committed
            _bring_again(connection, known, incoming, timing)
            return known
        if is_new:
            note(connection, position, "RECEIVED", position.state, at=incoming.received_at)
        role = _role(connection, study_id, incoming)
        revision = _apply(connection, position, role, incoming)
        instance_id = _insert_instance(connection, study_id, role, revision, incoming)
        _enqueue(connection, queue, study_id, instance_id, role, incoming)
        if role is not Role.OWN:
            _touch(connection, study_id, incoming, timing)
            if incoming.association_id:
                bring(connection, study_id, incoming.association_id, at=incoming.received_at)
    return Recorded(study_id, instance_id, role, known=False)


def _bring_again(connection: Connection, known: Recorded, incoming: IncomingInstance, timing: Timing) -> None:
    """Keep a study open for an association that begins with what is known: a peer that was cut off starts again so."""
    if not incoming.association_id or known.role is Role.OWN:
        return
    lock(connection, known.study_id)
    bring(connection, known.study_id, incoming.association_id, at=incoming.received_at)
    row = connection.execute(select(study).where(study.c.id == known.study_id)).one()
    closes_at = min(incoming.received_at + timing.quiet, row.started_at + timing.forced)
    if row.state == State.RECEIVING and closes_at > row.closes_at:
        connection.execute(update(study).where(study.c.id == known.study_id).values(closes_at=closes_at))


def _known_bytes(connection: Connection, incoming: IncomingInstance) -> Recorded | None:
    row = connection.execute(
        select(instance.c.id, instance.c.study_id, instance.c.role).where(instance.c.sha256 == incoming.sha256)
    ).one_or_none()
    return None if row is None else Recorded(row.study_id, row.id, Role(row.role), known=True)


def _study_of(
    connection: Connection, incoming: IncomingInstance, timing: Timing, allowances: Allowances
) -> tuple[int, bool]:
    query = select(study.c.id).where(study.c.study_instance_uid == incoming.study_instance_uid)
    found = connection.execute(query).scalar_one_or_none()
    if found is not None:
        return found, False
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    at = incoming.received_at
    inserted = connection.execute(
        make(study)
        .values(
            study_instance_uid=incoming.study_instance_uid,
            **_described(incoming),
            calling_ae_title=incoming.calling_ae_title,
            state=State.RECEIVING,
            revision=1,
            received_at=at,
            last_received_at=at,
            started_at=at,
            closes_at=at + min(timing.quiet, timing.forced),
            conflict="",
            order_priority=incoming.order_priority,
            due_at=due_at(at, incoming.order_priority, allowances),
            reason="",
        )
        .on_conflict_do_nothing(index_elements=[study.c.study_instance_uid])
        .returning(study.c.id)
    ).scalar_one_or_none()
    if inserted is not None:
        return inserted, True
    return connection.execute(query).scalar_one(), False


def _described(incoming: IncomingInstance) -> dict[str, str]:
    return {
        "patient_id": incoming.patient_id,
        "issuer_of_patient_id": incoming.issuer_of_patient_id,
        "patient_name": incoming.patient_name,
        "patient_birth_date": incoming.patient_birth_date,
        "patient_sex": incoming.patient_sex,
        "patient_age": incoming.patient_age,
        "accession_number": incoming.accession_number,
        "study_date": incoming.study_date,
        "study_time": incoming.study_time,
        "study_description": incoming.study_description,
        "study_id": incoming.study_id,
        "referring_physician_name": incoming.referring_physician_name,
        "modality": incoming.attributes.modality,
    }


def _role(connection: Connection, study_id: int, incoming: IncomingInstance) -> Role:
    if _is_own(connection, incoming):
        return Role.OWN
    owner = connection.execute(select(study).where(study.c.id == study_id)).one()
    if not _same_patient(owner, incoming):
        return Role.CONFLICT
    twins = connection.execute(
        select(instance.c.study_id, instance.c.role).where(instance.c.sop_instance_uid == incoming.sop_instance_uid)
    ).all()
    if twins:
        elsewhere = any(twin.study_id != study_id for twin in twins)
        return Role.CONFLICT if elsewhere else Role.UNVERIFIED
    return Role.CANDIDATE if incoming.candidate else Role.EVIDENCE


def _is_own(connection: Connection, incoming: IncomingInstance) -> bool:
    by_ledger = exists().where(report.c.sop_instance_uid == incoming.sop_instance_uid)
    by_device = exists().where(result.c.device_uid.in_(incoming.device_uids))
    return bool(connection.execute(select(or_(by_ledger, by_device))).scalar_one())


def _same_patient(owner: Row[tuple[object, ...]], incoming: IncomingInstance) -> bool:
    """Tell whether an Instance names the study's patient: Patient ID with its Issuer (PS3.3 C.7.1.1).

    Where neither gives an ID (unidentified trauma patients have none) the name decides; an Issuer that one side leaves
    out does not contradict.
    """
    if owner.patient_id != incoming.patient_id:
        return False
    if not owner.patient_id:
        return bool(owner.patient_name == incoming.patient_name)
    issuers = {owner.issuer_of_patient_id, incoming.issuer_of_patient_id} - {""}
    return len(issuers) <= 1


def _apply(connection: Connection, position: Position, role: Role, incoming: IncomingInstance) -> int:
    """Let the Instance act on its study's lifecycle; return the revision the study is at afterwards."""
    if role not in {Role.CANDIDATE, Role.CONFLICT}:
        return position.revision
    at, study_id = incoming.received_at, position.study_id
    moved = advance(connection, position, Event.CANDIDATE_STORED, at=at, detail=incoming.sop_instance_uid)
    if moved is None:  # every state takes this event, and the row is locked
        message = f"expected a study that takes a new image. Received: state={position.state}"
        raise RuntimeError(message)
    values: dict[str, object] = {}
    if moved.revision != position.revision:
        values["started_at"] = at
    if role is Role.CONFLICT:
        values["conflict"] = CONFLICTING_IDENTITY
    if values:
        connection.execute(update(study).where(study.c.id == study_id).values(values))
    return moved.revision


def _enqueue(
    connection: Connection, queue: Queue, study_id: int, instance_id: int, role: Role, incoming: IncomingInstance
) -> None:
    kind = {Role.CANDIDATE: SCORE, Role.UNVERIFIED: COMPARE}.get(role)
    if kind is not None:
        due = connection.execute(select(study.c.due_at).where(study.c.id == study_id)).scalar_one()
        queue.enqueue(connection, kind, str(instance_id), due_at=due, run_at=incoming.received_at)


def _insert_instance(
    connection: Connection, study_id: int, role: Role, revision: int, incoming: IncomingInstance
) -> int:
    instance_id: int = connection.execute(
        insert(instance)
        .values(
            study_id=study_id,
            series_instance_uid=incoming.series_instance_uid,
            sop_instance_uid=incoming.sop_instance_uid,
            sop_class_uid=incoming.sop_class_uid,
            transfer_syntax_uid=incoming.transfer_syntax_uid,
            sha256=incoming.sha256,
            path=incoming.path,
            size=incoming.size,
            role=role,
            is_image=incoming.is_image,
            calling_ae_title=incoming.calling_ae_title,
            received_at=incoming.received_at,
            analysis_revision=revision if role is Role.CANDIDATE else None,
            **asdict(incoming.attributes),
        )
        .returning(instance.c.id)
    ).scalar_one()
    return instance_id


def _touch(connection: Connection, study_id: int, incoming: IncomingInstance, timing: Timing) -> None:
    """Push the study's close back while it arrives, and fill what earlier Instances did not say."""
    row = connection.execute(select(study).where(study.c.id == study_id)).one()
    values: dict[str, object] = {"last_received_at": incoming.received_at}
    if row.state == State.RECEIVING:
        values["closes_at"] = min(incoming.received_at + timing.quiet, row.started_at + timing.forced)
    if not row.conflict:
        said = _described(incoming)
        values |= {name: text for name, text in said.items() if text and not row._mapping[name]}  # noqa: SLF001 - the public name of SQLAlchemy's mapping view
    connection.execute(update(study).where(study.c.id == study_id).values(values))


def count_instances(database: Database) -> int:
    """Return how many Instances are on record."""
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(instance)).scalar_one()
