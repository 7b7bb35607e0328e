"""One's own account: the password, the authenticator app, and where one is signed in."""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.web import proof, sign_in, times
from agent.web.access import SIGNED_IN, Address
from agent.web.forms import exactly, form_of, number_in
from agent.web.people_words import shown_session
from agent.web.services import page, services_of
from agent.web.sign_in_pages import accounts_of, app_page, app_set_up, refusal_of, visitor_of
from db import account_changes
from db.accounts import recovery_codes_left
from db.sessions import sessions_of

NEEDED: Final = "Your roles need the codes of an app."
TOO_SHORT: Final = "Your password is too short to stand alone: choose one of at least 15 characters first."


def show_account(request: Request) -> Response:
    """Show one's own account."""
    return _own(request)


def change_password(request: Request) -> Response:
    """Take the present password and a new one."""
    accounts, session = accounts_of(request), proof.session_of(request)
    visitor = visitor_of(request)
    proved = sign_in.again(accounts, session, exactly(request, "present"), visitor)
    if isinstance(proved, sign_in.Refused):
        return _own(request, *refusal_of(accounts, proved))
    found = sign_in.with_new_password(accounts, session, exactly(request, "password"), visitor)
    if isinstance(found, sign_in.Refused):
        response = _own(request, *refusal_of(accounts, found))
        accounts.keep_session(response, proved.cookie)
        return response
    response = RedirectResponse("/account", 303)
    accounts.keep_session(response, found.cookie)
    return response


def show_app(request: Request) -> Response:
    """Show the QR code of a new secret."""
    return proof.proof_wanted(request) or app_page(request, proof.session_of(request), "/account/app")


def set_up_app(request: Request) -> Response:
    """Take the first code of an app."""
    return proof.proof_wanted(request) or app_set_up(request, proof.session_of(request), "/account/app")


def remove_app(request: Request) -> Response:
    """Ask for codes no more."""
    if (elsewhere := proof.proof_wanted(request, "/account")) is not None:
        return elsewhere
    accounts, account = accounts_of(request), proof.session_of(request).account
    if accounts.asks_codes_of(account):
        return _own(request, 409, NEEDED)
    if not account.password_is_long:
        return _own(request, 409, TOO_SHORT)
    who = sign_in.who_is(account, visitor_of(request))
    account_changes.remove_app(accounts.database, account, who=who, now=accounts.clock())
    return RedirectResponse("/sign-in", 303)


def end_session(request: Request) -> Response:
    """Sign out elsewhere: of one session, or of all others."""
    if (elsewhere := proof.proof_wanted(request, "/account")) is not None:
        return elsewhere
    accounts, session = accounts_of(request), proof.session_of(request)
    who, number = sign_in.who_is(session.account, visitor_of(request)), number_in(form_of(request), "session")
    if number is None:
        account_changes.end_all(accounts.database, session.account, but=session.id, who=who, now=accounts.clock())
    else:
        account_changes.end(accounts.database, session.account, number, who=who, now=accounts.clock())
    return RedirectResponse("/account", 303)


def _own(request: Request, status: int = 200, sentence: str = "") -> Response:
    accounts, session, zone = accounts_of(request), proof.session_of(request), services_of(request).zone
    account, now = session.account, accounts.clock()
    found = sessions_of(accounts.database, account.id, limits=accounts.settings.limits, now=now)
    return page(
        request,
        "account.html",
        status,
        sentence=sentence,
        account=account,
        recovery_codes=recovery_codes_left(accounts.database, account.id),
        until=times.exact(session.created_at + accounts.settings.limits.absolute, zone),
        sessions=[shown_session(one, session, now, zone) for one in found],
    )


ADDRESSES: Final = (
    Address("GET", "/account", show_account, SIGNED_IN),
    Address("POST", "/account/password", change_password, SIGNED_IN),
    Address("GET", "/account/app", show_app, SIGNED_IN),
    Address("POST", "/account/app", set_up_app, SIGNED_IN),
    Address("POST", "/account/app/remove", remove_app, SIGNED_IN),
    Address("POST", "/account/sessions/end", end_session, SIGNED_IN),
)
