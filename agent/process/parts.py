"""What every role of the agent is made of: the rows, the queue, the store; and what the configuration says of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.config.file import Config
from agent.errors import InstallationError
from db.closing import Timing
from db.database import Database, open_database
from db.installation import installation_uuid
from db.priority import Allowances
from db.queue import Queue, open_queue
from db.revision import MOVED, current, needs_upgrade
from db.server_clock import ahead
from dicom_io.durable import make_folder
from dicom_io.folder_store import FolderStore
from dicom_io.store import Store

_MOST_AHEAD = timedelta(seconds=2)
"""A study's end is planned by one host's clock, and found due by another's."""


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Parts:
    """What every role needs: the rows, the queue, the files, and who this installation is."""

    database: Database
    queue: Queue
    store: Store
    installation: str


def open_rows(config: Config) -> Database:
    """Open the database; the folder of an SQLite file is made."""
    if (file := sqlite_file(config)) is not None:
        make_folder(file.parent)
    return open_database(config.database.url.get_secret_value())


def sqlite_file(config: Config) -> Path | None:
    """Return the file of an embedded database; None where it is a server's."""
    url, prefix = config.database.url.get_secret_value().partition("?")[0], "sqlite:///"
    return Path(url.removeprefix(prefix)) if url.startswith(prefix) else None


@contextmanager
def opened(config: Config) -> Iterator[Database]:
    """Open the migrated database for a block; makes none. Raises InstallationError when it has not been migrated."""
    message = "expected an up-to-date database. Received: an older or empty one; run `tibabu migrate`"
    file = sqlite_file(config)
    if file is not None and not file.exists():
        raise InstallationError(message)
    database = open_rows(config)
    try:
        if needs_upgrade(database):
            if current(database) == MOVED:
                message = (
                    "expected the database in use. Received: one whose rows were moved to another; see database.url"
                )
            raise InstallationError(message)
        yield database
    finally:
        database.dispose()


def clock_is_off(database: Database, clock: Callable[[], datetime]) -> float | None:
    """Return by how many seconds this host's clock is ahead of the database server's if that is worth telling."""
    off = ahead(database, clock)
    return off.total_seconds() if abs(off) > _MOST_AHEAD else None


@contextmanager
def parts_of(config: Config) -> Iterator[Parts]:
    """Open what every role needs for a block."""
    with opened(config) as database:
        yield Parts(database, open_queue(database), open_store(config), installation_uuid(database, now=utc_now()))


def open_store(config: Config) -> Store:
    """Open the store: a folder, or an object store with its cache. Raises StoreError."""
    section, reserve = config.store, config.store.minimum_free_megabytes * 1_000_000
    if section.s3 is None:
        return FolderStore(section.folder, reserve=reserve)
    from dicom_io.cache import Cache  # noqa: PLC0415 - only who has an object store loads what it takes
    from dicom_io.object_store import ObjectStore  # noqa: PLC0415

    limit, room = section.s3.cache_megabytes * 1_000_000, max(section.low_megabytes * 1_000_000, 2 * reserve)
    cache = Cache(section.s3.cache_folder, limit=limit, reserve=reserve, room=room)
    return ObjectStore(section.s3.settings, cache)


def allowances(config: Config) -> Allowances:
    """Return the configured waiting times."""
    return Allowances(
        high=timedelta(minutes=config.priority.high_minutes),
        medium=timedelta(minutes=config.priority.medium_minutes),
        routine=timedelta(minutes=config.priority.routine_minutes),
    )


def timing(config: Config) -> Timing:
    """Return the configured rule of when a study closes."""
    return Timing(
        after_release=timedelta(seconds=config.complete.after_release_seconds),
        quiet=timedelta(seconds=config.complete.quiet_seconds),
        in_progress=timedelta(seconds=config.complete.in_progress_seconds),
        forced=timedelta(seconds=config.complete.forced_seconds),
    )
