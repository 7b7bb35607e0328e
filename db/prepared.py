"""Statements of the hottest transaction, compiled once: SQLAlchemy's way to execute one takes longer than its rows.

They stay SQLAlchemy's, so schema, types and both dialects have one source. On SQLite their text goes straight to the
driver, with values turned by the processors of their types; PostgreSQL, where the round trip counts, executes them as
any other.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from db.errors import QueryError

Statement: TypeAlias = Select[*tuple[Any, ...]] | Insert | Update | Delete
_Processor: TypeAlias = Callable[[Any], Any] | None


class Prepared:
    """One statement. Its rows have their columns as attributes; what fails is the driver's own exception on SQLite.

    Safe for threads. Parameters that are lists are not for it: their statement is another one each time. A list that
    the statement itself says is no parameter.
    """

    def __init__(self, statement: Statement, *, postgresql: Statement | None = None) -> None:
        """Take a statement for both dialects, or one for each."""
        self._statement = statement
        self._postgresql = statement if postgresql is None else postgresql
        self._compiled: dict[tuple[str, ...], _Compiled] = {}

    def rows(self, connection: Connection, parameters: Mapping[str, object]) -> Sequence[Any]:
        """Execute it and return the rows that it gives."""
        if connection.dialect.name == "postgresql":
            return connection.execute(self._postgresql, dict(parameters)).all()
        compiled, cursor = self._execute(connection, parameters)
        return [compiled.row(found) for found in cursor.fetchall()]

    def look(self, connection: Connection, parameters: Mapping[str, object]) -> Sequence[Any]:
        """As `rows`, of SQLite and in no transaction but its own: for who looks often, on a connection that is kept."""
        compiled = self._for(connection, tuple(parameters))
        driver: Any = connection.connection.dbapi_connection
        return [compiled.row(found) for found in driver.execute(compiled.text, compiled.values(parameters)).fetchall()]

    def one_or_none(self, connection: Connection, parameters: Mapping[str, object]) -> Any:  # noqa: ANN401 - a row
        """Execute it and return its row, None if there is none: what it asks for is unique."""
        found = self.rows(connection, parameters)
        return found[0] if found else None

    def run(self, connection: Connection, parameters: Mapping[str, object]) -> int:
        """Execute what gives no rows; return how many it touched."""
        if connection.dialect.name == "postgresql":
            return connection.execute(self._postgresql, dict(parameters)).rowcount
        touched: int = self._execute(connection, parameters)[1].rowcount
        return touched

    def _execute(self, connection: Connection, parameters: Mapping[str, object]) -> "tuple[_Compiled, Any]":
        if not connection.in_transaction():
            connection.begin()  # as `execute` does: what SQLite may do stands at the beginning of its transaction
        compiled = self._for(connection, tuple(parameters))
        driver: Any = connection.connection.dbapi_connection
        return compiled, driver.execute(compiled.text, compiled.values(parameters))

    def _for(self, connection: Connection, names: tuple[str, ...]) -> "_Compiled":
        compiled = self._compiled.get(names)
        if compiled is None:
            compiled = self._compiled[names] = _Compiled(self._statement, connection.dialect, names)
        return compiled


class _Compiled:
    """A statement as the driver takes it, for parameters of some names: an INSERT or UPDATE depends on them."""

    def __init__(self, statement: Statement, dialect: Dialect, names: Sequence[str]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        if not isinstance(compiled, SQLCompiler) or any(
            one.expanding and name in names for name, one in compiled.binds.items()
        ):
            message = "expected a statement whose text is always the same. Received: a list as a parameter"
            raise TypeError(message)
        state = compiled.construct_expanded_state(dict.fromkeys(names))
        self.text = state.statement
        # A list of values that the statement itself says has a parameter for each of them
        listed = {one: compiled.binds[name] for name, them in state.parameter_expansion.items() for one in them}
        self._order = state.positiontup or ()
        self._values: dict[str, tuple[_Processor, object]] = {}  # the same one may be asked for in many places
        for name in self._order:
            bind = listed[name] if name in listed else compiled.binds[name]
            value = state.parameters[name] if name in listed else bind.effective_value
            self._values[name] = (bind.type.dialect_impl(dialect).bind_processor(dialect), value)
        columns = statement.exported_columns
        self._row = namedtuple("Row", [column.key for column in columns], rename=True)  # type: ignore[misc]  # noqa: PYI024
        self._results: list[_Processor] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns
        ]

    def values(self, parameters: Mapping[str, object]) -> list[Any]:
        """Return the driver's parameters in their order."""
        given = {name: (parameters.get(name, value), how) for name, (how, value) in self._values.items()}
        try:
            turned = {name: value if how is None else how(value) for name, (value, how) in given.items()}
        except (TypeError, ValueError) as error:  # as with SQLAlchemy: the database cannot be used so
            message = f"expected values of the columns' types. Received: error={type(error).__name__}"
            raise QueryError(message) from None
        return [turned[name] for name in self._order]

    def row(self, found: Sequence[Any]) -> tuple[Any, ...]:
        """Return a row of the driver's with the values of its columns' types."""
        pairs = zip(self._results, found, strict=True)
        return self._row(*[value if processor is None else processor(value) for processor, value in pairs])
