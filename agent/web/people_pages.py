"""The accounts of everybody, for who may change them; before a change they prove who they are."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.tokens import ACCOUNTS_WRITE
from agent.web import proof, sign_in
from agent.web.access import Address, Role, person_of
from agent.web.forms import form_of, values_of
from agent.web.passwords import initial_password
from agent.web.people_words import shown_account, shown_session
from agent.web.services import page, services_of
from agent.web.sign_in_pages import accounts_of
from agent.web.trail import who_asks
from db import account_changes
from db.accounts import AccountRecord, NewAccount, account_named, accounts
from db.audit import Who
from db.errors import RefusedError
from db.failures import pauses_of
from db.sessions import sessions_of

INITIAL_PASSWORD_LASTS: Final = timedelta(days=3)
"""An initial password that nobody has used by then opens nothing."""
NO_ACCOUNT: Final = "There is no account of that name."
NO_ROLE: Final = "Give the account at least one role."
_ROLES: Final = tuple(role.value for role in Role)


def show_people(request: Request) -> Response:
    """Show all accounts."""
    known, zone = accounts_of(request), services_of(request).zone
    found, now = accounts(known.database), known.clock()
    paused = pauses_of(known.database, [sign_in.about_account(one.name) for one in found])
    shown = [shown_account(one, until, now, zone) for one, until in zip(found, paused, strict=True)]
    return page(request, "people.html", accounts=shown)


def show_new(request: Request) -> Response:
    """Ask for what a new account needs."""
    return proof.proof_wanted(request) or _new(request)


def create(request: Request) -> Response:
    """Make an account, and show its initial password."""
    if (elsewhere := proof.proof_wanted(request, "/accounts/new")) is not None:
        return elsewhere
    known, form, roles = accounts_of(request), form_of(request), _roles(request)
    if not roles:
        return _new(request, 422, NO_ROLE)
    now = known.clock()
    password = None if roles == {Role.SERVICE.value} else initial_password()
    new = NewAccount(
        name=form.get("name", ""),
        display_name=form.get("display_name", ""),
        roles=roles,
        password_hash=None if password is None else known.settings.hasher.hash(password),
        password_ends_at=None if password is None else now + INITIAL_PASSWORD_LASTS,
    )
    try:
        made = account_changes.create(known.database, new, who=who_asks(request), now=now)
    except RefusedError as error:
        return _new(request, 422, str(error))
    if password is None:
        return RedirectResponse("/tokens", 303)
    return page(request, "initial_password.html", account=made, password=password)


def show_person(request: Request) -> Response:
    """Show one account, with what can be changed."""
    return proof.proof_wanted(request) or _one(request, _account(request))


def change_roles(request: Request) -> Response:
    """Give an account other roles."""

    def change(record: AccountRecord, who: Who) -> None:
        if not (roles := _roles(request)):
            raise RefusedError(NO_ROLE)
        known = accounts_of(request)
        account_changes.change_roles(known.database, record, roles, who=who, now=known.clock())

    return _change(request, change)


def reset_password(request: Request) -> Response:
    """Give an account a new initial password, and show it."""
    password = initial_password()

    def change(record: AccountRecord, who: Who) -> None:
        known = accounts_of(request)
        hashed, now = known.settings.hasher.hash(password), known.clock()
        ends_at = now + INITIAL_PASSWORD_LASTS
        account_changes.reset_password(known.database, record, hashed, ends_at=ends_at, who=who, now=now)

    return _change(
        request, change, lambda record: page(request, "initial_password.html", account=record, password=password)
    )


def remove_app(request: Request) -> Response:
    """Ask somebody for codes no more, who has lost their app."""
    return _change(request, _plainly(request, account_changes.remove_app))


def disable(request: Request) -> Response:
    """Let an account in no more."""
    return _change(request, _plainly(request, account_changes.disable))


def enable(request: Request) -> Response:
    """Let an account in again."""
    return _change(request, _plainly(request, account_changes.enable))


def end_sessions(request: Request) -> Response:
    """End all sessions of an account."""
    return _change(request, _plainly(request, account_changes.end_all))


def unlock(request: Request) -> Response:
    """Let somebody try to sign in again at once."""

    def change(record: AccountRecord, who: Who) -> None:
        known = accounts_of(request)
        about = sign_in.about_account(record.name)
        account_changes.unlock(known.database, record, about, who=who, now=known.clock())

    return _change(request, change)


def _plainly(request: Request, done: Callable[..., None]) -> Callable[[AccountRecord, Who], None]:
    known = accounts_of(request)
    return lambda record, who: done(known.database, record, who=who, now=known.clock())


def _change(
    request: Request,
    change: Callable[[AccountRecord, Who], None],
    then: Callable[[AccountRecord], Response] | None = None,
) -> Response:
    record = _account(request)
    back = f"/accounts/{record.name}"
    if (elsewhere := proof.proof_wanted(request, back)) is not None:
        return elsewhere
    try:
        change(record, who_asks(request))
    except RefusedError as error:
        return _one(request, record, 409, str(error))
    return RedirectResponse(back, 303) if then is None else then(record)


def _account(request: Request) -> AccountRecord:
    try:
        return account_named(accounts_of(request).database, request.path_params["name"])
    except RefusedError:
        raise HTTPException(404, NO_ACCOUNT) from None


def _roles(request: Request) -> set[str]:
    return set(values_of(request, "role")) & set(_ROLES)


def _new(request: Request, status: int = 200, sentence: str = "") -> Response:
    accounts_of(request)
    form = form_of(request) if request.method == "POST" else {}
    return page(
        request,
        "person_new.html",
        status,
        sentence=sentence,
        roles=_ROLES,
        name=form.get("name", ""),
        display_name=form.get("display_name", ""),
    )


def _one(request: Request, record: AccountRecord, status: int = 200, sentence: str = "") -> Response:
    known, zone, now = accounts_of(request), services_of(request).zone, accounts_of(request).clock()
    (until,) = pauses_of(known.database, [sign_in.about_account(record.name)])
    found = sessions_of(known.database, record.id, limits=known.settings.limits, now=now)
    return page(
        request,
        "person.html",
        status,
        sentence=sentence,
        record=record,
        account=shown_account(record, until, now, zone),
        roles=_ROLES,
        sessions=[shown_session(one, person_of(request).session, now, zone) for one in found],
    )


_ONE: Final = "/accounts/{name}"

ADDRESSES: Final = (
    Address("GET", "/accounts", show_people, ACCOUNTS_WRITE),
    Address("GET", "/accounts/new", show_new, ACCOUNTS_WRITE),
    Address("POST", "/accounts/new", create, ACCOUNTS_WRITE),
    Address("GET", _ONE, show_person, ACCOUNTS_WRITE),
    Address("POST", _ONE + "/roles", change_roles, ACCOUNTS_WRITE),
    Address("POST", _ONE + "/reset", reset_password, ACCOUNTS_WRITE),
    Address("POST", _ONE + "/app/remove", remove_app, ACCOUNTS_WRITE),
    Address("POST", _ONE + "/disable", disable, ACCOUNTS_WRITE),
    Address("POST", _ONE + "/enable", enable, ACCOUNTS_WRITE),
    Address("POST", _ONE + "/unlock", unlock, ACCOUNTS_WRITE),
    Address("POST", _ONE + "/sessions/end", end_sessions, ACCOUNTS_WRITE),
)
