"""The supervisor, over tiny processes: they note their process ids and wait until they are told to end."""

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.errors import NoRoomError
from agent.process import supervisor
from agent.process.reload import Change
from agent.process.stopping import SIGNALS, StopOrder, stop_at_end_of
from agent.process.supervisor import Process, supervise

Eventually = Callable[..., None]


def shell(script: str) -> Process:
    return subprocess.Popen(["/bin/sh", "-c", script])  # noqa: S603 - ours


def child(script: str, deaths: int = 0) -> supervisor._Child:
    return supervisor._Child("work", lambda _role: shell(script), deaths=deaths)


class Hospital:
    """A supervisor at work in a thread; `first` is what its processes do before they note their ids."""

    def __init__(self, folder: Path, first: str) -> None:
        self._folder, self._first = folder, first
        self.stop = threading.Event()
        self.changes: list[tuple[Change, ...]] = []
        arguments = (("work", "web"), self._begin, self.stop, lambda: self.changes.pop() if self.changes else ())
        self.thread = threading.Thread(target=supervise, args=arguments, daemon=True)

    def _begin(self, role: str) -> Process:
        note = shlex.quote(str(self._folder / role))
        return shell(f"{self._first} echo $$ >> {note}; exec sleep 600")

    def pids(self, role: str) -> list[int]:
        file = self._folder / role
        return [int(line) for line in file.read_text().split()] if file.exists() else []


@pytest.fixture
def hospital(tmp_path: Path, eventually: Eventually) -> Iterator[Callable[..., Hospital]]:
    """Return `hospital(first)`: a supervisor with both of its processes up."""
    running: list[Hospital] = []

    def start(first: str = "") -> Hospital:
        found = Hospital(tmp_path, first)
        running.append(found)
        found.thread.start()
        eventually(lambda: found.pids("work") and found.pids("web"))
        return found

    with capture_logs():
        yield start
    for one in running:
        one.stop.set()
        one.thread.join(60)
        assert not one.thread.is_alive()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_dies_is_started_again_and_the_others_are_left_alone(
    hospital: Callable[..., Hospital], eventually: Eventually
) -> None:
    found = hospital()
    (dead,), (other,) = found.pids("work"), found.pids("web")
    os.kill(dead, signal.SIGKILL)
    eventually(lambda: len(found.pids("work")) == 2)
    assert not is_alive(dead)
    assert found.pids("web") == [other]
    assert is_alive(other)


def test_all_end_when_it_is_told_to_stop(hospital: Callable[..., Hospital], eventually: Eventually) -> None:
    found = hospital()
    pids = found.pids("work") + found.pids("web")
    found.stop.set()
    eventually(lambda: not found.thread.is_alive())
    assert not any(is_alive(pid) for pid in pids)


def test_a_process_that_does_not_end_in_time_is_killed(
    hospital: Callable[..., Hospital], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "DRAIN_SECONDS", 0.05)
    found = hospital("trap '' TERM;")
    pids = found.pids("work") + found.pids("web")
    found.stop.set()
    eventually(lambda: not found.thread.is_alive())
    assert not any(is_alive(pid) for pid in pids)


def test_at_a_new_configuration_those_whom_it_concerns_drain_and_start_anew_and_the_others_go_on(
    hospital: Callable[..., Hospital], eventually: Eventually
) -> None:
    found = hospital("trap '' HUP;")
    (before,), (web,) = found.pids("work"), found.pids("web")
    found.changes.append((Change("destinations[pacs].port", "104", "105"),))
    eventually(lambda: len(found.pids("work")) == 2)
    assert not is_alive(before)
    assert found.pids("web") == [web]
    assert is_alive(web)


def test_who_does_not_drain_for_its_successor_is_killed(
    hospital: Callable[..., Hospital], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "DRAIN_SECONDS", 0.05)
    found = hospital("trap '' TERM HUP;")
    found.changes.append((Change("drift.every_minutes", "5", "7"), Change("reports.sr.hold", "1", "2")))
    eventually(lambda: len(found.pids("work")) == 2)
    found.stop.set()
    eventually(lambda: not found.thread.is_alive())


def test_who_dies_again_and_again_is_started_later_and_later() -> None:
    with capture_logs() as events:
        one = child("exit 3")
        for _ in range(4):
            one.wait = 0.0
            one.tend(1.0)
            assert one.process is not None
            one.process.wait()
            one.tend(0.2)
    deaths = [event for event in events if event["event"] == "process_died"]
    assert [death["restart_in_seconds"] for death in deaths] == [0.0, 1.0, 2.0, 4.0]
    assert {death["exit_status"] for death in deaths} == {3}


def test_it_is_not_started_before_its_pause_is_over() -> None:
    with capture_logs():
        one = child("exit 0")
        one.wait = 1.0
        one.tend(0.5)
        assert one.process is None
        one.tend(0.5)
        assert one.process is not None
        one.join(60)


def test_who_cannot_be_started_for_want_of_room_is_started_later() -> None:
    room = iter([NoRoomError("expected room for one more process. Received: none"), None])

    def begin(_role: str) -> Process:
        if (error := next(room)) is not None:
            raise error
        return shell("exit 0")

    with capture_logs() as events:
        one = supervisor._Child("work", begin, deaths=1)
        one.start()
        assert one.process is None
        one.tend(0.5)
        assert one.process is None
        one.tend(0.5)
        assert one.process is not None
        one.join(60)
    assert events[0]["event"] == "process_not_started"


def test_who_has_served_long_is_started_again_at_once() -> None:
    with capture_logs() as events:
        one = child("exec sleep 600", deaths=7)
        one.start()
        assert one.process is not None
        one.tend(supervisor.STEADY_SECONDS)
        one.process.kill()
        one.process.wait()
        one.tend(0.2)
    assert events[-1]["restart_in_seconds"] == 0.0


def test_the_end_of_a_pipe_tells_a_role_to_stop() -> None:
    ours, theirs = os.pipe()
    stop = threading.Event()
    stop_at_end_of(ours, stop)
    assert not stop.is_set()
    os.close(theirs)
    assert stop.wait(60)
    os.close(ours)


@pytest.fixture
def order() -> Iterator[tuple[StopOrder, int]]:
    """Give an order to stop, and the pipe at whose end it is given."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours, theirs = os.pipe()
    yield StopOrder(ours), theirs
    os.close(ours)
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_process_without_threads_is_told_to_stop_by_a_signal_and_stays_told(order: tuple[StopOrder, int]) -> None:
    stop, theirs = order
    assert not stop.wait(0)
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.wait(60)
    assert stop.wait(0)
    os.close(theirs)


def test_a_process_without_threads_is_told_once_of_each_hang_up_and_not_to_stop(order: tuple[StopOrder, int]) -> None:
    stop, _ = order
    os.kill(os.getpid(), signal.SIGHUP)
    assert not stop.wait(10)
    assert stop.hung_up()
    assert not stop.hung_up()


def test_a_process_without_threads_is_told_to_stop_by_the_end_of_a_pipe_and_by_nothing_that_is_in_it(
    order: tuple[StopOrder, int],
) -> None:
    stop, theirs = order
    os.write(theirs, b"go on")
    assert not stop.wait(10)
    os.close(theirs)
    assert stop.wait(60)
