"""Rejection notes that came (IHE IOCM): the images that they name count no more, now or when they come."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from db.advance import Position, lock
from db.causes import REASONS, Cause, How
from db.completion import conclude_when_settled
from db.database import Database
from db.incoming import IncomingInstance
from db.performed import standing
from db.prepared import Prepared
from db.priority import Allowances
from db.queue import Queue
from db.result_withdrawal import Why, current_revision, withdraw_current
from db.schema.domain import instance, report, result, study
from db.schema.withdrawal import rejected_instance
from db.withdrawal import Withdrawal, withdraw

_BIGGEST_BATCH = 500
_BEFORE = Prepared(
    select(rejected_instance.c.reason).where(
        rejected_instance.c.study_instance_uid == bindparam("study_instance_uid"),
        rejected_instance.c.sop_instance_uid == bindparam("sop_instance_uid"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTask:
    """A rejection note on record, whose file says what it takes back."""

    study_id: int
    study_instance_uid: str
    sop_instance_uid: str
    calling_ae_title: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heeded:
    """What a note came to: images and results withdrawn, and images that have not come and will not count."""

    images: int = 0
    results: int = 0
    to_come: int = 0


def note_task(database: Database, instance_id: int) -> NoteTask:
    """Return the note that is to be heeded."""
    with database.read() as connection:
        row = connection.execute(
            select(
                instance.c.study_id,
                study.c.study_instance_uid,
                instance.c.sop_instance_uid,
                instance.c.calling_ae_title,
                instance.c.path,
            )
            .join(study, study.c.id == instance.c.study_id)
            .where(instance.c.id == instance_id)
        ).one()
    return NoteTask(**row._mapping)  # noqa: SLF001 - SQLAlchemy's name for it


def heed(
    database: Database,
    queue: Queue,
    task: NoteTask,
    cause: Cause,
    named: Sequence[str],
    *,
    at: datetime,
    allowances: Allowances,
) -> Heeded:
    """Withdraw what a note names of its study. Safe to repeat. A study in quarantine is left to a person."""
    actor = f"peer {task.calling_ae_title}"
    with database.begin() as connection:
        position = lock(connection, task.study_id)
        query = select(study.c.conflict).where(study.c.id == task.study_id)
        if connection.execute(query).scalar_one():
            return Heeded()
        names = frozenset(named)
        images = [id_ for id_, one in standing(connection, task.study_id).items() if one.sop_instance_uid in names]
        if images:
            what = Withdrawal(How.REJECTED, cause, REASONS[cause], images)
            withdraw(connection, queue, position, what, at=at, allowances=allowances, actor=actor)
        _settle(connection, task.study_id, names, REASONS[cause])
        results = 0
        if _names_current_report(connection, position, names):
            why = Why(cause=cause, reason=REASONS[cause], actor=actor)
            results = withdraw_current(connection, queue, position, why, at=at, allowances=allowances) is not None
        to_come = _remember(connection, task, names, REASONS[cause], at)
        conclude_when_settled(connection, queue, position, at=at)
    return Heeded(images=len(images), results=results, to_come=to_come)


def rejected_before(connection: Connection, incoming: IncomingInstance) -> str:
    """Return why an image that comes now was rejected before it came, "" if it was not."""
    which = {
        "study_instance_uid": incoming.study_instance_uid,
        "sop_instance_uid": incoming.sop_instance_uid,
    }
    found = _BEFORE.one_or_none(connection, which)
    return "" if found is None else str(found.reason)


def _settle(connection: Connection, study_id: int, named: Collection[str], reason: str) -> None:
    """Let images that were withdrawn with their result, and are now rejected themselves, never count again."""
    for batch in _batches(named):
        connection.execute(
            update(instance)
            .where(
                instance.c.study_id == study_id,
                instance.c.withdrawn_how == How.RESULT,
                instance.c.sop_instance_uid.in_(batch),
            )
            .values(withdrawn=reason, withdrawn_how=How.REJECTED)
        )


def _names_current_report(connection: Connection, position: Position, named: Collection[str]) -> bool:
    """Tell whether a report of the study's current result is among them; what an earlier one said is said no more."""
    current = connection.scalars(
        select(report.c.sop_instance_uid)
        .join(result)
        .where(
            result.c.study_id == position.study_id,
            result.c.revision == current_revision(connection, position.study_id),
            report.c.sop_instance_uid.is_not(None),
            ~report.c.rejects,
        )
    )
    return not set(current).isdisjoint(named)


def _remember(connection: Connection, task: NoteTask, named: Collection[str], reason: str, at: datetime) -> int:
    """Keep what is not here yet, so that it does not count when it comes; return how many."""
    missing = sorted(set(named) - _known(connection, task.study_id, named))
    for uid in missing:
        which = {"study_instance_uid": task.study_instance_uid, "sop_instance_uid": uid}
        if _BEFORE.one_or_none(connection, which) is None:
            connection.execute(insert(rejected_instance).values(**which, reason=reason, rejected_at=at))
    if missing:
        connection.execute(update(study).where(study.c.id == task.study_id).values(rejections=True))
    return len(missing)


def _known(connection: Connection, study_id: int, named: Collection[str]) -> set[str]:
    found: set[str] = set()
    for batch in _batches(named):
        query = select(instance.c.sop_instance_uid).where(
            instance.c.study_id == study_id, instance.c.sop_instance_uid.in_(batch)
        )
        found |= set(connection.scalars(query))
    return found


def _batches(named: Collection[str]) -> Iterator[list[str]]:
    names = sorted(named)
    for start in range(0, len(names), _BIGGEST_BATCH):
        yield names[start : start + _BIGGEST_BATCH]
