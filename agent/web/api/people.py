"""Accounts of people, and tokens of programs."""

from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Body, Path
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent import tokens as tokens_of
from agent.web import proof
from agent.web.access import Role, person_of
from agent.web.api.model import Model, Moment
from agent.web.api.security import Admin
from agent.web.services import services_of
from agent.web.trail import who_asks
from db import account_changes
from db.accounts import AccountRecord, account_named, accounts
from db.errors import RefusedError
from db.tokens import create_token, revoke_token, tokens

router: Final = APIRouter(tags=["People"])

NO_ACCOUNT: Final = "There is no account of that name."
PROVE: Final = "Prove first, on the page of your account, who you are: this is dangerous on a screen left open."
NO_TOKEN: Final = "There is no active token of that name."  # noqa: S105 - a sentence
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


class Accounts(Model):
    """All accounts, by name."""

    items: tuple[AccountTold, ...]


class RolesGiven(Model):
    """What somebody is here for."""

    roles: tuple[Role, ...] = Field(min_length=1)


class TokenTold(Model):
    """A token, without the token."""

    name: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: Moment
    last_used_at: Moment | None
    revoked_by: str | None
    revoked_at: Moment | None
    account: str | None = Field(description="Of the program whose it is; null: of none.")


class Tokens(Model):
    """All that ever were, oldest first."""

    items: tuple[TokenTold, ...]


class ScopeName(StrEnum):
    """What a token may be for (`agent.tokens.SCOPES`)."""

    DICOMWEB_READ = tokens_of.DICOMWEB_READ
    DICOMWEB_STORE = tokens_of.DICOMWEB_STORE
    UPS_READ = tokens_of.UPS_READ
    UPS_WRITE = tokens_of.UPS_WRITE
    WORKLIST_READ = tokens_of.WORKLIST_READ
    WORKLIST_WRITE = tokens_of.WORKLIST_WRITE
    SYSTEM_READ = tokens_of.SYSTEM_READ
    SYSTEM_WRITE = tokens_of.SYSTEM_WRITE
    AUDIT_READ = tokens_of.AUDIT_READ
    ACCOUNTS_WRITE = tokens_of.ACCOUNTS_WRITE


class TokenWanted(Model):
    """A token to make."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,15}$", examples=["viewer"])
    scopes: tuple[ScopeName, ...] = Field(min_length=1, description="What it may do.")
    account: str | None = Field(
        default=None,
        max_length=64,
        description="The program's, of role service: it ends with that.",
        examples=["viewer"],
    )


class TokenMade(Model):
    """A new token, shown this once."""

    name: str
    token: str = Field(description="Only a digest of it is kept.")


@router.get("/accounts", summary="List the accounts")
def list_accounts(request: Request, _admin: Admin) -> Accounts:
    """List who may sign in, and who might once."""
    return Accounts(items=tuple(_told(one) for one in accounts(services_of(request).database)))


@router.put("/accounts/{name}/roles", summary="Give an account other roles")
def change_roles(request: Request, _admin: Admin, name: Name, given: Annotated[RolesGiven, Body()]) -> AccountTold:
    """Give it these roles instead of its own, and end its sessions. 409 for the last admin."""
    record, services = _changeable(request, name), services_of(request)
    roles = {role.value for role in given.roles}
    account_changes.change_roles(services.database, record, roles, who=who_asks(request), now=services.clock())
    return _told(_named(request, name))


@router.post("/accounts/{name}/disable", summary="Let somebody in no more")
def disable(request: Request, _admin: Admin, name: Name) -> AccountTold:
    """Let the account in no more, and end its sessions. 409 for the last admin."""
    record, services = _changeable(request, name), services_of(request)
    account_changes.disable(services.database, record, who=who_asks(request), now=services.clock())
    return _told(_named(request, name))


@router.post("/accounts/{name}/enable", summary="Let somebody in again")
def enable(request: Request, _admin: Admin, name: Name) -> AccountTold:
    """Let the account in again."""
    record, services = _changeable(request, name), services_of(request)
    account_changes.enable(services.database, record, who=who_asks(request), now=services.clock())
    return _told(_named(request, name))


@router.get("/tokens", summary="List the tokens")
def list_tokens(request: Request, _admin: Admin) -> Tokens:
    """List which programs may do what, and who made that so; those that were revoked, too."""
    rows = tokens(services_of(request).database)
    names = [name for name in TokenTold.model_fields if name != "scopes"]
    return Tokens.model_validate(
        {"items": [{"scopes": sorted(row.scopes)} | {name: getattr(row, name) for name in names} for row in rows]}
    )


@router.post("/tokens", status_code=201, summary="Make a token")
def make_token(request: Request, _admin: Admin, wanted: Annotated[TokenWanted, Body()]) -> TokenMade:
    """Make a token and show it this once. 409 for a name that an active token has: a repeat makes no second one."""
    _prove(request)
    services, made, who = services_of(request), tokens_of.new_token(), who_asks(request)
    create_token(
        services.database,
        wanted.name,
        sha256=made.sha256,
        scopes=wanted.scopes,
        by=who.name,
        now=services.clock(),
        account_name=wanted.account,
        source=who.source,
    )
    return TokenMade(name=wanted.name, token=made.secret)


@router.delete("/tokens/{name}", status_code=204, summary="Revoke a token")
def end_token(request: Request, _admin: Admin, name: Name) -> None:
    """Let the active token of that name in no more."""
    _prove(request)
    services, who = services_of(request), who_asks(request)
    try:
        revoke_token(services.database, name, by=who.name, now=services.clock(), source=who.source)
    except RefusedError:
        raise HTTPException(404, NO_TOKEN) from None


def _told(record: AccountRecord) -> AccountTold:
    values = {name: getattr(record, name) for name in AccountTold.model_fields if name != "roles"}
    return AccountTold.model_validate(values | {"roles": tuple(sorted(record.roles))})


def _named(request: Request, name: str) -> AccountRecord:
    try:
        return account_named(services_of(request).database, name)
    except RefusedError:
        raise HTTPException(404, NO_ACCOUNT) from None


def _changeable(request: Request, name: str) -> AccountRecord:
    """Return an account to change. HTTPException: 404 for none, 403 for who has to prove first who they are."""
    _prove(request)
    return _named(request, name)


def _prove(request: Request) -> None:
    if person_of(request).session is not None and proof.proof_wanted(request) is not None:
        raise HTTPException(403, PROVE)
