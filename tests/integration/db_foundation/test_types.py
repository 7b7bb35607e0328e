"""Instants go in and come out aware and in UTC; their text on SQLite sorts as they do."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, Table, create_engine, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError

from db.types import UtcDateTime

minutes = st.integers(-14 * 60, 14 * 60).map(lambda offset: timezone(timedelta(minutes=offset)))
instants = st.builds(
    lambda zone, seconds: datetime(2026, 1, 1, tzinfo=zone) + timedelta(seconds=seconds),
    minutes,
    st.integers(-4 * 10**9, 4 * 10**9) | st.floats(-100, 100),
)

TABLE = Table("t", MetaData(), Column("at", UtcDateTime))


def stored(*values: datetime) -> tuple[list[datetime], list[str]]:
    with create_engine("sqlite://").begin() as connection:
        TABLE.create(connection)
        connection.execute(insert(TABLE), [{"at": value} for value in values])
        found = list(connection.scalars(select(TABLE.c.at)))
        return found, list(connection.scalars(text("SELECT at FROM t")))


@settings(max_examples=50, deadline=None)
@given(instants)
def test_an_instant_survives_sqlite(value: datetime) -> None:
    ((found,), _) = stored(value)
    assert found == value
    assert found.tzinfo is UTC


@settings(max_examples=50, deadline=None)
@given(instants, instants)
def test_the_order_of_the_texts_is_the_order_in_time(one: datetime, other: datetime) -> None:
    _, (first, second) = stored(one, other)
    assert (first < second) == (one < other)
    assert (first == second) == (one == other)


def test_a_naive_time_is_refused_on_either_database() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the point of the test
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        with pytest.raises(ValueError, match="aware"):
            UtcDateTime().process_bind_param(naive, dialect)
    with pytest.raises(StatementError, match="aware"):
        stored(naive)


def test_postgresql_takes_and_gives_utc() -> None:
    dialect = postgresql.dialect()
    there = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    bound = UtcDateTime().process_bind_param(there, dialect)
    assert bound == there
    assert bound is not None
    assert bound.tzinfo is UTC
    found = UtcDateTime().process_result_value(there, dialect)
    assert found == there
    assert found is not None
    assert found.tzinfo is UTC


def test_nothing_stays_nothing() -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        assert UtcDateTime().process_bind_param(None, dialect) is None
        assert UtcDateTime().process_result_value(None, dialect) is None
