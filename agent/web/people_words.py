"""Accounts and sessions as their pages show them. Pure."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from agent.web import times
from db.accounts import AccountRecord
from db.sessions import SessionRecord


@dataclass(frozen=True, slots=True)
class ShownSession:
    """A session in words."""

    id: int
    begun: times.Moment
    seen: times.Moment
    address: str
    browser: str
    how: str
    is_this: bool


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """An account in words."""

    name: str
    display_name: str
    roles: str
    proof: str
    state: str
    is_alarming: bool
    seen: times.Moment | None


def shown_session(record: SessionRecord, own: SessionRecord | None, now: datetime, zone: tzinfo | None) -> ShownSession:
    """Return a session in words; `own` is that of who looks."""
    return ShownSession(
        id=record.id,
        begun=times.moment(record.created_at, now, zone),
        seen=times.moment(record.seen_at, now, zone),
        address=record.address,
        browser=browser(record.browser),
        how=record.how,
        is_this=own is not None and record.id == own.id,
    )


def shown_account(
    record: AccountRecord, paused_until: datetime | None, now: datetime, zone: tzinfo | None
) -> ShownAccount:
    """Return an account in words."""
    locked = paused_until is not None and paused_until > now
    return ShownAccount(
        name=record.name,
        display_name=record.display_name,
        roles=", ".join(sorted(record.roles)) or "none",
        proof=_proof(record),
        state=_state(record, locked=locked, now=now),
        is_alarming=record.disabled_at is None and locked,
        seen=None if record.signed_in_at is None else times.moment(record.signed_in_at, now, zone),
    )


def browser(agent: str) -> str:
    """Return the name of a browser by what it says of itself: a hint for people, and nothing rests on it."""
    for mark, name in (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")):
        if mark in agent:
            return name
    return "another browser"


def _proof(record: AccountRecord) -> str:
    if record.issuer is not None:
        return "single sign-on"
    if not record.has_password:
        return "none: nobody signs in"
    return "password and app" if record.has_codes else "password"


def _state(record: AccountRecord, *, locked: bool, now: datetime) -> str:
    if record.disabled_at is not None:
        return "disabled"
    if locked:
        return "locked out where it is not known, for a while"
    if record.password_ends_at is not None:
        return "initial password too old" if record.password_ends_at <= now else "initial password"
    return "enabled"
