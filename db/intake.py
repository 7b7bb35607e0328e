"""Received Instances become rows: one transaction for the Instance, what it does to its study, and the next job."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, func, select

from db.advance import Position, advance, note
from db.arrival import bring
from db.audit import Who, note_transfer
from db.closing import Steps, Timing, close_time
from db.completion import conclude_when_settled
from db.database import Database, take
from db.expected import begin_as_expected
from db.forwarding import plan_forwards
from db.identity import OF_PATIENT, role_of
from db.incoming import IncomingInstance, Recorded
from db.intake_statements import CHANGE_STUDY, LOCKED_STUDY, NEW_INSTANCE, NEW_STUDY
from db.kinds import COMPARE, ORDER, REJECT, SCORE
from db.known import settled
from db.lifecycle import Event, State
from db.outcome import CONFLICTING_IDENTITY
from db.pace import place
from db.performed import Image, Step, steps_lock, steps_of, steps_say, withdrawal
from db.prior import begin_work
from db.priority import Allowances
from db.queue import Queue
from db.rejected import rejected_before
from db.removed import begin_anew
from db.roles import NO_WORK, Role
from db.schema.domain import instance
from db.search_index import SEARCHED, learn
from db.work_due import work_due

__all__ = ["IncomingInstance", "Recorded", "Role", "Timing", "count_instances", "record_instance"]

StudyRow: TypeAlias = Row[Any]


def record_instance(
    database: Database, queue: Queue, incoming: IncomingInstance, *, timing: Timing, allowances: Allowances
) -> Recorded:
    """Commit one received Instance; when this returns, row and job are synced to disk.

    Safe to repeat: the same bytes are recorded once. Raises db.errors.DatabaseError when nothing was recorded.
    """
    # The lock is on the SOP Instance UID: two studies that bring the same one at once have to see each other.
    with database.begin(lock=("sop_instance", incoming.sop_instance_uid)) as connection:
        return record_within(connection, queue, incoming, timing=timing, allowances=allowances)


def record_within(
    connection: Connection, queue: Queue, incoming: IncomingInstance, *, timing: Timing, allowances: Allowances
) -> Recorded:
    """Record one received Instance in the caller's transaction, which nobody else with this SOP Instance UID is in."""
    known = settled(connection, incoming, timing)
    if known is not None and known.role is not Role.REMOVED:
        return known
    again = known is not None
    owner, is_new = _study_of(connection, incoming, timing, allowances)
    waited = connection.dialect.name == "postgresql"  # for the study's row: SQLite has one writer from the beginning
    if waited and (known := settled(connection, incoming, timing)) is not None:  # somebody was first
        return known
    role = role_of(connection, owner, incoming)
    makes_work = role not in NO_WORK and not (incoming.is_prior and role is Role.DUPLICATE)
    makes_work &= not (incoming.rejects and owner.prior_only)  # a note alone is no study to conclude
    if owner.prior_only and makes_work:
        owner, is_new = begin_work(connection, owner, incoming, allowances), True
    position = Position(owner.id, State(owner.state), owner.revision)
    if is_new:
        note(connection, position, "RECEIVED", position.state, at=incoming.received_at)
        owner = begin_as_expected(connection, owner, at=incoming.received_at, allowances=allowances)
        _ask_order(connection, queue, owner, role, incoming)
    steps = steps_of(connection, incoming.study_instance_uid) if is_new or owner.steps else ()
    withdrawn = _withdrawn(connection, owner, steps, incoming) if role is Role.CANDIDATE else ""
    moved = position if withdrawn else _apply(connection, position, owner, role, incoming)
    instance_id = _insert_instance(connection, moved, role, incoming, withdrawn)
    if withdrawn:  # a conclusion that is under way does not know of it, and is given up
        conclude_when_settled(connection, queue, moved, at=incoming.received_at)
    else:
        _enqueue(connection, queue, owner, instance_id, role, incoming)
    changes = _changes(moved, owner, role, incoming)
    if makes_work:
        changes |= _arrival(moved, owner, incoming, timing, steps_say(connection, owner.id, steps))
        if incoming.association_id:
            bring(connection, owner.id, incoming.association_id, at=incoming.received_at)
            sender = Who(incoming.calling_ae_title.strip(), source=incoming.peer_address)
            note_transfer(connection, owner.id, sender, at=incoming.received_at)
    if changes:
        CHANGE_STUDY.run(connection, {"which": owner.id, **changes})
    if role in {Role.CANDIDATE, Role.EVIDENCE}:
        plan_forwards(connection, queue, owner.id, instance_id, incoming.forwards, at=incoming.received_at)
    _learn(connection, owner, changes, is_new=is_new)
    return Recorded(owner.id, instance_id, role, known=False, again=again)


