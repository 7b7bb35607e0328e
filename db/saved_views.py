"""Saved views of the worklist: each person's own, by name."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from db.audit import AuditEvent, Who, note
from db.audit_terms import EventAction, EventId
from db.database import Database
from db.errors import RefusedError
from db.schema.views import saved_view

MOST: Final = 20
"""Views of one person."""


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view by its name; `query` is its filters as an address says them."""

    id: int
    name: str
    query: str


def saved_views(database: Database, person: str) -> tuple[SavedView, ...]:
    """Return a person's views, in the order in which they were saved."""
    query = select(saved_view.c.id, saved_view.c.name, saved_view.c.query).where(saved_view.c.person == person)
    with database.read() as connection:
        return tuple(SavedView(**row) for row in connection.execute(query.order_by(saved_view.c.id)).mappings())


def save_view(database: Database, who: Who, name: str, query: str, *, at: datetime) -> None:
    """Save a view of a person, in place of one of the same name. RefusedError where there are too many."""
    own = saved_view.c.person == who.name
    with database.begin(lock=("saved_view", who.name)) as connection:
        connection.execute(delete(saved_view).where(own, saved_view.c.name == name))
        if connection.execute(select(func.count()).select_from(saved_view).where(own)).scalar_one() >= MOST:
            message = f"expected at most {MOST} saved views. Received: one more"
            raise RefusedError(message)
        connection.execute(insert(saved_view).values(person=who.name, name=name, query=query, created_at=at))
        _note(connection, EventAction.CREATE, who, query, at)


def forget_view(database: Database, who: Who, number: int, *, at: datetime) -> None:
    """Forget one of a person's views; nothing if it is not theirs."""
    which = saved_view.c.person == who.name, saved_view.c.id == number
    with database.begin() as connection:
        query = connection.execute(delete(saved_view).where(*which).returning(saved_view.c.query)).scalar_one_or_none()
        if query is not None:
            _note(connection, EventAction.DELETE, who, query, at)


def _note(connection: Connection, action: EventAction, who: Who, query: str, at: datetime) -> None:
    """Note a change of a view, by its filters: its name is a person's own words."""
    said = "saved" if action is EventAction.CREATE else "forgotten"
    detail = f"view of the worklist {said}: {query or 'no filter'}"
    note(connection, AuditEvent(event=EventId.QUERY, action=action, who=who, at=at, detail=detail))
