"""What peers do with reading tasks: claim, update, complete, cancel, subscribe (PS3.4 CC.2); one transaction each."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, func, select, update

from db import subscriptions
from db.advance import lock, note
from db.database import Database
from db.lifecycle import Event
from db.queue import Queue
from db.reading import record_read
from db.schema.domain import study, study_event
from db.schema.workitems import workitem, workitem_subscription
from db.subscriptions import Channel, EventType, announce
from db.workitem_states import Answer, WorkitemState, change
from db.workitems import cancel_scheduled, report_state, schedule

PROGRESS = "00741002"
PERFORMED = "00741216"
SETTABLE = frozenset({PROGRESS, PERFORMED})
"""What a performer may say of a task: Progress Information and Performed Procedure (PS3.4 table CC.2.5-3)."""

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """Who asks for a cancellation and what it says: attributes in the DICOM JSON Model, and the reason as text."""

    by: str
    reason: str
    said: Said


@dataclass(frozen=True, slots=True)
class WorkitemLedger:
    """Records what peers do; when a method returns, its rows are synced to disk. All raise DatabaseError."""

    database: Database
    queue: Queue

    def change_state(
        self,
        sop_instance_uid: str,
        to: WorkitemState,
        transaction_uid: str,
        *,
        by: str,
        complete: Callable[[WorkitemState, Said], Said | None],
        at: datetime,
    ) -> Answer:
        """Claim a task, complete or cancel one that is held.

        `complete` returns what is on record of a task that may end in a state, completed where the agent may do so;
        None where the final state requirements are not met (CC.2.5.1.1).
        """
        with self.database.begin() as connection:
            task = _locked(connection, sop_instance_uid)
            if task is None:
                return Answer.UNKNOWN
            state = WorkitemState(task.state)
            fits = state is WorkitemState.SCHEDULED or task.transaction_uid == transaction_uid
            answer = change(state, to, transaction_fits=fits)
            if answer is not Answer.DONE:
                return answer
            if to is WorkitemState.IN_PROGRESS:
                self._set(connection, task, to, at, transaction_uid=transaction_uid, performer=by)
                return answer
            said = complete(to, json.loads(task.said))
            if said is None:
                return Answer.NOT_MET
            self._set(connection, task, to, at, said=json.dumps(said), ended_at=at)
            self._ended(connection, task, to, by, at)
        return answer

    def update(self, sop_instance_uid: str, attributes: Said, transaction_uid: str, *, at: datetime) -> Answer:
        """Record what a performer says; what is not its to say is left out, and the answer tells so."""
        with self.database.begin() as connection:
            task = _locked(connection, sop_instance_uid)
            if task is None:
                return Answer.UNKNOWN
            if task.state in (WorkitemState.COMPLETED, WorkitemState.CANCELED):
                return Answer.FINAL
            if task.state == WorkitemState.SCHEDULED:
                return Answer.NOT_BEGUN
            if task.transaction_uid != transaction_uid:
                return Answer.WRONG_TRANSACTION
            taken = {tag: element for tag, element in attributes.items() if tag in SETTABLE}
            said = json.dumps(json.loads(task.said) | taken)
            connection.execute(update(workitem).where(workitem.c.id == task.id).values(said=said, modified_at=at))
            if PROGRESS in taken:
                content = {"progress": taken[PROGRESS]}
                announce(connection, self.queue, task.id, EventType.PROGRESS_REPORT, content, at=at)
        return Answer.DONE if len(taken) == len(attributes) else Answer.IGNORED_SOME

    def request_cancel(self, sop_instance_uid: str, request: CancelRequest, *, at: datetime) -> Answer:
        """Cancel a task that nobody holds; tell the subscribers of one that is held what somebody wants."""
        with self.database.begin() as connection:
            task = _locked(connection, sop_instance_uid)
            if task is None:
                return Answer.UNKNOWN
            if task.state == WorkitemState.COMPLETED:
                return Answer.IS_COMPLETED
            if task.state == WorkitemState.CANCELED:
                return Answer.CANCELED_ALREADY
            if task.state == WorkitemState.SCHEDULED:
                cancel_scheduled(connection, self.queue, task, request.reason, at=at)
                self._note(connection, task, WorkitemState.CANCELED, request.by, at)
                return Answer.DONE
            content = {"by": request.by, "reason": request.reason, "said": request.said}
            told = announce(connection, self.queue, task.id, EventType.CANCEL_REQUESTED, content, at=at)
            if not told:
                return Answer.NOBODY_LISTENS
            connection.execute(update(workitem).where(workitem.c.id == task.id).values(cancel_requested_at=at))
        return Answer.DONE

    def subscribe(
        self,
        sop_instance_uid: str,
        receiving_ae: str,
        *,
        channel: Channel,
        deletion_lock: bool,
        match_keys: Said | None = None,
        at: datetime,
    ) -> Answer:
        """Let an AE hear of one task, or of all where `sop_instance_uid` is empty; of those of `match_keys` only."""
        with self.database.begin(lock=("subscriber", receiving_ae)) as connection:
            facts: dict[str, Any] = {"channel": channel, "deletion_lock": deletion_lock, "at": at}
            if not sop_instance_uid:
                keys = None if match_keys is None else json.dumps(match_keys)
                subscriptions.subscribe_to_all(connection, self.queue, receiving_ae, match_keys=keys, **facts)
                return Answer.DONE
            task = _locked(connection, sop_instance_uid)
            if task is None:
                return Answer.UNKNOWN
            subscriptions.subscribe_to_one(connection, self.queue, receiving_ae, task, **facts)
        return Answer.DONE

    def unsubscribe(self, sop_instance_uid: str, receiving_ae: str, *, at: datetime) -> Answer:
        """Let an AE hear of one task no more, or of none where `sop_instance_uid` is empty."""
        with self.database.begin(lock=("subscriber", receiving_ae)) as connection:
            if not sop_instance_uid:
                subscriptions.unsubscribe_from_all(connection, receiving_ae)
                return Answer.DONE
            task = _locked(connection, sop_instance_uid)
            if task is None:
                return Answer.UNKNOWN
            subscriptions.unsubscribe_from_one(connection, receiving_ae, task, at=at)
        return Answer.DONE

    def suspend(self, receiving_ae: str, *, at: datetime) -> Answer:
        """Let an AE hear of no tasks that are made from now on."""
        with self.database.begin(lock=("subscriber", receiving_ae)) as connection:
            subscriptions.suspend(connection, receiving_ae, at=at)
        return Answer.DONE

    def count_subscriptions(self) -> int:
        """Return how many subscriptions there are."""
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(workitem_subscription)).scalar_one()

    def _set(self, connection: Connection, task: Row[Any], to: WorkitemState, at: datetime, **values: object) -> None:
        connection.execute(update(workitem).where(workitem.c.id == task.id).values(state=to, modified_at=at, **values))
        report_state(connection, self.queue, task.id, to, at=at)
        by = str(values.get("performer", task.performer))
        self._note(connection, task, to, by, at)

    def _ended(self, connection: Connection, task: Row[Any], to: WorkitemState, by: str, at: datetime) -> None:
        """Take a study off the list that was read; of one whose reading was broken off make a new task.

        So too of one that got an image after it was claimed: its performer may have read those before it only.
        """
        got_more = to is WorkitemState.COMPLETED and _came_since(connection, task)
        if to is WorkitemState.COMPLETED and not got_more:
            record_read(connection, task.study_id, how=f"reading task completed by {by}", at=at)
        if got_more or (to is WorkitemState.CANCELED and task.cancel_requested_at is None):
            schedule(connection, self.queue, task.study_id, at=at, again=True)

    def _note(self, connection: Connection, task: Row[Any], to: WorkitemState, by: str, at: datetime) -> None:
        position = lock(connection, task.study_id)
        event = _event(to)
        note(connection, position, event, position.state, at=at, detail=task.sop_instance_uid, actor=by)


def _event(to: WorkitemState) -> str:
    """Return the name in the audit trail of a task's change to a state."""
    return f"READING_{to.replace(' ', '_')}"


def _came_since(connection: Connection, task: Row[Any]) -> bool:
    """Tell whether a candidate image has come since a task was claimed, by the order of the audit trail."""
    of_study = study_event.c.study_id == task.study_id
    is_claim = (study_event.c.event == _event(WorkitemState.IN_PROGRESS), study_event.c.detail == task.sop_instance_uid)
    claimed = select(func.max(study_event.c.id)).where(of_study, *is_claim)
    came = exists().where(
        of_study, study_event.c.event == Event.CANDIDATE_STORED, study_event.c.id > claimed.scalar_subquery()
    )
    return bool(connection.execute(select(came)).scalar_one())


def _locked(connection: Connection, sop_instance_uid: str) -> Row[Any] | None:
    """Return the task with its study's row locked; None where there is none to be told of."""
    study_id = connection.execute(
        select(workitem.c.study_id).where(workitem.c.sop_instance_uid == sop_instance_uid)
    ).scalar_one_or_none()
    if study_id is None:
        return None
    lock(connection, study_id)
    return connection.execute(
        select(workitem).join(study).where(workitem.c.sop_instance_uid == sop_instance_uid, study.c.conflict == "")
    ).one_or_none()
