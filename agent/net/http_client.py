"""HTTP as destinations use it: to the configured URL only, with time-outs, short answers and no words of the peer."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from agent.config.http import CalledOverHttp, TimeOuts
from agent.errors import DeliveryError, DestinationDownError
from agent.line.statuses import http_refusal
from dicom_io.errors import TlsError
from dicom_io.tls import TlsClientContext, TlsClientSettings, client_context

HINTS: Final = dict.fromkeys(range(300, 400), " (redirections are not followed)") | {
    401: " (it wants another secret or token)",
    403: " (whoever it takes us for may not do that)",
}
"""What a status means that needs a person."""
_NOTHING_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL)
PLAIN: Final = {"Accept-Encoding": "identity"}
"""Nothing is decompressed: an answer of some kilobytes could become one of any size (RFC 9110 8.4 allows layers)."""

_LONGEST_ANSWER: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers and a body, held whole because it is short."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Http:
    """A client of one server; `server` is what it is called in messages."""

    client: httpx.Client
    server: str
    seconds: float
    """For the whole of an answer's body; the client's time-outs are for each of its parts."""

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        login: httpx.Auth | None = None,
    ) -> Answer:
        """Return the answer to a request. Raises DestinationDownError if it is too long, or takes too long."""
        asked = {"headers": PLAIN | dict(headers), "content": content, "data": form, "auth": login}
        with self.client.stream(method, url, **asked) as response:  # type: ignore[arg-type]
            body = short_body(response, self.server, self.seconds)
            return Answer(response.status_code, response.headers, body)


def short_body(response: httpx.Response, server: str, seconds: float) -> bytes:
    """Return the body as it came. Raises DestinationDownError if it is too long, or takes more than so many seconds."""
    body, begun = bytearray(), time.monotonic()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > _LONGEST_ANSWER or time.monotonic() - begun > seconds:
            message = f"expected a short answer from {server}. Received: more, or too slowly"
            raise DestinationDownError(message, status=f"HTTP {response.status_code}", sent=True)
    return bytes(body)


def _reason(error: Exception, context: TlsClientContext) -> str:
    """Return what went wrong, and why in the system's words if it was the connection: they quote nothing sent."""
    why: BaseException | None = error
    while why is not None and not isinstance(why, OSError):
        why = why.__cause__ or why.__context__
    said = context.failure or (why.strerror if why is not None else "")
    return f"{type(error).__name__}{f', {said}' if said else ''}"


@contextmanager
def opened(settings: CalledOverHttp, server: str) -> Iterator[Http]:
    """Give a client that asks and answers whole, as `connected` does."""
    with connected(settings.trust, settings, server) as client:
        yield Http(client, server, settings.response_timeout_seconds)


@contextmanager
def connected(trust: TlsClientSettings, patience: TimeOuts, server: str) -> Iterator[httpx.Client]:
    """Give a client that follows no redirection and asks no proxy, so that data go nowhere else.

    Maps everything that it raises to DestinationDownError: its messages may quote what was sent.
    """
    try:
        context = client_context(trust)
    except TlsError as error:
        raise DestinationDownError(str(error)) from None
    timeout = httpx.Timeout(patience.response_timeout_seconds, connect=patience.connection_timeout_seconds)
    try:
        with httpx.Client(verify=context, timeout=timeout, follow_redirects=False, trust_env=False) as client:
            yield client
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
        message = f"expected an answer from {server}. Received: {_reason(error, context)}"
        raise DestinationDownError(message, sent=not isinstance(error, _NOTHING_SENT)) from None


def refused(message: str, answer: Answer) -> DeliveryError:
    """Return the error for an answer whose status is no success; `message` says what was expected."""
    hint = HINTS.get(answer.status, "")
    return http_refusal(f"{message}. Received: status={answer.status}{hint}", answer.status, answer.headers)
