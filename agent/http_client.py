"""HTTP as destinations use it: to the configured URL only, with time-outs, short answers and no words of the peer."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from agent.config_http import CalledOverHttp
from agent.errors import DeliveryError, DestinationDownError
from agent.statuses import http_refusal
from dicom_io.errors import TlsError
from dicom_io.tls import client_context

_LONGEST_ANSWER: Final = 4 << 20
_NOTHING_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL)
_REDIRECTED: Final = range(300, 400)


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
        asked = {"headers": dict(headers), "content": content, "data": form, "auth": login}
        with self.client.stream(method, url, **asked) as response:  # type: ignore[arg-type]
            body, begun = b"", time.monotonic()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _LONGEST_ANSWER or time.monotonic() - begun > self.seconds:
                    message = f"expected a short answer from {self.server}. Received: more, or too slowly"
                    raise DestinationDownError(message, status=f"HTTP {response.status_code}", sent=True)
            return Answer(response.status_code, response.headers, body)


@contextmanager
def opened(settings: CalledOverHttp, server: str) -> Iterator[Http]:
    """Give a client that follows no redirection and asks no proxy, so that data go nowhere else.

    Maps everything that it raises to DestinationDownError: its messages may quote what was sent.
    """
    try:
        context = client_context(settings.trust)
    except TlsError as error:
        raise DestinationDownError(str(error)) from None
    seconds = settings.response_timeout_seconds
    timeout = httpx.Timeout(seconds, connect=settings.connection_timeout_seconds)
    try:
        with httpx.Client(verify=context, timeout=timeout, follow_redirects=False, trust_env=False) as client:
            yield Http(client, server, seconds)
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
        why = f"{type(error).__name__}{f', {context.failure}' if context.failure else ''}"
        message = f"expected an answer from {server}. Received: {why}"
        raise DestinationDownError(message, sent=not isinstance(error, _NOTHING_SENT)) from None


def refused(message: str, answer: Answer) -> DeliveryError:
    """Return the error for an answer whose status is no success; `message` says what was expected."""
    redirected = " (redirections are not followed)" if answer.status in _REDIRECTED else ""
    return http_refusal(f"{message}. Received: status={answer.status}{redirected}", answer.status, answer.headers)
