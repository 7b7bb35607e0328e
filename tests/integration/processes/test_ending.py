"""A process of `tibabu` ends without taking apart what it has loaded, and leaves nothing undone."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BEGIN = """
import atexit, sys, threading
from agent.cli.ending import ending_at_once
class Told:
    def __del__(self): print("taken apart")
told = Told()
atexit.register(print, "called")
threading.Timer(0.05, print, ["thread ended"]).start()
"""


def begun(program: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    """Run it with what it prints held back to its end, whatever the environment says."""
    return subprocess.run([sys.executable, "-E", "-c", program], text=True, check=False, **streams)  # noqa: S603 - ours


def ended(program: str) -> tuple[int, list[str]]:
    done = begun(program, capture_output=True)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(("leaving", "status"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("raise SystemExit(0)", 0)])
def test_threads_end_and_what_was_registered_is_called_but_no_object_is_taken_apart(leaving: str, status: int) -> None:
    assert ended(f"{BEGIN}with ending_at_once(): {leaving}") == (status, ["thread ended", "called"])


def test_what_ends_otherwise_ends_as_ever() -> None:
    status, lines = ended(f"{BEGIN}with ending_at_once(): raise ValueError")
    assert (status, lines) == (1, ["thread ended", "called", "taken apart"])


def test_a_last_word_that_cannot_be_written_is_told_as_ever() -> None:
    with Path("/dev/full").open("w") as full:
        done = begun(f"{BEGIN}with ending_at_once(): sys.exit(0)", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 120, "the interpreter's own for that"
    assert "No space left on device" in done.stderr
