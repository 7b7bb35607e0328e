"""The runner outlasts a database that cannot be reached, and keeps its claims alive until it has drained."""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.errors import DatabaseBusyError, DatabaseUnavailableError, QueryError
from db.queue import Done, Job, Park, RetryAt, Settlement, runner
from db.queue.policy import Policy
from db.queue.room import Room
from db.queue.runner import Claim, LastChance, Runner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = Policy(lease=timedelta(seconds=0.15), backoff=(timedelta(seconds=1), timedelta(seconds=5)))


class ScriptedWorker:
    """A worker without a database: gives one claim, and fails as told."""

    def __init__(self, *, claim: list[Exception] | None = None, settle: list[Exception | bool] | None = None) -> None:
        self.renewals = 0
        self.settled: list[tuple[Settlement, int]] = []
        self.stop = threading.Event()
        self.failures = 0
        self.alone: list[bool] = []
        self.given_back: list[str] = []
        self.give_back_fails: Exception | None = None
        self.wait_fails: list[Exception] = []
        self._claim_fails = claim or []
        self._settle_fails = settle or []
        self._left = 1

    def claim(self, *, alone: bool) -> Claim | None:
        self.alone.append(alone)
        if self._claim_fails:
            raise self._claim_fails.pop(0)
        if self._left == 0:
            return None
        self._left -= 1
        return Claim(1, Job(kind="a", key="1", attempt=1, due_at=NOW), self.failures)

    def settle(self, claim: Claim, settlement: Settlement, failures: int) -> bool:
        assert claim.job.key
        answer = self._settle_fails.pop(0) if self._settle_fails else True
        if isinstance(answer, Exception):
            raise answer
        self.settled.append((settlement, failures))
        if self._left == 0:
            self.stop.set()
        return answer

    def renew(self) -> None:
        self.renewals += 1
        raise DatabaseBusyError

    def give_back(self, claim: Claim, *, blame: str) -> bool:
        assert claim.job.key
        self.given_back.append(blame)
        if self.give_back_fails is not None:
            raise self.give_back_fails
        return True

    def wait(self, stop: threading.Event, timeout: float) -> None:
        if self.wait_fails:
            raise self.wait_fails.pop(0)
        stop.wait(min(timeout, 0.01))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_RECOVERY", 0.01)


def run(worker: ScriptedWorker, handler: Callable[[Job], Settlement], policy: Policy = QUICK) -> None:
    Runner(worker, {"a": handler}, policy, lambda: NOW, Room()).run(stop=worker.stop, concurrency=1)


def test_a_database_that_cannot_be_reached_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    worker = ScriptedWorker(claim=[DatabaseUnavailableError("x"), DatabaseBusyError("x")])
    run(worker, lambda _: Done())
    assert worker.settled == [(Done(), 0)]
    told = [record.error for record in caplog.records if record.message == "queue_unavailable"]
    assert told == ["DatabaseUnavailableError", "DatabaseBusyError"]


def test_a_settlement_is_repeated_until_the_database_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    worker = ScriptedWorker(settle=[DatabaseUnavailableError("x"), DatabaseBusyError("x")])
    calls: list[str] = []

    def handle(job: Job) -> Settlement:
        calls.append(job.key)
        return Park("no")

    run(worker, handle)
    assert worker.settled == [(Park("no"), 0)]
    assert calls == ["1"]
    told = [record for record in caplog.records if record.message == "job_not_settled"]
    assert [record.error for record in told] == ["DatabaseUnavailableError", "DatabaseBusyError"]
    assert {(record.kind, record.key, record.attempt) for record in told} == {("a", "1", 1)}


@pytest.mark.parametrize("claim", [[], [LastChance()]], ids=["beside others", "alone"])
def test_a_stopped_worker_leaves_what_it_cannot_settle_to_the_reaper(claim: list[Exception]) -> None:
    worker = ScriptedWorker(claim=claim, settle=[DatabaseUnavailableError("x")] * 1000)
    entered = threading.Event()

    def handle(_job: Job) -> Settlement:
        entered.set()
        worker.stop.set()
        return Done()

    run(worker, handle)
    assert entered.is_set()
    assert worker.settled == []


def test_a_lost_claim_is_said_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    run(ScriptedWorker(settle=[False]), lambda _: Done())
    (told,) = [record for record in caplog.records if record.message.startswith("job")]
    assert (told.message, told.kind, told.key, told.attempt) == ("job_claim_lost", "a", "1", 1)
    assert told.name == "db.queue.runner", "the log drops what no part of ours says"


def test_the_heart_beats_through_the_drain_and_through_its_own_failures() -> None:
    worker = ScriptedWorker()
    before = []

    def handle(_job: Job) -> Settlement:
        worker.stop.set()
        before.append(worker.renewals)
        threading.Event().wait(0.3)
        return Done()

    run(worker, handle)
    assert worker.renewals - before[0] >= 3
    after = worker.renewals
    threading.Event().wait(0.2)
    assert worker.renewals == after


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        (0, RetryAt(NOW + timedelta(seconds=1), "ValueError")),
        (1, RetryAt(NOW + timedelta(seconds=5), "ValueError")),
        (2, Park("ValueError")),
    ],
)
def test_the_policy_says_what_follows_an_exception(failures: int, expected: Settlement) -> None:
    worker = ScriptedWorker()
    worker.failures = failures

    def handle(_job: Job) -> Settlement:
        raise ValueError

    run(worker, handle)
    assert worker.settled == [(expected, failures + 1)]


