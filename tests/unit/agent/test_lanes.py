"""The lanes of a process: each kind of job in a thread of its own."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from agent.process.lanes import run_lanes
from db.queue import Done, Handler


class Lanes:
    """A queue whose runs do nothing but note what they are told, and wait; one of them may be a defect."""

    def __init__(self, defect: str = "") -> None:
        self.runs: dict[str, tuple[int, timedelta | None]] = {}
        self._defect = defect

    def run(
        self, handlers: Mapping[str, Handler], *, stop: threading.Event, concurrency: int, longest: timedelta | None
    ) -> None:
        (kind,) = handlers
        self.runs[kind] = concurrency, longest
        assert threading.current_thread().name == kind, "a lane that hangs is told by its name"
        if kind == self._defect:
            raise ZeroDivisionError
        stop.wait()


HANDLERS: dict[str, Any] = {"a": lambda _: Done(), "b": lambda _: Done()}


def test_each_kind_has_a_lane_of_its_own_for_one_job_at_a_time_and_as_long_as_that_kind_may_take() -> None:
    queue, stop = Lanes(), threading.Event()
    longest = {"a": timedelta(seconds=1), "b": None}
    run_lanes(queue, HANDLERS, stop, started=stop.set, longest=longest.__getitem__)  # type: ignore[arg-type]
    assert queue.runs == {"a": (1, timedelta(seconds=1)), "b": (1, None)}


def test_unless_it_is_told_no_job_has_a_limit_of_its_own() -> None:
    queue, stop = Lanes(), threading.Event()
    run_lanes(queue, HANDLERS, stop, started=stop.set)  # type: ignore[arg-type]
    assert queue.runs == {"a": (1, None), "b": (1, None)}


def test_a_defect_in_one_lane_stops_the_others_and_is_raised() -> None:
    stop = threading.Event()
    with pytest.raises(ZeroDivisionError):
        run_lanes(Lanes("b"), HANDLERS, stop, started=lambda: None)  # type: ignore[arg-type]
    assert stop.is_set()


def test_lanes_stop_if_nobody_can_be_told_that_they_have_started() -> None:
    stop = threading.Event()

    def started() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_lanes(Lanes(), HANDLERS, stop, started=started)  # type: ignore[arg-type]
    assert stop.is_set()
    assert not {thread.name for thread in threading.enumerate()} & set(HANDLERS)
