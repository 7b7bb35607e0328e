"""How much room there is where store and database lie, as rows that every process and page can read."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from db.database import Database
from db.schema.disk import disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What was seen of one of them."""

    place: str
    free_megabytes: int
    low_megabytes: int
    refused_megabytes: int
    low_since: datetime | None
    looked_at: datetime

    @property
    def refuses(self) -> bool:
        """Whether Instances are refused for want of room."""
        return self.free_megabytes < self.refused_megabytes


def disks(database: Database) -> tuple[Disk, ...]:
    """Return what was seen last, by place."""
    with database.read() as connection:
        return disk_rows(connection)


def disk_rows(connection: Connection) -> tuple[Disk, ...]:
    """Return what was seen last, by place, as the caller's transaction sees it."""
    return tuple(Disk(**row) for row in connection.execute(select(disk).order_by(disk.c.place)).mappings())


def record_disks(database: Database, seen: tuple[Disk, ...]) -> None:
    """Commit what was seen, in place of what was seen before."""
    with database.begin(lock=("disks",)) as connection:
        connection.execute(delete(disk))
        if seen:
            connection.execute(insert(disk), [asdict(one) for one in seen])