def test_an_error_of_the_program_ends_the_run_and_is_not_hidden() -> None:
    worker = ScriptedWorker(claim=[ZeroDivisionError()])
    with pytest.raises(ZeroDivisionError):
        run(worker, lambda _: Done())


def test_a_settlement_that_no_trying_again_could_write_ends_the_run() -> None:
    worker = ScriptedWorker(settle=[QueryError("a defect")])
    with pytest.raises(QueryError, match="a defect"):
        run(worker, lambda _: Done())


def test_a_naive_time_to_retry_at_counts_as_the_handler_s_exception() -> None:
    worker = ScriptedWorker()
    run(worker, lambda _: RetryAt(NOW.replace(tzinfo=None), "x"))
    with pytest.raises(ValueError, match=r"^expected an aware datetime\. Received: at=2026-01-01T00:00:00$"):
        RetryAt(NOW.replace(tzinfo=None), "x")
    assert worker.settled == [(RetryAt(NOW + timedelta(seconds=1), "ValueError"), 1)]


def test_the_default_policy_gives_five_attempts_over_some_minutes() -> None:
    policy = Policy()
    assert [pause.total_seconds() for pause in policy.backoff] == [1, 5, 25, 125]
    assert policy.lease == timedelta(seconds=15)
    assert policy.deaths == 3


def test_a_job_on_its_last_chance_is_claimed_again_and_run_where_nothing_else_is() -> None:
    worker, room = ScriptedWorker(claim=[LastChance()]), Room[Any]()
    came_in: list[bool] = []

    def handle(_job: Job) -> Settlement:
        came_in.append(room.enter(0))
        return Done()

    Runner(worker, {"a": handle}, QUICK, lambda: NOW, room).run(stop=worker.stop, concurrency=1)
    assert worker.alone[:2] == [False, True]
    assert worker.settled == [(Done(), 0)]
    assert came_in == [False]
    assert room.enter(0)


def test_a_job_on_its_last_chance_that_another_process_has_taken_is_left_to_that_one() -> None:
    worker = ScriptedWorker(claim=[LastChance()])
    worker._left = 0
    worker.wait_fails = [ZeroDivisionError()]  # ends the run
    with pytest.raises(ZeroDivisionError):
        run(worker, lambda _: Done())
    assert worker.alone == [False, True, False]
    assert worker.settled == []


def test_a_database_that_is_away_as_the_last_chance_is_claimed_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    worker = ScriptedWorker(claim=[LastChance(), DatabaseUnavailableError("x")])
    run(worker, lambda _: Done())
    assert worker.alone == [False, True, False]
    assert worker.settled == [(Done(), 0)]
    assert [record.error for record in caplog.records if record.message == "queue_unavailable"] == [
        "DatabaseUnavailableError"
    ]


def test_a_last_chance_waits_while_another_lane_is_at_work_and_then_lets_that_one_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "_PATIENCE", 0.01)
    worker, room = ScriptedWorker(claim=[LastChance()]), Room[Any]()
    assert room.enter(0)  # the other lane
    Runner(worker, {"a": lambda _: Done()}, QUICK, lambda: NOW, room).run(stop=worker.stop, concurrency=1)
    assert worker.alone == [False, False], "it was not claimed alone"
    assert worker.settled == [(Done(), 0)]


def test_a_worker_that_cannot_wait_for_jobs_waits_for_the_database(caplog: pytest.LogCaptureFixture) -> None:
    worker = ScriptedWorker()
    worker._left = 0
    worker.wait_fails = [DatabaseUnavailableError("x")]

    def come(stop: threading.Event, _timeout: float) -> None:
        worker._left = 1
        stop.wait(0.01)

    waits = worker.wait

    def wait(stop: threading.Event, timeout: float) -> None:
        waits(stop, timeout)
        come(stop, timeout)

    worker.wait = wait  # type: ignore[method-assign]
    run(worker, lambda _: Done())
    assert worker.settled == [(Done(), 0)]
    assert [record.error for record in caplog.records if record.message == "queue_unavailable"] == [
        "DatabaseUnavailableError"
    ]


