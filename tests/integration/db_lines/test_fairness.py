"""The order of the queue and of the worklist, at the level of claims: nobody waits behind whom they should be before.

What must hold is computed here from arrivals alone, not from the due times that the ledger writes.
"""

import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from db import kinds
from db.analysis import ImageResult, record_image_result, score_task
from db.completion import close_due
from db.conclusion import ReportOrder, record_conclusion, study_to_conclude
from db.forwarding import Forward
from db.orders import apply_order
from db.outcome import Outcome, study_outcome
from db.pace import LAST
from db.priority import Priority, Standing
from db.queue import Done, Job, Settlement
from db.worklist import worklist

PACE = 4
EMERGENCY = Standing(at_least=Priority.HIGH, studies_per_hour=PACE)
OTHERS = Standing(studies_per_hour=PACE)
ALLOWANCE = {Priority.HIGH: 0, Priority.MEDIUM: 30, Priority.ROUTINE: 480}
_examples = itertools.count()


@dataclass(slots=True)
class Study:
    """A study as the test knows it. `priority` is what counts in the agent's own work."""

    key: str
    id: int
    arrived: datetime
    priority: Priority
    in_pace: bool

    def is_wronged_by(self, other: "Study", now: datetime) -> bool:
        """Tell whether it is past its allowance as a younger one of the same or a lower priority goes first."""
        past = now >= self.arrived + timedelta(minutes=ALLOWANCE[self.priority])
        return self.in_pace and past and other.arrived > self.arrived and other.priority <= self.priority


class Site:
    """Senders, and the queue that they fill. Each has a bucket that an hour empties of as many studies as its pace."""

    def __init__(self, ledger: Any, start: datetime) -> None:
        self.ledger, self.now = ledger, start
        self.waiting: dict[str, Study] = {}
        self.name = next(_examples)
        self._buckets: dict[tuple[str, Priority], tuple[float, datetime]] = {}
        list(self.claimed(ledger.waiting().get(kinds.SCORE, 0)))  # an example that failed leaves some

    def arrive(self, sender: str, order: Priority, **given: Any) -> Study:
        standing = EMERGENCY if sender == "ED" else OTHERS
        level, at = self._buckets.get((sender, order), (0.0, self.now))
        level = max(0.0, level - (self.now - at) / timedelta(hours=1) * standing.studies_per_hour)
        self._buckets[sender, order] = level + 1, self.now
        uid = f"1.2.{self.name}.{len(self._buckets)}.{next(_examples)}"
        recorded = self.ledger.receive(
            study_instance_uid=uid,
            sop_instance_uid=f"{uid}.1",
            received_at=self.now,
            calling_ae_title=f"{sender}{self.name}",
            order_priority=order,
            standing=standing,
            **given,
        )
        priority = max(order, standing.at_least)
        study = Study(str(recorded.instance_id), recorded.study_id, self.now, priority, in_pace=level <= PACE)
        self.waiting[study.key] = study
        return study

    def order(self, study: Study, priority: Priority) -> None:
        """Let the system that orders say how urgent it is: that counts from the arrival, whoever sent how much."""
        ledger = self.ledger
        asked = {"priority": priority, "accession_number": "", "at": self.now, "allowances": ledger.allowances}
        if apply_order(ledger.database, ledger.queue, study.id, **asked):
            study.priority, study.in_pace = max(study.priority, priority), True

    def claimed(self, count: int, kind: str = kinds.SCORE) -> Iterator[str]:
        """Let a real worker claim so many jobs; their keys."""
        keys: list[str] = []
        stop = threading.Event()

        def handle(job: Job) -> Settlement:
            keys.append(job.key)
            if len(keys) == count:
                stop.set()
            return Done()

        if count:
            self.ledger.queue.run({kind: handle}, stop=stop, concurrency=1)
        yield from keys


arrivals = st.tuples(st.just("arrive"), st.sampled_from(["A", "A", "A", "B", "ED"]), st.sampled_from(Priority))
orders = st.tuples(st.just("order"), st.integers(0, 50), st.sampled_from(Priority))
claims = st.tuples(st.just("claim"), st.integers(1, 3), st.none())
happenings = st.lists(st.tuples(st.integers(0, 90), arrivals | arrivals | orders | claims), min_size=5, max_size=25)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings)
def test_no_study_past_its_allowance_stands_behind_a_younger_one_of_the_same_or_a_lower_priority(
    ledger: Any, noon: datetime, happens: Sequence[Any]
) -> None:
    """In the queue: of senders that keep to their pace, whatever others send; of all, once somebody else orders it."""
    site = Site(ledger, noon)
    for minutes, (what, which, priority) in [*happens, (0, ("claim", 99, None))]:
        site.now += timedelta(minutes=minutes)
        if what == "arrive":
            site.arrive(which, priority)
        elif what == "order" and site.waiting:
            site.order(list(site.waiting.values())[which % len(site.waiting)], priority)
        elif what == "claim":
            for key in site.claimed(min(which, len(site.waiting))):
                first = site.waiting.pop(key)
                assert not [one for one in site.waiting.values() if one.is_wronged_by(first, site.now)]
    assert site.waiting == {}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(Priority), st.booleans()), max_size=12))
