"""The runner outlasts a database that cannot be reached, and keeps its claims alive until it has drained."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from db.errors import DatabaseBusyError, DatabaseUnavailableError, QueryError
from db.queue import Done, Job, Park, RetryAt, Settlement, runner
from db.queue.policy import Policy
from db.queue.room import Room
from db.queue.runner import Claim, Runner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = Policy(lease=timedelta(seconds=0.15), backoff=(timedelta(seconds=1), timedelta(seconds=5)))


class ScriptedWorker:
    """A worker without a database: gives one claim, and fails as told."""

    def __init__(self, *, claim: list[Exception] | None = None, settle: list[Exception | bool] | None = None) -> None:
        self.renewals = 0
        self.settled: list[tuple[Settlement, int]] = []
        self.stop = threading.Event()
        self.failures = 0
        self._claim_fails = claim or []
        self._settle_fails = settle or []
        self._left = 1

    def claim(self, *, alone: bool) -> Claim | None:  # noqa: ARG002 - as a worker has it
        if self._claim_fails:
            raise self._claim_fails.pop(0)
        if self._left == 0:
            return None
        self._left -= 1
        return Claim(1, Job(kind="a", key="1", attempt=1, due_at=NOW), self.failures)

    def settle(self, _claim: Claim, settlement: Settlement, failures: int) -> bool:
        answer = self._settle_fails.pop(0) if self._settle_fails else True
        if isinstance(answer, Exception):
            raise answer
        self.settled.append((settlement, failures))
        self.stop.set()
        return answer

    def renew(self) -> None:
        self.renewals += 1
        raise DatabaseBusyError

    def wait(self, stop: threading.Event, timeout: float) -> None:
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
    assert [record.message for record in caplog.records].count("queue_unavailable") == 2


def test_a_settlement_is_repeated_until_the_database_takes_it(caplog: pytest.LogCaptureFixture) -> None:
    worker = ScriptedWorker(settle=[DatabaseUnavailableError("x"), DatabaseBusyError("x")])
    calls: list[str] = []

    def handle(job: Job) -> Settlement:
        calls.append(job.key)
        return Park("no")

    run(worker, handle)
    assert worker.settled == [(Park("no"), 0)]
    assert calls == ["1"]
    assert [record.message for record in caplog.records].count("job_not_settled") == 2


def test_a_stopped_worker_leaves_what_it_cannot_settle_to_the_reaper() -> None:
    worker = ScriptedWorker(settle=[DatabaseUnavailableError("x")] * 1000)
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
    assert [record.message for record in caplog.records if record.message.startswith("job")] == ["job_claim_lost"]


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
    assert worker.settled == [(RetryAt(NOW + timedelta(seconds=1), "ValueError"), 1)]


def test_the_default_policy_gives_five_attempts_over_some_minutes() -> None:
    policy = Policy()
    assert [pause.total_seconds() for pause in policy.backoff] == [1, 5, 25, 125]
    assert policy.lease == timedelta(seconds=15)
    assert policy.deaths == 3
