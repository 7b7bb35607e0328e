"""Types and lengths of columns."""

from datetime import UTC, datetime

from sqlalchemy import DateTime
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

UID = 64
"""Characters of the longest UID (PS3.5 section 9.1)."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: takes and gives aware datetimes in UTC, and refuses naive values.

    PostgreSQL stores `timestamptz`; SQLite stores text of one length, so that its order is the order in time.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any aware datetime into UTC; `ValueError` for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"expected an aware datetime. Received: value={value.isoformat()}"
            raise ValueError(msg)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware datetime in UTC, whatever the driver's session calls it."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)
