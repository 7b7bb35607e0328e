"""Reading tasks: one open task for each study that is complete or flagged, until somebody has read it.

Written in the transactions that make them needed; what peers do with them is `db.workitem_changes`.
"""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, Row, bindparam, exists, insert, select, update

from db.advance import lock
from db.causes import How
from db.database import Database
from db.lifecycle import State
from db.prepared import Prepared
from db.queue import Queue
from db.roles import NO_WORK, Role
from db.schema.domain import installation, instance, study
from db.schema.workitems import workitem
from db.subscriptions import EventType, announce
from db.workitem_states import OPEN, WorkitemState

_NAMESPACE = UUID("2c8f5f0e-3f0a-4f57-9a55-6a9b1d0a7b60")

_MOST_AT_ONCE = 200

WITHDRAWN = "Its images, or what was said of them, were withdrawn"
READ = "The study has been read"
CORRECTED = "Its patient was corrected"
FORGOTTEN = "Its performer has said nothing for too long"
ABANDONED = timedelta(hours=12)
"""Who holds a task and says nothing for so long is taken to have forgotten it (PS3.4 CC.2.1.3)."""


_STUDY = Prepared(select(study).where(study.c.id == bindparam("study_id")))
_LATEST = Prepared(
    select(workitem).where(workitem.c.study_id == bindparam("study_id")).order_by(workitem.c.number.desc()).limit(1)
)
_BEFORE = Prepared(
    select(workitem.c.sop_instance_uid)
    .where(workitem.c.study_id == bindparam("study_id"), workitem.c.number < bindparam("number"))
    .order_by(workitem.c.number)
)
_HOWS = Prepared(
    select(instance.c.withdrawn_how).where(
        instance.c.study_id == bindparam("study_id"), instance.c.role == Role.CANDIDATE
    )
)
_OURS = Prepared(select(installation.c.uuid).where(installation.c.id == 1))
_INSERT = Prepared(insert(workitem).returning(workitem.c.id))


def schedule(connection: Connection, queue: Queue, study_id: int, *, at: datetime, again: bool = False) -> None:
    """Let the study have an open task; its row is locked. Of a study in conflict of identity nothing is told.

    A study that was read needs none. One whose task has ended otherwise gets another when it has changed since (a new
    revision), or with `again`.
    """
    (row,) = _STUDY.rows(connection, {"study_id": study_id})
    if row.conflict or row.read_at is not None:
        return
    latest = latest_task(connection, study_id)
    if latest is not None and latest.state in OPEN:
        _confirm(connection, queue, latest, row, at)
    elif latest is None or again or row.revision > latest.revision or _has_come_since(connection, latest):
        _insert(connection, queue, row, 1 if latest is None else latest.number + 1, at)


def _has_come_since(connection: Connection, task: Row[Any]) -> bool:
    """Tell whether an image that counts has come since a task ended: it may be one of the same revision."""
    return bool(
        connection.execute(
            select(
                exists().where(
                    instance.c.study_id == task.study_id,
                    instance.c.role == Role.CANDIDATE,
                    instance.c.withdrawn.is_(None),
                    instance.c.received_at > task.ended_at,
                )
            )
        ).scalar_one()
    )


def follow_result(connection: Connection, queue: Queue, study_id: int, *, at: datetime) -> None:
    """Let the study's task follow its new result. Where no image is left that counts, what the AI ordered is cancelled.

    Only images that their modality or a rejection note took back need no reading: where the result was withdrawn, they
    are as they were, and a new task says nothing of the AI.
    """
    hows = [one.withdrawn_how for one in _HOWS.rows(connection, {"study_id": study_id})]
    if hows and None not in hows:
        withdraw_task(connection, queue, study_id, WITHDRAWN, at=at)
        if How.RESULT in hows:
            schedule(connection, queue, study_id, at=at, again=True)
        return
    schedule(connection, queue, study_id, at=at)


def replace_task(connection: Connection, queue: Queue, study_id: int, *, at: datetime) -> None:
    """Let a new task take the place of one that nobody holds: whose task it is cannot be changed (PS3.4 CC.2.6).

    The study's row is locked. Who holds a task goes on with it, and finds the corrected patient in it here.
    """
    task = latest_task(connection, study_id)
    if task is not None and task.state == WorkitemState.SCHEDULED:
        cancel_scheduled(connection, queue, task, CORRECTED, at=at)
        schedule(connection, queue, study_id, at=at, again=True)


def tasks_before(connection: Connection, task: Row[Any]) -> tuple[str, ...]:
    """Return the UIDs of the study's tasks before this one, the oldest first."""
    found = _BEFORE.rows(connection, {"study_id": task.study_id, "number": task.number})
    return tuple(one.sop_instance_uid for one in found)


def latest_task(connection: Connection, study_id: int) -> Any:  # noqa: ANN401 - a row
    """Return the study's task, or the last one if it has had several; None if it has had none."""
    return _LATEST.one_or_none(connection, {"study_id": study_id})


