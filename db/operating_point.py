"""Sites' own operating points: at most one is active for a model, and the history keeps who changed what, and when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from db.database import Database
from db.errors import RefusedError
from db.schema.model import operating_point


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPointRecord:
    """One activation. `content` is the file as it was activated; the last two are None while it is active."""

    id: int
    model_name: str
    model_version: str
    model_sha256: str
    content: str
    activated_by: str
    activated_at: datetime
    deactivated_by: str | None
    deactivated_at: datetime | None


def operating_points(database: Database) -> tuple[OperatingPointRecord, ...]:
    """Return the whole history, oldest first."""
    with database.read() as connection:
        rows = connection.execute(select(operating_point).order_by(operating_point.c.id)).all()
    return tuple(_record(row) for row in rows)


def active_operating_points(database: Database, model_name: str) -> tuple[OperatingPointRecord, ...]:
    """Return what is active for a model of that name, whatever its digest: more than one only after an upgrade."""
    found = operating_points(database)
    return tuple(one for one in found if one.model_name == model_name and one.deactivated_at is None)


def activate_operating_point(
    database: Database,
    *,
    model: tuple[str, str, str],
    content: str,
    by: str,
    now: datetime,
) -> OperatingPointRecord:
    """Make an operating point of `model` (name, version, sha256) the active one; those of that name end with it.

    Raises RefusedError without a name, or where exactly this content is active already.
    """
    name, version, sha256 = model
    with database.begin() as connection:
        for active in _active(connection, name):
            if (active.content, active.model_sha256) == (content, sha256):
                message = "expected an operating point that is not active yet. Received: the active one"
                raise RefusedError(message)
        _end(connection, name, by=by, now=now)
        values = {"model_name": name, "model_version": version, "model_sha256": sha256, "content": content}
        made = insert(operating_point).values(**values, activated_by=_person(by), activated_at=now)
        row = connection.execute(made.returning(operating_point)).one()
    return _record(row)


def deactivate_operating_points(database: Database, model_name: str, *, by: str, now: datetime) -> int:
    """End what is active for a model of that name: its own operating point counts again. Return how many ended.

    Raises RefusedError without a name.
    """
    with database.begin() as connection:
        return _end(connection, model_name, by=by, now=now)


def _active(connection: Connection, model_name: str) -> tuple[OperatingPointRecord, ...]:
    active = operating_point.c.deactivated_at.is_(None)
    rows = connection.execute(select(operating_point).where(operating_point.c.model_name == model_name, active)).all()
    return tuple(_record(row) for row in rows)


def _record(row: Row[Any]) -> OperatingPointRecord:
    return OperatingPointRecord(**row._mapping)  # noqa: SLF001 - the public name of SQLAlchemy's mapping view


def _end(connection: Connection, model_name: str, *, by: str, now: datetime) -> int:
    ended = connection.execute(
        update(operating_point)
        .where(operating_point.c.model_name == model_name, operating_point.c.deactivated_at.is_(None))
        .values(deactivated_by=_person(by), deactivated_at=now)
    )
    return ended.rowcount


def _person(by: str) -> str:
    name = " ".join(by.split())
    if not name or not name.isprintable():
        message = "expected the name of the person who decides. Received: an empty one"
        raise RefusedError(message)
    return name
