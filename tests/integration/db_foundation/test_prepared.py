"""A prepared statement does what SQLAlchemy would do with it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

import db
from db.database import Database, open_database
from db.errors import ConstraintError, DatabaseError, QueryError
from db.metadata import metadata
from db.prepared import Prepared
from db.schema.arrival import performed_step

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
STEP = {
    "sop_instance_uid": "1.2.3",
    "state": "IN PROGRESS",
    "reason_code": "",
    "calling_ae_title": "CR",
    "created_at": AT,
    "updated_at": AT,
}
NEW = Prepared(insert(performed_step).returning(*performed_step.c))
ALL = select(performed_step)
BY_UID = Prepared(ALL.where(performed_step.c.sop_instance_uid == bindparam("uid")))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/x.db")
    metadata.create_all(database.engine, tables=[performed_step])
    yield database
    database.dispose()


def test_rows_are_those_of_sqlalchemy_with_their_types(database: Database) -> None:
    with database.begin() as connection:
        made = NEW.rows(connection, STEP)[0]
        assert made == tuple(connection.execute(ALL).one())
        assert made == BY_UID.one_or_none(connection, {"uid": "1.2.3"})
        assert made.created_at == AT
        assert made.ended_at is None
        assert BY_UID.one_or_none(connection, {"uid": "1.2.4"}) is None


def test_an_update_changes_the_columns_that_are_given_each_time(database: Database) -> None:
    change = Prepared(update(performed_step).where(performed_step.c.id == bindparam("which")))
    with database.begin() as connection:
        which = NEW.rows(connection, STEP)[0].id
        assert change.run(connection, {"which": which, "state": "COMPLETED"}) == 1
        assert change.run(connection, {"which": which, "ended_at": AT}) == 1
        assert change.run(connection, {"which": which + 1, "ended_at": AT}) == 0
        row = connection.execute(ALL).one()
    assert (row.state, row.ended_at, row.calling_ae_title) == ("COMPLETED", AT, "CR")


def test_what_is_only_read_cannot_be_written(database: Database) -> None:
    with pytest.raises(DatabaseError, match="SQLITE_READONLY"), database.read() as connection:
        NEW.rows(connection, STEP)


def test_errors_are_those_of_this_package_and_quote_no_value(database: Database) -> None:
    with database.begin() as connection:
        NEW.rows(connection, STEP)
    with pytest.raises(ConstraintError) as taken, database.begin() as connection:
        NEW.rows(connection, STEP)
    assert "1.2.3" not in str(taken.value)
    with pytest.raises(QueryError), database.begin() as connection:
        NEW.rows(connection, STEP | {"sop_instance_uid": "1.2.4", "created_at": AT.replace(tzinfo=None)})


def test_a_list_as_a_parameter_is_refused(database: Database) -> None:
    some = Prepared(ALL.where(performed_step.c.sop_instance_uid.in_(bindparam("uids", expanding=True))))
    with pytest.raises(TypeError, match="a list as a parameter"), database.begin() as connection:
        some.rows(connection, {"uids": ["1.2.3"]})


def test_a_list_that_the_statement_says_is_looked_for(database: Database) -> None:
    open_ones = Prepared(
        ALL.where(
            performed_step.c.state.in_(("IN PROGRESS", "SCHEDULED")), performed_step.c.created_at <= bindparam("at")
        )
    )
    with database.begin() as connection:
        NEW.rows(connection, STEP)
        NEW.rows(connection, STEP | {"sop_instance_uid": "1.2.4", "state": "COMPLETED"})
        assert [row.sop_instance_uid for row in open_ones.rows(connection, {"at": AT})] == ["1.2.3"]


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=["sqlite", "postgresql"])
def test_every_prepared_statement_of_the_package_can_be_said(dialect: Dialect) -> None:
    names = [found.name for found in walk_packages(db.__path__, "db.") if "migrations" not in found.name]
    only_sqlite = {"db.queue.job_rows", "db.search_index"} if dialect.name == "postgresql" else set()
    modules = [import_module(name) for name in names if name not in only_sqlite]
    prepared = [one for module in modules for one in vars(module).values() if isinstance(one, Prepared)]
    assert len(prepared) > 40
    for one in prepared:
        statement = one._postgresql if dialect.name == "postgresql" else one._statement
        assert str(statement.compile(dialect=dialect))