def withdraw_task(connection: Connection, queue: Queue, study_id: int, reason: str, *, at: datetime) -> None:
    """Cancel the study's open task; of one that somebody holds, ask that it be cancelled (PS3.4 CC.2.2)."""
    task = latest_task(connection, study_id)
    if task is None or task.state not in OPEN:
        return
    if task.state == WorkitemState.SCHEDULED:
        cancel_scheduled(connection, queue, task, reason, at=at)
        return
    connection.execute(update(workitem).where(workitem.c.id == task.id).values(cancel_requested_at=at))
    announce(connection, queue, task.id, EventType.CANCEL_REQUESTED, {"reason": reason}, at=at)


def tidy(database: Database, queue: Queue, *, now: datetime) -> int:
    """Cancel the tasks of studies that were read otherwise, unless somebody holds them: that one will say so itself.

    Let concluded studies have a task that have had none: they were concluded by an earlier version of this program. And
    give to others what somebody has held for too long without a word: no study is lost with a system that forgot it.
    Returns how many of all there were. Safe to run twice, anywhere, and to miss.
    """
    read = (
        select(study.c.id)
        .join(workitem)
        .where(study.c.read_at.is_not(None), workitem.c.state == WorkitemState.SCHEDULED)
        .limit(_MOST_AT_ONCE)
    )
    somebody_elses = exists().where(instance.c.study_id == study.c.id, instance.c.role.not_in(NO_WORK))
    without = (
        select(study.c.id)
        .where(
            study.c.state.not_in((State.RECEIVING, State.COMPLETE)),  # said so, the index of the unread is taken
            *(study.c.read_at.is_(None), study.c.conflict == "", ~study.c.prior_only, somebody_elses),
            ~exists().where(workitem.c.study_id == study.c.id),
        )
        .order_by(study.c.due_at, study.c.id)
        .limit(_MOST_AT_ONCE)
    )
    forgotten = select(workitem.c.study_id).where(
        workitem.c.state == WorkitemState.IN_PROGRESS, workitem.c.modified_at < now - ABANDONED
    )
    with database.read() as connection:
        ended, missing = connection.scalars(read).all(), connection.scalars(without).all()
        held = connection.scalars(forgotten.limit(_MOST_AT_ONCE)).all()
    for study_id in ended:
        with database.begin() as connection:
            lock(connection, study_id)
            task = latest_task(connection, study_id)
            if task is not None and task.state == WorkitemState.SCHEDULED:
                cancel_scheduled(connection, queue, task, READ, at=now)
    for study_id in missing:
        with database.begin() as connection:
            lock(connection, study_id)
            schedule(connection, queue, study_id, at=now)
    for study_id in held:
        with database.begin() as connection:
            lock(connection, study_id)
            task = latest_task(connection, study_id)
            if task is not None and task.state == WorkitemState.IN_PROGRESS and task.modified_at < now - ABANDONED:
                _cancel(connection, task, FORGOTTEN, now)
                report_state(connection, queue, task.id, WorkitemState.CANCELED, reason=FORGOTTEN, at=now)
                schedule(connection, queue, study_id, at=now, again=task.cancel_requested_at is None)
    return len(ended) + len(missing) + len(held)


def cancel_scheduled(connection: Connection, queue: Queue, task: Row[Any], reason: str, *, at: datetime) -> None:
    """Cancel a task that nobody holds: by way of IN PROGRESS, as the standard has it (PS3.4 CC.2.2.3)."""
    _cancel(connection, task, reason, at)
    for state in (WorkitemState.IN_PROGRESS, WorkitemState.CANCELED):
        report_state(connection, queue, task.id, state, reason=reason, at=at)


def _cancel(connection: Connection, task: Row[Any], reason: str, at: datetime) -> None:
    connection.execute(
        update(workitem)
        .where(workitem.c.id == task.id)
        .values(state=WorkitemState.CANCELED, reason=reason, ended_at=at, modified_at=at)
    )


def report_state(
    connection: Connection, queue: Queue, workitem_id: int, state: WorkitemState, *, reason: str = "", at: datetime
) -> None:
    """Tell the subscribers what state a task is in."""
    announce(connection, queue, workitem_id, EventType.STATE_REPORT, {"state": state, "reason": reason}, at=at)


def _confirm(connection: Connection, queue: Queue, task: Row[Any], row: Row[Any], at: datetime) -> None:
    """Note that an open task speaks of this revision; if that is news its subscribers look again.

    One that was asked to end is needed after all: if its performer ends it all the same, there is another.
    """
    if task.cancel_requested_at is not None:
        connection.execute(update(workitem).where(workitem.c.id == task.id).values(cancel_requested_at=None))
    if row.revision == task.revision:
        return
    connection.execute(update(workitem).where(workitem.c.id == task.id).values(revision=row.revision, modified_at=at))
    report_state(connection, queue, task.id, task.state, at=at)


def _insert(connection: Connection, queue: Queue, row: Row[Any], number: int, at: datetime) -> None:
    ours = _OURS.one_or_none(connection, {})
    name = json.dumps(["" if ours is None else ours.uuid, row.study_instance_uid, number])
    (inserted,) = _INSERT.rows(
        connection,
        {
            "sop_instance_uid": f"2.25.{uuid5(_NAMESPACE, name).int}",
            "study_id": row.id,
            "number": number,
            "revision": row.revision,
            "state": WorkitemState.SCHEDULED,
            "performer": "",
            "scheduled_at": at,
            "modified_at": at,
            "reason": "",
            "said": "{}",
        },
    )
    report_state(connection, queue, inserted.id, WorkitemState.SCHEDULED, at=at)
