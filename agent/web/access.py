"""Who asks, what they may do, and the routes: each says what it needs, and there is none that says nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.tokens import ACCOUNTS_WRITE, AUDIT_READ, SYSTEM_READ, SYSTEM_WRITE, WORKLIST_READ, WORKLIST_WRITE
from agent.web.forms import read_form
from db.sessions import SessionRecord

ANYBODY: Final = ""
"""What a route needs that everybody may ask for: it tells nothing of patients nor of the site."""

SIGNED_IN: Final = "signed-in"
"""What a route needs that everybody may ask for who is known: it is about themselves."""


class Role(StrEnum):
    """What somebody is here for."""

    READER = "reader"
    TECHNOLOGIST = "technologist"
    OPERATOR = "operator"
    ADMIN = "admin"
    SERVICE = "service"


SCOPES_OF: Final[dict[Role, frozenset[str]]] = {
    Role.READER: frozenset({WORKLIST_READ, WORKLIST_WRITE}),
    Role.TECHNOLOGIST: frozenset({WORKLIST_READ}),
    Role.OPERATOR: frozenset({SYSTEM_READ, SYSTEM_WRITE}),
    Role.ADMIN: frozenset({SYSTEM_READ, AUDIT_READ, ACCOUNTS_WRITE}),
    Role.SERVICE: frozenset(),  # what a program may do is said by the scopes of its tokens
}
"""What each role may do: operators and admins see no patient."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: a name that is unique here and stands on record, how people call them, and what they may do."""

    name: str
    display_name: str
    scopes: frozenset[str]
    session: SessionRecord | None = None  # None for programs, and where there are no accounts

    def may(self, scope: str) -> bool:
        """Tell whether they may do what needs `scope`."""
        return scope in {ANYBODY, SIGNED_IN} or scope in self.scopes


LOCAL: Final = Person("local", "Local user", frozenset().union(*SCOPES_OF.values()))
"""Who asks where there are no accounts: whoever can reach the loopback address of this machine."""

Identify = Callable[[Request], Person | None]
"""Tells who sends a request; None is nobody that is known."""


class Address(NamedTuple):
    """A route of the site. The endpoint is called in a thread, unless it is a coroutine function.

    Of a POST it finds the form read (`forms.form_of`).
    """

    method: str
    path: str
    endpoint: Callable[[Request], Any]
    needs: str  # a scope, SIGNED_IN or ANYBODY


NOT_YOURS: Final = "Your account does not allow this. Whoever runs this site can give you a role that does."


def route(address: Address) -> Route:
    """Return the route: it answers only who may do what it needs."""

    @wraps(address.endpoint)
    async def guarded(request: Request) -> Response:
        person: Person | None = request.state.person
        if address.needs != ANYBODY:
            if person is None:
                raise HTTPException(401)
            if not person.may(address.needs):
                raise HTTPException(403, NOT_YOURS)
        if request.method == "POST":
            await read_form(request)
        response: Response = (
            await address.endpoint(request)
            if iscoroutinefunction(address.endpoint)
            else await run_in_threadpool(address.endpoint, request)
        )
        return response

    return Route(address.path, guarded, methods=[address.method])


def person_of(request: Request) -> Person:
    """Return who asks. HTTPException, 401, if nobody is known."""
    person: Person | None = request.state.person
    if person is None:
        raise HTTPException(401)
    return person


def address_of(request: Request) -> str:
    """Return the network address from which a request comes; behind a proxy that is trusted, the one that it names."""
    address: str = getattr(request.state, "address", "")
    return address
