"""What an open page asks of the session that it was made for: is it still there, and for how long."""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent.web.access import SIGNED_IN, Address
from agent.web.accounts import ASKED_BY_PAGES
from agent.web.proof import session_of
from agent.web.sign_in_pages import accounts_of

WARNED_SECONDS: Final = 120
"""So long before a session ends its person is told, and can stay by one press (WCAG 2.2, 2.2.1)."""


def ask(request: Request) -> Response:
    """Tell how long the session lasts if nothing is done: this is no sign of its person."""
    return _told(request, stays=False)


def stay(request: Request) -> Response:
    """Take that its person is there: they have used the page, though nothing of it had to be asked for."""
    return _told(request, stays=True)


def _told(request: Request, *, stays: bool) -> Response:
    accounts, session = accounts_of(request), session_of(request)
    limits, now = accounts.settings.limits, accounts.clock()
    idle = limits.idle if stays else session.seen_at + limits.idle - now
    whole = session.created_at + limits.absolute - now
    left = min(idle, whole).total_seconds()
    told = {"name": session.account.name, "left": left, "warn": left < WARNED_SECONDS, "can_stay": idle < whole}
    return JSONResponse(told)


ADDRESSES: Final = (
    Address("GET", ASKED_BY_PAGES, ask, SIGNED_IN),
    Address("POST", ASKED_BY_PAGES, stay, SIGNED_IN),
)
