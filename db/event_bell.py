"""Who holds the channels of subscribers waits here for events that other processes write."""

import threading
from collections.abc import Collection

from sqlalchemy import select

from db import kinds
from db.database import Database
from db.delivery_state import DeliveryState
from db.schema.workitems import workitem_event

_POLL = 0.5  # seconds, on SQLite: nobody tells of anything there
_AT_LATEST = 5.0  # seconds: an announcement may be lost with its connection


class EventBell:
    """Rings when there may be events for channels: PostgreSQL announces them, SQLite is looked at. One thread's."""

    def __init__(self, database: Database) -> None:
        """Connect on the first wait."""
        self._database = database
        self._announcements = None
        if database.dialect == "postgresql":
            from db.queue.announcements import Announcements  # noqa: PLC0415 - its driver comes with "postgresql"

            self._announcements = Announcements(database, [kinds.WEB_EVENT])

    def wait(self, stop: threading.Event) -> None:
        """Return when it is time to look. DatabaseUnavailableError when the connection is lost; wait again then."""
        if self._announcements is None:
            stop.wait(_POLL)
        else:
            self._announcements.wait(stop, _AT_LATEST)

    def waiting(self, receivers: Collection[str]) -> frozenset[str]:
        """Return for which of these subscribers there are events. Raises DatabaseError."""
        column = workitem_event.c.receiving_ae
        query = select(column).where(column.in_(receivers), workitem_event.c.state == DeliveryState.QUEUED).distinct()
        with self._database.read() as connection:
            return frozenset(connection.scalars(query))

    def close(self) -> None:
        """Close the connection."""
        if self._announcements is not None:
            self._announcements.close()
