"""Which schema a database has, and whether it is this version's: what every process asks at its start."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from db.database import Database
from db.migrations import procrastinate_schema

MOVED: Final = "moved"
"""The revision of a database whose rows have been moved to another one: no agent is to run on it any more."""

WORKS_FROM: Final = "0037"
"""The oldest version, by its schema, whose program goes on working on this version's schema.

While a site is upgraded host by host, hosts of both versions run on the new schema. So migrations after this one only
add: tables, indexes that are not unique, columns that may be left out (a test reads them). One that takes something
away comes a release after the one that stopped using it, and raises this: sites then stop all hosts for that upgrade.
"""

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
            return not is_later_and_fit(connection)
        return database.dialect == "postgresql" and procrastinate_schema.is_behind(connection)


def is_later_and_fit(connection: Connection) -> bool:
    """Tell whether the schema is a later version's, and one on which this version goes on working."""
    found = revision_of(connection)
    if found is None or not found.isdigit() or found <= newest():
        return False
    if not any(column["name"] == "works_from" for column in inspect(connection).get_columns(_TABLE)):
        return False
    works_from = connection.execute(text(f"SELECT works_from FROM {_TABLE}")).scalar_one()  # noqa: S608 - a constant
    return works_from is not None and str(works_from) <= newest()


def note_works_from(connection: Connection) -> None:
    """Write for earlier versions whether they go on working on this version's schema."""
    connection.execute(text(f"UPDATE {_TABLE} SET works_from = :from"), {"from": WORKS_FROM})  # noqa: S608


def revision_of(connection: Connection) -> str | None:
    """Return the revision that Alembic has noted in the database; None where it has noted none."""
    if not inspect(connection).has_table(_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {_TABLE}")).scalar_one_or_none()  # noqa: S608 - a constant
    return None if found is None else str(found)
