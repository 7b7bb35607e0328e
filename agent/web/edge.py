"""The edge of the web: who may ask, what may be asked, what every response says, and what becomes of an exception.

The one broad `except` of the web is here; a browser is never shown more than a plain page.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable
from math import ceil

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.web import pace
from agent.web.access import Identify
from agent.web.callers import Reach, caller, network_of
from agent.web.pace import Pace
from db.errors import DatabaseBusyError, DatabaseUnavailableError, SchemaError

log = structlog.get_logger(__name__)

Problem = Callable[[Scope, int, str], Response]
"""Makes the answer to a request for a status from the sentence that says what is wrong."""

SAFE = ("GET", "HEAD")
METHODS = (*SAFE, "POST", "PUT", "PATCH", "DELETE")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every response, whatever it is."""

ONLY_ENCRYPTED = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}
"""On every response over TLS: browsers then come no other way for a year (RFC 6797)."""

OF_NOBODY = re.compile("/healthz|/readyz|/static/.*")
"""Paths at which nobody's name matters: they are answered without asking who it is."""

LARGEST_BODY = 1 << 20
"""Bytes of a request's body: forms and the documents of the API are short, and files come over DICOM."""

BODY_SECONDS = 30.0
"""For the whole of a request's body."""

SEND_SECONDS = 60.0
"""For the next part of an answer to be taken."""

NO_STORE = "no-store"  # patient data stays out of the browser's and every other cache

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")

OTHER_HOST = "This page answers only under the names of this machine itself, such as localhost."
NO_TEXT = "This address holds a character that no text has."
OTHER_METHOD = "This site answers no such method."
OTHER_SITE = "Changes are taken only from this site's own pages. Open the page anew and try again."
TOO_LARGE = "This is more than is taken here at once. Send less."
TOO_OFTEN = "This is asked too often. Wait a moment, and try again."
TOO_SLOW = "This came too slowly. Try again."
DATABASE_DOWN = "The database cannot be reached just now. Nothing is lost; this page comes back with it."
DATABASE_BUSY = "The database is too busy to answer just now. Nothing is lost; try again in a moment."
DATABASE_OTHER = "The database is of another version than this program. An administrator has to run: tibabu migrate"
BROKEN = "This page could not be made. The reason is in the agent's log."


class _SlowReaderError(Exception):
    """Whoever asked takes no more of the answer."""


