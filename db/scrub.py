"""Reading back all stored files in rounds: how far it has come, and which files are damaged."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update

from db.database import Database
from db.schema.keeping import damaged_file, scrub
from db.upsert import insert_into


class Damage(StrEnum):
    """What is wrong with a stored file."""

    MISSING = "missing"
    CHANGED = "changed"  # its bytes are others than those that were stored, or cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """How far the reading has come: all files up to the digest `after` were read in this round."""

    after: str
    began_at: datetime
    files: int
    bytes: int
    rounded_at: datetime | None
    looked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedFile:
    """A file that was found damaged, and is not yet mended unless `mended_at` says so."""

    path: str
    sha256: str
    damage: Damage
    found_at: datetime
    looked_at: datetime
    mended_at: datetime | None


def scrub_round(database: Database) -> Round | None:
    """Return where the reading stands; None if it has never begun."""
    names = [scrub.c[name] for name in Round.__dataclass_fields__]
    with database.read() as connection:
        row = connection.execute(select(*names)).mappings().one_or_none()
    return None if row is None else Round(**row)


def record_round(database: Database, stands: Round) -> None:
    """Commit where the reading stands."""
    values = {name: getattr(stands, name) for name in Round.__dataclass_fields__}
    with database.begin(lock=("scrub",)) as connection:
        if not connection.execute(update(scrub).values(values)).rowcount:
            connection.execute(scrub.insert().values(id=1, **values))


def record_damage(database: Database, *, path: str, sha256: str, damage: Damage, at: datetime) -> bool:
    """Commit that a file is damaged; return whether that is news."""
    values = {"path": path, "sha256": sha256, "damage": damage, "found_at": at, "looked_at": at}
    with database.begin() as connection:
        again = (
            update(damaged_file)
            .where(damaged_file.c.path == path, damaged_file.c.mended_at.is_(None))
            .values(damage=damage, looked_at=at)
        )
        if connection.execute(again).rowcount:
            return False
        statement = insert_into(connection, damaged_file).values(values)
        anew = {"damage": damage, "found_at": at, "looked_at": at, "mended_at": None}
        connection.execute(statement.on_conflict_do_update(index_elements=[damaged_file.c.path], set_=anew))
    return True


def record_mended(database: Database, path: str, *, at: datetime) -> None:
    """Commit that a damaged file is whole again, or is not needed any more."""
    with database.begin() as connection:
        connection.execute(update(damaged_file).where(damaged_file.c.path == path).values(mended_at=at, looked_at=at))


def damaged_files(database: Database, *, limit: int = 100) -> tuple[DamagedFile, ...]:
    """Return the files that are damaged now, those first that were not looked at for longest."""
    names = [damaged_file.c[name] for name in DamagedFile.__dataclass_fields__]
    query = select(*names).where(damaged_file.c.mended_at.is_(None)).order_by(damaged_file.c.looked_at).limit(limit)
    with database.read() as connection:
        rows = connection.execute(query).mappings().all()
    return tuple(DamagedFile(**{**row, "damage": Damage(row["damage"])}) for row in rows)
