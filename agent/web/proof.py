"""Before what is dangerous somebody proves once more who they are: a screen left open is no permission."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.web import sign_in
from agent.web.access import SIGNED_IN, Address, person_of
from agent.web.forms import exactly, form_of
from agent.web.services import page
from agent.web.sign_in_pages import accounts_of, local, refusal_of, visitor_of
from db.sessions import SessionRecord

OF_PEOPLE: Final = "This is for people who have signed in, not for programs."
CONFIRM: Final = "/account/confirm"


def session_of(request: Request) -> SessionRecord:
    """Return the session of who asks. HTTPException, 404, where there are no accounts, or for a program."""
    accounts_of(request)
    session = person_of(request).session
    if session is None:
        raise HTTPException(404, OF_PEOPLE)
    return session


def proof_wanted(request: Request, back: str | None = None) -> Response | None:
    """Return where somebody has to prove who they are first, None if they have just done so; they come `back` then."""
    accounts = accounts_of(request)
    session = person_of(request).session
    if session is None or accounts.is_proved(session):
        return None
    return RedirectResponse(f"{CONFIRM}?next={local(back or request.url.path)}", 303)


def show_confirm(request: Request) -> Response:
    """Ask for the password again."""
    session = session_of(request)
    going = local(request.query_params.get("next", "/account"))
    return page(request, "confirm.html", sentence="", going=going, account=session.account)


def confirm(request: Request) -> Response:
    """Take the password again."""
    accounts, session, form = accounts_of(request), session_of(request), form_of(request)
    going = local(form.get("next", "/account"))
    found = sign_in.again(accounts, session, exactly(request, "password"), visitor_of(request))
    if isinstance(found, sign_in.Refused):
        status, sentence = refusal_of(accounts, found)
        return page(request, "confirm.html", status, sentence=sentence, going=going, account=session.account)
    response = RedirectResponse(going, 303)
    accounts.keep_session(response, found.cookie)
    return response


ADDRESSES: Final = (
    Address("GET", CONFIRM, show_confirm, SIGNED_IN),
    Address("POST", CONFIRM, confirm, SIGNED_IN),
)
