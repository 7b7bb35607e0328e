"""Accounts of people: made, changed, let in no more. No secret is told, but an initial password, once."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Body, Path
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent.web import proof, sign_in
from agent.web.access import Role, person_of
from agent.web.api.model import Line, Model, Moment
from agent.web.api.security import Admin
from agent.web.passwords import initial_password
from agent.web.people_pages import INITIAL_PASSWORD_LASTS
from agent.web.services import services_of
from agent.web.sign_in_pages import accounts_of
from agent.web.trail import who_asks
from db import account_changes
from db.accounts import AccountRecord, NewAccount, account_named, accounts
from db.errors import RefusedError
from db.failures import pauses_of
from db.sessions import sessions_of

router: Final = APIRouter(tags=["People"])

NO_ACCOUNT: Final = "There is no account of that name."
PROVE: Final = (
    "Prove first who you are (POST /account/proof, or any page that asks): a screen left open is no permission."
)
Name = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$", examples=["reader1"])]


class AccountTold(Model):
    """An account, without its secrets."""

    name: str
    display_name: str
    roles: tuple[Role, ...]
    has_codes: bool = Field(description="Whether a code of an app is asked for.")
    created_by: str
    created_at: Moment
    disabled_at: Moment | None
    signed_in_at: Moment | None
    password_ends_at: Moment | None = Field(description="Until when its initial password opens anything; null: none.")
    paused_until: Moment | None = Field(description="Until then its password is not taken where it is not known.")


class Accounts(Model):
    """All accounts, by name."""

    items: tuple[AccountTold, ...]


class RolesGiven(Model):
    """What somebody is here for."""

    roles: tuple[Role, ...] = Field(min_length=1)


class AccountWanted(Model):
    """An account to make."""

    name: str = Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9._@-]*$", examples=["reader1"])
    display_name: Line = Field("", description="As people call them; empty: the name.", examples=["Jo Reader"])
    roles: tuple[Role, ...] = Field(min_length=1, description="Of role service alone: a program's, without a password.")


class InitialPassword(Model):
    """What somebody signs in with once, to choose a password. It is shown this once."""

    account: AccountTold
    initial_password: str | None = Field(description="Only a digest of it is kept; null: nobody signs in.")


class SessionTold(Model):
    """Where somebody is signed in."""

    created_at: Moment
    seen_at: Moment
    address: str
    browser: str = Field(description="As it names itself.")
    how: str


class Sessions(Model):
    """The open ones, the latest first."""

    items: tuple[SessionTold, ...]


@router.get("/accounts", summary="List the accounts")
def list_accounts(request: Request, _admin: Admin) -> Accounts:
    """List who may sign in, and who might once."""
    return Accounts(items=told_accounts(request, *accounts(services_of(request).database)))


@router.post("/accounts", status_code=201, summary="Make an account")
def make_account(request: Request, _admin: Admin, wanted: Annotated[AccountWanted, Body()]) -> InitialPassword:
    """Make an account, and show its initial password this once. 409 for a name that is taken, 404 without accounts."""
    prove(request)
    known, roles = accounts_of(request), {role.value for role in wanted.roles}
    now = known.clock()
    password = None if roles == {Role.SERVICE.value} else initial_password()
    new = NewAccount(
        name=wanted.name,
        display_name=wanted.display_name,
        roles=roles,
        password_hash=None if password is None else known.settings.hasher.hash(password),
        password_ends_at=None if password is None else now + INITIAL_PASSWORD_LASTS,
    )
    made = account_changes.create(known.database, new, who=who_asks(request), now=now)
    (told,) = told_accounts(request, made)
    return InitialPassword(account=told, initial_password=password)


@router.put("/accounts/{name}/roles", summary="Give an account other roles")
def change_roles(request: Request, _admin: Admin, name: Name, given: Annotated[RolesGiven, Body()]) -> AccountTold:
    """Give it these roles instead of its own, and end its sessions. 409 for the last admin."""
    return _changed(request, name, account_changes.change_roles, {role.value for role in given.roles})


@router.post("/accounts/{name}/disable", summary="Let somebody in no more")
def disable(request: Request, _admin: Admin, name: Name) -> AccountTold:
    """Let the account in no more, and end its sessions. 409 for the last admin."""
    return _changed(request, name, account_changes.disable)


@router.post("/accounts/{name}/enable", summary="Let somebody in again")
def enable(request: Request, _admin: Admin, name: Name) -> AccountTold:
    """Let the account in again."""
    return _changed(request, name, account_changes.enable)


@router.post("/accounts/{name}/reset", summary="Give an account a new initial password")
def reset_password(request: Request, _admin: Admin, name: Name) -> InitialPassword:
    """Give it an initial password, shown this once, and end its sessions. 404 without accounts."""
    record, known, password = _changeable(request, name), accounts_of(request), initial_password()
    hashed, now = known.settings.hasher.hash(password), known.clock()
    ends_at = now + INITIAL_PASSWORD_LASTS
    account_changes.reset_password(known.database, record, hashed, ends_at=ends_at, who=who_asks(request), now=now)
    (told,) = told_accounts(request, _named(request, name))
    return InitialPassword(account=told, initial_password=password)


@router.delete("/accounts/{name}/app", summary="Ask somebody for codes no more, who has lost their app")
def remove_app(request: Request, _admin: Admin, name: Name) -> AccountTold:
    """Remove the authenticator app, and end the account's sessions. A password too short to stand alone ends, too."""
    return _changed(request, name, account_changes.remove_app)


