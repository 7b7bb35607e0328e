"""The files of what was removed: deleted after their rows, unless somebody needs them again.

A file is deleted in a transaction that holds the lock of its SOP Instance UID, as the one that records an Instance does
(`db.intake`): whoever commits a row that needs the file is either seen here, or comes after it. While a back-up runs
nothing is deleted: it copies what its rows need.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, exists, func, select

from db.database import Database
from db.schema.domain import instance, report
from db.schema.keeping import backup, file_to_delete

BACKUP_LEASE: Final = timedelta(minutes=10)
"""A back-up that has not been heard of for so long has died."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A file that no row needs any more, for all that was known when it was listed."""

    id: int
    path: str
    sha256: str
    sop_instance_uid: str
    size: int


def doomed(database: Database, *, after: int = 0, limit: int = _AT_ONCE) -> tuple[Doomed, ...]:
    """Return the next files to delete, beyond the id `after`."""
    names = [file_to_delete.c[name] for name in Doomed.__dataclass_fields__]
    query = select(*names).where(file_to_delete.c.id > after).order_by(file_to_delete.c.id).limit(limit)
    with database.read() as connection:
        return tuple(Doomed(**row) for row in connection.execute(query).mappings())


def delete_file(database: Database, file: Doomed, unlink: Callable[[str], object], *, now: datetime) -> bool | None:
    """Delete a file by `unlink`, and commit that; True when it is gone, False if it stays since a row needs it.

    None: not now, for a back-up runs. Repeated after a crash it deletes nothing that is needed. A file that is stored
    anew at this very moment may go: `Recorded.again` lets its receiver look, before it answers success.
    """
    with database.begin(lock=("sop_instance", file.sop_instance_uid)) as connection:
        if backup_runs(connection, now=now):
            return None
        needed = is_needed(connection, file.path, file.sha256)
        if not needed:
            unlink(file.path)
        connection.execute(delete(file_to_delete).where(file_to_delete.c.id == file.id))
    return not needed


def is_needed(connection: Connection, path: str, sha256: str) -> bool:
    """Tell whether any row needs the file."""
    by_instance = exists().where(instance.c.sha256 == sha256, instance.c.path == path, instance.c.removed_at.is_(None))
    by_report = exists().where(report.c.sha256 == sha256, report.c.path == path)
    return bool(connection.execute(select(by_instance | by_report)).scalar_one())


def backup_runs(connection: Connection, *, now: datetime) -> bool:
    """Tell whether a back-up is being made."""
    alive = exists().where(backup.c.ended_at.is_(None), backup.c.alive_at > now - BACKUP_LEASE)
    return bool(connection.execute(select(alive)).scalar_one())


def waiting_files(database: Database) -> tuple[int, int]:
    """Return how many files wait for their deletion, and their bytes."""
    with database.read() as connection:
        row = connection.execute(
            select(func.count(), func.coalesce(func.sum(file_to_delete.c.size), 0)).select_from(file_to_delete)
        ).one()
    return int(row[0]), int(row[1])
