"""The tables of the database as a page of the documentation: what `agent.reference` writes."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql

_HEAD = """\
# The database

Written from the code (`db/schema`) by `python -m agent.reference docs/reference`; do not edit. The same tables
on SQLite and on PostgreSQL, whose types stand here; migrations are in `db/migrations`. The queue of PostgreSQL has
tables of its own in the schema `procrastinate`. Nothing but this program writes here; read as you like, and expect
changes with any version.
"""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def page() -> str:
    """Return the page: a section for each file of tables."""
    return _HEAD + "".join(_section(name) for name in _modules())


def _modules() -> Iterator[str]:
    """Yield the modules that define tables, the domain's first."""
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    yield from (f"schema.{name}" for name in sorted(names, key=lambda name: name != "domain"))
    yield "queue.job_table"


def _section(name: str) -> str:
    module = importlib.import_module(f"db.{name}")
    file = f"{name.replace('.', '/')}.py"
    source = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
    tables = [
        _table(one, found["says"] or "")
        for one in vars(module).values()
        if isinstance(one, Table) and (found := _defined(one.name).search(source))
    ]
    return f"\n## `db/{file}`\n{(module.__doc__ or '').strip()}\n{''.join(tables)}" if tables else ""


def _defined(table: str) -> re.Pattern[str]:
    """Return what finds where a table is defined, with the words beside it; where it is imported there is nothing."""
    return re.compile(rf'Table\((?:\s*# (?P<says>[^\n]*))?\s*"{table}"')


def _table(table: Table, says: str) -> str:
    rows = "".join(f"| `{column.name}` | {_type(column)} | {_rules(column)} |\n" for column in table.columns)
    rules = [*_constraints(table), *_indices(table)]
    told = f"{says[0].upper()}{says[1:]}.\n\n" if says else ""
    said = "\n" + "".join(f"- {rule}\n" for rule in rules) if rules else ""
    return f"\n### {table.name}\n{told}| column | type | |\n|---|---|---|\n{rows}{said}"


def _type(column: Column[object]) -> str:
    return str(column.type.compile(_DIALECT)).lower()


def _rules(column: Column[object]) -> str:
    rules = ["key"] if column.primary_key else []
    rules += ["may be null"] if column.nullable else []
    rules += [f"of `{key.target_fullname}`" for key in column.foreign_keys]
    return ", ".join(rules)


def _constraints(table: Table) -> Iterator[str]:
    for one in sorted(table.constraints, key=lambda constraint: str(constraint.name)):
        if isinstance(one, UniqueConstraint):
            yield f"unique: {', '.join(f'`{column.name}`' for column in one.columns)}"
        elif isinstance(one, CheckConstraint):
            yield f"check: `{_words(one.sqltext)}`"
        elif isinstance(one, ForeignKeyConstraint) and len(one.columns) > 1:
            yield f"together of `{one.referred_table.name}`: {', '.join(f'`{column.name}`' for column in one.columns)}"


def _indices(table: Table) -> Iterator[str]:
    for one in sorted(table.indexes, key=lambda index: str(index.name)):
        yield f"{'unique ' if one.unique else ''}index: {', '.join(map(_expression, one.expressions))}{_where(one)}"


def _expression(expression: object) -> str:
    return f"`{expression.name}`" if isinstance(expression, Column) else f"`{_words(expression)}`"


def _where(index: Index) -> str:
    where = index.dialect_options["postgresql"]["where"]
    return "" if where is None else f", where `{_words(where)}`"


def _words(clause: object) -> str:
    return " ".join(str(clause).split()).replace("|", "\\|")
