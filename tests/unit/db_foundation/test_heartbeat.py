"""A runner's heart keeps the claims, and ends the process when a job hangs; the tests call each of its beats."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import db.queue.runner
from db.errors import DatabaseUnavailableError
from db.queue import Job, room
from db.queue.policy import Policy
from db.queue.room import Guest, Room
from db.queue.runner import Claim, Runner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(lease=timedelta(seconds=15), grace=timedelta(0))


class Presence:
    """A worker that is only heard of: it notes what it is told, and fails as told."""

    def __init__(self, *fails: Exception | None) -> None:
        self.given_back: list[tuple[str, str]] = []
        self._fails = list(fails)

    def renew(self) -> None:
        self._fail()

    def give_back(self, claim: Claim, *, blame: str) -> bool:
        self._fail()
        self.given_back.append((claim.job.key, blame))
        return True

    def _fail(self) -> None:
        if self._fails and (failure := self._fails.pop(0)) is not None:
            raise failure


class Beats:
    """Says after so many waits that all has drained, and notes how long each wait might have been."""

    def __init__(self, count: int) -> None:
        self.pauses: list[float | None] = []
        self._count = count

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        return len(self.pauses) > self._count


def runner(worker: Presence, shared: Room[Any] | None = None) -> Runner:
    return Runner(worker, {}, POLICY, lambda: NOW, shared or Room())  # type: ignore[arg-type]


def beat(one: Runner, beats: Beats) -> None:
    one._beat(beats)  # type: ignore[arg-type]


def claimed(worker: Presence, key: str) -> tuple[Presence, Claim]:
    return worker, Claim(1, Job(kind="a", key=key, attempt=3, due_at=NOW), 0)


def test_it_beats_three_times_in_a_lease_until_all_has_drained() -> None:
    beats = Beats(2)
    beat(runner(Presence()), beats)
    assert beats.pauses == [5.0] * 3


def test_a_database_that_is_away_is_said_at_each_beat_and_the_heart_beats_on(caplog: pytest.LogCaptureFixture) -> None:
    beats = Beats(3)
    beat(runner(Presence(DatabaseUnavailableError("x"), None, DatabaseUnavailableError("x"))), beats)
    told = [(record.message, record.error) for record in caplog.records]  # type: ignore[attr-defined]
    assert told == [("queue_heartbeat_failed", "DatabaseUnavailableError")] * 2


def test_a_defect_in_it_is_kept_for_the_run_to_raise_and_the_heart_beats_on() -> None:
    beats, one, defect = Beats(2), runner(Presence(ZeroDivisionError())), ZeroDivisionError
    beat(one, beats)
    assert [type(kept) for kept in one._defects] == [defect]
    assert len(beats.pauses) == 3


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock by which jobs are watched stand still."""
    monkeypatch.setattr(room, "monotonic", lambda: 1000.0)


@pytest.mark.usefixtures("still")
def test_one_that_hangs_is_told_with_its_seconds_and_all_are_given_back_before_the_process_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker, ended = Presence(), []
    shared: Room[Any] = Room(lambda: ended.append(list(worker.given_back)))
    for key, longest, since in (("works", 600.0, 999.0), ("hangs", 1.5, 938.76544), ("hangs, too", 1.0, 998.0)):
        shared._guests.add(Guest(claimed(worker, key), longest, since, thread=-1))
    one = runner(worker, shared)
    beat(one, Beats(2))
    (told,) = [vars(record) for record in caplog.records if record.message == "job_hung"]
    assert {name: told[name] for name in ("seconds", "where", "kind", "key", "attempt")} == {
        "seconds": 61.235,
        "where": "",
        "kind": "a",
        "key": "hangs",
        "attempt": 3,
    }
    assert len(ended) == 1, "once"
    assert ended[0][0] == ("hangs", "hung for more than 1.5 s"), "at first"
    assert sorted(ended[0][1:]) == [("hangs, too", "hung for more than 1 s"), ("works", "")]


@pytest.mark.usefixtures("still")
def test_the_process_of_one_that_hangs_ends_though_a_defect_is_in_the_way_of_giving_it_back() -> None:
    worker, ended = Presence(ZeroDivisionError()), []
    shared: Room[Any] = Room(lambda: ended.append(True))
    shared._guests.add(Guest(claimed(worker, "hangs"), 1.0, 0.0))
    with pytest.raises(ZeroDivisionError):
        runner(worker, shared)._end_if_one_hangs()
    assert ended == [True]


def test_a_process_that_has_to_end_ends_as_it_is_with_a_status_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    monkeypatch.setattr(os, "_exit", statuses.append)
    Room[str]().end()
    assert statuses == [70]


def test_a_settlement_is_tried_again_before_its_claim_runs_out() -> None:
    assert 0 < db.queue.runner._RECOVERY < Policy().lease.total_seconds() / 3
