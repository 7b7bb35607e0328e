"""The one edge at which the exceptions of SQLAlchemy and its drivers become those of `db.errors`."""

from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Error as SqliteError

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from db.errors import (
    ConstraintError,
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseUnavailableError,
    QueryError,
    SchemaError,
)

# PostgreSQL's SQLSTATEs (appendix A of its manual) and SQLite's result codes, by their beginning; the longest counts.
BY_CODE: dict[str, type[DatabaseError]] = {
    "08": DatabaseUnavailableError,  # connection exception
    "0A": QueryError,
    "22": QueryError,  # data exception
    "23": ConstraintError,
    "25": QueryError,  # invalid transaction state
    "25P03": DatabaseUnavailableError,  # the server ended a transaction that idled
    "25P04": DatabaseUnavailableError,  # transaction timeout
    "28": DatabaseUnavailableError,  # wrong user or password
    "3D": DatabaseUnavailableError,  # no such database
    "3F": SchemaError,  # no such schema
    "40": DatabaseBusyError,  # serialisation failure, deadlock
    "42": QueryError,
    "42703": SchemaError,  # undefined column
    "42704": SchemaError,  # undefined type
    "42883": SchemaError,  # undefined function
    "42P01": SchemaError,  # undefined table
    "42501": DatabaseUnavailableError,  # not permitted
    "53": DatabaseUnavailableError,  # insufficient resources
    "53100": DatabaseFullError,
    "55": DatabaseBusyError,  # lock not available, object in use
    "57": DatabaseUnavailableError,  # shut down by an administrator, starting up
    "57014": DatabaseBusyError,  # cancelled, as by a time-out
    "58": DatabaseUnavailableError,  # an error outside PostgreSQL, such as of its disk
    "XX": DatabaseUnavailableError,  # internal error, corrupt data
    "SQLITE_AUTH": DatabaseUnavailableError,
    "SQLITE_BUSY": DatabaseBusyError,
    "SQLITE_CANTOPEN": DatabaseUnavailableError,
    "SQLITE_CONSTRAINT": ConstraintError,
    "SQLITE_CORRUPT": DatabaseUnavailableError,
    "SQLITE_FULL": DatabaseFullError,
    "SQLITE_INTERRUPT": DatabaseBusyError,
    "SQLITE_IOERR": DatabaseUnavailableError,
    "SQLITE_LOCKED": DatabaseBusyError,
    "SQLITE_NOMEM": DatabaseUnavailableError,
    "SQLITE_NOTADB": DatabaseUnavailableError,
    "SQLITE_PERM": DatabaseUnavailableError,
    "SQLITE_PROTOCOL": DatabaseBusyError,  # a race at opening the write-ahead log
    "SQLITE_READONLY": DatabaseUnavailableError,
    "SQLITE_SCHEMA": DatabaseBusyError,  # the schema changed under the statement
}
# SQLite has no code of its own for these; its own words begin so.
_SQLITE_SCHEMA_MESSAGES = ("no such table", "no such column", "table ")
# What PEP 249 calls the errors of a connection, whichever driver's they are; psycopg's time-out at connecting is one.
_NO_CONNECTION = ("OperationalError", "InterfaceError", "ConnectionTimeout")


def translate(error: SQLAlchemyError) -> DatabaseError:
    """Return the exception of this package for one of SQLAlchemy's; total, and without any value of a row."""
    if isinstance(error, PoolTimeoutError):
        return DatabaseBusyError("expected a free connection within the time-out. Received: none")
    if not isinstance(error, DBAPIError) or error.orig is None:
        return QueryError(f"expected a valid use of the database. Received: error={type(error).__name__}")
    if error.connection_invalidated:
        return DatabaseUnavailableError("expected the connection to last. Received: its end")
    translation = translate_driver(error.orig)
    if isinstance(translation, QueryError):
        translation.add_note(f"statement: {error.statement}")  # with placeholders: values are bound, never in the text
    return translation


def translate_driver(error: BaseException) -> DatabaseError:
    """Return the exception of this package for one of a driver's own."""
    code = str(getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or "")
    kind = _kind(error, code)
    message = f"expected the statement to succeed. Received: code={code or type(error).__name__}"
    if kind is ConstraintError:
        constraint = _constraint(error)
        return ConstraintError(f"{message} constraint={constraint}", constraint)
    if kind is SchemaError:
        return SchemaError(f"expected the schema of this version (run `tibabu migrate`). Received: code={code}")
    return kind(message)


@contextmanager
def translated(*raw: type[Exception]) -> Iterator[None]:
    """Translate what the block raises; `raw` are a driver's own exceptions where it is used without SQLAlchemy.

    The original is cut off (`from None`): drivers quote keys in their messages, and tracebacks are logged.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise translate(error) from None
    except raw as error:
        raise translate_driver(error) from None


def _kind(error: BaseException, code: str) -> type[DatabaseError]:
    if code == "SQLITE_ERROR" and str(error).startswith(_SQLITE_SCHEMA_MESSAGES):
        return SchemaError
    for length in range(len(code), 1, -1):
        if found := BY_CODE.get(code[:length]):
            return found
    # Without a code there was no answer of a server: the connection is gone or never came up.
    gone = not code and type(error).__name__ in _NO_CONNECTION
    return DatabaseUnavailableError if gone else QueryError


def _constraint(error: BaseException) -> str:
    if isinstance(error, SqliteError):  # "UNIQUE constraint failed: study.study_instance_uid": names, no values
        return str(error).partition(": ")[2]
    return getattr(getattr(error, "diag", None), "constraint_name", None) or ""
