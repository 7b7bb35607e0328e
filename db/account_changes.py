"""What an administrator does to accounts: each is one transaction with its row in the audit trail."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select

from db.accounts import (
    AccountRecord,
    NewAccount,
    change_account,
    create_account,
    remove_codes,
    set_password,
    set_roles,
)
from db.audit import Who
from db.audit_terms import EventType
from db.database import Database, take
from db.errors import RefusedError
from db.failures import forget_failures
from db.schema.accounts import account
from db.sessions import end_session, end_sessions, forget_browsers
from db.sign_in import note_change

_ADMIN = "admin"


def create(database: Database, new: NewAccount, *, who: Who, now: datetime) -> AccountRecord:
    """Put an account on record. RefusedError for a name that is none or that is taken."""
    with database.begin() as connection:
        made = create_account(connection, new, by=who.name, now=now)
        detail = f"created as {' '.join(sorted(new.roles))}"
        note_change(connection, who, made.name, detail, now=now, type=EventType.SECURITY_ROLES_CHANGED)
    return made


def change_roles(database: Database, record: AccountRecord, roles: Collection[str], *, who: Who, now: datetime) -> None:
    """Give an account other roles, and end its sessions. RefusedError if it is the last that can do this here."""
    with database.begin() as connection:
        if _ADMIN not in roles:
            _keep_an_admin(connection, record)
        set_roles(connection, record.id, roles)
        end_sessions(connection, record.id)
        detail = f"roles changed from {' '.join(sorted(record.roles))} to {' '.join(sorted(roles))}"
        note_change(connection, who, record.name, detail, now=now, type=EventType.SECURITY_ROLES_CHANGED)


def reset_password(
    database: Database, record: AccountRecord, password_hash: str, *, ends_at: datetime, who: Who, now: datetime
) -> None:
    """Give an account an initial password, and end its sessions: whoever had the old one is out."""
    with database.begin() as connection:
        set_password(connection, record.id, password_hash, long=False, ends_at=ends_at, now=now)
        end_sessions(connection, record.id)
        forget_browsers(connection, record.id)
        note_change(connection, who, record.name, "given an initial password", now=now)


def remove_app(database: Database, record: AccountRecord, *, who: Who, now: datetime) -> None:
    """Ask for codes no more, and end the account's sessions. A password too short to stand alone ends with them."""
    with database.begin() as connection:
        remove_codes(connection, record.id)
        if not record.password_is_long and record.password_ends_at is None:
            change_account(connection, record.id, password_hash=None)
        end_sessions(connection, record.id)
        note_change(connection, who, record.name, "authenticator app removed", now=now)


def disable(database: Database, record: AccountRecord, *, who: Who, now: datetime) -> None:
    """Let an account in no more, from the next request on. RefusedError if it is the last that can do this here."""
    with database.begin() as connection:
        _keep_an_admin(connection, record)
        change_account(connection, record.id, disabled_at=now)
        end_sessions(connection, record.id)
        note_change(connection, who, record.name, "disabled", now=now)


def enable(database: Database, record: AccountRecord, *, who: Who, now: datetime) -> None:
    """Let an account in again."""
    with database.begin() as connection:
        change_account(connection, record.id, disabled_at=None)
        note_change(connection, who, record.name, "enabled", now=now)


def unlock(database: Database, record: AccountRecord, about: str, *, who: Who, now: datetime) -> None:
    """Let somebody try to sign in again at once."""
    with database.begin() as connection:
        forget_failures(connection, about)
        note_change(connection, who, record.name, "unlocked", now=now)


def end(database: Database, record: AccountRecord, session_id: int, *, who: Who, now: datetime) -> bool:
    """End one session of an account. Tell whether there was one."""
    with database.begin() as connection:
        ended = end_session(connection, session_id, account_id=record.id)
        if ended:
            note_change(connection, who, record.name, "a session ended", now=now)
    return ended


def end_all(database: Database, record: AccountRecord, *, who: Who, now: datetime, but: int | None = None) -> None:
    """End all sessions of an account, `but` one, and forget in which browsers it signed in."""
    with database.begin() as connection:
        ended = end_sessions(connection, record.id, but=but)
        forget_browsers(connection, record.id)
        note_change(connection, who, record.name, f"{ended} sessions ended", now=now)


def _keep_an_admin(connection: Connection, record: AccountRecord) -> None:
    """Raise RefusedError if no other account could change accounts any more."""
    take(connection, ("account", "admins"))
    if _ADMIN not in record.roles or record.disabled_at is not None:
        return
    others = select(account.c.roles).where(account.c.id != record.id, account.c.disabled_at.is_(None))
    if not any(_ADMIN in roles.split() for roles in connection.execute(others).scalars()):
        message = "expected another enabled account of the role admin. Received: none"
        raise RefusedError(message)
