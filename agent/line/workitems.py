"""The reading tasks as peers ask for them, over DIMSE and over HTTP: the rows of `db`, in the words of `dicom_io`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from agent.reports.workitem import MEDIA_TYPE, REASON, Task, moment, progress, workitem
from db.database import Database
from db.errors import DatabaseError
from db.priority import ups_term
from db.subscriptions import Channel
from db.workitem_changes import PERFORMED, PROGRESS, CancelRequest, WorkitemLedger
from db.workitem_reading import ReadingTask, TaskCriteria, reading_task, reading_tasks
from db.workitem_states import Answer, WorkitemState
from dicom_io.door import Door
from dicom_io.errors import ArchiveError, MatchingError
from dicom_io.exchange import Caller
from dicom_io.json_message import Model, text_of, values_of
from dicom_io.statuses import (
    ALREADY_CANCELED,
    ALREADY_COMPLETED,
    ALREADY_IN_PROGRESS,
    FINAL_STATE_NOT_MET,
    INVALID_ARGUMENT,
    NO_SUCH_STEP,
    NOT_IN_PROGRESS,
    OPTIONAL_ATTRIBUTES_NOT_SUPPORTED,
    PERFORMER_UNREACHABLE,
    PROCESSING_FAILURE,
    RECEIVING_AE_UNKNOWN,
    SCHEDULED_BY_CREATION_ONLY,
    STEP_IS_COMPLETED,
    STEP_IS_FINAL,
    SUCCESS,
    WRONG_TRANSACTION_UID,
)
from dicom_io.ups import FILTERED, GLOBAL, TRANSACTION_UID, Subscription
from dicom_io.ups_query import SOP_INSTANCE_UID, WorkitemQuery, workitem_query

__all__ = ["MEDIA_TYPE", "Workitems"]

log = structlog.get_logger(__name__)

_STATUSES: Final = {
    Answer.DONE: SUCCESS,
    Answer.FINAL: STEP_IS_FINAL,
    Answer.WRONG_TRANSACTION: WRONG_TRANSACTION_UID,
    Answer.BEGUN_ALREADY: ALREADY_IN_PROGRESS,
    Answer.ONLY_BY_CREATION: SCHEDULED_BY_CREATION_ONLY,
    Answer.NOT_MET: FINAL_STATE_NOT_MET,
    Answer.UNKNOWN: NO_SUCH_STEP,
    Answer.NOT_BEGUN: NOT_IN_PROGRESS,
    Answer.IS_COMPLETED: STEP_IS_COMPLETED,
    Answer.NOBODY_LISTENS: PERFORMER_UNREACHABLE,
    Answer.CANCELED_ALREADY: ALREADY_CANCELED,
    Answer.COMPLETED_ALREADY: ALREADY_COMPLETED,
    Answer.IGNORED_SOME: OPTIONAL_ATTRIBUTES_NOT_SUPPORTED,
}
_STATE, _STUDY_INSTANCE_UID, _PATIENT_ID = "00741000", "0020000D", "00100020"
_CANCELLATION_TIME: Final = "00404052"
_NEEDED_TO_COMPLETE: Final = ("00404028", "00404050", "00404019", "00404051")
"""Performed Station Name Code, Start DateTime, Performed Workitem Code, End DateTime (PS3.4 table CC.2.5-3, P)."""
_NEEDED_EMPTY_OR_NOT: Final = "00404033"  # Output Information Sequence
_MOST_SUBSCRIPTIONS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Workitems:
    """What `dicom_io.ups.Workitems` asks for. Called from many threads at once."""

    ledger: WorkitemLedger
    door: Door
    ae_title: str
    clock: Callable[[], datetime]

    @property
    def _database(self) -> Database:
        return self.ledger.database

    def find(self, query: WorkitemQuery, is_given_up: Callable[[], bool]) -> Iterator[Model]:
        """Yield the workitems that match, in the order in which they are due."""
        criteria = TaskCriteria(
            sop_instance_uids=query.single(SOP_INSTANCE_UID),
            states=query.single(_STATE),
            study_instance_uids=query.single(_STUDY_INSTANCE_UID),
            patient_ids=query.single(_PATIENT_ID),
        )
        try:
            for task in reading_tasks(self._database, criteria):
                if is_given_up():
                    return
                model = self.model(task)
                if query.fulfilled_by(model):
                    yield model
        except DatabaseError as error:
            raise ArchiveError(str(error)) from error

    def get(self, sop_instance_uid: str) -> Model | None:
        """Return a workitem."""
        try:
            task = reading_task(self._database, sop_instance_uid)
        except DatabaseError as error:
            raise ArchiveError(str(error)) from error
        return None if task is None else self.model(task)

    def model(self, task: ReadingTask) -> dict[str, Any]:
        """Return a task in the DICOM JSON Model, with what its performer said of it."""
        made = workitem(
            Task(
                sop_instance_uid=task.sop_instance_uid,
                state=task.state,
                is_flagged=task.is_flagged,
                priority=ups_term(task.priority),
                received_at=task.received_at,
                due_at=task.due_at,
                modified_at=task.modified_at,
                study_instance_uid=task.study_instance_uid,
                patient_id=task.patient_id,
                issuer_of_patient_id=task.issuer_of_patient_id,
                patient_name=task.patient_name,
                patient_birth_date=task.patient_birth_date,
                patient_sex=task.patient_sex,
                accession_number=task.accession_number,
                study_description=task.study_description,
                inputs=task.inputs,
                replaces=task.replaces,
                retrieve_ae_title=self.ae_title,
            )
        )
        if task.reason and task.ended_at is not None:
            made[PROGRESS] = progress(ended_at=task.ended_at, reason=task.reason)
        return made | dict(task.said)

    def change_state(self, sop_instance_uid: str, state: str, transaction_uid: str, caller: Caller) -> int:
        """Claim, complete or cancel a workitem."""
        now, by = self.clock(), caller.calling_ae_title.strip()

        def complete(to: WorkitemState, said: Mapping[str, Any]) -> Mapping[str, Any] | None:
            return _completed(said) if to is WorkitemState.COMPLETED else _cancelled(said, now)

        return self._answered(
            lambda: self.ledger.change_state(
                sop_instance_uid, WorkitemState(state), transaction_uid, by=by, complete=complete, at=now
            ),
            caller,
            workitem=sop_instance_uid,
            action=state,
        )

    def update(self, sop_instance_uid: str, attributes: Model, transaction_uid: str, caller: Caller) -> int:
        """Take what a performer says of a workitem."""
        said = {tag: element for tag, element in attributes.items() if tag not in (TRANSACTION_UID, SOP_INSTANCE_UID)}
        return self._answered(
            lambda: self.ledger.update(sop_instance_uid, said, transaction_uid, at=self.clock()),
            caller,
            workitem=sop_instance_uid,
            action="update",
        )

    def request_cancel(self, sop_instance_uid: str, information: Model, caller: Caller) -> int:
        """Ask that a workitem be cancelled."""
        by = caller.calling_ae_title.strip()
        reason = text_of(information, REASON) or f"Cancelled on request of {by}"
        request = CancelRequest(by=by, reason=reason, said=information)
        return self._answered(
            lambda: self.ledger.request_cancel(sop_instance_uid, request, at=self.clock()),
            caller,
            workitem=sop_instance_uid,
            action="request cancel",
        )

    def subscribe(
        self, sop_instance_uid: str, subscription: Subscription, caller: Caller, *, channel: Channel = Channel.DIMSE
    ) -> int:
        """Let an AE have reports of one workitem, or of all."""
        receiver = subscription.receiving_ae
        if channel is Channel.DIMSE and self.door.peer_of(receiver) is None:
            return RECEIVING_AE_UNKNOWN
        try:
            if subscription.keys is not None:
                workitem_query(subscription.keys)
        except MatchingError:
            return INVALID_ARGUMENT
        if self.ledger.count_subscriptions() >= _MOST_SUBSCRIPTIONS:
            return PROCESSING_FAILURE
        return self._answered(
            lambda: self.ledger.subscribe(
                _one(sop_instance_uid),
                receiver,
                channel=channel,
                deletion_lock=subscription.deletion_lock,
                match_keys=subscription.keys,
                at=self.clock(),
            ),
            caller,
            workitem=sop_instance_uid,
            action="subscribe",
            receiving_ae=receiver,
        )

    def unsubscribe(self, sop_instance_uid: str, receiving_ae: str, caller: Caller) -> int:
        """Let an AE have no reports of one workitem any more, or of none."""
        return self._answered(
            lambda: self.ledger.unsubscribe(_one(sop_instance_uid), receiving_ae, at=self.clock()),
            caller,
            workitem=sop_instance_uid,
            action="unsubscribe",
            receiving_ae=receiving_ae,
        )

    def suspend(self, receiving_ae: str, caller: Caller) -> int:
        """Let an AE have no reports of workitems that are yet to come."""
        return self._answered(
            lambda: self.ledger.suspend(receiving_ae, at=self.clock()),
            caller,
            workitem=GLOBAL,
            action="suspend",
            receiving_ae=receiving_ae,
        )

    def _answered(self, act: Callable[[], Answer], caller: Caller, **facts: str) -> int:
        """Act, log one line, and return the status."""
        reason = ""
        try:
            status = _STATUSES[act()]
        except DatabaseError as error:
            status, reason = PROCESSING_FAILURE, str(error)
        log.info(
            "workitem",
            status=f"{status:04X}",
            association_id=caller.association_id,
            calling_ae_title=caller.calling_ae_title,
            reason=reason,
            **facts,
        )
        return status


def _one(sop_instance_uid: str) -> str:
    """Return the UID of the one workitem that is meant, "" for all."""
    return "" if sop_instance_uid in (GLOBAL, FILTERED) else sop_instance_uid


def _completed(said: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what is on record if it suffices to complete a task (PS3.4 CC.2.5.1.1)."""
    for item in values_of(said, PERFORMED):
        if all(values_of(item, tag) for tag in _NEEDED_TO_COMPLETE) and _NEEDED_EMPTY_OR_NOT in item:
            return said
    return None


def _cancelled(said: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """Return what is on record of a cancelled task, with the time of its cancellation if its performer gave none."""
    (item, *_) = [*values_of(said, PROGRESS), {}]
    when = {"vr": "DT", "Value": [moment(now)]}
    return {**said, PROGRESS: {"vr": "SQ", "Value": [{_CANCELLATION_TIME: when} | item]}}
