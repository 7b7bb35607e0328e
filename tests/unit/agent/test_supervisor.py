"""The supervisor, over tiny processes: they note their process ids and wait until they are told to end."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent import supervisor
from agent.stopping import stop_with_parent
from agent.supervisor import role_command, supervise

Eventually = Callable[..., None]


class Hospital:
    """A supervisor at work in a thread; `first` is what its processes do before they note their ids."""

    def __init__(self, folder: Path, first: str) -> None:
        self._folder, self._first = folder, first
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=supervise, args=(("work", "web"), None, self.stop), kwargs={"command": self._line}, daemon=True
        )

    def _line(self, role: str, _config: Path | None) -> list[str]:
        note = shlex.quote(str(self._folder / role))
        return ["/bin/sh", "-c", f"{self._first} echo $$ >> {note}; read line"]

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
        one.thread.join(20)
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


def test_who_dies_again_and_again_is_started_later_and_later() -> None:
    with capture_logs() as events:
        child = supervisor._Child("work", ["/bin/sh", "-c", "exit 3"])
        for _ in range(4):
            child.wait = 0.0
            child.tend(1.0)
            assert child.process is not None
            child.process.wait()
            child.tend(0.2)
    deaths = [event for event in events if event["event"] == "process_died"]
    assert [death["restart_in_seconds"] for death in deaths] == [0.0, 1.0, 2.0, 4.0]
    assert {death["exit_status"] for death in deaths} == {3}


def test_it_is_not_started_before_its_pause_is_over() -> None:
    with capture_logs():
        child = supervisor._Child("work", ["/bin/sh", "-c", "exit 0"])
        child.wait = 1.0
        child.tend(0.5)
        assert child.process is None
        child.tend(0.5)
        assert child.process is not None
        child.join(20)


def test_who_has_served_long_is_started_again_at_once() -> None:
    with capture_logs() as events:
        child = supervisor._Child("work", ["/bin/sh", "-c", "read line; exit 1"], deaths=7)
        child.start()
        assert child.process is not None
        child.tend(supervisor.STEADY_SECONDS)
        child.process.kill()
        child.process.wait()
        child.tend(0.2)
    assert events[-1]["restart_in_seconds"] == 0.0


def test_a_role_runs_this_program_with_its_config_and_without_the_working_directory_on_the_path() -> None:
    command = role_command("work", Path("/etc/tibabu.toml"))
    assert command[:4] == [sys.executable, "-P", "-m", "agent"]
    assert command[4:] == ["run", "--config", "/etc/tibabu.toml", "--only", "work", "--supervised"]
    assert "--config" not in role_command("work", None)


def test_the_end_of_its_supervisor_reaches_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    with open(ours) as standard_input:  # noqa: PTH123 - a file descriptor
        monkeypatch.setattr(sys, "stdin", standard_input)
        stop = threading.Event()
        stop_with_parent(stop)
        assert not stop.is_set()
        os.close(theirs)
        assert stop.wait(10)
