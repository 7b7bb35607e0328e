"""The pages by which somebody signs in and out: the password, a code, a new password, the app set up."""

import re
from datetime import datetime
from math import ceil
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.errors import TooManyError
from agent.web import codes, sign_in, times
from agent.web.access import ANYBODY, Address, address_of
from agent.web.accounts import Accounts
from agent.web.forms import exactly, form_of
from agent.web.services import page, services_of
from db.sessions import SessionRecord, Stage, offer_secret
from db.sign_in import sign_out

NO_ACCOUNTS: Final = "There are no accounts here: whoever reaches this machine may use the site ([web] accounts)."
BUSY: Final = "Too many people sign in at this moment. Try again in a few seconds."
_LOCAL: Final = re.compile(r"/(?!/)[A-Za-z0-9._~/-]*")
_PAGES: Final = {
    Stage.CODE: "/sign-in/code",
    Stage.PASSWORD: "/sign-in/new-password",
    Stage.ENROL: "/sign-in/app",
}


def accounts_of(request: Request) -> Accounts:
    """Return the site's accounts. HTTPException, 404, where there are none."""
    found = services_of(request).accounts
    if found is None:
        raise HTTPException(404, NO_ACCOUNTS)
    return found


def visitor_of(request: Request) -> sign_in.Visitor:
    """Return from where somebody asks."""
    agent = request.headers.get("user-agent", "")
    plain = "".join(letter for letter in agent if letter.isascii() and letter.isprintable())
    return sign_in.Visitor(address=address_of(request), browser=accounts_of(request).browser(request), agent=plain)


def local(path: str) -> str:
    """Return a path of this site, without a query: the worklist for what is none."""
    return path if _LOCAL.fullmatch(path) else "/"


def show_sign_in(request: Request) -> Response:
    """Ask for name and password."""
    accounts_of(request)
    if request.state.person is not None:
        return RedirectResponse(local(request.query_params.get("next", "/")), 303)
    return sign_in_page(request, 200, going=local(request.query_params.get("next", "/")))


def enter(request: Request) -> Response:
    """Take name and password."""
    accounts, form = accounts_of(request), form_of(request)
    going = local(form.get("next", "/"))
    name = form.get("name", "")
    try:
        with accounts.settings.hasher.place():
            found = sign_in.with_password(accounts, name, exactly(request, "password"), visitor_of(request))
    except TooManyError:  # before anything is counted against anybody
        return sign_in_page(request, 429, BUSY, going=going, name=name)
    if isinstance(found, sign_in.Refused):
        return sign_in_page(request, *refusal_of(accounts, found), going=going, name=name)
    return _onward(accounts, found, going)


def show_code(request: Request) -> Response:
    """Ask for a code."""
    _session_at(request, Stage.CODE)
    return page(request, "sign_in_code.html", sentence="", going=local(request.query_params.get("next", "/")))


def enter_code(request: Request) -> Response:
    """Take a code."""
    accounts, session, form = accounts_of(request), _session_at(request, Stage.CODE), form_of(request)
    going = local(form.get("next", "/"))
    found = sign_in.with_code(accounts, session, form.get("code", ""), visitor_of(request))
    if isinstance(found, sign_in.Refused):
        status, sentence = refusal_of(accounts, found)
        return page(request, "sign_in_code.html", status, sentence=sentence, going=going)
    return _onward(accounts, found, going)


def show_new_password(request: Request) -> Response:
    """Ask for a password to replace the initial one."""
    session = _session_at(request, Stage.PASSWORD)
    going = local(request.query_params.get("next", "/"))
    return page(request, "sign_in_password.html", sentence="", going=going, name=session.account.name)


def enter_new_password(request: Request) -> Response:
    """Take a password to replace the initial one."""
    accounts, session, form = accounts_of(request), _session_at(request, Stage.PASSWORD), form_of(request)
    going = local(form.get("next", "/"))
    found = sign_in.with_new_password(accounts, session, exactly(request, "password"), visitor_of(request))
    if isinstance(found, sign_in.Refused):
        values = {"sentence": found.sentence, "going": going, "name": session.account.name}
        return page(request, "sign_in_password.html", 422, **values)
    return _onward(accounts, found, going)


