"""growth_plans.py URL: which statements of an agent's day read a table from end to end. URL is of a generated database.

Each operation of growth_operations.py is done once, the statements that it really sends are taken down on their way to
the driver, and the database explains how it would carry them out: PostgreSQL as if reading a whole table were dear, for
a few thousand rows it would be the fastest. A partial index may be read from end to end: it has only what is open.
What walks along a whole index, as for the newest of all, is found too, but for the few operations that are meant to.

On SQLite the steps of its virtual machine are counted besides: what takes more of them with more studies reads what is
over and done with, whatever its plan looks like. Prints JSON.
"""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import click
import psycopg
from growth import open_site
from growth_operations import everything, working
from psycopg.sql import SQL, Identifier
from sqlalchemy import event

from agent import logs
from db.database import Database

SMALL = {
    *(
        "alert",
        "api_token",
        "association_log",
        "association_study",
        "backup",
        "audit_sink",
        "damaged_file",
        "destination_rest",
        "disk",
        "drift_alarm",
        "drift_report",
        "installation",
        "operating_point",
    ),
    *(
        "ordered",
        "new_word",
        "tick",
        "patient_alias",
        "workitem_event",
        "workitem_subscription",
        "procrastinate_workers",
    ),
}
"""Tables that do not grow with the studies, or are emptied of what is over."""
WALKS = {
    "search: the latest hundred",
    "search: as typed: what all have",
    "other lists: transfer syntaxes of late",
    "other lists: deliveries, counted",  # the latest ten thousand
    "other lists: queue, depth",  # of all that waits
    "other lists: what a scrape tells",  # the newest study
    "other lists: reading tasks, all, the first hundred",
}
"""Operations that go along an index, from an end: what they read does not depend on how long it is, or is all of it."""
STEPS_AT_ONCE = 10

Statement: TypeAlias = tuple[str, Any]


class Recorder:
    """Takes down what is sent to the driver: each text once, with the parameters of its first time."""

    def __init__(self, database: Database) -> None:
        """Listen to a database that has not been connected to yet."""
        self.statements: dict[str, Any] = {}
        self.steps = 0
        if database.dialect == "sqlite":  # past SQLAlchemy goes what is prepared: so at the driver
            for engine in database.engines:
                event.listen(engine, "do_connect", self._with_own_cursors)
        else:
            event.listen(database.engine, "before_cursor_execute", self._before)

    def take(self) -> dict[str, Any]:
        """Return what has been sent since the last call."""
        taken, self.statements, self.steps = self.statements, {}, 0
        return taken

    def _before(self, _connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:  # noqa: ANN401 - SQLAlchemy's
        self.statements.setdefault(statement, parameters)

    def _with_own_cursors(self, _dialect: object, _entry: object, _arguments: object, named: dict[str, Any]) -> None:
        recorder = self

        class Cursor(sqlite3.Cursor):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - sqlite3's
                recorder.statements.setdefault(sql, parameters)
                return super().execute(sql, parameters)

        class Connection(sqlite3.Connection):
            def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - sqlite3's
                super().__init__(*given, **named)
                self.set_progress_handler(recorder.step, STEPS_AT_ONCE)

            def cursor(self, *_: object) -> sqlite3.Cursor:  # type: ignore[override]
                return super().cursor(Cursor)

            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401 - sqlite3's
                return self.cursor().execute(sql, parameters)

        named["factory"] = Connection

    def step(self) -> int:
        """Count steps of SQLite's virtual machine."""
        self.steps += STEPS_AT_ONCE
        return 0


@click.command()
@click.argument("url")
def main(url: str) -> None:
    """Explain what is sent to the database at URL."""
    logs.configure(level="ERROR", form="json")
    recorder: list[Recorder] = []
    site = open_site(url, lambda database: recorder.append(Recorder(database)))
    scans: list[dict[str, str]] = []
    statements: set[str] = set()
    steps: dict[str, int] = {}
    with working(site) as claims:
        for operation in everything(site, claims):
            name = f"{operation.group}: {operation.name}"
            operation.call()  # what is read once for all is read
            recorder[0].take()
            operation.call()
            steps[name] = recorder[0].steps
            sent = {text: parameters for text, parameters in recorder[0].take().items() if _is_explained(text)}
            statements |= set(sent)
            for text, parameters in sent.items() if name not in WALKS else ():
                scans += [
                    {"operation": name, "step": found, "statement": text}
                    for found in _scans(site.database, text, parameters)
                ]
    document = {"statements": len(statements), "scans": scans, "steps": steps, "walks": sorted(WALKS)}
    click.echo(json.dumps(document, indent=1))


def _is_explained(statement: str) -> bool:
    return re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", statement) is not None


def _scans(database: Database, statement: str, parameters: Any) -> list[str]:  # noqa: ANN401 - a driver's
    find = _scans_of_sqlite if database.dialect == "sqlite" else _scans_of_postgresql
    return list(find(database, statement, parameters))


def _scans_of_sqlite(database: Database, statement: str, parameters: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    """Yield the lines of EXPLAIN QUERY PLAN that say SCAN, but for subqueries, small tables and partial indexes."""
    connection = sqlite3.connect(database.url.database or "")
    lines = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    for line in lines:
        scan = re.fullmatch(r"SCAN (\S+)(?: USING (?:COVERING )?INDEX (\S+))?.*", line)
        if scan is None or scan[1] in SMALL or scan[1].startswith(("(", "anon_", "CONSTANT")):
            continue
        where = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (scan[2],)).fetchone()
        if where is None or " WHERE " not in (where[0] or ""):
            yield line
    connection.close()


def _scans_of_postgresql(database: Database, statement: str, parameters: Any) -> Iterator[str]:  # noqa: ANN401 - as above
    """Yield the nodes of the plan that read a whole table or index, or what is in some state to find one row by number.

    By the statistics of a million studies that are over none is being received, and one index seems as good as another.
    """
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        for dear in ("seqscan", "hashjoin", "mergejoin"):  # as if there were more rows
            connection.execute(SQL("SET {} = off").format(Identifier(f"enable_{dear}")))
        plan = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters).fetchone()
        for node in _nodes(plan[0][0]["Plan"] if plan else {}):
            index = node.get("Index Name", "")
            table = node.get("Relation Name") or _table_of(connection, index)
            if node["Node Type"] == "Seq Scan" and table not in SMALL:
                yield f"Seq Scan on {table}"
            elif index and table not in SMALL and "Index Cond" not in node and not _is_partial(connection, index):
                yield f"{node['Node Type']} along {index}"
            elif index and re.search(r"\(id = \d", node.get("Filter", "")):
                yield f"{index}, though the row of {table} is named by its number"
        connection.rollback()


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    parts: Sequence[Mapping[str, Any]] = plan.get("Plans", ())
    for part in parts:
        yield from _nodes(part)


def _table_of(connection: psycopg.Connection, index: str) -> str:
    query = "SELECT CAST(CAST(indrelid AS regclass) AS text) FROM pg_index JOIN pg_class ON oid = indexrelid"
    found = connection.execute(f"{query} WHERE relname = %s", (index,)).fetchone()
    return found[0] if found else ""


def _is_partial(connection: psycopg.Connection, index: str) -> bool:
    query = "SELECT pg_get_expr(indpred, indrelid) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = %s"
    return any(row[0] is not None for row in connection.execute(query, (index,)))


if __name__ == "__main__":
    main()