class Edge:
    """ASGI middleware around the whole site."""

    def __init__(
        self, app: ASGIApp, *, problem: Problem, identify: Identify, reach: Reach, pace: Pace | None = None
    ) -> None:
        """Leave in each request's state what `identify` says of who asks, as `person`, and their address, `address`.

        With `pace` nobody may ask more often than it allows.
        """
        self._app = app
        self._pace = pace
        self._problem = problem
        self._identify = identify
        self._reach = reach
        self._headers = HEADERS | (ONLY_ENCRYPTED if reach.encrypted else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def dressed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("Cache-Control", NO_STORE)
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await send(message)
            except TimeoutError:
                raise _SlowReaderError from None

        try:
            refusal = self._refusal(scope) or await self._ask_who(scope)
            await (refusal or self._app)(scope, _bounded(receive), dressed)
        except _SlowReaderError:  # whoever asked takes no more of the answer: nothing is held for them
            scope["state"]["abort"]()
        except ClientDisconnect:  # whoever asked has gone, as a page does that is closed: there is nobody to answer
            return
        except Exception as error:  # noqa: BLE001 - the web's named edge: logged, and answered with a plain page
            failure = self._failure(scope, error)
            if not begun:
                await failure(scope, receive, dressed)

    async def _ask_who(self, scope: Scope) -> Response | None:
        """Leave in the request's state from where it comes, and who asks; return the answer if they ask too often."""
        state = scope.setdefault("state", {})
        peer = scope["client"][0] if scope.get("client") else ""
        state["address"] = caller(peer, ",".join(Headers(scope=scope).getlist("x-forwarded-for")), self._reach.proxies)
        state["person"] = None
        if OF_NOBODY.fullmatch(scope["path"]) is not None:
            return None
        if self._pace is None:
            state["person"] = await run_in_threadpool(self._identify, Request(scope))
            return None
        address, shown = f"address {network_of(state['address'])}", _shown(scope)
        # Nothing is looked up for an address that asks too often in nobody's name. But who shows something new may
        # just have been given it, at an address of many: there only what was shown in vain counts.
        looked_up = f"{address} in vain" if shown else address
        wait = 0.0 if self._pace.is_known(shown) else self._pace.wait(looked_up, pace.OF_NOBODY, counts=False)
        if wait:
            return self._too_often(scope, wait)
        person = state["person"] = await run_in_threadpool(self._identify, Request(scope))
        self._pace.remember(shown, found=person is not None)
        if person is None and shown:
            self._pace.wait(looked_up, pace.OF_NOBODY)
        party, allowed = (address, pace.OF_NOBODY) if person is None else (f"name {person.name}", pace.OF_PERSON)
        wait = self._pace.wait(party, allowed)
        return self._too_often(scope, wait) if wait else None

    def _too_often(self, scope: Scope, wait: float) -> Response:
        response = self._problem(scope, 429, TOO_OFTEN)
        response.headers["Retry-After"] = str(ceil(wait))
        return response

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is none of ours.

        A page of another origin whose name was made to point at this machine (DNS rebinding) says so in its Host.
        """
        headers = Headers(scope=scope)
        found = _HOST.fullmatch(headers.get("host", "").lower())
        if found is None or found[1] not in self._reach.hosts:
            return self._problem(scope, 400, OTHER_HOST)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:  # PostgreSQL has no such character
            return self._problem(scope, 404, NO_TEXT)
        if scope["method"] not in METHODS:
            response = self._problem(scope, 405, OTHER_METHOD)
            response.headers.setdefault("Allow", ", ".join(METHODS))
            return response
        if scope["method"] not in SAFE and not _of_this_site(headers):
            return self._problem(scope, 403, OTHER_SITE)
        return None

    def _failure(self, scope: Scope, error: Exception) -> Response:
        page = getattr(scope.get("endpoint"), "__name__", "")
        if isinstance(error, DatabaseUnavailableError | DatabaseBusyError | SchemaError):
            log.error("web_database_unavailable", page=page, reason=str(error))
            response = self._problem(scope, 503, _sentence(error))
            response.headers["Retry-After"] = "5"
            return response
        log.error("web_page_failed", page=page, exc_info=error)
        return self._problem(scope, 500, BROKEN)


def _bounded(receive: Receive) -> Receive:
    """Return what gives the body of a request, as long as it is short and does not dawdle.

    Else it raises an HTTPException: 413 (RFC 9110 15.5.14), 408 (15.5.9).
    """
    size, whole, deadline = 0, False, asyncio.get_running_loop().time() + BODY_SECONDS

    async def given() -> Message:
        nonlocal size, whole
        if whole:  # from here on it is only told that the peer has gone
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, TOO_SLOW) from None
        size += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if size > LARGEST_BODY:
            raise HTTPException(413, TOO_LARGE)
        return message

    return given


def _shown(scope: Scope) -> bytes:
    """Return a digest of what a request shows of who sends it, nothing if it shows nothing."""
    headers = Headers(scope=scope)
    shown = "\n".join((*headers.getlist("authorization"), *headers.getlist("cookie")))
    return b"" if not shown else hashlib.sha256(shown.encode("utf-8", "surrogateescape")).digest()


def _of_this_site(headers: Headers) -> bool:
    """Tell whether a change comes from a page of this site, or from a program with a token (no cookie is used then).

    Browsers say so themselves (Fetch Metadata, and Origin of those that do not know it): a page of another site can
    make a browser send a form with the reader's cookie, but cannot change these headers.
    """
    if headers.get("authorization", "").lower().startswith("bearer "):
        return True
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    return headers.get("origin", "").partition("://")[2] == headers.get("host", "")


def _sentence(error: DatabaseUnavailableError | DatabaseBusyError | SchemaError) -> str:
    if isinstance(error, SchemaError):
        return DATABASE_OTHER
    return DATABASE_BUSY if isinstance(error, DatabaseBusyError) else DATABASE_DOWN