def test_on_the_worklist_none_does_so_at_any_time_whoever_sent_how_much(
    ledger: Any, noon: datetime, studies: Sequence[tuple[int, Priority, bool]]
) -> None:
    site = Site(ledger, noon)
    for minutes, order, flagged in studies:
        site.now += timedelta(minutes=minutes)
        study = site.arrive("A", order)
        if flagged:
            task = score_task(ledger.database, int(study.key))
            result = ImageResult(outcome=Outcome.FLAGGED, started_at=site.now, finished_at=site.now)
            record_image_result(ledger.database, ledger.queue, task, result, allowances=ledger.allowances)
    rows = [row for row in worklist(ledger.database, limit=1000) if row.calling_ae_title == f"A{site.name}"]
    assert len(rows) == len(studies)
    for above, below in itertools.combinations(rows, 2):
        assert not (above.received_at > below.received_at and above.priority <= below.priority)


FLOOD, AFTER = 120, timedelta(minutes=30)


def flooded(site: Site, **given: Any) -> Study:
    """Let one sender dump its archive at once, and half an hour later another one send a study."""
    for _ in range(FLOOD):
        site.arrive("A", Priority.ROUTINE, **given)
    site.now += AFTER
    return site.arrive("B", Priority.ROUTINE, **given)


HELD_UP = PACE * (1 + AFTER / timedelta(hours=1)) + 1
"""What a sender may put before others in this time, by its pace."""


def test_a_sender_that_dumps_its_archive_does_not_hold_up_another_s_study_in_the_analysis(
    ledger: Any, noon: datetime
) -> None:
    site = Site(ledger, noon)
    other = flooded(site)
    keys = list(site.claimed(FLOOD + 1))
    assert 0 < keys.index(other.key) <= HELD_UP
    assert len(set(keys)) == FLOOD + 1  # nor are its own ever left


def test_nor_on_its_way_to_a_destination_by_a_forward(ledger: Any, noon: datetime) -> None:
    site = Site(ledger, noon)
    other = flooded(site, candidate=False, forwards=(Forward(destination="pacs", rule="all"),))
    keys = list(site.claimed(FLOOD + 1, kinds.forward("pacs")))
    assert 0 < keys.index(str(other.id)) <= HELD_UP


def test_a_study_that_is_ordered_urgently_goes_before_what_its_own_sender_dumped(ledger: Any, noon: datetime) -> None:
    site = Site(ledger, noon)
    flooded(site)
    urgent = site.arrive("A", Priority.HIGH)
    assert list(site.claimed(1)) == [urgent.key]


def test_the_emergency_department_s_scanner_goes_first_by_the_rule_of_its_peer(ledger: Any, noon: datetime) -> None:
    site = Site(ledger, noon)
    site.arrive("A", Priority.MEDIUM)
    site.now += timedelta(minutes=29)
    emergency = site.arrive("ED", Priority.ROUTINE)
    assert list(site.claimed(1)) == [emergency.key]
    assert worklist(ledger.database)[-1].calling_ae_title.startswith("ED")  # reading goes by the order alone


def test_how_far_a_sender_has_come_is_asked_of_an_index(sqlite_ledger: Any) -> None:
    """Not even then are its studies read when there are a million: what comes costs as much as ever.

    PostgreSQL chooses by its statistics: the growth tests ask it, with some thousand studies.
    """
    bound = LAST.params(calling_ae_title="A", order_priority=0)
    with sqlite_ledger.database.begin() as connection:
        asked = bound.compile(connection, compile_kwargs={"literal_binds": True})
        plan = " ".join(str(tuple(row)) for row in connection.execute(text(f"EXPLAIN QUERY PLAN {asked}")))
    assert "SEARCH" in plan  # its last entry, not all of the sender's
    assert "ix_study_pace" in plan


@pytest.mark.parametrize("outcome", [Outcome.NOT_FLAGGED, Outcome.FLAGGED])
def test_a_dumped_study_s_report_waits_for_its_turn_unless_it_is_flagged(
    sqlite_ledger: Any, noon: datetime, outcome: Outcome
) -> None:
    site = Site(sqlite_ledger, noon)
    dumped = [site.arrive("A", Priority.ROUTINE) for _ in range(PACE * 3)][-1]
    site.now += AFTER
    other = site.arrive("B", Priority.ROUTINE)
    conclude(sqlite_ledger, site.now, dumped, outcome)
    conclude(sqlite_ledger, site.now, other, Outcome.NOT_FLAGGED)
    first, second = ("2", "1") if outcome is Outcome.NOT_FLAGGED else ("1", "2")  # deliveries in their order
    assert list(site.claimed(2, kinds.deliver("ris"))) == [first, second]


def conclude(ledger: Any, at: datetime, study: Study, outcome: Outcome) -> None:
    result = ImageResult(outcome=outcome, started_at=at, finished_at=at)
    task = score_task(ledger.database, int(study.key))
    record_image_result(ledger.database, ledger.queue, task, result, allowances=ledger.allowances)
    close_due(ledger.database, ledger.queue, now=at + timedelta(minutes=20))
    due = study_to_conclude(ledger.database, study.id)
    assert due is not None
    order = ReportOrder(kind="oru", media_type="application/hl7-v2", destinations=("ris",), followers=())
    given = {"revision": due.revision, "outcome": study_outcome(due.images), "analysed_at": at, "concluded_at": at}
    conclusion = ledger.conclusion(study.id, order, **given)
    assert record_conclusion(ledger.database, ledger.queue, conclusion)
