"""A FHIR R4 server: each report is one transaction, POSTed to the service's base (R4, http.html#transaction)."""

import json
import re
import time
from pathlib import Path
from typing import Final, Literal, Self

import httpx
from pydantic import Field, SecretStr, model_validator

from agent.config.http import CalledOverHttp, Url
from agent.destinations import NAME, DestinationSettings, Outgoing
from agent.errors import DestinationDownError, Retry
from agent.fhir.answer import MEDIA_TYPE, judge
from agent.net.http_client import Answer, Http, opened, refused
from agent.net.oauth import Client, Tokens
from agent.secret import is_this_machine, read_secret

MEDIA_TYPES: Final = frozenset({MEDIA_TYPE})

_OK: Final = 200
_UNAUTHORISED: Final = 401
_VERSION: Final = re.compile(r"[0-9A-Za-z.-]{1,20}")
_VERSIONS: Final = ("4.0", "4.3")
"""R4 and R4B: what is sent is valid as both."""


class Settings(CalledOverHttp, DestinationSettings):
    """A FHIR server."""

    name: str = Field(examples=["fhir"], pattern=NAME, description="Its name in the ledger and on the pages.")
    type: Literal["fhir"] = Field(examples=["fhir"], description="A FHIR R4 server.")
    reports: tuple[str, ...] = Field(
        default=("fhir",), description="Which reports it gets: types, or names of [reports.NAME] tables; [] for none."
    )
    url: Url = Field(examples=["https://fhir.example/r4"], description="Its base URL.")
    secret_file: Path | None = Field(
        default=None,
        examples=["/run/secrets/fhir"],
        description="A file that holds the bearer token or, with token_url, the client's secret; read whenever needed.",
    )
    secret_variable: str = Field(
        default="", examples=["FHIR_SECRET"], description="An environment variable that holds it instead."
    )
    token_url: Url | Literal[""] = Field(
        default="",
        examples=["https://login.example/token"],
        description="Where tokens are had with OAuth 2.0 client credentials; empty: the secret is the token itself.",
    )
    client_id: str = Field(default="", examples=["tibabu"], description="With token_url: who asks for tokens.")
    scope: str = Field(default="", examples=["system/*.write"], description="With token_url: what they shall allow.")
    client_authentication: Literal["basic", "post"] = Field(
        default="basic", description="With token_url: whether the client's secret goes in a header or in the form."
    )

    @model_validator(mode="after")
    def _secrets_are_whole_and_safe(self) -> Self:
        if self.secret_file and self.secret_variable:
            message = "expected secret_file or secret_variable. Received: both"
            raise ValueError(message)
        if self.token_url and not (self.client_id and self.has_secret):
            message = "expected client_id and a secret with token_url. Received: token_url without them"
            raise ValueError(message)
        for url in filter(None, (self.url, self.token_url)) if self.has_secret else ():
            if not url.startswith("https:") and not is_this_machine(httpx.URL(url).host):
                message = "expected https for a server that gets a secret, unless it is on this machine. Received: http"
                raise ValueError(message)
        return self

    @property
    def has_secret(self) -> bool:
        """Whether the server is shown who asks."""
        return bool(self.secret_file or self.secret_variable)


class Destination:
    """Sends transactions to a FHIR server, as often as it takes: they say what is, so that twice is as once."""

    def __init__(self, settings: Settings, calling_ae_title: str) -> None:  # noqa: ARG002 - HTTP has no AE titles
        """Keep the settings; nothing is connected yet."""
        self._settings = settings
        client = Client(
            token_url=settings.token_url,
            client_id=settings.client_id,
            scope=settings.scope,
            shown=settings.client_authentication,
        )
        self._tokens = Tokens(client, self._secret, time.monotonic) if settings.token_url else None

    def send(self, outgoing: Outgoing) -> str:
        """Send one transaction; return what the server said. Raises DeliveryError if it does not have all of it."""
        headers = {"Content-Type": MEDIA_TYPE, "Prefer": "return=minimal"}
        with opened(self._settings, str(self)) as http:
            got = self._asked(http, "POST", self._settings.url, headers, outgoing.data)
        return judge(got.status, got.headers, got.body, sent=outgoing.data, server=str(self))

    def ping(self) -> None:
        """Ask for the CapabilityStatement: is it there, is it R4, does it know us? Raises DeliveryError if not."""
        with opened(self._settings, str(self)) as http:
            got = self._asked(http, "GET", f"{self._settings.url}/metadata?_summary=true", {}, b"")
        expected = f"expected {self} to be a FHIR R4 server"
        if got.status != _OK:
            raise refused(expected, got)
        try:
            document = json.loads(got.body)
        except (ValueError, RecursionError):
            document = None
        version = document.get("fhirVersion") if isinstance(document, dict) else None
        if not str(version).startswith(_VERSIONS):
            shown = version if isinstance(version, str) and _VERSION.fullmatch(version) else "none"
            message = f"{expected}. Received: fhirVersion={shown}"
            raise DestinationDownError(message, retry=Retry.SLOWLY)

    def __str__(self) -> str:
        """Return its URL."""
        return self._settings.url

    def _secret(self) -> SecretStr:
        return read_secret(self._settings.secret_file, self._settings.secret_variable)

    def _asked(self, http: Http, method: str, url: str, headers: dict[str, str], data: bytes) -> Answer:
        """Return the answer to a request; a token that is refused is asked for anew, once."""
        stale: SecretStr | None = None
        while True:
            token = self._token(http, stale)
            shown = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
            got = http.ask(method, url, headers={"Accept": MEDIA_TYPE} | headers | shown, content=data or None)
            if got.status == _UNAUTHORISED and self._tokens is not None and stale is None:
                stale = token
                continue
            return got

    def _token(self, http: Http, stale: SecretStr | None) -> SecretStr | None:
        if self._tokens is not None:
            return self._tokens.token(http, unlike=stale)
        if not self._settings.has_secret:
            return None
        secret = self._secret()
        if " " in secret.get_secret_value() or "\n" in secret.get_secret_value():
            message = "expected a bearer token without spaces. Received: something else"
            raise DestinationDownError(message, retry=Retry.SLOWLY)
        return secret
