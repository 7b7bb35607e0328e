"""How a sign-in is written down: each step of it is one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from db.accounts import (
    AccountRecord,
    Codes,
    Secrets,
    change_account,
    secrets_of,
    set_codes,
    set_password,
    use_recovery_code,
    use_step,
)
from db.audit import AuditEvent, Who, note, record
from db.audit_terms import EventAction, EventId, EventOutcome, EventType
from db.database import Database, take
from db.failures import Guarded, succeeded, sweep_failures
from db.sessions import (
    Limits,
    NewSession,
    SessionRecord,
    Stage,
    advance_session,
    begin_session,
    end_session,
    end_sessions,
    remember_browser,
    sweep_sessions,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Somebody has proved who they are: whose failures that forgives, and the digest of their browser's cookie."""

    account: AccountRecord
    who: Who
    forgiven: Guarded
    shared: Guarded | None
    browser: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What somebody shows beside their password: the time step of a code, or the digest of a recovery code."""

    step: int | None = None
    recovery: str | None = None

    @property
    def how(self) -> str:
        """What it is called."""
        return "code" if self.recovery is None else "recovery code"


def begin(
    database: Database,
    new: NewSession,
    *,
    arrival: Arrival | None,
    password_hash: str | None,
    limits: Limits,
    now: datetime,
) -> None:
    """Begin a session; `arrival` unless a code has yet to be given, `password_hash` to keep the password anew."""
    with database.begin() as connection:
        sweep_sessions(connection, limits=limits, now=now)
        sweep_failures(connection, before=now - limits.failures_forgiven)
        begin_session(connection, new, now=now)
        if password_hash is not None:
            change_account(connection, new.account_id, password_hash=password_hash)
        if arrival is not None:
            _arrive(connection, arrival, now)
            note_open(connection, arrival.who, new.stage, new.how, now)


def go_on(
    database: Database,
    session: SessionRecord,
    proof: Proof,
    *,
    sha256: str,
    stage: Stage,
    arrival: Arrival,
    now: datetime,
) -> bool:
    """Go on with a session under a new id, for a proof that nobody has used. Tell whether that was so."""
    with database.begin() as connection:
        if not use(connection, session.account.id, proof):
            return False
        if not advance_session(connection, session.id, sha256=sha256, stage=stage, how=proof.how, now=now):
            return False
        _arrive(connection, arrival, now)
        note_open(connection, arrival.who, stage, proof.how, now)
    return True


def choose_password(  # noqa: PLR0913 - all that is written at once
    database: Database,
    session: SessionRecord,
    password_hash: str,
    *,
    who: Who,
    long: bool,
    sha256: str,
    stage: Stage,
    now: datetime,
) -> bool:
    """Replace a person's password, end their other sessions and go on under a new id. Tell whether theirs lasted."""
    with database.begin() as connection:
        if not advance_session(connection, session.id, sha256=sha256, stage=stage, how=session.how, now=now):
            return False
        set_password(connection, session.account.id, password_hash, long=long, now=now)
        end_sessions(connection, session.account.id, but=session.id)
        note_change(connection, who, session.account.name, "password chosen", now=now)
        if session.stage is not Stage.OPEN:
            note_open(connection, who, stage, session.how, now)
    return True


def set_up_codes(
    database: Database,
    session: SessionRecord,
    codes: Codes,
    *,
    who: Who,
    sha256: str,
    stage: Stage,
    now: datetime,
) -> bool:
    """Ask a person for codes from now on, end their other sessions and go on under a new id."""
    with database.begin() as connection:
        if not advance_session(connection, session.id, sha256=sha256, stage=stage, how="code", now=now):
            return False
        set_codes(connection, session.account.id, codes)
        end_sessions(connection, session.account.id, but=session.id)
        note_change(connection, who, session.account.name, "authenticator app set up", now=now)
        if session.stage is not Stage.OPEN:
            note_open(connection, who, stage, "code", now)
    return True


def prove_again(  # all that is written at once
    database: Database, session: SessionRecord, guard: Guarded, who: Who, *, sha256: str, now: datetime
) -> bool:
    """Note that somebody has proved once more who they are, and go on under a new id."""
    with database.begin() as connection:
        if not advance_session(connection, session.id, sha256=sha256, stage=session.stage, how=session.how, now=now):
            return False
        succeeded(connection, forgiven=guard, shared=None, now=now)
        note(connection, _authentication(who, EventType.LOGIN, now, "proved again who they are"))
    return True


def use(connection: Connection, account_id: int, proof: Proof) -> bool:
    """Use a proof. Tell whether nobody had."""
    if proof.recovery is not None:
        return use_recovery_code(connection, account_id, proof.recovery)
    return proof.step is not None and use_step(connection, account_id, proof.step)


def secrets_for(database: Database, account_id: int) -> Secrets:
    """Return what a sign-in to the account is checked by."""
    with database.read() as connection:
        return secrets_of(connection, account_id)


def _arrive(connection: Connection, arrival: Arrival, now: datetime) -> None:
    take(connection, ("account", arrival.account.name))
    succeeded(connection, forgiven=arrival.forgiven, shared=arrival.shared, now=now)
    change_account(connection, arrival.account.id, signed_in_at=now)
    remember_browser(connection, arrival.account.id, arrival.browser, now=now)


def sign_out(database: Database, session: SessionRecord, who: Who, *, now: datetime) -> None:
    """End a session, as its person asks."""
    with database.begin() as connection:
        if end_session(connection, session.id, account_id=session.account.id) and session.stage is Stage.OPEN:
            note(connection, _authentication(who, EventType.LOGOUT, now, "signed out"))


def failed(database: Database, who: Who, detail: str, *, now: datetime) -> None:
    """Note that somebody was not let in (PS3.15 A.5.3.11)."""
    event = _authentication(who, EventType.LOGIN, now, detail)
    record(database, replace(event, outcome=EventOutcome.MINOR_FAILURE))


def note_change(
    connection: Connection,
    who: Who,
    name: str,
    detail: str,
    *,
    now: datetime,
    type: EventType = EventType.USER_ATTRIBUTES_CHANGED,  # noqa: A002 - the standard's word
) -> None:
    """Note a change of an account, in the transaction that makes it (PS3.15 A.5.3.12)."""
    event = AuditEvent(
        event=EventId.SECURITY_ALERT,
        type=type,
        action=EventAction.UPDATE,
        who=who,
        at=now,
        detail=f"account {name}: {detail}",
    )
    note(connection, event)


def note_open(connection: Connection, who: Who, stage: Stage, how: str, now: datetime) -> None:
    """Note that somebody has signed in, once all has been asked of them (PS3.15 A.5.3.11)."""
    if stage is Stage.OPEN:
        note(connection, _authentication(who, EventType.LOGIN, now, f"signed in by {how}"))


def _authentication(who: Who, kind: EventType, now: datetime, detail: str) -> AuditEvent:
    return AuditEvent(
        event=EventId.USER_AUTHENTICATION, type=kind, action=EventAction.EXECUTE, who=who, at=now, detail=detail
    )
