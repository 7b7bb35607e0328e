"""Single sign-on by OpenID Connect Core 1.0: the authorization code flow with PKCE (RFC 7636), nonce and state.

The home of joserfc. What belongs to one sign-in is derived from one secret in the browser's cookie: only who began it
can end it, and nothing has to be kept here.
"""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from agent.config.oidc import OidcSection
from agent.errors import DestinationDownError, ProviderError
from agent.net.http_client import Http, opened

_OK: Final = 200
_LEEWAY: Final = 60  # seconds that clocks may differ
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_KEPT: Final = timedelta(hours=1)  # what a provider says of itself
_PATIENCE: Final = timedelta(seconds=30)  # between two looks for a key that is not known
_SERVER: Final = "the provider of single sign-on"
_AT_ONCE: Final = 8  # of the threads that answer everybody: a provider that hangs must not take them all
_ROOM_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who somebody is, by a verified ID token."""

    issuer: str
    subject: str
    name: str
    display_name: str
    roles: frozenset[str]
    proved_at: datetime | None
    """When they proved it to the provider, None if it does not say."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a provider says of itself (OpenID Connect Discovery 1.0, section 3), and its keys."""

    document: Mapping[str, Any]
    keys: KeySet
    at: datetime


@dataclass(slots=True)
class Provider:
    """A provider of OpenID Connect. Safe for threads."""

    settings: OidcSection
    clock: Callable[[], datetime]
    _known: _Known | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AT_ONCE), repr=False)

    def address(self, secret: str, callback: str, *, again: bool) -> str:
        """Return where a browser goes to sign in; `again` to prove who they are even if they are signed in there."""
        with self._asking() as http:
            document = self._about(http).document
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": callback,
            "scope": " ".join(self.settings.scopes),
            "state": derived(secret, "state"),
            "nonce": derived(secret, "nonce"),
            "code_challenge": _encoded(hashlib.sha256(derived(secret, "verifier").encode()).digest()),
            "code_challenge_method": "S256",
        }
        asked |= {"prompt": "login", "max_age": "0"} if again else {}
        try:
            endpoint = httpx.URL(_text(document, "authorization_endpoint"))
        except httpx.InvalidURL:
            endpoint = httpx.URL()
        if not endpoint.host:
            message = "expected where the provider signs people in. Received: no address"
            raise ProviderError(message)
        return str(endpoint.copy_merge_params(asked))

    def identity(self, secret: str, callback: str, code: str) -> Identity:
        """Return who somebody is whom the provider sent back with a code. ProviderError, DeliveryError."""
        with self._asking() as http:
            known = self._about(http)
            token = self._token(http, known, secret, callback, code)
            return self._identity(self._claims(http, known, token, secret))

    @contextmanager
    def _asking(self) -> Iterator[Http]:
        """Give a client, to a few at once. DestinationDownError where too many wait for an answer."""
        if not self._room.acquire(timeout=_ROOM_SECONDS):
            message = f"expected {_SERVER} to answer in time. Received: {_AT_ONCE} requests that wait for it"
            raise DestinationDownError(message, sent=False)
        try:
            with opened(self.settings, _SERVER) as http:
                yield http
        finally:
            self._room.release()

    def _about(self, http: Http, *, unlike: _Known | None = None) -> _Known:
        """Return what the provider says of itself; asked anew if it is old, or `unlike` lacks a key."""
        with self._lock:
            known, now = self._known, self.clock()
            fresh = known is not None and now < known.at + (_PATIENCE if known is unlike else _KEPT)
            if known is None or not fresh:
                document = _fetched(http, f"{self.settings.issuer}/.well-known/openid-configuration")
                if str(document.get("issuer", "")).rstrip("/") != self.settings.issuer:
                    message = "expected the issuer of the configuration. Received: another"
                    raise ProviderError(message)
                known = self._known = _Known(document, _keys(_fetched(http, str(document.get("jwks_uri")))), now)
            return known

    def _token(self, http: Http, known: _Known, secret: str, callback: str, code: str) -> str:
        """Exchange the code for an ID token (OpenID Connect Core 1.0, section 3.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "code_verifier": derived(secret, "verifier"),
        }
        mine, login = self.settings.secret, None
        methods = known.document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if mine is None:
            form["client_id"] = self.settings.client_id
        elif "client_secret_basic" in methods:
            login = httpx.BasicAuth(self.settings.client_id, mine.get_secret_value())
        else:
            form |= {"client_id": self.settings.client_id, "client_secret": mine.get_secret_value()}
        url = str(known.document.get("token_endpoint"))
        answer = http.ask("POST", url, headers={"Accept": "application/json"}, form=form, login=login)
        token = _object(answer.body).get("id_token") if answer.status == _OK else None
        if not isinstance(token, str):
            message = f"expected an ID token. Received: none, HTTP {answer.status}"
            raise ProviderError(message)
        return token

    def _claims(self, http: Http, known: _Known, token: str, secret: str) -> dict[str, Any]:
        """Return the claims of an ID token once all is right with it (section 3.1.3.7)."""
        try:
            found = self._verified(token, known)
        except (JoseError, ValueError):  # a key that is not known yet, perhaps: providers change theirs
            again = self._about(http, unlike=known)
            try:
                found = self._verified(token, again)
            except (JoseError, ValueError) as error:
                message = f"expected an ID token that the provider signed. Received: {type(error).__name__}"
                raise ProviderError(message) from None
        mine = self.settings.client_id
        rules = jwt.JWTClaimsRegistry(
            now=int(self.clock().timestamp()),
            leeway=_LEEWAY,
            iss={"essential": True, "values": [self.settings.issuer, f"{self.settings.issuer}/"]},
            aud={"essential": True, "value": mine},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": derived(secret, "nonce")},
        )
        try:
            rules.validate(found)
        except (JoseError, ValueError, TypeError) as error:
            message = f"expected an ID token for us, of now. Received: {type(error).__name__}"
            raise ProviderError(message) from None
        audience = found["aud"]
        many = isinstance(audience, list) and len(audience) > 1
        if found.get("azp", None if many else mine) != mine:
            message = "expected an ID token for us. Received: another's"
            raise ProviderError(message)
        return found

    def _verified(self, token: str, known: _Known) -> dict[str, Any]:
        return dict(jwt.decode(token, known.keys, algorithms=list(_ALGORITHMS)).claims)

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        said = claims.get(self.settings.roles_claim, [])
        values = {value for value in (said if isinstance(said, list) else [said]) if isinstance(value, str)}
        return Identity(
            issuer=self.settings.issuer,
            subject=str(claims["sub"]),
            name=_text(claims, self.settings.name_claim),
            display_name=_text(claims, "name"),
            roles=frozenset(self.settings.roles[value] for value in values & self.settings.roles.keys()),
            proved_at=_moment(claims.get("auth_time")),
        )


def _text(claims: Mapping[str, Any], name: str) -> str:
    """Return what is said under a name, "" where that is null or no text."""
    said = claims.get(name)
    return said if isinstance(said, str) else ""


def _moment(seconds: object) -> datetime | None:
    """Return a time that a provider says; one that no calendar has proves nothing."""
    if not isinstance(seconds, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def derived(secret: str, what: str) -> str:
    """Return one of the values of a sign-in: knowing one tells nothing of the secret nor of the others."""
    return _encoded(hmac.digest(secret.encode(), what.encode(), "sha256"))


def _encoded(found: bytes) -> str:
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def _fetched(http: Http, url: str) -> dict[str, Any]:
    answer = http.ask("GET", url, headers={"Accept": "application/json"})
    document = _object(answer.body) if answer.status == _OK else {}
    if not document:
        message = f"expected what the provider says of itself. Received: HTTP {answer.status}"
        raise ProviderError(message)
    return document


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _keys(document: dict[str, Any]) -> KeySet:
    """Return the public keys that signatures may be of: never a shared secret."""
    try:
        found = [key for key in document.get("keys", []) if isinstance(key, dict) and key.get("use", "sig") == "sig"]
        return KeySet.import_key_set({"keys": [key for key in found if key.get("kty") in {"RSA", "EC", "OKP"}]})
    except (JoseError, ValueError, TypeError) as error:
        message = f"expected the provider's keys. Received: {type(error).__name__}"
        raise ProviderError(message) from None
