"""Stored is not yet delivered: a report that its destination says it has waits here until it is seen to have it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, insert, or_, select, update

from db import kinds
from db.advance import lock
from db.database import Database
from db.delivery_attempt import close_attempt, study_of
from db.delivery_state import DeliveryState
from db.queue import Queue
from db.schema.delivery import commitment_asked
from db.schema.domain import delivery, report, result, study
from db.settling import settle_delivered
from db.still import still
from db.work_due import WORK_DUE


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCommitment:
    """A request for Storage Commitment. `failure_reason` is None until it is answered, and 0 for committed."""

    asked_at: datetime
    failure_reason: int | None


def record_stored(database: Database, delivery_id: int, *, detail: str, at: datetime, attempt_id: int) -> None:
    """Commit that the destination says that it has the report; that is still to be confirmed."""
    values = {"state": DeliveryState.STORED, "reason": detail, "stored_at": at, "updated_at": at, "confirmation": ""}
    with database.begin() as connection:
        close_attempt(connection, attempt_id, detail, at)
        connection.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id, delivery.c.state != DeliveryState.ACKNOWLEDGED)
            .values(values)
        )


def asked_commitment(database: Database, delivery_id: int, *, since: datetime) -> AskedCommitment | None:
    """Return the last commitment that was asked for since the report was stored, None if there is none."""
    table = commitment_asked
    with database.read() as connection:
        row = connection.execute(
            select(table)
            .where(table.c.delivery_id == delivery_id, table.c.asked_at >= since)
            .order_by(table.c.id.desc())
            .limit(1)
        ).one_or_none()
    return None if row is None else AskedCommitment(asked_at=row.asked_at, failure_reason=row.failure_reason)


def ask_commitment(database: Database, delivery_id: int, transaction_uid: str, *, at: datetime) -> None:
    """Commit, before it is asked for, which delivery a commitment is about: its report may come to any process."""
    with database.begin() as connection:
        connection.execute(
            insert(commitment_asked).values(delivery_id=delivery_id, transaction_uid=transaction_uid, asked_at=at)
        )


def forget_commitment(database: Database, transaction_uid: str) -> None:
    """Take back that a commitment was asked for: it was not, or answered at once."""
    with database.begin() as connection:
        connection.execute(
            delete(commitment_asked).where(
                commitment_asked.c.transaction_uid == transaction_uid, commitment_asked.c.answered_at.is_(None)
            )
        )


def answer_commitment(
    database: Database,
    queue: Queue,
    transaction_uid: str,
    failures: Mapping[str, int],
    *,
    committed: frozenset[str],
    missing: int,
    at: datetime,
) -> bool:
    """Commit what a report of Storage Commitment says, and let the delivery go on; False if we did not ask for it.

    An Instance that the report does not name has failed, with `missing` as reason. The first report counts.
    """
    table = commitment_asked
    query = (
        select(table.c.id, table.c.delivery_id, delivery.c.destination, report.c.identifier, WORK_DUE.label("due_at"))
        .select_from(table)
        .join(delivery, delivery.c.id == table.c.delivery_id)
        .join(report, report.c.id == delivery.c.report_id)
        .join(result)
        .join(study, study.c.id == result.c.study_id)
        .where(table.c.transaction_uid == transaction_uid)
    )
    with database.begin() as connection:
        row = connection.execute(query).one_or_none()
        if row is None:
            return False
        reason = 0 if row.identifier in committed else failures.get(row.identifier) or missing
        connection.execute(
            update(table)
            .where(table.c.id == row.id, table.c.answered_at.is_(None))
            .values(answered_at=at, failure_reason=reason)
        )
        queue.enqueue(connection, kinds.deliver(row.destination), str(row.delivery_id), due_at=row.due_at, run_at=at)
    return True


def confirm(database: Database, delivery_id: int, *, confirmation: str, at: datetime) -> None:
    """Commit that the destination has the report; a revision's last one moves its study to DELIVERED."""
    values = {
        "state": DeliveryState.ACKNOWLEDGED,
        "confirmation": confirmation,
        "updated_at": at,
        "acknowledged_at": at,
    }
    with database.begin() as connection:
        position = lock(connection, study_of(connection, delivery_id))
        connection.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id, still(delivery.c.state) == DeliveryState.STORED)
            .values(values)
        )
        settle_delivered(connection, position, at=at)


def record_unconfirmed(database: Database, delivery_id: int, *, reason: str, parked: bool, at: datetime) -> bool:
    """Commit that the destination does not have the report after all; return whether it is to be sent again.

    It is not where a person has to look (`parked`), nor where a later version has been made since or its result is
    being withdrawn. A rejection note is: whatever the study comes to later, what it names is to go.
    """
    with database.begin() as connection:
        study_id = study_of(connection, delivery_id)
        lock(connection, study_id)
        state = DeliveryState.QUEUED
        if parked:
            state = DeliveryState.PARKED
        own = (
            select(result.c.revision, report.c.rejects)
            .select_from(delivery)
            .join(report, report.c.id == delivery.c.report_id)
            .join(result)
            .where(delivery.c.id == delivery_id)
        )
        revision, rejects = connection.execute(own).one()
        later = exists().where(result.c.study_id == study_id, result.c.revision > revision)
        taken_back = exists().where(study.c.id == study_id, study.c.withdrawing)
        if not rejects and connection.execute(select(or_(later, taken_back))).scalar_one():
            state = DeliveryState.SUPERSEDED
        changed = connection.execute(
            update(delivery)
            .where(delivery.c.id == delivery_id, still(delivery.c.state) == DeliveryState.STORED)
            .values(state=state, reason=reason, updated_at=at)
        )
    return bool(changed.rowcount) and state == DeliveryState.QUEUED
