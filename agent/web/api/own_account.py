"""One's own account, for who is signed in: the password, the authenticator app, and where one is signed in."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Path
from pydantic import Field, SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent.web import codes, sign_in
from agent.web.account_pages import NEEDED, TOO_SHORT
from agent.web.api.model import Model
from agent.web.api.people import AccountTold, SessionTold, prove, told_accounts
from agent.web.api.problems import problem
from agent.web.api.security import SignedIn
from agent.web.passwords import LONGEST
from agent.web.proof import session_of
from agent.web.sign_in_pages import accounts_of, refusal_of, visitor_of
from db import account_changes
from db.accounts import recovery_codes_left
from db.errors import RefusedError
from db.sessions import offer_secret, sessions_of

router: Final = APIRouter(tags=["Own account"])

NO_SESSION: Final = "You have no session of that number."
Password = Annotated[SecretStr, Field(max_length=LONGEST, examples=["four quiet herons wade"])]
Number = Annotated[int, Path(ge=1, le=2_000_000_000, description="Of the session.", examples=[1])]


class OwnAccount(Model):
    """The account of who asks."""

    account: AccountTold
    recovery_codes_left: int = Field(ge=0, description="Codes for when the app is lost that have not been used.")


class OwnSession(SessionTold):
    """Where who asks is signed in."""

    id: int
    is_this: bool = Field(description="Whether it is the session that asks.")


class OwnSessions(Model):
    """The open ones, the latest first."""

    items: tuple[OwnSession, ...]


class Proof(Model):
    """Once more who one is."""

    password: Password


class NewPassword(Model):
    """A password to choose."""

    present: Password
    password: Password = Field(description="At least 15 characters, or 8 where a code is asked for, too.")


class AppOffered(Model):
    """The secret of an app that is about to be set up: it counts from its first code on."""

    secret: str = Field(description="In base 32 (RFC 4648).")
    uri: str = Field(description="What an app reads from a QR code.")


class FirstCode(Model):
    """The first code of the app."""

    code: str = Field(max_length=20, examples=["123456"])


class AppSetUp(Model):
    """What lets somebody in who has lost their app, each once. They are shown this once."""

    recovery_codes: tuple[str, ...]


@router.get("/account", summary="Tell one's own account")
def show_own_account(request: Request, _person: SignedIn) -> OwnAccount:
    """Tell what is on record of who is signed in. 404 for a program, and without accounts."""
    accounts, account = accounts_of(request), session_of(request).account
    (told,) = told_accounts(request, account)
    return OwnAccount(account=told, recovery_codes_left=recovery_codes_left(accounts.database, account.id))


@router.post("/account/proof", status_code=204, summary="Prove again who one is")
def prove_again(request: Request, _person: SignedIn, proof: Annotated[Proof, Body()]) -> Response:
    """Take the password once more, before what is dangerous on a screen left open: it counts for ten minutes.

    The answer sets the session's new cookie. 422 for a wrong password, 429 after too many.
    """
    accounts, session = accounts_of(request), session_of(request)
    return _gone_on(request, sign_in.again(accounts, session, proof.password.get_secret_value(), visitor_of(request)))


@router.put("/account/password", status_code=204, summary="Choose another password")
def change_password(request: Request, _person: SignedIn, wanted: Annotated[NewPassword, Body()]) -> Response:
    """Replace one's own password, and end one's other sessions. The answer sets the session's new cookie.

    422 for a wrong present password and for a new one that is too short or too common, 429 after too many.
    """
    accounts, session, visitor = accounts_of(request), session_of(request), visitor_of(request)
    proved = sign_in.again(accounts, session, wanted.present.get_secret_value(), visitor)
    if isinstance(proved, sign_in.Refused):
        return _gone_on(request, proved)
    found = sign_in.with_new_password(accounts, session, wanted.password.get_secret_value(), visitor)
    if isinstance(found, sign_in.Refused):
        refused = problem(*refusal_of(accounts, found))
        accounts.keep_session(refused, proved.cookie)
        return refused
    return _gone_on(request, found)


@router.post("/account/app", summary="Begin to set up an authenticator app")
def offer_app(request: Request, _person: SignedIn) -> AppOffered:
    """Tell the secret of a new app. Nothing changes until its first code is sent. 403 without a fresh proof."""
    accounts, session = accounts_of(request), session_of(request)
    prove(request)
    secret = session.totp_offer or codes.new_secret()
    if session.totp_offer is None:
        offer_secret(accounts.database, session.id, secret)
    return AppOffered(secret=secret, uri=codes.uri(secret, account=session.account.name, site="Tibabu"))


@router.put("/account/app", summary="Set up an authenticator app by its first code")
def set_up_app(
    request: Request, response: Response, _person: SignedIn, first: Annotated[FirstCode, Body()]
) -> AppSetUp:
    """Ask for codes from now on, and end one's other sessions. The answer sets the session's new cookie.

    422 for a wrong code, 403 without a fresh proof.
    """
    accounts, session = accounts_of(request), session_of(request)
    prove(request)
    found = sign_in.with_new_codes(accounts, session, first.code, visitor_of(request))
    if isinstance(found, sign_in.Refused):
        raise HTTPException(*refusal_of(accounts, found))
    admitted, recovery = found
    accounts.keep_session(response, admitted.cookie)
    return AppSetUp(recovery_codes=recovery)


@router.delete("/account/app", status_code=204, summary="Be asked for codes no more")
def remove_own_app(request: Request, _person: SignedIn) -> None:
    """Remove one's app, and end all of one's sessions. 409 where the roles need codes, or the password is too short."""
    accounts, account = accounts_of(request), session_of(request).account
    prove(request)
    if accounts.asks_codes_of(account):
        raise RefusedError(NEEDED)
    if not account.password_is_long:
        raise RefusedError(TOO_SHORT)
    who = sign_in.who_is(account, visitor_of(request))
    account_changes.remove_app(accounts.database, account, who=who, now=accounts.clock())


@router.get("/account/sessions", summary="List where one is signed in")
def list_own_sessions(request: Request, _person: SignedIn) -> OwnSessions:
    """List one's open sessions."""
    accounts, session = accounts_of(request), session_of(request)
    found = sessions_of(accounts.database, session.account.id, limits=accounts.settings.limits, now=accounts.clock())
    names = [name for name in OwnSession.model_fields if name != "is_this"]
    rows = [{name: getattr(one, name) for name in names} | {"is_this": one.id == session.id} for one in found]
    return OwnSessions.model_validate({"items": rows})


