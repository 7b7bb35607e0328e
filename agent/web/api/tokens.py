"""Tokens of programs: made, shown once, revoked."""

from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Body
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent import tokens as tokens_of
from agent.web.api.model import Model, Moment
from agent.web.api.people import Name, prove
from agent.web.api.security import Admin
from agent.web.services import services_of
from agent.web.trail import who_asks
from db.errors import RefusedError
from db.tokens import create_token, revoke_token, tokens

router: Final = APIRouter(tags=["People"])

NO_TOKEN: Final = "There is no active token of that name."  # noqa: S105 - a sentence


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
    prove(request)
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
    prove(request)
    services, who = services_of(request), who_asks(request)
    try:
        revoke_token(services.database, name, by=who.name, now=services.clock(), source=who.source)
    except RefusedError:
        raise HTTPException(404, NO_TOKEN) from None
