"""Which study a job is about: its key is a row's id, and people know studies by their UIDs."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from db import kinds
from db.database import Database
from db.schema.domain import delivery, instance, report, result, study

_OF_STUDIES: Final = frozenset({kinds.CONCLUDE, kinds.WITHDRAW, kinds.AMEND, kinds.ORDER})
_OF_INSTANCES: Final = frozenset({kinds.SCORE, kinds.COMPARE, kinds.REJECT, kinds.SHADOW})
_MOST_AT_ONCE: Final = 500

_STUDIES = select(study.c.id, study.c.study_instance_uid)
_INSTANCES = select(instance.c.id, study.c.study_instance_uid).join_from(instance, study)
_DELIVERIES = (
    select(delivery.c.id, study.c.study_instance_uid)
    .select_from(delivery)
    .outerjoin(report, report.c.id == delivery.c.report_id)
    .outerjoin(result, result.c.id == report.c.result_id)
    .outerjoin(instance, instance.c.id == delivery.c.instance_id)
    .join(study, study.c.id == func.coalesce(result.c.study_id, instance.c.study_id))
)


def studies_of_jobs(database: Database, jobs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the Study Instance UID of each job (kind, key) that is about a study on record."""
    asked: dict[int, tuple[Select[Any], list[tuple[str, str]]]] = {}
    for kind, key in jobs:
        query = _query(kind)
        if query is not None and key.isascii() and key.isdigit():
            asked.setdefault(id(query), (query, []))[1].append((kind, key))
    with database.read() as connection:
        return {
            one: found[one[1]]
            for query, of_query in asked.values()
            for found in [_uids(connection, query, of_query)]
            for one in of_query
            if one[1] in found
        }


def _query(kind: str) -> Select[Any] | None:
    if kind in _OF_STUDIES or kind.startswith(kinds.forward("")):
        return _STUDIES
    if kind in _OF_INSTANCES:
        return _INSTANCES
    return _DELIVERIES if kind.startswith(kinds.deliver("")) else None


def _uids(connection: Connection, query: Select[Any], jobs: list[tuple[str, str]]) -> dict[str, str]:
    ids = sorted({int(key) for _, key in jobs})
    column = next(iter(query.selected_columns))
    return {
        str(row[0]): row[1]
        for start in range(0, len(ids), _MOST_AT_ONCE)
        for row in connection.execute(query.where(column.in_(ids[start : start + _MOST_AT_ONCE])))
    }
