"""Everything periodic runs once in the cluster, whichever process runs it; on SQLite and on PostgreSQL."""

import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import pytest
from commands import QuickCommands, QuickProgram

from db.clock_lock import clock_lock
from db.database import Database
from db.ticks import ticks

Start = Callable[[], QuickProgram]


@pytest.fixture
def lines(tmp_path: Path) -> Callable[[], list[tuple[str, int]]]:
    """Return `lines()`: the runs so far, each a tick and the process that ran it."""

    def read() -> list[tuple[str, int]]:
        file = tmp_path / "runs"
        found = file.read_text().splitlines() if file.exists() else []
        return [(name, int(pid)) for name, pid in (line.split() for line in found)]

    return read


@pytest.fixture
def start(database: Database, tmp_path: Path, quick_commands: QuickCommands) -> Iterator[Start]:
    """Return `start()`: one more clock process of the cluster."""
    url, started = database.url.render_as_string(hide_password=False), list[QuickProgram]()

    def begin() -> QuickProgram:
        started.append(quick_commands.program(Path(__file__).parent / "one_clock.py", url, tmp_path / "runs"))
        return started[-1]

    yield begin
    for process in started:
        process.communicate(timeout=60)


def test_each_tick_is_run_by_one_process_and_when_that_is_killed_by_another(
    database: Database,
    start: Start,
    lines: Callable[[], list[tuple[str, int]]],
    eventually: Callable[..., None],
) -> None:
    clocks = {clock.pid: clock for clock in (start(), start())}
    eventually(lambda: len(lines()) > 20)
    (first,) = {pid for _, pid in lines()}
    second = next(pid for pid in clocks if pid != first)

    clocks[first].send_signal(signal.SIGKILL)
    clocks[first].wait()
    eventually(lambda: lines()[-20:] == [("often", second)] * 20)

    # One after the other, never both; and what has its time in an hour was not done twice.
    assert [pid for pid, _ in groupby(pid for _, pid in lines())] == [first, second]
    assert [name for name, _ in lines()].count("rare") == 1
    eventually(lambda: {row.process.split(":")[1] for row in ticks(database)} == {str(second)})


def test_of_two_locks_one_is_held_until_it_is_let_go(database: Database, eventually: Callable[..., None]) -> None:
    one, other = clock_lock(database), clock_lock(database)
    assert one.take()
    assert not other.take()
    assert one.take()  # again: it has it
    one.release()
    assert not one.is_held()
    eventually(other.take)  # the server notices the end of a connection in its own time
    assert other.is_held()
    other.release()


def test_a_holder_that_is_not_heard_of_loses_the_lock(
    postgresql_database: Database, eventually: Callable[..., None]
) -> None:
    """So does a host that was suspended, or whose network is cut: the server counts the silence, not a host's clock."""
    silent = clock_lock(postgresql_database, silence=timedelta(seconds=0.5))
    other = clock_lock(postgresql_database)
    assert silent.take()
    eventually(other.take)
    assert not silent.is_held()
    other.release()
