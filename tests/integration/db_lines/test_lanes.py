"""Lanes: each kind of job in a thread of its own, and a process that has lost one does not go on as if it were well."""

import threading

import pytest

from agent.process.lanes import run_lanes
from db.database import Database
from db.queue import Done, Job, Settlement, open_queue


def test_a_lane_that_breaks_stops_the_others_and_is_told(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_worker: object, *, alone: bool) -> None:
        message = f"a defect of the queue, alone={alone}"
        raise LookupError(message)

    monkeypatch.setattr("db.queue.embedded.EmbeddedWorker.claim", broken)
    started = threading.Event()

    def handle(_job: Job) -> Settlement:
        return Done()

    with pytest.raises(LookupError, match="a defect"):
        run_lanes(open_queue(sqlite_database), {"a": handle, "b": handle}, threading.Event(), started=started.set)
    assert started.is_set()
