"""Every attempt is a row: on record before a byte goes, closed with what the receiver said, in order of versions."""

import re
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import event, text

from db.advance import lock
from db.conclusion import ReportOrder, supersede
from db.confirmation import (
    answer_commitment,
    ask_commitment,
    asked_commitment,
    confirm,
    record_stored,
    record_unconfirmed,
)
from db.delivery import StoredReport, delivery_task, record_rendered
from db.delivery_attempt import (
    Begun,
    Ending,
    Hold,
    acknowledge,
    begin_attempt,
    close_interrupted,
    record_failed_attempt,
)
from db.delivery_list import count_deliveries, listed_deliveries
from db.lifecycle import State
from db.requeue import requeue_deliveries, requeue_study
from db.worklist import study_record, worklist_row

DIGEST, ANOTHER = "a" * 64, "b" * 64


class Deliveries:
    """A concluded study with a report for each of two destinations, and its ledger."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.study_id = ledger.receive(candidate=False).study_id
        self.conclude()

    def conclude(self) -> None:
        row = worklist_row(self.ledger.database, "1.2.3")
        assert row is not None
        order = ReportOrder(kind="sr", media_type="m", destinations=("pacs", "ris"))
        self.ledger.conclude(self.study_id, order, revision=row.revision)

    def again(self) -> None:
        """Conclude once more: a new revision, a new version of the report."""
        requeue_study(self.ledger.database, self.ledger.queue, "1.2.3", actor="test", now=self.ledger.now)
        self.conclude()

    def id(self, destination: str, version: int = 1) -> int:
        found = [row["id"] for row in self.record.deliveries if row["destination"] == destination]
        return int(found[version - 1])

    @property
    def record(self) -> Any:
        found = study_record(self.ledger.database, "1.2.3")
        assert found is not None
        return found

    def begin(self, delivery_id: int, sha256: str = DIGEST) -> Begun:
        begun = begin_attempt(self.ledger.database, delivery_id, sha256=sha256, at=self.ledger.now)
        assert isinstance(begun, Begun)
        return begun

    def fail(self, begun: Begun, delivery_id: int, *, parked: bool = False, **more: Any) -> None:
        record_failed_attempt(
            self.ledger.database,
            delivery_id,
            attempt_id=begun.attempt_id,
            reason="expected. Received: no",
            parked=parked,
            at=self.ledger.now,
            **more,
        )

    def story(self, delivery_id: int) -> list[tuple[Any, ...]]:
        names = ("number", "ending", "status", "reply")
        rows = [row for row in self.record.attempts if row["delivery_id"] == delivery_id]
        return [tuple(row[name] for name in names) for row in rows]


@pytest.fixture
def deliveries(ledger: Any) -> Deliveries:
    return Deliveries(ledger)


def test_each_attempt_is_told_with_its_number_its_status_and_its_reply(deliveries: Any) -> None:
    pacs = deliveries.id("pacs")
    deliveries.fail(deliveries.begin(pacs), pacs, ending=Ending.REFUSED, status="A700")
    begun = deliveries.begin(pacs)
    acknowledge(
        deliveries.ledger.database, pacs, detail="B000: coerced", at=deliveries.ledger.now, attempt_id=begun.attempt_id
    )
    assert deliveries.story(pacs) == [
        (1, "refused", "A700", "expected. Received: no"),
        (2, "acknowledged", "B000", "coerced"),
    ]
    assert {row["sha256"] for row in deliveries.record.attempts} == {DIGEST}


def test_an_attempt_is_on_record_before_it_has_ended(deliveries: Any) -> None:
    deliveries.begin(deliveries.id("pacs"))
    assert deliveries.story(deliveries.id("pacs")) == [(1, None, "", "")]


def test_numbers_go_on_when_a_person_requeues_and_tries_begin_anew(deliveries: Any) -> None:
    pacs, ledger = deliveries.id("pacs"), deliveries.ledger
    deliveries.fail(deliveries.begin(pacs), pacs, parked=True)
    assert begin_attempt(ledger.database, pacs, sha256=DIGEST, at=ledger.now) is Hold.SETTLED
    assert requeue_deliveries(ledger.database, ledger.queue, now=ledger.now) == 1
    begun = deliveries.begin(pacs)
    assert (begun.number, begun.tries) == (2, 1)


@pytest.mark.parametrize(
    ("ending", "status", "digest", "sent_before"),
    [
        (Ending.BROKE, "", DIGEST, True),
        (Ending.REFUSED, "A700", DIGEST, True),  # some store, fail at what follows, and refuse
        (Ending.REFUSED, "0111", DIGEST, False),  # what it has came from somebody else
        (Ending.REFUSED, "HTTP 409 0111", DIGEST, False),
        (Ending.FAILED, "", DIGEST, False),
        (Ending.BROKE, "", ANOTHER, False),
    ],
)
def test_a_destination_may_have_these_bytes_only_if_these_very_bytes_went_there(
    deliveries: Any, ending: Ending, status: str, digest: str, *, sent_before: bool
) -> None:
    pacs, ris = deliveries.id("pacs"), deliveries.id("ris")
    first = deliveries.begin(pacs, digest)
    assert not first.sent_before
    deliveries.fail(first, pacs, ending=ending, status=status)
    assert deliveries.begin(pacs).sent_before is sent_before
    assert not deliveries.begin(ris).sent_before, "another destination has nothing of it"


def test_a_process_that_died_while_it_sent_leaves_an_interrupted_attempt_after_which_they_may_be_there(
    deliveries: Any,
) -> None:
    pacs = deliveries.id("pacs")
    deliveries.begin(pacs)
    assert deliveries.begin(pacs).sent_before
    assert [ending for _, ending, _, _ in deliveries.story(pacs)] == ["interrupted", None]


def test_an_attempt_given_up_for_dead_that_ends_after_all_tells_its_end(deliveries: Any) -> None:
    pacs, ledger = deliveries.id("pacs"), deliveries.ledger
    begun = deliveries.begin(pacs)
    close_interrupted(ledger.database, pacs, at=ledger.now)
    acknowledge(ledger.database, pacs, detail="0000", at=ledger.now, attempt_id=begun.attempt_id)
    assert deliveries.story(pacs) == [(1, "acknowledged", "0000", "")]


def test_a_later_version_waits_for_an_earlier_one_that_is_on_its_way_there_and_for_no_other(deliveries: Any) -> None:
    ledger, old = deliveries.ledger, deliveries.id("pacs")
    begun = deliveries.begin(old)
    deliveries.again()
    new = deliveries.id("pacs", version=2)
    assert begin_attempt(ledger.database, new, sha256=ANOTHER, at=ledger.now) is Hold.BEHIND
    deliveries.begin(deliveries.id("ris", version=2))
    acknowledge(ledger.database, old, detail="0000", at=ledger.now, attempt_id=begun.attempt_id)
    deliveries.begin(new)


def test_an_earlier_version_is_not_sent_once_a_later_one_has_taken_its_place(deliveries: Any) -> None:
    ledger, old = deliveries.ledger, deliveries.id("pacs")
    deliveries.again()
    assert begin_attempt(ledger.database, old, sha256=DIGEST, at=ledger.now) is Hold.SETTLED
    assert delivery_task(ledger.database, old) is None


def test_a_process_that_died_with_an_earlier_version_holds_the_later_one_back_until_its_job_comes_back(
    deliveries: Any,
) -> None:
    ledger, old = deliveries.ledger, deliveries.id("pacs")
    deliveries.begin(old)
    deliveries.again()
    new = deliveries.id("pacs", version=2)
    assert begin_attempt(ledger.database, new, sha256=ANOTHER, at=ledger.now) is Hold.BEHIND
    close_interrupted(ledger.database, old, at=ledger.now)  # as the job that comes back does
    deliveries.begin(new)


def test_a_delivery_whose_job_was_given_up_is_parked_with_its_attempt_interrupted(deliveries: Any) -> None:
    pacs, ledger = deliveries.id("pacs"), deliveries.ledger
    deliveries.begin(pacs)
    record_failed_attempt(ledger.database, pacs, reason="worker died", parked=True, at=ledger.now)
    assert [ending for _, ending, _, _ in deliveries.story(pacs)] == ["interrupted"]
    assert deliveries.record.study.state is State.CONCLUDED
    assert deliveries.record.study.deliveries == {"PARKED": 1, "QUEUED": 1}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_no_delivery_that_is_named_by_its_number_is_looked_for_by_its_state(deliveries: Any) -> None:
    """PostgreSQL would read all that wait: with a million that arrived its statistics know of none."""
    ledger, pacs, ris = deliveries.ledger, deliveries.id("pacs"), deliveries.id("ris")
    sent: list[str] = []
    event.listen(ledger.database.engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    assert delivery_task(ledger.database, pacs) is not None
    deliveries.fail(deliveries.begin(pacs), pacs)
    deliveries.fail(deliveries.begin(pacs), pacs, parked=True)
    begun = deliveries.begin(ris)
    record_stored(ledger.database, ris, detail="0000", at=ledger.now, attempt_id=begun.attempt_id)
    confirm(ledger.database, ris, confirmation="asked", at=ledger.now)
    named = [text for text in sent if re.search(r"\b(study|delivery)\.id = %", text) and ".state" in text]
    assert len(named) > 5
    assert [text for text in named if re.search(r"\.state (=|IN) ", text)] == []


def test_the_list_tells_what_is_parked_where_and_one_of_them_is_requeued_alone(deliveries: Any) -> None:
    ledger, pacs, ris = deliveries.ledger, deliveries.id("pacs"), deliveries.id("ris")
    for one in (pacs, ris):
        deliveries.fail(deliveries.begin(one), one, parked=True)
    assert count_deliveries(ledger.database) == {"pacs": {"PARKED": 1}, "ris": {"PARKED": 1}}
    (found,) = listed_deliveries(ledger.database, state="PARKED", destination="pacs")
    assert (found.id, found.attempts, found.reason) == (pacs, 1, "expected. Received: no")
    assert len(listed_deliveries(ledger.database)) == len(listed_deliveries(ledger.database, limit=1)) + 1
    assert requeue_deliveries(ledger.database, ledger.queue, now=ledger.now, delivery_id=pacs) == 1
    assert count_deliveries(ledger.database) == {"pacs": {"QUEUED": 1}, "ris": {"PARKED": 1}}


def stored(deliveries: Any, delivery_id: int) -> None:
    ledger, begun = deliveries.ledger, deliveries.begin(delivery_id)
    record_stored(ledger.database, delivery_id, detail="0000", at=ledger.now, attempt_id=begun.attempt_id)


def test_what_is_stored_is_not_delivered_until_it_is_confirmed(deliveries: Any) -> None:
    ledger, pacs, ris = deliveries.ledger, deliveries.id("pacs"), deliveries.id("ris")
    stored(deliveries, pacs)
    acknowledge(ledger.database, ris, detail="AA", at=ledger.now)
    assert deliveries.record.study.deliveries == {"STORED": 1, "ACKNOWLEDGED": 1}
    assert deliveries.record.study.state is State.CONCLUDED
    confirm(ledger.database, pacs, confirmation="by query", at=ledger.now)
    assert deliveries.record.study.state is State.DELIVERED
    assert deliveries.story(pacs) == [(1, "acknowledged", "0000", "")]


def test_what_turns_out_not_to_be_there_is_sent_again_and_may_then_be_there_already(deliveries: Any) -> None:
    ledger, pacs = deliveries.ledger, deliveries.id("pacs")
    stored(deliveries, pacs)
    assert record_unconfirmed(ledger.database, pacs, reason="not there", parked=False, at=ledger.now)
    begun = deliveries.begin(pacs)
    assert (begun.number, begun.sent_before) == (2, True)


def test_an_earlier_version_that_turns_out_not_to_be_there_is_not_sent_after_a_later_one(deliveries: Any) -> None:
    ledger, pacs = deliveries.ledger, deliveries.id("pacs")
    stored(deliveries, pacs)
    deliveries.again()
    assert not record_unconfirmed(ledger.database, pacs, reason="not there", parked=False, at=ledger.now)
    states = [row["state"] for row in deliveries.record.deliveries if row["destination"] == "pacs"]
    assert states == ["SUPERSEDED", "QUEUED"]


@pytest.mark.parametrize(
    ("committed", "failures", "reason"), [(True, {}, 0), (False, {"2.25.1": 0x0110}, 0x0110), (False, {}, 0x0112)]
)
def test_a_report_on_a_commitment_is_kept_and_the_first_one_counts(
    deliveries: Any, reason: int, failures: dict[str, int], *, committed: bool
) -> None:
    ledger, pacs = deliveries.ledger, deliveries.id("pacs")
    report = StoredReport(
        identifier="2.25.1", sop_class_uid="1.2", series_instance_uid="1.2.3", sha256=DIGEST, path="p", size=1
    )
    record_rendered(ledger.database, deliveries.record.deliveries[0]["report_id"], report, at=ledger.now)
    stored(deliveries, pacs)
    ask_commitment(ledger.database, pacs, "2.25.7", at=ledger.now)
    asked = asked_commitment(ledger.database, pacs, since=ledger.now)
    assert asked is not None
    assert asked.failure_reason is None

    def answer(uid: str, there: frozenset[str], failed: dict[str, int]) -> bool:
        return answer_commitment(
            ledger.database, ledger.queue, uid, failed, committed=there, missing=0x0112, at=ledger.now
        )

    assert not answer("2.25.8", frozenset(), {}), "it is not ours"
    assert answer("2.25.7", frozenset({"2.25.1"} if committed else ()), failures)
    assert answer("2.25.7", frozenset(), {"2.25.1": 0x0119})
    asked = asked_commitment(ledger.database, pacs, since=ledger.now)
    assert asked is not None
    assert asked.failure_reason == reason
    assert ledger.waiting()["deliver:pacs"] == 1


def test_a_parked_delivery_that_a_later_result_is_just_overtaking_is_not_requeued(
    deliveries: Any, eventually: Callable[..., None]
) -> None:
    ledger, pacs = deliveries.ledger, deliveries.id("pacs")
    deliveries.fail(deliveries.begin(pacs), pacs, parked=True)
    requeued: list[int] = []
    late = Thread(target=lambda: requeued.append(requeue_deliveries(ledger.database, ledger.queue, now=ledger.now)))
    with ledger.database.begin() as connection:
        lock(connection, deliveries.study_id)
        supersede(connection, deliveries.study_id, at=ledger.now)
        late.start()
        if connection.dialect.name == "postgresql":  # on SQLite it waits with its first word
            waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            eventually(lambda: connection.execute(waits).scalar_one())
    late.join()
    assert requeued == [0]
    assert {row["state"] for row in deliveries.record.deliveries} == {"SUPERSEDED"}
