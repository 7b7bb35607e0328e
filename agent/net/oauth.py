"""Access tokens by OAuth 2.0 client credentials (RFC 6749 section 4.4), kept until shortly before they expire."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import httpx
from pydantic import SecretStr

from agent.errors import DestinationDownError, Retry
from agent.net.http_client import Answer, Http, refused

_OK: Final = 200
_EARLY: Final = 30.0
"""Seconds before its end from which on a token is not used: it has to last for the request, too."""
_UNSAID: Final = 300.0
"""Seconds for which a token is kept whose answer does not say how long it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks for tokens, where, for what, and how it shows its secret (RFC 6749 section 2.3.1)."""

    token_url: str
    client_id: str
    scope: str
    shown: Literal["basic", "post"]


@dataclass(slots=True)
class Tokens:
    """The token of a client. `clock` gives seconds that never go back. Safe for threads."""

    client: Client
    secret: Callable[[], SecretStr]
    clock: Callable[[], float]
    _token: SecretStr | None = None
    _until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def token(self, http: Http, *, unlike: SecretStr | None = None) -> SecretStr:
        """Return a token that lasts; a new one if the kept one is `unlike`, which its server has just refused.

        Raises DestinationDownError if none is given: without one, nothing else would have better luck.
        """
        with self._lock:
            if self._token is None or self._token == unlike or self.clock() >= self._until:
                self._token, lasts = self._ask(http)
                self._until = self.clock() + lasts - min(_EARLY, lasts / 2)
            return self._token

    def _ask(self, http: Http) -> tuple[SecretStr, float]:
        client = self.client
        form = {"grant_type": "client_credentials"} | ({"scope": client.scope} if client.scope else {})
        secret, login = self.secret().get_secret_value(), None
        if client.shown == "basic":
            login = httpx.BasicAuth(client.client_id, secret)
        else:
            form |= {"client_id": client.client_id, "client_secret": secret}
        given = http.ask("POST", client.token_url, headers={"Accept": "application/json"}, form=form, login=login)
        return self._given(given)

    def _given(self, answer: Answer) -> tuple[SecretStr, float]:
        expected = f"expected a bearer token from {self.client.token_url}"
        if answer.status != _OK:
            why = refused(expected, answer)
            raise DestinationDownError(str(why), retry=Retry.SLOWLY, status=why.status, retry_after=why.retry_after)
        document = _object(answer.body)
        token, lasts, kind = (document.get(name) for name in ("access_token", "expires_in", "token_type"))
        is_token = isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token
        if not (is_token and token and str(kind).lower() == "bearer"):
            message = f"{expected}. Received: something else"
            raise DestinationDownError(message, retry=Retry.SLOWLY, status=f"HTTP {answer.status}")
        seconds = float(lasts) if isinstance(lasts, (int, float)) and lasts > 0 else _UNSAID
        return SecretStr(str(token)), seconds


def _object(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
