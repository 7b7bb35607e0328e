"""Single sign-on: the way to the provider, and the way back."""

import hmac
from datetime import UTC, datetime
from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.errors import AgentError, DeliveryError
from agent.web.access import ANYBODY, Address
from agent.web.accounts import new_cookie, sha256
from agent.web.oidc import Identity, Provider, derived
from agent.web.services import services_of
from agent.web.sign_in_pages import accounts_of, local, sign_in_page, visitor_of
from db.audit import Who
from db.errors import RefusedError
from db.provider_sign_in import Known, come_in
from db.sessions import NewSession, Stage
from db.sign_in import failed

log = structlog.get_logger(__name__)

NO_PROVIDER: Final = "There is no single sign-on here."
AWAY: Final = "Single sign-on cannot be reached just now. Who has a password here can use that."
FAILED: Final = "Single sign-on did not succeed. Try again."
NOT_HERE: Final = "You have signed in there, and there is no account here for you. Whoever runs this site can help."
_CALLBACK: Final = "/sign-in/provider/callback"
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def begin(request: Request) -> Response:
    """Send the browser to the provider."""
    accounts, provider = accounts_of(request), _provider(request)
    going = local(request.query_params.get("next", "/"))
    secret = new_cookie()
    try:
        address = provider.address(secret, _callback(request), again=request.query_params.get("again") == "1")
    except AgentError as error:
        return _refused(request, error, going)
    response = RedirectResponse(address, 303)
    accounts.keep_flow(response, f"{secret}.{going}")
    return response


def end(request: Request) -> Response:
    """Take what the provider says, and let somebody in by it."""
    accounts, provider, asked = accounts_of(request), _provider(request), request.query_params
    secret, _, going = accounts.flow(request).partition(".")
    going = local(going)
    same = bool(secret) and hmac.compare_digest(asked.get("state", "").encode(), derived(secret, "state").encode())
    if (
        not same
        or not asked.get("code")
        or asked.get("iss", provider.settings.issuer).rstrip("/") != provider.settings.issuer
    ):
        return _failed(request, "not begun in this browser, or ended there", going)
    try:
        found = provider.identity(secret, _callback(request), asked["code"])
    except AgentError as error:
        return _refused(request, error, going)
    return _let_in(request, found, going)


def _let_in(request: Request, found: Identity, going: str) -> Response:
    accounts, visitor, cookie = accounts_of(request), visitor_of(request), new_cookie()
    new = NewSession(
        account_id=0,
        sha256=sha256(cookie),
        stage=Stage.OPEN,
        how="single sign-on",
        address=visitor.address,
        browser=visitor.agent,
        proved_at=found.proved_at or _LONG_AGO,
    )
    known = Known(
        issuer=found.issuer,
        subject=found.subject,
        name=found.name,
        display_name=found.display_name,
        roles=found.roles,
    )
    try:
        come_in(
            accounts.database,
            known,
            new,
            Who("unknown", source=visitor.address),
            limits=accounts.settings.limits,
            now=accounts.clock(),
        )
    except RefusedError:
        return _failed(request, "no account or no role here", going, NOT_HERE)
    response = RedirectResponse(going, 303)
    accounts.keep_flow(response, "")
    accounts.keep_session(response, cookie)
    return response


def _refused(request: Request, error: AgentError, going: str) -> Response:
    log.warning("single_sign_on_failed", reason=str(error))
    if isinstance(error, DeliveryError):
        return sign_in_page(request, 503, AWAY, going=going)
    return _failed(request, "not proved", going)


def _failed(request: Request, why: str, going: str, sentence: str = FAILED) -> Response:
    accounts, visitor = accounts_of(request), visitor_of(request)
    who = Who("unknown", source=visitor.address)
    failed(accounts.database, who, f"single sign-on: {why}", now=accounts.clock())
    response = sign_in_page(request, 422, sentence, going=going)
    accounts.keep_flow(response, "")
    return response


def _provider(request: Request) -> Provider:
    found = accounts_of(request).provider
    if found is None:
        raise HTTPException(404, NO_PROVIDER)
    return found


def _callback(request: Request) -> str:
    """Return where the provider sends the browser back to: the edge has seen to it that the Host is one of ours."""
    scheme = "https" if services_of(request).reach.encrypted else "http"
    return f"{scheme}://{request.headers['host']}{_CALLBACK}"


ADDRESSES: Final = (
    Address("GET", "/sign-in/provider", begin, ANYBODY),
    Address("GET", _CALLBACK, end, ANYBODY),
)
