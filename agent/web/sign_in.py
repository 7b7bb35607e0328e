"""Signing in: the password, then a code where one is asked for; each attempt is counted before it is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from agent.web import codes, passwords
from agent.web.accounts import Accounts, new_cookie, sha256
from agent.web.callers import network_of
from db import sign_in
from db.accounts import AccountRecord, Codes, account_for_sign_in
from db.audit import Who
from db.failures import Attempt, Guarded, Pauses, begin_attempt
from db.sessions import NewSession, SessionRecord, Stage, is_known_browser

OF_NAME: Final = Pauses(10, timedelta(seconds=30), timedelta(hours=1), timedelta(hours=24))
"""For one account in one browser, or in all that are unknown: nobody is locked out where they have signed in before."""
OF_ADDRESS: Final = Pauses(50, timedelta(seconds=10), timedelta(minutes=10), timedelta(hours=1))
"""For one address, whatever the names; browsers that are known to their account are not counted."""

WRONG: Final = "The name or the password is wrong, or the account cannot be used."
NOT_THEIRS: Final = "The password is wrong."
WRONG_CODE: Final = "The code is wrong, or has been used before. Wait for the next one."

SAME: Final = "Choose another password than the present one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """From where somebody signs in. `browser` is the digest of its cookie, None for one that is not known."""

    address: str
    browser: str | None
    agent: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why somebody is not let in; `until` when nothing is looked at."""

    sentence: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Admitted:
    """A session's new cookie, how far it has come, and the cookie of a browser that was not known."""

    cookie: str
    stage: Stage
    browser_cookie: str | None


def about_account(name: str) -> str:
    """Return what failures with an account's name are counted for, in browsers that are not known to it."""
    return f"account {name.strip().lower()}"


def with_password(accounts: Accounts, name: str, password: str, visitor: Visitor) -> Admitted | Refused:
    """Sign in with a password. Whether a name exists, is disabled or has no password is not told, nor by the time."""
    now = accounts.clock()
    found = account_for_sign_in(accounts.database, name)
    guards = _guards(accounts, name, found[0] if found else None, visitor)
    attempt = begin_attempt(accounts.database, guards, now=now)
    if attempt.paused_until is not None:
        return Refused(WRONG, attempt.paused_until)
    kept = None if found is None or found[0].disabled_at is not None else found[1].password_hash
    right = accounts.settings.hasher.verify(kept, password)
    if found is None or kept is None or not right or _has_ended(found[0], now):
        who = Who("unknown", source=visitor.address) if found is None else who_is(found[0], visitor)
        sign_in.failed(accounts.database, who, f"wrong name or password{_paused(attempt)}", now=now)
        return Refused(WRONG)
    account, settings = found[0], accounts.settings
    stage = _next_stage(accounts, account, code_given=False)
    cookie, browser = new_cookie(), _browser(visitor)
    new = NewSession(
        account_id=account.id,
        sha256=sha256(cookie),
        stage=stage,
        how="password",
        address=visitor.address,
        browser=visitor.agent,
    )
    sign_in.begin(
        accounts.database,
        new,
        arrival=None if stage is Stage.CODE else _arrival(account, guards, browser, visitor),
        password_hash=settings.hasher.hash(password) if settings.hasher.is_outdated(kept) else None,
        limits=settings.limits,
        now=now,
    )
    return Admitted(cookie, stage, None if stage is Stage.CODE else browser.cookie)


def with_code(accounts: Accounts, session: SessionRecord, code: str, visitor: Visitor) -> Admitted | Refused:
    """Go on with a code of the app, or a recovery code, after the password was right."""
    now, account = accounts.clock(), session.account
    guards = _guards(accounts, account.name, account, visitor)
    attempt = begin_attempt(accounts.database, guards, now=now)
    if attempt.paused_until is not None:
        return Refused(WRONG_CODE, attempt.paused_until)
    cookie, browser = new_cookie(), _browser(visitor)
    stage = _next_stage(accounts, account, code_given=True)
    went_on = sign_in.go_on(
        accounts.database,
        session,
        proof_of(accounts, account, code),
        sha256=sha256(cookie),
        stage=stage,
        arrival=_arrival(account, guards, browser, visitor),
        now=now,
    )
    if went_on:
        return Admitted(cookie, stage, browser.cookie)
    sign_in.failed(accounts.database, who_is(account, visitor), f"wrong code{_paused(attempt)}", now=now)
    return Refused(WRONG_CODE)


def proof_of(accounts: Accounts, account: AccountRecord, code: str) -> sign_in.Proof:
    """Return what a typed code proves, which is nothing if it is wrong."""
    if codes.looks_like_recovery(code):
        return sign_in.Proof(recovery=codes.recovery_digest(code))
    secret = sign_in.secrets_for(accounts.database, account.id).totp_secret
    return sign_in.Proof(step=None if secret is None else codes.step_of(secret, code, accounts.clock()))


