"""Which schema a database has, and whether it is this version's: what every process asks at its start."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from db.database import Database
from db.migrations import procrastinate_schema

MOVED: Final = "moved"
"""The revision of a database whose rows have been moved to another one: no agent is to run on it any more."""

_TABLE: Final = "alembic_version"
_VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"


def newest() -> str:
    """Return the revision of this version's schema: that in the name of the last migration's file."""
    return max(path.name.removeprefix("r").partition("_")[0] for path in _VERSIONS.glob("r*.py"))


def current(database: Database) -> str | None:
    """Return the schema's revision; None for a database that has none."""
    with database.read() as connection:
        return revision_of(connection)


def needs_upgrade(database: Database) -> bool:
    """Tell whether `db.migrate.upgrade` has something to do."""
    with database.read() as connection:
        if revision_of(connection) != newest():
            return True
        return database.dialect == "postgresql" and procrastinate_schema.is_behind(connection)


def revision_of(connection: Connection) -> str | None:
    """Return the revision that Alembic has noted in the database; None where it has noted none."""
    if not inspect(connection).has_table(_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar_one_or_none()  # noqa: S608 - a constant
    return None if found is None else str(found)