def _study_of(
    connection: Connection, incoming: IncomingInstance, timing: Timing, allowances: Allowances
) -> tuple[StudyRow, bool]:
    """Return the study's row, locked, and whether it is new."""
    which = {"study_instance_uid": incoming.study_instance_uid}
    found = LOCKED_STUDY.one_or_none(connection, which)
    if found is not None and found.removed_at is not None:
        return begin_anew(connection, found, incoming, _described(incoming), allowances), True
    if found is not None:
        return found, False
    take(connection, steps_lock(incoming.study_instance_uid))  # its steps may be coming in at this moment
    at = incoming.received_at
    inserted = NEW_STUDY.one_or_none(
        connection,
        which
        | _described(incoming)
        | {
            "calling_ae_title": incoming.calling_ae_title,
            "state": State.RECEIVING,
            "revision": 1,
            "received_at": at,
            "last_received_at": at,
            "started_at": at,
            "closes_at": at + min(timing.quiet, timing.forced),
            "conflict": "",
            **place(connection, incoming, allowances),
            "reason": "",
            "prior_only": incoming.is_prior or incoming.rejects,
        },
    )
    if inserted is not None:
        return inserted, True
    return LOCKED_STUDY.rows(connection, which)[0], False


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


def _apply(
    connection: Connection, position: Position, owner: StudyRow, role: Role, incoming: IncomingInstance
) -> Position:
    """Let the Instance act on its study's lifecycle; return where the study stands afterwards.

    Of conflicts only the first is an event: after it a person decides, however many more come.
    """
    if role not in {Role.CANDIDATE, Role.CONFLICT} or (role is Role.CONFLICT and owner.conflict):
        return position
    at, detail = incoming.received_at, incoming.sop_instance_uid
    moved = advance(connection, position, Event.CANDIDATE_STORED, at=at, detail=detail)
    if moved is None:  # every state takes this event, and the row is locked
        message = f"expected a study that takes a new image. Received: state={position.state}"
        raise RuntimeError(message)
    return moved


def _enqueue(
    connection: Connection, queue: Queue, owner: StudyRow, instance_id: int, role: Role, incoming: IncomingInstance
) -> None:
    work = {Role.CANDIDATE: SCORE, Role.UNVERIFIED: COMPARE, Role.EVIDENCE: REJECT if incoming.rejects else None}
    if (kind := work.get(role)) is not None:
        queue.enqueue(connection, kind, str(instance_id), due_at=work_due(owner), run_at=incoming.received_at)


def _ask_order(connection: Connection, queue: Queue, owner: StudyRow, role: Role, incoming: IncomingInstance) -> None:
    if incoming.asks_order and role not in NO_WORK:
        queue.enqueue(connection, ORDER, str(owner.id), due_at=work_due(owner), run_at=incoming.received_at)