@dataclass(frozen=True, slots=True, repr=False)
class _Browser:
    """The digest by which a browser is known from now on, and its cookie if that is new."""

    sha256: str
    cookie: str | None


def _browser(visitor: Visitor) -> _Browser:
    if visitor.browser is not None:
        return _Browser(visitor.browser, None)
    cookie = new_cookie()
    return _Browser(sha256(cookie), cookie)


def _arrival(account: AccountRecord, guards: Sequence[Guarded], browser: _Browser, visitor: Visitor) -> sign_in.Arrival:
    first, *shared = guards
    return sign_in.Arrival(
        account=account,
        who=who_is(account, visitor),
        forgiven=first,
        shared=shared[0] if shared else None,
        browser=browser.sha256,
    )


def who_is(account: AccountRecord, visitor: Visitor) -> Who:
    """Return who signs in, for the audit trail."""
    return Who(account.name, " ".join(sorted(account.roles)), visitor.address)


def _paused(attempt: Attempt) -> str:
    """Say that a failure locks somebody out for a while."""
    return f"; locked out for {attempt.pause.total_seconds():.0f} s" if attempt.pause else ""


def _next_stage(accounts: Accounts, account: AccountRecord, *, code_given: bool) -> Stage:
    if account.has_codes and not code_given:
        return Stage.CODE
    if account.password_ends_at is not None:
        return Stage.PASSWORD
    return Stage.ENROL if accounts.needs_codes(account) else Stage.OPEN


def _guards(accounts: Accounts, name: str, account: AccountRecord | None, visitor: Visitor) -> tuple[Guarded, ...]:
    """Return for what an attempt is counted: the account and the address, or the account in a browser it knows."""
    if account is not None and visitor.browser and is_known_browser(accounts.database, account.id, visitor.browser):
        return (Guarded(f"{about_account(name)} in {visitor.browser}", OF_NAME),)
    return Guarded(about_account(name), OF_NAME), Guarded(f"address {network_of(visitor.address)}", OF_ADDRESS)


def _has_ended(account: AccountRecord, now: datetime) -> bool:
    """Tell whether an initial password is too old."""
    return account.password_ends_at is not None and account.password_ends_at <= now


def again(accounts: Accounts, session: SessionRecord, password: str, visitor: Visitor) -> Admitted | Refused:
    """Take the password once more of somebody who has signed in; guessing counts in their session."""
    now, account, cookie = accounts.clock(), session.account, new_cookie()
    guard = Guarded(f"session {session.id}", OF_NAME)
    attempt = begin_attempt(accounts.database, (guard,), now=now)
    if attempt.paused_until is not None:
        return Refused(NOT_THEIRS, attempt.paused_until)
    kept = sign_in.secrets_for(accounts.database, account.id).password_hash
    who = who_is(account, visitor)
    if not accounts.settings.hasher.verify(kept, password):
        sign_in.failed(accounts.database, who, f"wrong password in a session{_paused(attempt)}", now=now)
        return Refused(NOT_THEIRS)
    went_on = sign_in.prove_again(accounts.database, session, guard, who, sha256=sha256(cookie), now=now)
    return Admitted(cookie, session.stage, None) if went_on else Refused(NOT_THEIRS)


def with_new_password(
    accounts: Accounts, session: SessionRecord, password: str, visitor: Visitor
) -> Admitted | Refused:
    """Go on with a password that somebody has chosen."""
    account = session.account
    about = (account.name, account.display_name)
    if found := passwords.objection(password, with_codes=account.has_codes, about=about):
        return Refused(found)
    if accounts.settings.hasher.verify(sign_in.secrets_for(accounts.database, account.id).password_hash, password):
        return Refused(SAME)
    cookie = new_cookie()
    stage = Stage.ENROL if accounts.needs_codes(account) else Stage.OPEN
    went_on = sign_in.choose_password(
        accounts.database,
        session,
        accounts.settings.hasher.hash(password),
        who=who_is(account, visitor),
        long=passwords.is_long(password),
        sha256=sha256(cookie),
        stage=stage,
        now=accounts.clock(),
    )
    return Admitted(cookie, stage, None) if went_on else Refused(WRONG)


def with_new_codes(
    accounts: Accounts, session: SessionRecord, code: str, visitor: Visitor
) -> tuple[Admitted, tuple[str, ...]] | Refused:
    """Go on with the first code of an app that was set up; return the recovery codes, too, shown this once."""
    now = accounts.clock()
    step = codes.step_of(session.totp_offer, code, now) if session.totp_offer else None
    if step is None or session.totp_offer is None:
        return Refused(WRONG_CODE)
    cookie, recovery = new_cookie(), codes.new_recovery_codes()
    kept = Codes(session.totp_offer, step, tuple(codes.recovery_digest(one) for one in recovery))
    who = who_is(session.account, visitor)
    if not sign_in.set_up_codes(
        accounts.database, session, kept, who=who, sha256=sha256(cookie), stage=Stage.OPEN, now=now
    ):
        return Refused(WRONG_CODE)
    return Admitted(cookie, Stage.OPEN, None), recovery
