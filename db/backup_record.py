"""Back-ups on record: while one is being made no stored file is deleted, and people see when the last one was."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update

from db.database import Database
from db.schema.keeping import backup


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRecord:
    """One back-up. `is_whole` is None while it is being made, or when its process died."""

    id: int
    name: str
    began_at: datetime
    alive_at: datetime
    ended_at: datetime | None
    is_whole: bool | None
    files: int
    bytes: int
    detail: str


def begin_backup(database: Database, name: str, *, now: datetime) -> int:
    """Commit that a back-up is being made; return its number. `still_alive` has to follow every few minutes."""
    values = {"name": name, "began_at": now, "alive_at": now, "files": 0, "bytes": 0, "detail": ""}
    with database.begin() as connection:
        number: int = connection.execute(insert(backup).values(values).returning(backup.c.id)).scalar_one()
    return number


def still_alive(database: Database, number: int, *, now: datetime) -> None:
    """Commit that the back-up goes on."""
    with database.begin() as connection:
        connection.execute(update(backup).where(backup.c.id == number).values(alive_at=now))


def end_backup(
    database: Database, number: int, *, whole: bool, files: int, size: int, detail: str, now: datetime
) -> None:
    """Commit how the back-up ended."""
    values = {"is_whole": whole, "files": files, "bytes": size, "detail": detail, "ended_at": now}
    with database.begin() as connection:
        connection.execute(update(backup).where(backup.c.id == number).values(values))


def end_backups(database: Database, *, now: datetime) -> None:
    """Commit that no back-up is being made: in what was restored, the one that it came from still seems to be."""
    with database.begin() as connection:
        connection.execute(
            update(backup)
            .where(backup.c.ended_at.is_(None))
            .values(ended_at=now, is_whole=True, detail="restored from it")
        )


def backups(database: Database, *, limit: int = 20) -> tuple[BackupRecord, ...]:
    """Return the latest back-ups, the last one first."""
    with database.read() as connection:
        rows = connection.execute(select(backup).order_by(backup.c.id.desc()).limit(limit))
        return tuple(BackupRecord(**row) for row in rows.mappings())
