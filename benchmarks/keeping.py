"""How long verify, back-up, restore and retention take, and how much memory: keeping.py --studies N --only PART.

Each study has one stored object of a few hundred bytes, so that what is measured is the cost of each file and row, not
that of the disk. Everything lies in a temporary folder below the current one.
"""

import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import click
from sqlalchemy import insert

from agent import logs
from agent.config.keeping import RetentionSection, ScrubSection
from agent.keeping.backup import BackupMaker
from agent.keeping.reconcile import Reconciler, Reconciliation
from agent.keeping.restore import restore
from agent.keeping.retention import Retainer
from agent.keeping.scrub import Scrubber
from db.database import Database, open_database
from db.migrate import upgrade
from db.queue import open_queue
from db.retention import may_go_images, shares
from db.schema.domain import instance, study
from dicom_io.folder_store import FolderStore
from dicom_io.store import name_of

AT_ONCE = 10_000
DAY = timedelta(days=1)


@click.command()
@click.option("--studies", type=click.IntRange(100), default=20_000, show_default=True)
@click.option(
    "--only",
    default="",
    help="Only what has this in its name. (Order counts: there is no second back-up without a first.)",
)
def main(studies: int, only: str) -> None:
    """Fill a database and a store, and do to them what keeping does."""
    logs.configure(level="WARNING")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        root = Path(folder).resolve()
        database, store = open_database(f"sqlite:///{root / 'tibabu.db'}"), FolderStore(root / "store")
        upgrade(database)
        now = datetime.now(UTC)
        timed("making them", studies, lambda: fill(database, store, studies, now - 400 * DAY))
        for name, count, do in steps(database, store, studies, now, root):
            if only in name:
                timed(name, count, do)


def steps(
    database: Database, store: FolderStore, studies: int, now: datetime, root: Path
) -> Iterator[tuple[str, int, Callable[[], object]]]:
    """Yield what is measured, in an order in which it can be done: its name, how many it looks at, and how to do it."""
    reconciler = Reconciler(database, store, lambda: now + DAY)
    yield "verify", studies, lambda: list(reconciler.compare(Reconciliation(), reads=lambda _: False))
    yield "verify --digests", studies, lambda: list(reconciler.compare(Reconciliation(), reads=lambda _: True))
    clock = iter((now, *(now + 60 * DAY,) * (studies + 9)))
    scrubber = Scrubber(database, store, ScrubSection(megabytes_per_second=1e6), lambda: next(clock))
    yield "scrub, begun", studies, scrubber.run
    yield "scrub, a whole round", studies, scrubber.run
    maker = BackupMaker(database, store, "i", lambda: datetime.now(UTC))
    yield "back-up, the first", studies, lambda: maker.make(root / "backup")
    yield "back-up, nothing new", studies, lambda: maker.make(root / "backup")
    other = open_database(f"sqlite:///{root / 'other.db'}")
    yield "restore", studies, lambda: restore(root / "backup", None, other, lambda: FolderStore(root / "other"))
    settings = RetentionSection(images_after_days={"not_flagged": 365})
    retainer = Retainer(database, open_queue(database), store, settings, lambda: now)
    policy = retainer.policy()
    yield "retention: the first 100 that may go", 100, lambda: may_go_images(database, policy, after=0, limit=100)
    yield "retention --what-would-go", studies, lambda: shares(database, policy, wholly=False)
    yield "retention, all", studies, lambda: run_out(retainer)


def run_out(retainer: Retainer) -> None:
    """Let retention run until nothing is left."""
    while retainer.run() is not None:
        continue


def timed(name: str, count: int, do: Callable[[], object]) -> None:
    """Do it once, and print its time, its own processor time, and the most memory that this process had meanwhile."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the most that it had before
    started, worked = time.perf_counter(), time.process_time()
    do()
    seconds, work = time.perf_counter() - started, time.process_time() - worked
    most = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    memory = 0 if most is None else int(most[1]) // 1024
    each = f"{1e6 * seconds / count:8.1f} us each ({1e6 * work / count:.1f} of the processor)"
    sys.stdout.write(f"{name:<40} {seconds:8.2f} s, {each}, {memory} MB\n")
    sys.stdout.flush()


def fill(database: Database, store: FolderStore, studies: int, at: datetime) -> None:
    """Write rows and files, without syncing each."""
    for first in range(1, studies + 1, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, studies + 1))
        with database.begin() as connection:
            connection.execute(insert(study), list(study_rows(numbers, at)))
            connection.execute(insert(instance), list(instance_rows(store, numbers, at)))


def study_rows(numbers: range, at: datetime) -> Iterator[dict[str, object]]:
    """Yield delivered and read studies."""
    texts = [column.name for column in study.c if not column.nullable and column.server_default is None]
    blank = dict.fromkeys(texts, "")
    times = dict.fromkeys(("received_at", "last_received_at", "started_at", "closes_at", "due_at", "read_at"), at)
    said = {"state": "DELIVERED", "revision": 1, "order_priority": 1, "outcome": "not_flagged", "concluded_at": at}
    for number in numbers:
        yield blank | times | said | {"id": number, "study_instance_uid": f"1.2.{number}", "patient_id": f"P{number}"}


def instance_rows(store: FolderStore, numbers: range, at: datetime) -> Iterator[dict[str, object]]:
    """Yield their objects, each with its file."""
    for number in numbers:
        data = f"{number:>400}".encode()
        digest = sha256(data).hexdigest()
        path = name_of(digest)
        store.path(path).write_bytes(data)
        yield {
            "study_id": number,
            "series_instance_uid": f"1.2.{number}.1",
            "sop_instance_uid": f"1.2.{number}.1.1",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1",
            "transfer_syntax_uid": "1.2.840.10008.1.2.1",
            "sha256": digest,
            "path": path,
            "size": len(data),
            "role": "candidate",
            "is_image": True,
            "calling_ae_title": "SCANNER",
            "received_at": at,
        }


if __name__ == "__main__":
    main()
