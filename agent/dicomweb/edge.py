"""The edge of DICOMweb: how many requests at once, how long a peer may pause, one log line for each, and every error.

The one broad `except` of DICOMweb is here. Neither query strings nor bodies nor tokens reach the log.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.dicomweb.problems import ProblemError, problem
from db.errors import DatabaseBusyError, DatabaseUnavailableError, SchemaError
from dicom_io.errors import LostError, StoreError

log = structlog.get_logger(__name__)

HEADERS: Final = {
    "Cache-Control": "no-store",  # patient data stays out of every cache
    "Cross-Origin-Resource-Policy": "cross-origin",  # a viewer's page is of another origin; the token guards, not this
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""On every response, whatever it is."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"})
_CLIENT_LEFT: Final = 499  # in the log only: no standard status says that nobody was there to be answered

BROKEN: Final = "expected to serve this request. Received: an error of this program; its log says which"
DATABASE_AWAY: Final = "expected to reach the database. Received: nothing; try again"
STORE_AWAY: Final = "expected to reach the stored files. Received: nothing; try again"
LOST: Final = "expected the stored file. Received: it is gone or damaged; a person has to look"
NO_TEXT: Final = "expected an address of text. Received: one with a character that no text has"
BUSY: Final = "expected fewer requests at once. Received: more than are served"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may ask of this process: requests and channels at once, seconds of pause within one, and bytes."""

    requests: int = 32
    channels: int = 32
    pause: float = 30.0
    body: int = 4_000_000_000
    instance: int = 1_000_000_000


class _SlowPeerError(Exception):
    """The peer takes no more of its answer."""


class _HeadersSufficeError(Exception):
    """The answer to HEAD is over: no body is made for it."""


class Edge:
    """ASGI middleware around everything but the answers to preflight requests (CORS), which say nothing."""

    def __init__(self, app: ASGIApp, *, limits: Limits) -> None:
        """Serve `limits.requests` at once."""
        self._app = app
        self._limits = limits
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens, and log one line."""
        exchange = _Exchange(scope, send, self._limits.pause)
        self._open += 1
        try:
            await self._serve(scope, receive, exchange)
        finally:
            self._open -= 1
            exchange.log()

    async def _serve(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        try:
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:  # PostgreSQL has no such character
                await problem(400, NO_TEXT)(scope, receive, exchange.send)
            elif self._open > self._limits.requests:
                await problem(503, BUSY, {"Retry-After": "1"})(scope, receive, exchange.send)
            else:
                await self._app(scope, receive, exchange.send)
        except _HeadersSufficeError:
            pass
        except (ClientDisconnect, _SlowPeerError):
            exchange.give_up()
        except Exception as error:  # DICOMweb's named edge: logged, and answered with a problem
            if exchange.status:
                log.exception("dicomweb_failed", route=exchange.route)
                exchange.give_up()
            else:
                await _answer_to(error, exchange.route)(scope, receive, exchange.send)


class _Exchange:
    """One request and its answer, as the log's line tells them."""

    def __init__(self, scope: Scope, send: Send, pause: float) -> None:
        self._scope = scope
        self._send = send
        self._pause = pause
        self._begun = time.monotonic()
        self._bytes = 0
        self.status = 0

    @property
    def route(self) -> str:
        """The template of the address, without what a peer put into it."""
        return str(self._scope.get("template", "none"))

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on. _SlowPeerError if the peer takes none for too long."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        elif self._scope["method"] == "HEAD" and message.get("more_body"):
            await self._send({"type": "http.response.body"})
            raise _HeadersSufficeError
        self._bytes += len(message.get("body", b""))
        try:
            async with asyncio.timeout(self._pause):
                await self._send(message)
        except TimeoutError:
            raise _SlowPeerError from None

    def give_up(self) -> None:
        """End the connection: the peer has gone, is too slow, or must not take half an answer for a whole one."""
        self.status = _CLIENT_LEFT
        self._scope["state"]["abort"]()

    def log(self) -> None:
        """Write the request's line."""
        method, client = self._scope["method"], self._scope.get("client")
        token = self._scope["state"].get("token")
        log.info(
            "dicomweb_request",
            method=method if method in _METHODS else "other",
            route=self.route,
            status=self.status,
            seconds=round(time.monotonic() - self._begun, 3),
            bytes=self._bytes,
            token="" if token is None else token.name,
            peer_address=client[0] if client else "",
        )


def _answer_to(error: Exception, route: str) -> Response:
    if isinstance(error, ProblemError):
        return problem(error.status, error.detail, error.headers)
    if isinstance(error, DatabaseUnavailableError | DatabaseBusyError | SchemaError):
        log.error("dicomweb_database_unavailable", route=route, reason=str(error))
        return problem(503, DATABASE_AWAY, {"Retry-After": "5"})
    if isinstance(error, LostError):
        log.error("dicomweb_file_lost", route=route, reason=str(error))
        return problem(500, LOST)
    if isinstance(error, StoreError):
        log.error("dicomweb_store_unavailable", route=route, reason=str(error))
        return problem(503, STORE_AWAY, {"Retry-After": "5"})
    log.error("dicomweb_failed", route=route, exc_info=error)
    return problem(500, BROKEN)
