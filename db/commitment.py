"""Storage Commitment on record: a request is there, with the job that reports on it, before it is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from db import kinds
from db.database import Database
from db.delivery_state import DeliveryState
from db.errors import RefusedError
from db.queue import Queue
from db.schema.commitment import commitment, commitment_instance
from db.schema.domain import instance
from db.still import still

_UIDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """One file in which an Instance lies: a SOP Instance UID may have come in several."""

    sop_class_uid: str
    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentTask:
    """A report that is still to be made. `instances` are pairs of SOP Class and SOP Instance UID.

    `failures` gives the Failure Reason (0 for committed) by SOP Instance UID, None as long as nothing was verified.
    """

    id: int
    transaction_uid: str
    calling_ae_title: str
    called_ae_title: str
    instances: tuple[tuple[str, str], ...]
    failures: Mapping[str, int] | None


def record_request(  # noqa: PLR0913 - a request has these parts
    database: Database,
    queue: Queue,
    *,
    transaction_uid: str,
    calling_ae_title: str,
    called_ae_title: str,
    instances: Sequence[tuple[str, str]],
    now: datetime,
    report_at: datetime,
) -> int:
    """Commit a request and the job that reports on it, not before `report_at`; return its id.

    The same request again is reported on again, with what is true then. Raises RefusedError for a Transaction UID that
    the same peer has used for other Instances.
    """
    wanted = list(dict.fromkeys(instances))
    with database.begin(lock=("commitment", calling_ae_title, transaction_uid)) as connection:
        known = connection.execute(
            select(commitment.c.id).where(
                commitment.c.calling_ae_title == calling_ae_title, commitment.c.transaction_uid == transaction_uid
            )
        ).scalar_one_or_none()
        if known is None:
            found = _insert(connection, transaction_uid, calling_ae_title, called_ae_title, now)
        elif set(_instances(connection, known)) != set(wanted):
            message = f"expected a Transaction UID of its own. Received again: {transaction_uid}"
            raise RefusedError(message)
        else:
            found = known
            fresh = {"state": DeliveryState.QUEUED, "attempts": 0, "reason": "", "verified_at": None}
            connection.execute(update(commitment).where(commitment.c.id == found).values(fresh))
            connection.execute(delete(commitment_instance).where(commitment_instance.c.commitment_id == found))
        rows = [
            {"commitment_id": found, "sop_class_uid": sop_class, "sop_instance_uid": sop_instance}
            for sop_class, sop_instance in wanted
        ]
        connection.execute(insert(commitment_instance), rows)
        queue.enqueue(connection, kinds.COMMIT, str(found), due_at=now, run_at=report_at)
    return found


def _insert(
    connection: Connection, transaction_uid: str, calling_ae_title: str, called_ae_title: str, now: datetime
) -> int:
    inserted: int = connection.execute(
        insert(commitment)
        .values(
            transaction_uid=transaction_uid,
            calling_ae_title=calling_ae_title,
            called_ae_title=called_ae_title,
            state=DeliveryState.QUEUED,
            attempts=0,
            reason="",
            requested_at=now,
        )
        .returning(commitment.c.id)
    ).scalar_one()
    return inserted


def _instances(connection: Connection, commitment_id: int) -> list[tuple[str, str]]:
    rows = connection.execute(
        select(commitment_instance.c.sop_class_uid, commitment_instance.c.sop_instance_uid)
        .where(commitment_instance.c.commitment_id == commitment_id)
        .order_by(commitment_instance.c.id)
    )
    return [(row.sop_class_uid, row.sop_instance_uid) for row in rows]


def commitment_task(database: Database, commitment_id: int) -> CommitmentTask | None:
    """Return what is to be reported, or None: it was acknowledged, or is parked."""
    with database.read() as connection:
        row = connection.execute(
            select(commitment).where(
                commitment.c.id == commitment_id, still(commitment.c.state) == DeliveryState.QUEUED
            )
        ).one_or_none()
        if row is None:
            return None
        parts = connection.execute(
            select(commitment_instance)
            .where(commitment_instance.c.commitment_id == commitment_id)
            .order_by(commitment_instance.c.id)
        ).all()
    return CommitmentTask(
        id=row.id,
        transaction_uid=row.transaction_uid,
        calling_ae_title=row.calling_ae_title,
        called_ae_title=row.called_ae_title,
        instances=tuple((part.sop_class_uid, part.sop_instance_uid) for part in parts),
        failures=None if row.verified_at is None else {part.sop_instance_uid: part.failure_reason for part in parts},
    )


def stored_copies(database: Database, sop_instance_uids: Sequence[str]) -> dict[str, list[StoredCopy]]:
    """Return every file of each of these Instances, also what is kept apart: all of it was received."""
    found: dict[str, list[StoredCopy]] = {}
    for start in range(0, len(sop_instance_uids), _UIDS_AT_ONCE):
        wanted = sop_instance_uids[start : start + _UIDS_AT_ONCE]
        is_here = instance.c.removed_at.is_(None)
        query = select(instance).where(instance.c.sop_instance_uid.in_(wanted), is_here)
        with database.read() as connection:
            for row in connection.execute(query):
                copy = StoredCopy(row.sop_class_uid, row.path, row.sha256, row.size)
                found.setdefault(row.sop_instance_uid, []).append(copy)
    return found


def record_verified(database: Database, commitment_id: int, failures: Mapping[str, int], *, at: datetime) -> None:
    """Commit what was found of each Instance: every report of the transaction says the same."""
    with database.begin() as connection:
        for reason in set(failures.values()):
            uids = [uid for uid, found in failures.items() if found == reason]
            for start in range(0, len(uids), _UIDS_AT_ONCE):
                connection.execute(
                    update(commitment_instance)
                    .where(
                        commitment_instance.c.commitment_id == commitment_id,
                        commitment_instance.c.sop_instance_uid.in_(uids[start : start + _UIDS_AT_ONCE]),
                    )
                    .values(failure_reason=reason)
                )
        connection.execute(update(commitment).where(commitment.c.id == commitment_id).values(verified_at=at))


def acknowledge_report(database: Database, commitment_id: int, *, at: datetime) -> None:
    """Commit that the peer has the report."""
    with database.begin() as connection:
        connection.execute(
            update(commitment)
            .where(commitment.c.id == commitment_id)
            .values(state=DeliveryState.ACKNOWLEDGED, reason="", attempts=commitment.c.attempts + 1, acknowledged_at=at)
        )


def record_failed_report(database: Database, commitment_id: int, *, reason: str, parked: bool) -> None:
    """Commit that the peer did not take the report, and why; a parked one waits for a person."""
    values: dict[str, object] = {"reason": reason, "attempts": commitment.c.attempts + 1}
    if parked:
        values["state"] = DeliveryState.PARKED
    with database.begin() as connection:
        connection.execute(
            update(commitment)
            .where(commitment.c.id == commitment_id, still(commitment.c.state) == DeliveryState.QUEUED)
            .values(values)
        )


def requeue_reports(database: Database, queue: Queue, *, now: datetime) -> int:
    """Queue again the reports of commitments that nobody acknowledged, parked or not; return how many.

    One that still waits loses nothing by it, and one whose job the queue itself has parked has no other way back.
    """
    with database.begin() as connection:
        ids = connection.scalars(select(commitment.c.id).where(commitment.c.state != DeliveryState.ACKNOWLEDGED)).all()
        for found in ids:
            connection.execute(
                update(commitment).where(commitment.c.id == found).values(state=DeliveryState.QUEUED, attempts=0)
            )
            queue.enqueue(connection, kinds.COMMIT, str(found), due_at=now, run_at=now)
    return len(ids)