@router.post("/accounts/{name}/unlock", summary="Let somebody try to sign in again at once")
def unlock(request: Request, _admin: Admin, name: Name) -> AccountTold:
    """Forget the failures to sign in to the account."""
    return _changed(request, name, account_changes.unlock, sign_in.about_account(name))


@router.get("/accounts/{name}/sessions", summary="List where somebody is signed in")
def list_sessions(request: Request, _admin: Admin, name: Name) -> Sessions:
    """List the open sessions of an account. 404 without accounts."""
    record, known = _changeable(request, name), accounts_of(request)
    found = sessions_of(known.database, record.id, limits=known.settings.limits, now=known.clock())
    return Sessions(items=tuple(SessionTold.model_validate(one) for one in found))


@router.delete("/accounts/{name}/sessions", status_code=204, summary="End all sessions of an account")
def end_sessions(request: Request, _admin: Admin, name: Name) -> None:
    """Sign somebody out everywhere, and forget in which browsers they signed in."""
    record, services = _changeable(request, name), services_of(request)
    account_changes.end_all(services.database, record, who=who_asks(request), now=services.clock())


def told_accounts(request: Request, *records: AccountRecord) -> tuple[AccountTold, ...]:
    """Return accounts as the API tells them."""
    database = services_of(request).database
    paused = pauses_of(database, [sign_in.about_account(one.name) for one in records])
    names = [name for name in AccountTold.model_fields if name not in {"roles", "paused_until"}]
    return tuple(
        AccountTold.model_validate(
            {name: getattr(one, name) for name in names} | {"roles": tuple(sorted(one.roles)), "paused_until": until}
        )
        for one, until in zip(records, paused, strict=True)
    )


def _changed(request: Request, name: str, change: Callable[..., None], *values: object) -> AccountTold:
    """Change an account, and return how it is then."""
    record, services = _changeable(request, name), services_of(request)
    change(services.database, record, *values, who=who_asks(request), now=services.clock())
    (told,) = told_accounts(request, _named(request, name))
    return told


def _named(request: Request, name: str) -> AccountRecord:
    try:
        return account_named(services_of(request).database, name)
    except RefusedError:
        raise HTTPException(404, NO_ACCOUNT) from None


def _changeable(request: Request, name: str) -> AccountRecord:
    """Return an account to change. HTTPException: 404 for none, 403 for who has to prove first who they are."""
    prove(request)
    return _named(request, name)


def prove(request: Request) -> None:
    """Pass programs and who has just proved who they are. HTTPException, 403: others have to do that first."""
    if person_of(request).session is not None and proof.proof_wanted(request) is not None:
        raise HTTPException(403, PROVE)
