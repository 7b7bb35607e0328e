"""The processes of roles as they really are: copies of their supervisor, told to stop by it or by its death."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("forking_program.py")
ROLES = {"tibabu-web", "tibabu-work"}


class Supervised:
    """The program, and what its roles have noted."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self.process = subprocess.Popen([sys.executable, str(PROGRAM), str(ledger)], stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours

    def that(self, what: str) -> list[tuple[str, int]]:
        lines = self._ledger.read_text(encoding="utf-8").splitlines() if self._ledger.exists() else []
        words = [line.split() for line in lines]
        return [(name, int(pid)) for name, pid, did in words if did == what]


@pytest.fixture
def supervised(tmp_path: Path, eventually: Callable[..., None]) -> Iterator[Supervised]:
    """Give the program with both of its roles up."""
    found = Supervised(tmp_path / "ledger")
    eventually(lambda: len(found.that("serves")) == 2)
    yield found
    found.process.kill()
    found.process.communicate()


def test_each_role_is_a_process_that_says_its_name_and_stops_in_order_when_its_supervisor_is_told_to(
    supervised: Supervised,
) -> None:
    assert {name for name, _ in supervised.that("serves")} == ROLES
    assert len({pid for _, pid in supervised.that("serves")} - {supervised.process.pid}) == 2
    supervised.process.terminate()
    assert supervised.process.wait(60) == 0
    assert set(supervised.that("stops")) == set(supervised.that("serves"))


def test_every_role_stops_in_order_when_its_supervisor_is_killed(
    supervised: Supervised, eventually: Callable[..., None]
) -> None:
    supervised.process.send_signal(signal.SIGKILL)
    eventually(lambda: set(supervised.that("stops")) == set(supervised.that("serves")))


def test_a_role_that_ends_by_itself_is_forked_again_and_its_exit_status_is_told(
    supervised: Supervised, eventually: Callable[..., None]
) -> None:
    (pid,) = [pid for name, pid in supervised.that("serves") if name == "tibabu-web"]
    subprocess.run(["/bin/kill", str(pid)], check=True)  # noqa: S603 - ours
    eventually(lambda: len(supervised.that("serves")) == 3)
    supervised.process.terminate()
    said, _ = supervised.process.communicate(timeout=60)
    assert "exit_status=3" in said


def test_a_role_reads_what_its_supervisor_has_posted_and_not_what_was_posted_before_it_was_forked(
    supervised: Supervised, eventually: Callable[..., None]
) -> None:
    supervised.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(supervised.that("serves")) == 3)
    eventually(lambda: supervised.that("reads"))
    (web,) = [one for one in supervised.that("serves") if one[0] == "tibabu-web"]
    assert web in supervised.that("reads")
    supervised.process.terminate()
    assert supervised.process.wait(60) == 0
    assert supervised.that("serves")[-1] not in supervised.that("reads")