def show_app(request: Request) -> Response:
    """Show the QR code of a new secret, and ask for the first code."""
    return app_page(request, _session_at(request, Stage.ENROL), "/sign-in/app")


def enter_app(request: Request) -> Response:
    """Take the first code of an app that was set up, and show the recovery codes."""
    return app_set_up(request, _session_at(request, Stage.ENROL), "/sign-in/app")


def app_page(request: Request, session: SessionRecord, action: str, sentence: str = "", status: int = 200) -> Response:
    """Return the page on which an app is set up; the form on it goes to `action`."""
    accounts = accounts_of(request)
    secret = session.totp_offer or codes.new_secret()
    if session.totp_offer is None:
        offer_secret(accounts.database, session.id, secret)
    drawn = codes.qr_code(codes.uri(secret, account=session.account.name, site="Tibabu"))
    spelt = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return page(request, "sign_in_app.html", status, sentence=sentence, action=action, drawn=drawn, secret=spelt)


def app_set_up(request: Request, session: SessionRecord, action: str) -> Response:
    """Take the first code of an app, and show the recovery codes."""
    accounts = accounts_of(request)
    found = sign_in.with_new_codes(accounts, session, form_of(request).get("code", ""), visitor_of(request))
    if isinstance(found, sign_in.Refused):
        return app_page(request, session, action, found.sentence, 422)
    admitted, recovery = found
    response = page(request, "recovery_codes.html", codes=recovery)
    accounts.keep_session(response, admitted.cookie)
    return response


def leave(request: Request) -> Response:
    """End the session."""
    accounts, session = accounts_of(request), accounts_of(request).session(request)
    if session is not None:
        who = sign_in.who_is(session.account, visitor_of(request))
        sign_out(accounts.database, session, who, now=accounts.clock())
    response = RedirectResponse("/sign-in", 303)
    accounts.drop_session(response)
    return response


def _session_at(request: Request, stage: Stage) -> SessionRecord:
    """Return the session of somebody who signs in. HTTPException, 401, if theirs is elsewhere or has ended."""
    session = accounts_of(request).session(request)
    if session is None or session.stage is not stage:
        raise HTTPException(401)
    return session


def _onward(accounts: Accounts, admitted: sign_in.Admitted, going: str) -> Response:
    """Send somebody to where their sign-in goes on, or to what they wanted to see."""
    step = _PAGES.get(admitted.stage)
    response = RedirectResponse(going if step is None else f"{step}?next={going}", 303)
    accounts.keep_session(response, admitted.cookie)
    if admitted.browser_cookie is not None:
        accounts.keep_browser(response, admitted.browser_cookie)
    return response


def refusal_of(accounts: Accounts, found: sign_in.Refused) -> tuple[int, str]:
    """Return the status and the sentence of a refusal."""
    if found.until is None:
        return 422, found.sentence
    return 429, f"Too many attempts have failed. Try again in {_wait(found.until, accounts.clock())}."


def _wait(until: datetime, now: datetime) -> str:
    seconds = (until - now).total_seconds()
    return f"{max(ceil(seconds), 1)} seconds" if seconds < 60 else times.duration(until - now)  # noqa: PLR2004


def sign_in_page(request: Request, status: int, sentence: str = "", *, going: str, name: str = "") -> Response:
    """Return the page that asks for name and password, or leads to the provider."""
    provider = accounts_of(request).provider is not None
    return page(request, "sign_in.html", status, sentence=sentence, going=going, name=name, provider=provider)


ADDRESSES: Final = (
    Address("GET", "/sign-in", show_sign_in, ANYBODY),
    Address("POST", "/sign-in", enter, ANYBODY),
    Address("GET", "/sign-in/code", show_code, ANYBODY),
    Address("POST", "/sign-in/code", enter_code, ANYBODY),
    Address("GET", "/sign-in/new-password", show_new_password, ANYBODY),
    Address("POST", "/sign-in/new-password", enter_new_password, ANYBODY),
    Address("GET", "/sign-in/app", show_app, ANYBODY),
    Address("POST", "/sign-in/app", enter_app, ANYBODY),
    Address("POST", "/sign-out", leave, ANYBODY),
)
