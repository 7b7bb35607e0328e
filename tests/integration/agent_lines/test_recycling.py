"""A worker that leaks is started anew before it takes the machine's memory, and no job is lost or blamed for it."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from structlog.testing import capture_logs

from agent.process.supervisor import Process, supervise
from db.database import Database
from db.queue import open_queue, utc_now

PROGRAM = Path(__file__).with_name("leaking_program.py")
JOBS = 8


def test_a_worker_that_leaks_drains_and_is_started_anew_and_each_of_its_jobs_is_run_once(
    sqlite_database: Database, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    queue, now, ledger = open_queue(sqlite_database), utc_now(), tmp_path / "ledger"
    with sqlite_database.begin() as connection:
        for number in range(JOBS):
            queue.enqueue(connection, "a", str(number), due_at=now, run_at=now)
    url = sqlite_database.url.render_as_string(hide_password=False)
    stop = threading.Event()

    def begin(_role: str) -> Process:
        return subprocess.Popen([sys.executable, str(PROGRAM), url, str(ledger), "100"])  # noqa: S603 - ours

    with capture_logs() as logs:
        supervisor = threading.Thread(target=supervise, args=(("work",), begin, stop))
        supervisor.start()
        eventually(lambda: queue.depth(utc_now()) == ())
        stop.set()
        supervisor.join(60)
    lines = ledger.read_text(encoding="utf-8").splitlines()
    assert sorted(line for line in lines if line != "start") == [f"job {number} 1" for number in range(JOBS)]
    assert lines.count("start") > 1
    assert [line["log_level"] for line in logs if line["event"] in {"process_recycled", "process_died"}] == [
        "warning"
    ] * (lines.count("start") - 1)
