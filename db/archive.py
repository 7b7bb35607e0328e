"""What the agent holds, by Study, Series and Instance: for C-FIND, C-MOVE, C-GET and DICOMweb alike. Reads only.

Held are the Instances that were received and those that the agent wrote itself. Left out is what is kept apart:
duplicates, conflicts, and Instances under a known UID that are not yet compared.

Criteria narrow by what SQL can say in the same way on every database, and never leave out what matches: exact matching
(PS3.4 C.2.2.2) is the caller's. Rows are read in pages, each in a transaction of its own, so that a slow reader holds
none open; the newest Studies come first, by Study Date where that is asked for.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select

from db.archive_columns import (
    INSTANCE_COLUMNS,
    SERIES_COLUMNS,
    STUDY_COLUMNS,
    Criteria,
    Like,
    conditions,
)
from db.database import Database
from db.intake import Role
from db.schema.domain import instance, study
from db.search import narrowed

Value: TypeAlias = str | int | tuple[str, ...]

STUDIES_AT_ONCE = 100
INSTANCES_AT_ONCE = 500
_UIDS_AT_ONCE = 500
_LATEST = 5000


@dataclass(frozen=True, slots=True)
class Held:
    """A Study, Series or Instance: its attributes by PS3.6 keyword in snake_case, those of the levels above too."""

    attributes: Mapping[str, Value]

    def text(self, name: str) -> str:
        """Return an attribute as text."""
        return str(self.attributes[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldInstance:
    """An Instance as it lies in the store."""

    id: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    sha256: str
    path: str
    size: int


def find_studies(database: Database, criteria: Criteria) -> Iterator[Held]:
    """Yield the Studies that may match: with their Modalities, SOP Classes, and numbers of Series and Instances."""
    for page in _study_pages(database, criteria):
        yield from page


def find_series(database: Database, criteria: Criteria) -> Iterator[Held]:
    """Yield the Series that may match, with the number of their Instances and the attributes of their Study."""
    for page in _study_pages(database, criteria):
        by_id = {int(str(one.attributes["id"])): one for one in page}
        merged = [func.max(column).label(name) for name, column in SERIES_COLUMNS.items()]
        query = (
            select(instance.c.study_id, *merged, func.count().label("number_of_series_related_instances"))
            .where(instance.c.study_id.in_(by_id), is_held(), *conditions(criteria, _SERIES_UID))
            .group_by(instance.c.study_id, instance.c.series_instance_uid)
            .order_by(instance.c.study_id.desc(), func.min(instance.c.id))
        )
        with database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            values = {name: value for name, value in _mapping(row).items() if name != "study_id"}
            yield Held({**by_id[row.study_id].attributes, **values})


def find_instances(database: Database, criteria: Criteria) -> Iterator[Held]:
    """Yield the Instances that may match, with the attributes of their Series and Study."""
    columns = [column.label(name) for name, column in {**SERIES_COLUMNS, **INSTANCE_COLUMNS}.items()]
    for page in _study_pages(database, criteria):
        for one in page:
            for row in _instance_rows(database, criteria, int(str(one.attributes["id"])), columns):
                yield Held({**one.attributes, **{name: _mapping(row)[name] for name in SERIES_COLUMNS}, **_own(row)})


def held_instances(database: Database, criteria: Criteria) -> Iterator[HeldInstance]:
    """Yield the Instances that match (unique keys only: the criteria are not looked at again) as they lie in store."""
    columns = [*_STORED, study.c.study_instance_uid]
    query = select(study.c.id).where(*_study_conditions(criteria)).order_by(study.c.id.desc())
    with database.read() as connection:
        ids = connection.scalars(query).all()
    for study_id in ids:
        for row in _instance_rows(database, criteria, study_id, columns):
            yield _held(row)


def held_by_uid(database: Database, sop_instance_uids: Iterable[str]) -> dict[str, HeldInstance]:
    """Return those of the Instances that are held, by SOP Instance UID."""
    wanted = sorted(set(sop_instance_uids))
    found: dict[str, HeldInstance] = {}
    for start in range(0, len(wanted), _UIDS_AT_ONCE):
        query = (
            select(*_STORED, study.c.study_instance_uid)
            .join(study, study.c.id == instance.c.study_id)
            .where(instance.c.sop_instance_uid.in_(wanted[start : start + _UIDS_AT_ONCE]), is_held())
        )
        with database.read() as connection:
            found |= {row.sop_instance_uid: _held(row) for row in connection.execute(query)}
    return found


def recent_syntaxes(database: Database) -> dict[str, list[str]]:
    """Return in which transfer syntaxes the latest Instances of each SOP Class came, the most frequent first."""
    latest = (
        select(instance.c.sop_class_uid, instance.c.transfer_syntax_uid)
        .order_by(instance.c.id.desc())
        .limit(_LATEST)
        .subquery()
    )
    query = select(latest, func.count().label("n")).group_by(*latest.c).order_by(func.count().desc())
    found: dict[str, list[str]] = {}
    with database.read() as connection:
        for row in connection.execute(query):
            found.setdefault(row.sop_class_uid, []).append(row.transfer_syntax_uid)
    return found


@cache  # another name for the table costs more than a query by it
def is_held() -> ColumnElement[bool]:
    """Return the condition that an Instance is handed out. Of an own report that came back changed the first counts."""
    earlier = instance.alias("earlier")
    came_back = exists().where(
        earlier.c.sop_instance_uid == instance.c.sop_instance_uid,
        earlier.c.id < instance.c.id,
        earlier.c.role == Role.OWN,
    )
    return and_(
        instance.c.removed_at.is_(None),
        or_(
            instance.c.role.in_((Role.CANDIDATE, Role.EVIDENCE, Role.PRIOR)),
            and_(instance.c.role == Role.OWN, ~came_back),
        ),
    )


_SERIES_UID = {"series_instance_uid": instance.c.series_instance_uid}
_IN_STUDY = {"modalities_in_study": instance.c.modality, "sop_classes_in_study": instance.c.sop_class_uid}
_UNIQUE = _SERIES_UID | {"sop_instance_uid": instance.c.sop_instance_uid}
_STORED = tuple(instance.c[name] for name in HeldInstance.__dataclass_fields__ if name != "study_instance_uid")


def _study_pages(database: Database, criteria: Criteria) -> Iterator[list[Held]]:
    before: tuple[str, int] | None = None
    named = criteria.get("patient_name")
    narrower: ColumnElement[bool] | None = None
    if isinstance(named, Like):
        with database.read() as connection:
            narrower = narrowed(connection, named.fragments)
    while True:
        with database.read() as connection:
            query = study_query(criteria, before)
            rows = connection.execute(query if narrower is None else query.where(narrower)).all()
            page = _described(connection, rows)
        if not rows:
            return
        yield page
        before = rows[-1].study_date, rows[-1].id


def study_query(criteria: Criteria, before: tuple[str, int] | None = None) -> Select[Any]:
    """Return the query for a page of Studies, those before a Study Date and row; public so that its plan can be tested.

    Asked by date, they come by date: in any other order the index on it would be of no use to whom asks for a year.
    """
    columns = [column.label(name) for name, column in STUDY_COLUMNS.items()]
    query = select(study.c.id, *columns).where(*_study_conditions(criteria))
    by_date = "study_date" in criteria
    if before is not None and by_date:
        day, number = before
        query = query.where(study.c.study_date <= day, or_(study.c.study_date < day, study.c.id < number))
    elif before is not None:
        query = query.where(study.c.id < before[1])
    order = (study.c.study_date.desc(), study.c.id.desc()) if by_date else (study.c.id.desc(),)
    return query.order_by(*order).limit(STUDIES_AT_ONCE)


def _study_conditions(criteria: Criteria) -> list[ColumnElement[bool]]:
    of_study = instance.c.study_id == study.c.id
    found = [*conditions(criteria, STUDY_COLUMNS), exists().where(of_study, is_held())]
    found += [exists().where(of_study, is_held(), condition) for condition in conditions(criteria, _IN_STUDY)]
    if (unique := conditions(criteria, _UNIQUE)) and "study_instance_uid" not in criteria:
        found.append(study.c.id.in_(select(instance.c.study_id).where(*unique)))
    return found


def _described(connection: Connection, rows: Iterable[Row[Any]]) -> list[Held]:
    """Return Studies with what their Instances add up to."""
    rows = list(rows)
    modalities, classes = defaultdict[int, set[str]](set), defaultdict[int, set[str]](set)
    series, instances = defaultdict[int, set[str]](set), Counter[int]()
    parts = (instance.c.study_id, instance.c.series_instance_uid, instance.c.modality, instance.c.sop_class_uid)
    query = select(*parts, func.count().label("instances")).where(
        instance.c.study_id.in_([row.id for row in rows]), is_held()
    )
    for part in connection.execute(query.group_by(*parts)):
        modalities[part.study_id].add(part.modality)
        classes[part.study_id].add(part.sop_class_uid)
        series[part.study_id].add(part.series_instance_uid)
        instances[part.study_id] += part.instances
    return [
        Held(
            {
                **_mapping(row),
                "modalities_in_study": tuple(sorted(modalities[row.id] - {""})),
                "sop_classes_in_study": tuple(sorted(classes[row.id])),
                "number_of_study_related_series": len(series[row.id]),
                "number_of_study_related_instances": instances[row.id],
            }
        )
        for row in rows
    ]


def _instance_rows(
    database: Database, criteria: Criteria, study_id: int, columns: Iterable[ColumnElement[Any]]
) -> Iterator[Row[Any]]:
    after = 0
    query = (
        select(instance.c.id, *(column for column in columns if column is not instance.c.id))
        .join(study, study.c.id == instance.c.study_id)
        .where(instance.c.study_id == study_id, is_held(), *conditions(criteria, _UNIQUE))
        .order_by(instance.c.id)
        .limit(INSTANCES_AT_ONCE)
    )
    while True:
        with database.read() as connection:
            rows = connection.execute(query.where(instance.c.id > after)).all()
        yield from rows
        if len(rows) < INSTANCES_AT_ONCE:
            return
        after = rows[-1].id


def _own(row: Row[Any]) -> dict[str, Value]:
    return {name: _mapping(row)[name] for name in INSTANCE_COLUMNS}


def _held(row: Any) -> HeldInstance:  # noqa: ANN401 - rows are generic over their columns
    return HeldInstance(**_mapping(row))


def _mapping(row: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return dict(row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's mapping view


def is_kept_apart(database: Database, criteria: Criteria) -> bool:
    """Tell whether there is an Instance that matches (unique keys only) among those that are not handed out."""
    query = (
        select(instance.c.id)
        .join(study, study.c.id == instance.c.study_id)
        .where(
            ~is_held(),
            instance.c.removed_at.is_(None),
            *conditions(criteria, STUDY_COLUMNS),
            *conditions(criteria, _UNIQUE),
        )
        .limit(1)
    )
    with database.read() as connection:
        return connection.execute(query).first() is not None


def was_removed(database: Database, criteria: Criteria) -> bool:
    """Tell whether there was an Instance that matches (unique keys only) and that retention has removed since."""
    query = (
        select(instance.c.id)
        .join(study, study.c.id == instance.c.study_id)
        .where(instance.c.removed_at.is_not(None), *conditions(criteria, STUDY_COLUMNS), *conditions(criteria, _UNIQUE))
        .limit(1)
    )
    with database.read() as connection:
        return connection.execute(query).first() is not None