@router.delete("/account/sessions", status_code=204, summary="Sign out everywhere else")
def end_other_sessions(request: Request, _person: SignedIn) -> None:
    """End all of one's sessions but this one. 403 without a fresh proof."""
    accounts, session = accounts_of(request), session_of(request)
    prove(request)
    who = sign_in.who_is(session.account, visitor_of(request))
    account_changes.end_all(accounts.database, session.account, but=session.id, who=who, now=accounts.clock())


@router.delete("/account/sessions/{session_id}", status_code=204, summary="Sign out somewhere")
def end_own_session(request: Request, _person: SignedIn, session_id: Number) -> None:
    """End one of one's sessions. 403 without a fresh proof."""
    accounts, session = accounts_of(request), session_of(request)
    prove(request)
    who = sign_in.who_is(session.account, visitor_of(request))
    if not account_changes.end(accounts.database, session.account, session_id, who=who, now=accounts.clock()):
        raise HTTPException(404, NO_SESSION)


def _gone_on(request: Request, found: sign_in.Admitted | sign_in.Refused) -> Response:
    """Answer a step of one's session: with its new cookie, or why it was not taken (HTTPException: 422, 429)."""
    accounts = accounts_of(request)
    if isinstance(found, sign_in.Refused):
        raise HTTPException(*refusal_of(accounts, found))
    response = Response(status_code=204)
    accounts.keep_session(response, found.cookie)
    return response
