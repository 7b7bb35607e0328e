"""What becomes of a stored report, by what its destination answers when it is asked whether it has it, and by when."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from agent.errors import DeliveryError, DestinationDownError
from agent.line.breaker import Breaker
from agent.line.confirm import AGAIN, AWAITED, SILENCE, Confirmer
from agent.line.retry import Backoff
from db.conclusion import ReportOrder
from db.confirmation import record_stored
from db.database import Database
from db.delivery import DeliveryTask, StoredReport, delivery_task, record_rendered
from db.delivery_attempt import Begun, begin_attempt
from db.queue import Done, RetryAt
from db.worklist import study_record
from dicom_io.commitment_scu import Answer, Has, Question, Way

PATIENCE = timedelta(minutes=5)
BACKOFF = Backoff(first=timedelta(minutes=1), longest=timedelta(minutes=15), attempts=3)
REPORT = StoredReport(
    identifier="1.2.9",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.88.34",
    series_instance_uid="1.2.8",
    sha256="a" * 64,
    path="aa/a.dcm",
    size=10,
)


@dataclass
class Told:
    """A destination that answers what a test has told it to, whenever it is asked."""

    answer: Answer | DeliveryError
    ways: tuple[Way, ...] = (Way.COMMITMENT, Way.QUERY)
    may_be_unable: bool = True
    patience: timedelta = PATIENCE
    asked: list[tuple[Way, ...]] = field(default_factory=list)

    def send(self, _: object) -> str:
        return "0000"

    def ping(self) -> None:
        """Be there."""

    def confirm(self, _: Question, ways: tuple[Way, ...]) -> Answer:
        self.asked.append(ways)
        if isinstance(self.answer, DeliveryError):
            raise self.answer
        return self.answer


class Unasked:
    """A destination that cannot be asked, such as an e-mail."""

    def send(self, _: object) -> str:
        return "250"

    def ping(self) -> None:
        """Be there."""


class Case:
    """A report that is stored at a destination since noon, and who asks there."""

    def __init__(self, ledger: Any, destination: Any, task: DeliveryTask) -> None:
        self.ledger, self.destination, self.task, self.noon = ledger, destination, task, ledger.now
        self.database: Database = ledger.database
        places = {"pacs": destination}
        breaker = Breaker(self.database, ledger.queue, BACKOFF, 1, lambda: ledger.now, lambda: 0.0)
        self.confirmer = Confirmer(self.database, places, breaker, BACKOFF, lambda: ledger.now)

    def ask(self, after: timedelta = timedelta(0)) -> Done | RetryAt:
        """Ask so long after noon."""
        self.ledger.now = self.noon + after
        settlement = self.confirmer.confirm(self.task)
        assert isinstance(settlement, Done | RetryAt)
        return settlement

    def next(self, after: timedelta = timedelta(0)) -> tuple[timedelta, str]:
        """Ask, and return how long after noon it is looked at again, and why."""
        settlement = self.ask(after)
        assert isinstance(settlement, RetryAt)
        return settlement.at - self.noon, settlement.reason

    @property
    def state(self) -> tuple[str, str]:
        record = study_record(self.database, "1.2.3")
        assert record is not None
        (row,) = record.deliveries
        return row["state"], row["confirmation"] or row["reason"]


@pytest.fixture
def stored(sqlite_ledger: Any) -> Callable[[Any], Case]:
    """Return `stored(destination)`: the case of a report that it has said it stored."""
    ledger, database = sqlite_ledger, sqlite_ledger.database
    study_id = ledger.receive(candidate=False).study_id
    ledger.conclude(study_id, ReportOrder(kind="sr", media_type="application/dicom", destinations=("pacs",)))
    record = study_record(database, "1.2.3")
    assert record is not None
    (row,) = record.deliveries
    record_rendered(database, row["report_id"], REPORT, at=ledger.now)
    begun = begin_attempt(database, row["id"], sha256=REPORT.sha256, at=ledger.now)
    assert isinstance(begun, Begun)
    record_stored(database, row["id"], detail="0000", at=ledger.now, attempt_id=begun.attempt_id)
    task = delivery_task(database, row["id"])
    assert task is not None
    return lambda destination: Case(ledger, destination, task)


def test_what_has_become_a_destination_that_cannot_be_asked_counts_as_delivered_and_says_so(stored: Any) -> None:
    case = stored(Unasked())
    assert case.ask() == Done()
    assert case.state == ("ACKNOWLEDGED", "not asked")


def test_a_report_on_a_commitment_is_awaited_for_a_minute_before_a_query_asks(stored: Any) -> None:
    case = stored(Told(Answer(Has.LATER, Way.COMMITMENT)))
    assert case.next() == (SILENCE, AWAITED)
    assert case.next(SILENCE / 2) == (SILENCE, AWAITED), "looked at early, nothing more is asked"
    case.destination.answer = Answer(Has.YES, Way.QUERY)
    assert case.ask(SILENCE) == Done()
    assert case.destination.asked == [(Way.COMMITMENT, Way.QUERY), (Way.QUERY,)]
    assert case.state == ("ACKNOWLEDGED", "by query")


def test_a_commitment_that_is_never_reported_on_is_none_once_the_patience_is_over(stored: Any) -> None:
    case = stored(Told(Answer(Has.LATER, Way.COMMITMENT)))
    case.ask()
    case.destination.answer = Answer(Has.CANNOT)
    assert case.next(SILENCE) == (PATIENCE, AWAITED), "it offers no query, but may still report"
    assert case.next(PATIENCE)[0] == PATIENCE + BACKOFF.first
    assert case.state == (
        "QUEUED",
        "expected it to be there, as it was said to be. Received: not there, by Storage Commitment",
    )


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(Has.NO, Way.QUERY), "it is not found yet"),
        (Answer(Has.CANNOT, Way.COMMITMENT, 0x0110), "it refuses to be asked"),
    ],
)
def test_what_may_still_be_found_is_asked_for_again_while_the_patience_lasts(
    stored: Any, answer: Answer, why: str
) -> None:
    case = stored(Told(answer))
    assert case.next() == (AGAIN, why)
    assert case.state[0] == "STORED"


@pytest.mark.parametrize(
    ("after", "error"),
    [
        (timedelta(0), DeliveryError("no answer", retry=True)),
        (PATIENCE, DestinationDownError("it is down", retry=True)),
    ],
)
def test_who_does_not_answer_is_asked_again(stored: Any, after: timedelta, error: DeliveryError) -> None:
    case = stored(Told(error))
    assert case.next(after) == (after + AGAIN, str(error))
    assert case.state[0] == "STORED"


def test_who_goes_on_answering_with_errors_is_sent_the_report_again(stored: Any) -> None:
    case = stored(Told(DeliveryError("status=C000", retry=True)))
    assert case.next(PATIENCE)[0] == PATIENCE + BACKOFF.first
    assert case.state[0] == "QUEUED"


def test_a_destination_that_rests_is_not_asked(stored: Any) -> None:
    case = stored(Told(DestinationDownError("it is down", retry=True)))
    case.ask()
    asked = len(case.destination.asked)
    assert case.next()[1] == "the destination rests"
    assert len(case.destination.asked) == asked


def test_what_has_no_bytes_on_record_cannot_be_there(stored: Any) -> None:
    case = stored(Told(Answer(Has.YES, Way.QUERY)))
    case.task = replace(case.task, stored=None)
    assert case.next()[0] == BACKOFF.first
    assert (case.destination.asked, case.state[0]) == ([], "QUEUED")


def test_a_report_that_is_lost_too_often_is_given_up_where_people_see_it(stored: Any, noon: datetime) -> None:
    case = stored(Told(Answer(Has.NO, Way.COMMITMENT, 0x0112)))
    case.task = replace(case.task, tries=BACKOFF.attempts)
    assert case.ask() == Done()
    assert case.state[0] == "PARKED"
    assert "reason=0112" in case.state[1]
    assert case.noon > noon
