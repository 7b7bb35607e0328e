"""Who may ask: each endpoint takes who asks as an argument whose type says what that needs."""

from typing import Annotated, Final, TypeAlias

from fastapi import Depends, Security
from fastapi.security import APIKeyCookie, HTTPBearer, SecurityScopes
from starlette.exceptions import HTTPException
from starlette.requests import Request

from agent.tokens import ACCOUNTS_WRITE, AUDIT_READ, SYSTEM_READ, SYSTEM_WRITE, WORKLIST_READ, WORKLIST_WRITE
from agent.web.access import NOT_YOURS, Person, person_of

COOKIE: Final = "__Host-tibabu"

_TOKEN: Final = HTTPBearer(
    scheme_name="token",
    description="An API token, made by `tibabu token create` or POST /tokens. Its scopes say what it may do.",
    auto_error=False,
)
_SESSION: Final = APIKeyCookie(
    name=COOKIE,
    scheme_name="session",
    description=(
        "The cookie of who is signed in to the pages; their roles say what they may do. Changes are taken with it from "
        "this site's own pages only."
    ),
    auto_error=False,
)


async def _who(
    request: Request,
    needed: SecurityScopes,
    _token: Annotated[object, Depends(_TOKEN)],
    _session: Annotated[object, Depends(_SESSION)],
) -> Person:
    """Return who asks, as the edge found out. HTTPException: 401 for nobody, 403 without the scope."""
    person = person_of(request)
    if not all(person.may(scope) for scope in needed.scopes):
        raise HTTPException(403, NOT_YOURS)
    return person


async def _signed_in(request: Request, _session: Annotated[object, Depends(_SESSION)]) -> Person:
    """Return who asks about themselves. HTTPException: 401 for nobody."""
    return person_of(request)


SignedIn: TypeAlias = Annotated[Person, Depends(_signed_in)]
Viewer: TypeAlias = Annotated[Person, Security(_who, scopes=[WORKLIST_READ])]
Reader: TypeAlias = Annotated[Person, Security(_who, scopes=[WORKLIST_WRITE])]
Watcher: TypeAlias = Annotated[Person, Security(_who, scopes=[SYSTEM_READ])]
Operator: TypeAlias = Annotated[Person, Security(_who, scopes=[SYSTEM_WRITE])]
Auditor: TypeAlias = Annotated[Person, Security(_who, scopes=[AUDIT_READ])]
Admin: TypeAlias = Annotated[Person, Security(_who, scopes=[ACCOUNTS_WRITE])]
