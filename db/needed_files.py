"""Which stored files the rows need, in the order of their digests, which is that of their names in the store."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from db.database import Database
from db.file_deletion import is_needed
from db.schema.domain import instance, report, result, study
from db.schema.keeping import file_to_delete

_AT_ONCE: Final = 2000


@dataclass(frozen=True, slots=True, order=True)
class NeededFile:
    """A file that some row needs."""

    sha256: str
    path: str
    size: int


def needed_files(database: Database, *, after: str = "", before: str = "g") -> Iterator[NeededFile]:
    """Yield the files with digests between `after` and `before`, neither included. No transaction stays open."""
    both = merge(_pages(database, _instances, after, before), _pages(database, _reports, after, before))
    yield from (next(same) for _, same in groupby(both, key=lambda file: file.path))


def needs(database: Database, file: NeededFile) -> bool:
    """Tell whether any row needs the file now."""
    with database.read() as connection:
        return is_needed(connection, file.path, file.sha256)


def is_to_be_deleted(database: Database, path: str) -> bool:
    """Tell whether the file is on the list of those to delete."""
    with database.read() as connection:
        query = select(file_to_delete.c.id).where(file_to_delete.c.path == path)
        return connection.execute(query).one_or_none() is not None


def studies_of(database: Database, sha256: str) -> tuple[str, ...]:
    """Return the Study Instance UIDs of those who need the file."""
    by_instance = (
        select(study.c.study_instance_uid)
        .join(instance, instance.c.study_id == study.c.id)
        .where(instance.c.sha256 == sha256, instance.c.removed_at.is_(None))
    )
    by_report = (
        select(study.c.study_instance_uid)
        .select_from(report)
        .join(result, result.c.id == report.c.result_id)
        .join(study, study.c.id == result.c.study_id)
        .where(report.c.sha256 == sha256)
    )
    with database.read() as connection:
        return tuple(sorted({*connection.scalars(by_instance), *connection.scalars(by_report)}))


def needed_in(connection: Connection) -> Iterator[NeededFile]:
    """Yield all files that the rows need as one transaction sees them, in the order of their digests."""
    tables = (_instances("", "g").limit(None), _reports("", "g").limit(None))
    streams = [connection.execution_options(yield_per=_AT_ONCE).execute(query) for query in tables]
    both = merge(*((NeededFile(row.sha256, row.path, row.size) for row in rows) for rows in streams))
    yield from (next(same) for _, same in groupby(both, key=lambda file: file.path))


def _pages(database: Database, query: Any, after: str, before: str) -> Iterator[NeededFile]:  # noqa: ANN401 - one of two
    while True:
        with database.read() as connection:
            rows = connection.execute(query(after, before)).all()
        yield from (NeededFile(row.sha256, row.path, row.size) for row in rows)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].sha256


def _instances(after: str, before: str) -> Select[Any]:
    columns = (instance.c.sha256, instance.c.path, instance.c.size)
    here = instance.c.removed_at.is_(None)
    query = select(*columns).where(here, instance.c.sha256 > after, instance.c.sha256 < before)
    return query.order_by(instance.c.sha256).limit(_AT_ONCE)


def _reports(after: str, before: str) -> Select[Any]:
    columns = (report.c.sha256, report.c.path, report.c.size)
    query = select(*columns).distinct().where(report.c.sha256 > after, report.c.sha256 < before)
    return query.order_by(report.c.sha256).limit(_AT_ONCE)
