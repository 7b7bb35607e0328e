"""Sessions: who has signed in, from when to when. Only the digest of what the browser holds is on record."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, inspect, or_, select, update

from db.accounts import AccountRecord, account_record
from db.database import Database
from db.schema.accounts import account, account_session, known_browser

_SEEN_IS_NOTED_EVERY: Final = timedelta(minutes=1)
_TEXT: Final = 200


class Stage(StrEnum):
    """How far a sign-in has come. Only an open session lets anybody do anything."""

    OPEN = "open"
    CODE = "code"  # the password was right, and a code is asked for
    PASSWORD = "password"  # noqa: S105 - a new one has to be chosen
    ENROL = "enrol"  # codes have to be set up


@dataclass(frozen=True, slots=True)
class Limits:
    """When sessions end: after so long without a sign of their person, and so long after the sign-in."""

    idle: timedelta
    absolute: timedelta
    sign_in: timedelta = timedelta(minutes=10)
    """For one that is not open yet."""
    failures_forgiven: timedelta = timedelta(hours=24)
    """How long failures to sign in stay on record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A session, with whose it is."""

    id: int
    account: AccountRecord
    stage: Stage
    how: str
    created_at: datetime
    seen_at: datetime
    proved_at: datetime
    address: str
    browser: str
    totp_offer: str | None = field(repr=False)
    """The secret that its person is about to set up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session that begins."""

    account_id: int
    sha256: str
    stage: Stage
    how: str
    address: str
    browser: str
    proved_at: datetime | None = None
    """When somebody proved who they are; None for now."""


def begin_session(connection: Connection, new: NewSession, *, now: datetime) -> int:
    """Put a session on record and return its id."""
    proved_at = min(new.proved_at or now, now)
    values = {"created_at": now, "seen_at": now, "proved_at": proved_at, "browser": new.browser[:_TEXT]}
    named = {name: getattr(new, name) for name in ("account_id", "sha256", "stage", "how", "address")}
    return int(
        connection.execute(insert(account_session).values(named | values).returning(account_session.c.id)).scalar_one()
    )


def session_of(database: Database, sha256: str, *, limits: Limits, now: datetime) -> SessionRecord | None:
    """Return the session of that digest, in whatever stage; None where there is none or it has come to its end."""
    query = (
        select(account_session, account)
        .join(account, account.c.id == account_session.c.account_id)
        .where(account_session.c.sha256 == sha256)
    )
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or row.disabled_at is not None:
        return None
    found = _record(row)
    return found if _lasts(found, limits, now) else None


def note_seen(database: Database, record: SessionRecord, *, now: datetime) -> None:
    """Record a sign of the session's person, once a minute at most."""
    before = now - _SEEN_IS_NOTED_EVERY
    if record.seen_at > before:
        return
    with database.begin_lightly() as connection:
        connection.execute(
            update(account_session)
            .where(account_session.c.id == record.id, account_session.c.seen_at <= before)
            .values(seen_at=now)
        )


def advance_session(
    connection: Connection, session_id: int, *, sha256: str, stage: Stage, how: str, now: datetime
) -> bool:
    """Let a session go on under a new id, now that its person has proved more. Tell whether it was still there."""
    values = {"sha256": sha256, "stage": stage, "how": how, "seen_at": now, "proved_at": now, "totp_offer": None}
    return bool(
        connection.execute(update(account_session).where(account_session.c.id == session_id).values(values)).rowcount
    )


def offer_secret(database: Database, session_id: int, secret: str) -> None:
    """Keep the secret that a session's person is about to set up."""
    with database.begin() as connection:
        connection.execute(update(account_session).where(account_session.c.id == session_id).values(totp_offer=secret))


def sessions_of(database: Database, account_id: int, *, limits: Limits, now: datetime) -> tuple[SessionRecord, ...]:
    """Return the open sessions of an account, the latest first."""
    query = (
        select(account_session, account)
        .join(account, account.c.id == account_session.c.account_id)
        .where(account_session.c.account_id == account_id, account_session.c.stage == Stage.OPEN)
        .order_by(account_session.c.seen_at.desc())
    )
    with database.read() as connection:
        found = [_record(row) for row in connection.execute(query)]
    return tuple(record for record in found if _lasts(record, limits, now))


def end_session(connection: Connection, session_id: int, *, account_id: int) -> bool:
    """End one session of an account. Tell whether there was one."""
    which = account_session.c.id == session_id, account_session.c.account_id == account_id
    return bool(connection.execute(delete(account_session).where(*which)).rowcount)


def end_sessions(connection: Connection, account_id: int, *, but: int | None = None) -> int:
    """End all sessions of an account, `but` one, and return how many they were."""
    which = account_session.c.account_id == account_id, account_session.c.id != (but or 0)
    return int(connection.execute(delete(account_session).where(*which)).rowcount)


def end_every_session(database: Database) -> None:
    """End the sessions of everybody, as of a database that a back-up brought back; an older one may have none."""
    with database.begin() as connection:
        if inspect(connection).has_table(account_session.name):
            connection.execute(delete(account_session))


def sweep_sessions(connection: Connection, *, limits: Limits, now: datetime) -> None:
    """Remove the sessions that have come to their end."""
    row = account_session.c
    ended = or_(
        row.seen_at <= now - limits.idle,
        row.created_at <= now - limits.absolute,
        (row.stage != Stage.OPEN) & (row.created_at <= now - limits.sign_in),
    )
    connection.execute(delete(account_session).where(ended))


def is_known_browser(database: Database, account_id: int, sha256: str) -> bool:
    """Tell whether somebody has signed in to the account in that browser."""
    found = known_browser.c.account_id == account_id, known_browser.c.sha256 == sha256
    with database.read() as connection:
        return connection.execute(select(known_browser.c.sha256).where(*found)).one_or_none() is not None


def remember_browser(connection: Connection, account_id: int, sha256: str, *, now: datetime) -> None:
    """Remember that somebody has signed in to the account in that browser."""
    which = known_browser.c.account_id == account_id, known_browser.c.sha256 == sha256
    if not connection.execute(update(known_browser).where(*which).values(used_at=now)).rowcount:
        connection.execute(insert(known_browser).values(account_id=account_id, sha256=sha256, used_at=now))


def forget_browsers(connection: Connection, account_id: int) -> None:
    """Forget in which browsers somebody has signed in to the account."""
    connection.execute(delete(known_browser).where(known_browser.c.account_id == account_id))


def _lasts(record: SessionRecord, limits: Limits, now: datetime) -> bool:
    longest = limits.absolute if record.stage is Stage.OPEN else min(limits.sign_in, limits.absolute)
    return now < record.seen_at + limits.idle and now < record.created_at + longest


def _record(row: Row[Any]) -> SessionRecord:
    columns = account_session.c
    named = ("how", "seen_at", "proved_at", "address", "browser", "totp_offer")
    return SessionRecord(
        id=row._mapping[columns.id],  # noqa: SLF001 - as SQLAlchemy has it
        account=account_record(row),
        stage=Stage(row.stage),
        created_at=row._mapping[columns.created_at],  # noqa: SLF001
        **{name: getattr(row, name) for name in named},
    )
