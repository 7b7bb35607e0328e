"""Guessing made slow: each attempt to sign in is counted before it is looked at, and pauses grow with the failures.

The count stands in the database, so that it holds over all processes and hosts that serve.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from db.database import Database, take
from db.schema.accounts import sign_in_failure


@dataclass(frozen=True, slots=True)
class Pauses:
    """So many attempts are free; then each waits for a pause that doubles, up to the longest. A quiet time forgives."""

    free: int
    first: timedelta
    longest: timedelta
    forgiven: timedelta

    def after(self, failures: int) -> timedelta:
        """Return how long to wait after so many failures in a row."""
        if failures < self.free:
            return timedelta()
        return min(self.first * (1 << min(failures - self.free, 30)), self.longest)


@dataclass(frozen=True, slots=True)
class Guarded:
    """Whom or what failures are counted for, and how."""

    about: str
    pauses: Pauses

    @property
    def key(self) -> str:
        """What it is on record as."""
        return hashlib.sha256(self.about.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of an attempt before it is looked at: until when it may not be, and how long the next one waits."""

    paused_until: datetime | None
    pause: timedelta


def begin_attempt(database: Database, guards: Collection[Guarded], *, now: datetime) -> Attempt:
    """Count an attempt as failed until `succeeded` says otherwise.

    One that may not be made is not counted. Two at the same time are counted one after the other: nobody gains more
    attempts by making them at once.
    """
    with database.begin() as connection:
        for key in sorted(guard.key for guard in guards):
            take(connection, ("sign_in_failure", key))
        waits = [_failures(connection, guard, now) for guard in guards]
        if paused := [until for _, until in waits if until is not None and until > now]:
            return Attempt(max(paused), timedelta())
        pauses = [
            _write(connection, guard, failures + 1, now) for guard, (failures, _) in zip(guards, waits, strict=True)
        ]
    return Attempt(None, max(pauses))


def succeeded(connection: Connection, *, forgiven: Guarded, shared: Guarded | None, now: datetime) -> None:
    """Take the attempt back, within the transaction that lets somebody in.

    All failures of `forgiven` are forgotten; of `shared`, which others stand behind, too, only this one.
    """
    connection.execute(delete(sign_in_failure).where(sign_in_failure.c.key == forgiven.key))
    if shared is not None:
        failures, _ = _failures(connection, shared, now)
        _write(connection, shared, max(failures - 1, 0), now)


def forget_failures(connection: Connection, about: str) -> bool:
    """Let somebody try again at once. Tell whether there was anything to forget."""
    key = hashlib.sha256(about.encode()).hexdigest()
    return bool(connection.execute(delete(sign_in_failure).where(sign_in_failure.c.key == key)).rowcount)


def pauses_of(database: Database, about: Sequence[str]) -> tuple[datetime | None, ...]:
    """Return until when nobody is let in for each of them."""
    keys = [hashlib.sha256(one.encode()).hexdigest() for one in about]
    with database.read() as connection:
        row = sign_in_failure.c
        rows = connection.execute(select(row.key, row.paused_until).where(row.key.in_(keys))).all()
    found = {row.key: row.paused_until for row in rows}
    return tuple(found.get(key) for key in keys)


def sweep_failures(connection: Connection, *, before: datetime) -> None:
    """Remove what has been quiet since then."""
    connection.execute(delete(sign_in_failure).where(sign_in_failure.c.failed_at < before))


def _failures(connection: Connection, guard: Guarded, now: datetime) -> tuple[int, datetime | None]:
    row = connection.execute(select(sign_in_failure).where(sign_in_failure.c.key == guard.key)).one_or_none()
    if row is None or row.failed_at + guard.pauses.forgiven <= now:
        return 0, None
    return row.failures, row.paused_until


def _write(connection: Connection, guard: Guarded, failures: int, now: datetime) -> timedelta:
    pause = guard.pauses.after(failures)
    values = {"failures": failures, "failed_at": now, "paused_until": now + pause if pause else None}
    changed = connection.execute(update(sign_in_failure).where(sign_in_failure.c.key == guard.key).values(values))
    if not changed.rowcount:
        connection.execute(insert(sign_in_failure).values(key=guard.key, **values))
    return pause
