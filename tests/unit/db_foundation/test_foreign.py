"""The map from foreign exceptions to this package's is total, and says what the drivers' manuals say."""

import sqlite3
import traceback
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors as postgresql
from sqlalchemy import exc

from db import errors
from db.foreign import translate, translate_driver, translated


def below(cls: type) -> Iterator[type]:
    yield cls
    for child in cls.__subclasses__():
        yield from below(child)


def sqlite_error(name: str, message: str = "", cls: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = cls(message)
    error.sqlite_errorname = name
    return error


DRIVERS = [
    *below(sqlite3.Error),
    *[cls for cls in below(psycopg.Error) if cls.__module__.startswith("psycopg")],
]
SQLALCHEMY_PLAIN = [cls for cls in below(exc.SQLAlchemyError) if not issubclass(cls, exc.StatementError)]
SQLALCHEMY_DBAPI = list(below(exc.DBAPIError))


@pytest.mark.parametrize("cls", SQLALCHEMY_DBAPI, ids=lambda cls: cls.__name__)
def test_every_error_of_a_driver_has_a_place(cls: type[exc.DBAPIError]) -> None:
    for driver in DRIVERS:
        assert isinstance(translate(cls("SELECT 1", {}, driver("x"))), errors.DatabaseError)


@pytest.mark.parametrize("cls", SQLALCHEMY_PLAIN, ids=lambda cls: cls.__name__)
def test_every_other_error_of_sqlalchemy_has_a_place(cls: type[exc.SQLAlchemyError]) -> None:
    error = cls.__new__(cls)
    expected = errors.DatabaseBusyError if cls is exc.TimeoutError else errors.QueryError
    assert type(translate(error)) is expected


def test_a_value_that_a_column_refuses_is_a_defect_of_the_program() -> None:
    error = exc.StatementError("naive", "INSERT", {"patient_name": "Doe"}, ValueError("Doe"), hide_parameters=True)
    assert type(translate(error)) is errors.QueryError


def test_a_connection_that_broke_is_unavailable_whatever_the_error() -> None:
    broken = exc.ProgrammingError("SELECT 1", {}, sqlite3.ProgrammingError(), connection_invalidated=True)
    assert type(translate(broken)) is errors.DatabaseUnavailableError


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (postgresql.ConnectionFailure, errors.DatabaseUnavailableError),
        (postgresql.InvalidPassword, errors.DatabaseUnavailableError),
        (postgresql.InvalidCatalogName, errors.DatabaseUnavailableError),
        (postgresql.TooManyConnections, errors.DatabaseUnavailableError),
        (postgresql.AdminShutdown, errors.DatabaseUnavailableError),
        (postgresql.CannotConnectNow, errors.DatabaseUnavailableError),
        (postgresql.IdleInTransactionSessionTimeout, errors.DatabaseUnavailableError),
        (postgresql.DataCorrupted, errors.DatabaseUnavailableError),
        (postgresql.InsufficientPrivilege, errors.DatabaseUnavailableError),
        (postgresql.IoError, errors.DatabaseUnavailableError),
        (postgresql.DiskFull, errors.DatabaseFullError),
        (postgresql.LockNotAvailable, errors.DatabaseBusyError),
        (postgresql.DeadlockDetected, errors.DatabaseBusyError),
        (postgresql.SerializationFailure, errors.DatabaseBusyError),
        (postgresql.QueryCanceled, errors.DatabaseBusyError),
        (postgresql.UndefinedTable, errors.SchemaError),
        (postgresql.UndefinedColumn, errors.SchemaError),
        (postgresql.UndefinedFunction, errors.SchemaError),
        (postgresql.InvalidSchemaName, errors.SchemaError),
        (postgresql.UniqueViolation, errors.ConstraintError),
        (postgresql.ForeignKeyViolation, errors.ConstraintError),
        (postgresql.CheckViolation, errors.ConstraintError),
        (postgresql.NotNullViolation, errors.ConstraintError),
        (postgresql.SyntaxError, errors.QueryError),
        (postgresql.NumericValueOutOfRange, errors.QueryError),
        (postgresql.InFailedSqlTransaction, errors.QueryError),
        (postgresql.ReadOnlySqlTransaction, errors.QueryError),
        (psycopg.OperationalError, errors.DatabaseUnavailableError),  # no answer of a server
        (psycopg.errors.ConnectionTimeout, errors.DatabaseUnavailableError),
        (psycopg.InterfaceError, errors.DatabaseUnavailableError),
        (psycopg.ProgrammingError, errors.QueryError),
    ],
)
def test_postgresql_s_conditions_mean_what_its_manual_says(
    cls: type[psycopg.Error], expected: type[errors.DatabaseError]
) -> None:
    assert type(translate_driver(cls())) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SQLITE_BUSY", errors.DatabaseBusyError),
        ("SQLITE_BUSY_SNAPSHOT", errors.DatabaseBusyError),
        ("SQLITE_LOCKED_SHAREDCACHE", errors.DatabaseBusyError),
        ("SQLITE_FULL", errors.DatabaseFullError),
        ("SQLITE_IOERR_FSYNC", errors.DatabaseUnavailableError),
        ("SQLITE_CANTOPEN_ISDIR", errors.DatabaseUnavailableError),
        ("SQLITE_READONLY_DIRECTORY", errors.DatabaseUnavailableError),
        ("SQLITE_CORRUPT", errors.DatabaseUnavailableError),
        ("SQLITE_NOTADB", errors.DatabaseUnavailableError),
        ("SQLITE_CONSTRAINT_UNIQUE", errors.ConstraintError),
        ("SQLITE_CONSTRAINT_FOREIGNKEY", errors.ConstraintError),
        ("SQLITE_MISUSE", errors.QueryError),
        ("SQLITE_ERROR", errors.QueryError),
        ("SQLITE_TOOBIG", errors.QueryError),
    ],
)
def test_sqlite_s_result_codes_mean_what_its_manual_says(name: str, expected: type[errors.DatabaseError]) -> None:
    assert type(translate_driver(sqlite_error(name))) is expected


@pytest.mark.parametrize(
    "message", ["no such table: study", "no such column: study.x", "table study has no column named x"]
)
def test_sqlite_has_words_and_no_code_for_a_schema_of_another_version(message: str) -> None:
    assert type(translate_driver(sqlite_error("SQLITE_ERROR", message))) is errors.SchemaError


def test_the_original_which_may_quote_a_key_is_not_shown_with_the_translation() -> None:
    def fail() -> None:
        with translated():
            original = postgresql.UniqueViolation(
                "duplicate key\nDETAIL:  Key (patient_name)=(Doe^Jane) already exists."
            )
            statement = "INSERT INTO study"
            raise exc.IntegrityError(statement, {"patient_name": "Doe^Jane"}, original)

    with pytest.raises(errors.ConstraintError) as caught:
        fail()
    assert "Doe" not in "".join(traceback.format_exception(caught.value))


def test_what_is_no_error_of_the_database_passes_unchanged() -> None:
    def fail() -> None:
        with translated():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_the_tree_has_one_root() -> None:
    declared = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)]
    assert all(issubclass(cls, errors.DatabaseError) for cls in declared)
    drawn = (errors.__doc__ or "").split()
    assert all(cls.__name__ in drawn for cls in declared), "an exception is missing from the drawing"