def _insert_instance(
    connection: Connection, moved: Position, role: Role, incoming: IncomingInstance, withdrawn: str
) -> int:
    new = NEW_INSTANCE.rows(
        connection,
        {
            "study_id": moved.study_id,
            "series_instance_uid": incoming.series_instance_uid,
            "sop_instance_uid": incoming.sop_instance_uid,
            "sop_class_uid": incoming.sop_class_uid,
            "transfer_syntax_uid": incoming.transfer_syntax_uid,
            "sha256": incoming.sha256,
            "path": incoming.path,
            "size": incoming.size,
            "role": role,
            "is_image": incoming.is_image,
            "calling_ae_title": incoming.calling_ae_title,
            "received_at": incoming.received_at,
            **{name: getattr(incoming.attributes, name) for name in incoming.attributes.__slots__},
            "analysis_revision": moved.revision if role is Role.CANDIDATE and not withdrawn else None,
            "performed_step_uid": incoming.performed_step_uid or None,
            "misread_text": incoming.misread_text,
            "unknown_class": incoming.unknown_class,
            "withdrawn": withdrawn or None,
        },
    )
    instance_id: int = new[0].id
    return instance_id


def _withdrawn(connection: Connection, owner: StudyRow, steps: Sequence[Step], incoming: IncomingInstance) -> str:
    """Return why a candidate counts for nothing from the beginning, "" if it counts."""
    reason = withdrawal(steps, _image(incoming))
    return reason or (rejected_before(connection, incoming) if owner.rejections else "")


def _image(incoming: IncomingInstance) -> Image:
    return Image(
        sop_instance_uid=incoming.sop_instance_uid,
        performed_step_uid=incoming.performed_step_uid,
        calling_ae_title=incoming.calling_ae_title,
    )


def _changes(moved: Position, owner: StudyRow, role: Role, incoming: IncomingInstance) -> dict[str, object]:
    """Return what the Instance changes in its study's row beside its state."""
    changes: dict[str, object] = {}
    if moved.revision != owner.revision:
        changes["started_at"] = incoming.received_at
    if role in {Role.CANDIDATE, Role.CONFLICT} and not owner.conflict:  # whatever was read, this was not
        changes |= {"read_at": None, "read_how": None} if owner.read_at is not None else {}
    if role is Role.PRIOR and owner.prior_only:  # somebody has fetched it, and compares: its age counts from now
        changes["last_received_at"] = incoming.received_at
    if role is Role.CONFLICT:
        changes["conflict"] = owner.conflict or CONFLICTING_IDENTITY
    return changes if role is Role.OWN else changes | _filled(owner, role, incoming)


def _arrival(
    moved: Position, owner: StudyRow, incoming: IncomingInstance, timing: Timing, say: Steps
) -> dict[str, object]:
    """Plan the study's close anew while it arrives."""
    at = incoming.received_at
    values: dict[str, object] = {"last_received_at": at}
    if say is not Steps(owner.steps or ""):
        values["steps"] = say or None
    if moved.state == State.RECEIVING:
        started_at = at if moved.revision != owner.revision else owner.started_at
        values["closes_at"] = close_time(
            timing, revision=moved.revision, started_at=started_at, last_at=at, steps=say, now=at
        )
    return values


def _filled(owner: StudyRow, role: Role, incoming: IncomingInstance) -> dict[str, object]:
    """Return what earlier Instances of the study did not say, but nothing of an ID that was merged since.

    What such an Instance says otherwise is remembered: reports that are made of it say what is on record.
    """
    if owner.conflict or role is Role.CONFLICT:
        return {}
    told, corrected = _described(incoming), {*owner.corrected.split()}
    if incoming.patient_id != owner.patient_id:
        otherwise = {name for name in OF_PATIENT if told[name] != getattr(owner, name) != ""}
        kept = corrected | {*OF_PATIENT}
        changes: dict[str, object] = (
            {} if otherwise <= corrected else {"corrected": " ".join(sorted(corrected | otherwise))}
        )
    else:
        kept, changes = corrected, {}
    return changes | {name: told[name] for name in told if told[name] and name not in kept and not getattr(owner, name)}


def _learn(connection: Connection, owner: StudyRow, changes: dict[str, object], *, is_new: bool) -> None:
    """Let the study be found by what is known of it now."""
    if is_new or changes.keys() & SEARCHED:
        learn(connection, owner.id, *(str(changes.get(name, getattr(owner, name))) for name in SEARCHED))


def count_instances(database: Database) -> int:
    """Return how many Instances are on record."""
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(instance)).scalar_one()
