"""Before a report counts as delivered its destination is asked whether it has it, where it can be asked.

A PACS by Storage Commitment where it negotiates that, else by a query; a STOW-RS server by QIDO-RS. What it turns out
not to have is sent again. A commitment that is not reported on in time is followed by a query.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import structlog

from agent.destinations import Confirming, Destination
from agent.errors import DeliveryError, DestinationDownError
from agent.line.breaker import Breaker
from agent.line.retry import Backoff
from db.confirmation import (
    answer_commitment,
    ask_commitment,
    asked_commitment,
    confirm,
    forget_commitment,
    record_unconfirmed,
)
from db.database import Database
from db.delivery import DeliveryTask
from db.errors import DatabaseError
from db.queue import Done, Queue, RetryAt, Settlement
from dicom_io.commitment_scu import Answer, CommitmentResult, Has, Question, Way
from dicom_io.errors import CommitmentError
from dicom_io.statuses import NO_SUCH_SOP_INSTANCE, PROCESSING_FAILURE

log = structlog.get_logger(__name__)

AGAIN: Final = timedelta(seconds=10)
"""A PACS may take some time to find by a query what it has just stored."""
UNABLE: Final = "not confirmed: it offers no way to ask"
UNABLE_FOR: Final = timedelta(minutes=10)
"""How long what offers no way to ask is not asked whether it does by now."""
AWAITED: Final = "the report on its Storage Commitment is awaited"
SILENCE: Final = timedelta(minutes=1)
"""A PACS that has not reported on a commitment by then is also asked by a query: it may not be able to call us."""


@dataclass(frozen=True, slots=True)
class CommitmentTaker:
    """Takes the reports on what we asked for (`dicom_io.commitment_scu.Asked`), in the process that receives."""

    database: Database
    queue: Queue
    clock: Callable[[], datetime]

    def reported(self, result: CommitmentResult) -> bool:
        """Put the report on record, and let the delivery go on; False for a transaction that is not ours."""
        try:
            known = answer_commitment(
                self.database,
                self.queue,
                result.transaction_uid,
                result.failures,
                committed=result.committed,
                missing=NO_SUCH_SOP_INSTANCE,
                at=self.clock(),
            )
        except DatabaseError as error:
            raise CommitmentError(PROCESSING_FAILURE) from error
        log.info("commitment_answered", transaction_uid=result.transaction_uid, known=known)
        return known


@dataclass(frozen=True, slots=True)
class Confirmer:
    """Takes deliveries from STORED to ACKNOWLEDGED, or back to be sent again."""

    database: Database
    destinations: Mapping[str, Destination]
    breaker: Breaker
    backoff: Backoff
    clock: Callable[[], datetime]
    _unable_since: dict[str, datetime] = field(default_factory=dict)

    def wants(self, destination: str) -> bool:
        """Tell whether what is stored there is to be confirmed."""
        found = self.destinations[destination]
        return isinstance(found, Confirming) and bool(found.ways) and not self.unable(destination)

    def unable(self, destination: str) -> str:
        """Return why what is stored there needs no asking: it has lately offered no way to ask; else ""."""
        since = self._unable_since.get(destination)
        return "" if since is None or self.clock() > since + UNABLE_FOR else UNABLE

    def confirm(self, task: DeliveryTask) -> Settlement:
        """Ask whether a stored report is there, or look whether that has been answered. Safe to repeat."""
        destination, stored_at, now = self.destinations[task.destination], task.stored_at, self.clock()
        if not isinstance(destination, Confirming) or stored_at is None:
            return self._confirmed(task, "not asked")
        ways, asked = destination.ways, asked_commitment(self.database, task.delivery_id, since=stored_at)
        if asked is not None and asked.failure_reason is not None:
            reason = asked.failure_reason
            has = Has.NO if reason else Has.YES
            return self._settle(task, destination, Answer(has, Way.COMMITMENT, reason), stored_at)
        if asked is not None and now < (soon := asked.asked_at + min(destination.patience, SILENCE)):
            return RetryAt(soon, AWAITED)
        found = self._found(task, destination, ways if asked is None else (Way.QUERY,), stored_at)
        if not isinstance(found, Answer):
            return found
        if asked is not None and found.has is Has.CANNOT:  # it has not said, and there is no other way to ask
            if now < (late := asked.asked_at + destination.patience):
                return RetryAt(late, AWAITED)
            found = Answer(Has.NO, Way.COMMITMENT)
        return self._settle(task, destination, found, stored_at)

    def _found(
        self, task: DeliveryTask, destination: Confirming, ways: tuple[Way, ...], stored_at: datetime
    ) -> Answer | RetryAt:
        """Return what the destination says, or when to ask again where it rests or says nothing."""
        resting = self.breaker.wait(task.destination, self.destinations[task.destination])
        if resting is not None:
            return RetryAt(resting, "the destination rests")
        try:
            answer = self._ask(task, destination, ways)
        except DeliveryError as error:
            self.breaker.ended(task.destination, error)
            now = self.clock()
            if isinstance(error, DestinationDownError) or now < stored_at + destination.patience:
                return RetryAt(now + AGAIN, str(error))
            return Answer(Has.NO)
        self.breaker.ended(task.destination, None)
        return answer

    def _ask(self, task: DeliveryTask, destination: Confirming, ways: tuple[Way, ...]) -> Answer:
        stored = task.stored
        if stored is None:
            return Answer(Has.NO)
        question = Question(
            sop_class_uid=stored.sop_class_uid,
            sop_instance_uid=stored.identifier,
            series_instance_uid=stored.series_instance_uid,
            study_instance_uid=task.study_instance_uid,
            transaction_uid=f"2.25.{uuid4().int}",
        )
        if Way.COMMITMENT in ways:
            ask_commitment(self.database, task.delivery_id, question.transaction_uid, at=self.clock())
        answer = Answer(Has.CANNOT)
        try:
            answer = destination.confirm(question, ways)
        finally:
            if answer.has is not Has.LATER and Way.COMMITMENT in ways:
                forget_commitment(self.database, question.transaction_uid)
        return answer

    def _settle(self, task: DeliveryTask, destination: Confirming, answer: Answer, stored_at: datetime) -> Settlement:
        now = self.clock()
        if answer.has is Has.LATER:
            return RetryAt(now + min(destination.patience, SILENCE), AWAITED)
        if answer.has is Has.YES:
            return self._confirmed(task, f"by {answer.way}")
        refused = answer.has is Has.CANNOT and answer.failure_reason
        if (refused or answer.way is Way.QUERY) and now < stored_at + destination.patience:
            return RetryAt(now + AGAIN, "it refuses to be asked" if refused else "it is not found yet")
        if answer.has is Has.CANNOT:
            return self._unable(task, destination)
        how = f"{answer.way} reason={answer.failure_reason:04X}" if answer.failure_reason else str(answer.way)
        return self._lost(task, f"expected it to be there, as it was said to be. Received: not there, by {how}")

    def _unable(self, task: DeliveryTask, destination: Confirming) -> Settlement:
        if destination.may_be_unable:
            self._unable_since[task.destination] = self.clock()
            return self._confirmed(task, UNABLE)
        return self._lost(task, "expected a way to ask whether it is there. Received: none", parked=True)

    def _confirmed(self, task: DeliveryTask, confirmation: str) -> Settlement:
        confirm(self.database, task.delivery_id, confirmation=confirmation, at=self.clock())
        log.info("delivery_confirmed", delivery=task.delivery_id, destination=task.destination, how=confirmation)
        return Done()

    def _lost(self, task: DeliveryTask, reason: str, *, parked: bool = False) -> Settlement:
        """Let it be sent again; each sending counts, so that this ends, visibly, too."""
        wait, now = self.backoff.after(task.tries), self.clock()
        parked = parked or wait is None
        again = record_unconfirmed(self.database, task.delivery_id, reason=reason, parked=parked, at=now)
        log.error("delivery_not_confirmed", delivery=task.delivery_id, destination=task.destination, reason=reason)
        return RetryAt(now + wait, reason) if again and wait is not None else Done()