def hanging(worker: ScriptedWorker, *others: float) -> None:
    """Run a job that takes longer than it may, beside guests of so many seconds; the end of the process ends it."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        worker.stop.set()

    def handle(_job: Job) -> Settlement:
        assert ended.wait(60)
        return Done()

    room = Room[Any](end)
    policy = Policy(lease=QUICK.lease, backoff=QUICK.backoff, grace=timedelta(0))
    with ExitStack() as stack:
        for number, longest in enumerate(others):
            claim = Claim(2 + number, Job(kind="b", key="2", attempt=1, due_at=NOW), 0)
            stack.enter_context(room.running((worker, claim), longest))
        Runner(worker, {"a": handle}, policy, lambda: NOW, room, timedelta(seconds=0.01)).run(
            stop=worker.stop, concurrency=1
        )


def test_a_job_that_hangs_is_given_back_with_the_blame_before_its_process_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = ScriptedWorker()
    hanging(worker)
    assert worker.given_back == ["hung for more than 0.01 s"]
    (hung,) = [record for record in caplog.records if record.message == "job_hung"]
    assert (hung.kind, hung.key, hung.attempt) == ("a", "1", 1)
    assert "handle" in hung.where


def test_others_that_are_still_at_work_then_are_given_back_without_blame_unless_they_hang_too() -> None:
    worker = ScriptedWorker()
    hanging(worker, 600.0, 0.02)
    assert sorted(worker.given_back) == ["", "hung for more than 0.01 s", "hung for more than 0.02 s"]


def test_a_process_whose_job_hangs_ends_though_the_database_is_away(caplog: pytest.LogCaptureFixture) -> None:
    worker = ScriptedWorker()
    worker.give_back_fails = DatabaseUnavailableError("x")
    hanging(worker)
    (told,) = [record for record in caplog.records if record.message == "job_not_settled"]
    assert (told.error, told.kind, told.key) == ("DatabaseUnavailableError", "a", "1")


def test_a_worker_without_handlers_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"^expected a handler for at least one kind\. Received: handlers=\{\}$"):
        runner.kinds_of({})
    assert runner.kinds_of({"a": lambda _: Done(), "b": lambda _: Done()}) == ("a", "b")


def test_an_exception_of_a_database_that_is_away_parks_no_job_however_often() -> None:
    worker = ScriptedWorker()
    worker.failures = 3
    policy = Policy(lease=QUICK.lease, backoff=(*QUICK.backoff, timedelta(seconds=25)))

    def handle(_job: Job) -> Settlement:
        message = "away"
        raise DatabaseUnavailableError(message)

    run(worker, handle, policy)
    assert worker.settled == [(RetryAt(NOW + timedelta(seconds=25), "DatabaseUnavailableError"), 3)]


def test_what_a_handler_raised_is_logged_by_its_type_and_its_four_innermost_places_and_no_word_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = ScriptedWorker()

    def deeper(left: int) -> None:
        if left:
            deeper(left - 1)
        message = "Zzyzx^Quentin"
        raise KeyError(message)

    def handle(_job: Job) -> Settlement:
        deeper(3)
        return Done()

    run(worker, handle)
    (raised,) = [record for record in caplog.records if record.message == "job_raised"]
    assert (raised.error, raised.kind, raised.key, raised.attempt) == ("KeyError", "a", "1", 1)
    places = raised.where.split(" < ")
    assert [place.split()[1] for place in places] == ["deeper"] * 4
    assert all(place.startswith("test_runner.py:") for place in places)
    assert "Zzyzx" not in str(vars(raised))


def test_a_worker_with_one_hand_runs_one_job_after_the_other() -> None:
    worker = ScriptedWorker()
    worker._left = 3
    run(worker, lambda _: Done())
    assert worker.settled == [(Done(), 0)] * 3


class Watched(threading.Event):
    """An order to stop that tells when it was looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.obeyed = threading.Event()

    def is_set(self) -> bool:
        found = super().is_set()
        if found:
            self.obeyed.set()
        return found


def test_a_worker_with_all_hands_full_takes_nothing_more_and_sees_that_it_is_to_stop() -> None:
    worker = ScriptedWorker()
    worker._left = 2
    worker.stop = stop = Watched()
    asked: list[int] = []

    def handle(_job: Job) -> Settlement:
        assert not threading.Event().wait(0.05)  # in which it could ask for another one
        asked.append(len(worker.alone))
        stop.set()
        assert stop.obeyed.wait(60)
        return Done()

    run(worker, handle)
    assert asked == [1]
    assert worker.settled == [(Done(), 0)]


def test_a_worker_whom_one_that_is_alone_keeps_out_sees_that_it_is_to_stop() -> None:
    worker = ScriptedWorker()

    class Full(Room[Any]):
        tries = 0

        def enter(self, timeout: float) -> bool:
            self.tries += 1
            if self.tries == 3:
                worker.stop.set()
            return super().enter(timeout / 10)

    room = Full()
    with room.alone(worker.stop, poll=1, patience=1):
        Runner(worker, {"a": lambda _: Done()}, QUICK, lambda: NOW, room).run(stop=worker.stop, concurrency=1)
    assert worker.alone == []


def test_who_looks_at_a_process_finds_its_threads_by_name_and_only_the_heart_s_does_not_keep_it_from_ending() -> None:
    worker = ScriptedWorker()
    threads: dict[str, bool] = {}

    def handle(_job: Job) -> Settlement:
        threads.update((thread.name, thread.daemon) for thread in threading.enumerate())
        return Done()

    run(worker, handle)
    assert threads["queue-job_0"] is False
    assert threads["queue-heartbeat"] is True
