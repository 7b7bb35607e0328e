"""What becomes of reading tasks is told to who subscribed, in order, until it is acknowledged or parked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from agent.line.retry import Backoff
from agent.line.workitems import Workitems
from agent.reports.workitem import PROGRESS, REASON, STATE
from db.database import Database
from db.queue import Done, Job, RetryAt, Settlement
from db.subscriptions import EventType
from db.workitem_events import PendingEvent, park_events, pending_events, record_failed_event, settle_event
from dicom_io.errors import ArchiveError, MatchingError, NetworkError
from dicom_io.peer import DEFAULT_TIMEOUTS, Peer
from dicom_io.statuses import SUCCESS
from dicom_io.ups_events import UpsListener
from dicom_io.ups_query import workitem_query

log = structlog.get_logger(__name__)

_INPUT_READINESS: Final = "00404041"
_REQUESTING_AE: Final = "00741236"
_FROM_REQUEST: Final = ("0074100A", "0074100C", "0074100E")
"""Contact URI, Contact Display Name, Procedure Step Discontinuation Reason Code Sequence."""


def information(event: PendingEvent, own_ae_title: str) -> dict[str, Any]:
    """Return what an event says (PS3.4 table CC.2.4-1), in the DICOM JSON Model."""
    content = event.content
    reason = {REASON: {"vr": "LT", "Value": [content["reason"]]}} if content.get("reason") else {}
    if event.kind == EventType.STATE_REPORT:
        ready = {_INPUT_READINESS: {"vr": "CS", "Value": ["READY"]}}
        return {STATE: {"vr": "CS", "Value": [content["state"]]}, **ready, **reason}
    if event.kind == EventType.PROGRESS_REPORT:
        return {PROGRESS: content["progress"]}
    said: Mapping[str, Any] = content.get("said", {})
    who = {_REQUESTING_AE: {"vr": "AE", "Value": [content.get("by") or own_ae_title]}}
    return {**who, **reason, **{tag: said[tag] for tag in _FROM_REQUEST if tag in said}}


def wanted_events(workitems: Workitems, receiver: str) -> list[PendingEvent]:
    """Return the next events for a subscriber, without those that a filtered subscription does not ask for."""
    database = workitems.ledger.database
    while events := pending_events(database, receiver):
        wanted = [event for event in events if _matches(workitems, event)]
        for event in events:
            if event not in wanted:
                settle_event(database, event.id, is_wanted=False, at=workitems.clock())
        if wanted:
            return wanted
    return []


def _matches(workitems: Workitems, event: PendingEvent) -> bool:
    try:
        model = workitems.get(event.sop_instance_uid)
        if model is None:  # of a study in conflict nothing is told
            return False
        return event.match_keys is None or workitem_query(event.match_keys).fulfilled_by(model)
    except MatchingError:
        return False
    except ArchiveError as error:
        raise NetworkError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Announcer:
    """Handler of the jobs `ups-event:<AE title>`."""

    database: Database
    workitems: Workitems
    peer_of: Callable[[str], Peer | None]
    own_ae_title: str
    backoff: Backoff
    clock: Callable[[], datetime]

    def tell(self, job: Job) -> Settlement:
        """Tell the AE whose title is the job's key all that it has not heard of. Safe to repeat."""
        while events := wanted_events(self.workitems, job.key):
            try:
                if (failed := self._tell(job.key, events)) is not None:
                    return failed
            except NetworkError as error:
                return self._failed(job.key, events[0], str(error))
        return Done()

    def _tell(self, title: str, events: list[PendingEvent]) -> Settlement | None:
        peer = self.peer_of(title)
        if peer is None:
            message = f"expected host and port of {title} in [[peers]]. Received: none"
            raise NetworkError(message)
        with UpsListener(peer, calling_ae_title=self.own_ae_title, timeouts=DEFAULT_TIMEOUTS) as listener:
            for event in events:
                about = information(event, self.own_ae_title)
                status = listener.report(event.kind, event.sop_instance_uid, about)
                if status != SUCCESS:
                    return self._failed(
                        title, event, f"expected {peer} to take the event. Received: status={status:04X}"
                    )
                settle_event(self.database, event.id, at=self.clock())
                self._log("acknowledged", title, event, "0000")
        return None

    def _failed(self, title: str, event: PendingEvent, reason: str) -> Settlement:
        """Try again later; who is away for too long has all that waits parked."""
        wait = self.backoff.after(event.attempts + 1)
        record_failed_event(self.database, event.id, reason=reason, parked=wait is None)
        self._log("parked" if wait is None else "failed", title, event, reason)
        if wait is None:
            park_events(self.database, title, reason=reason)
            return Done()
        return RetryAt(self.clock() + wait, reason)

    def _log(self, how: str, title: str, event: PendingEvent, detail: str) -> None:
        log.info(
            "workitem_event",
            how=how,
            receiving_ae=title,
            workitem=event.sop_instance_uid,
            kind=event.kind,
            attempt=event.attempts + 1,
            detail=detail,
        )
