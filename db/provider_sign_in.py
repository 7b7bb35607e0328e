"""How somebody comes in who has signed in at a provider of OpenID Connect: their account, its roles, a session."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from db.accounts import AccountRecord, NewAccount, account_record, change_account, create_account, set_roles
from db.audit import Who
from db.audit_terms import EventType
from db.database import Database, take
from db.errors import RefusedError
from db.schema.accounts import account
from db.sessions import Limits, NewSession, Stage, begin_session, end_sessions, sweep_sessions
from db.sign_in import note_change, note_open


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Whom a provider knows, and what they are here by its word."""

    issuer: str
    subject: str
    name: str
    display_name: str
    roles: frozenset[str]


def come_in(
    database: Database, known: Known, new: NewSession, who: Who, *, limits: Limits, now: datetime
) -> AccountRecord:
    """Begin a session of the account of whom the provider knows; it is made the first time, and has the roles of today.

    `new` says no account, `who` no name: those are found here. RefusedError if the account is disabled, if nothing
    says that they are anything here, or if another account has their name: nobody takes over an account by its name.
    """
    with database.begin() as connection:
        sweep_sessions(connection, limits=limits, now=now)
        record = _account(connection, known, who, now)
        who = replace(who, name=record.name, role=" ".join(sorted(known.roles)))
        if record.roles != known.roles:
            set_roles(connection, record.id, known.roles)
            end_sessions(connection, record.id)
            detail = f"roles changed by the provider to {' '.join(sorted(known.roles)) or 'none'}"
            note_change(connection, who, record.name, detail, now=now, type=EventType.SECURITY_ROLES_CHANGED)
        is_let_in = record.disabled_at is None and bool(known.roles)
        if is_let_in:
            begin_session(connection, replace(new, account_id=record.id), now=now)
            change_account(connection, record.id, signed_in_at=now)
            note_open(connection, who, Stage.OPEN, new.how, now)
    if not is_let_in:  # but what the provider says of their roles stands, and ended their sessions
        message = "expected an enabled account with a role. Received: another"
        raise RefusedError(message)
    return record


def _account(connection: Connection, known: Known, who: Who, now: datetime) -> AccountRecord:
    take(connection, ("account", known.issuer, known.subject))
    query = select(account).where(account.c.issuer == known.issuer, account.c.subject == known.subject)
    if (row := connection.execute(query).one_or_none()) is not None:
        return account_record(row)
    if not known.roles:
        message = "expected somebody with a role here. Received: none"
        raise RefusedError(message)
    new = NewAccount(
        name=known.name,
        display_name=known.display_name,
        roles=known.roles,
        issuer=known.issuer,
        subject=known.subject,
    )
    made = create_account(connection, new, by="single sign-on", now=now)
    detail = f"created at the first single sign-on as {' '.join(sorted(known.roles))}"
    who = replace(who, name=made.name)
    note_change(connection, who, made.name, detail, now=now, type=EventType.SECURITY_ROLES_CHANGED)
    return made
