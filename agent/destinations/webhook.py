"""A web service of the site: each report is POSTed to it, signed as Standard Webhooks has it (version 1.0.0).

The signature is HMAC-SHA256 over identifier, time and body. The identifier is the report's, the same in all attempts:
by it the receiver knows what it has had before.
"""

import base64
import binascii
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, Self

import httpx
from pydantic import Field, model_validator

from agent.config.http import CalledOverHttp, Url
from agent.destinations import NAME, Alert, DestinationSettings, Outgoing
from agent.errors import DestinationDownError, Retry
from agent.net.http_client import opened, refused
from agent.secret import read_secret

MEDIA_TYPES: Final = frozenset({"application/json", "application/fhir+json"})

_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(24, 65)
_THERE: Final = frozenset({400, 401, 403, 404, 405, 422, 501})  # it answers, though it takes only POST


class Settings(CalledOverHttp, DestinationSettings):
    """A web service."""

    name: str = Field(examples=["hook"], pattern=NAME, description="Its name in the ledger and on the pages.")
    type: Literal["webhook"] = Field(examples=["webhook"], description="A web service that takes signed POSTs.")
    reports: tuple[str, ...] = Field(
        default=("summary",),
        description="Which reports it gets: types, or names of [reports.NAME] tables; [] for none.",
    )
    url: Url = Field(examples=["https://ris.example/hooks/tibabu"], description="Where it takes them.")
    secret_file: Path | None = Field(
        default=None,
        examples=["/run/secrets/hook"],
        description="A file that holds the signing secret, whsec_ and 24 to 64 bytes in base64; several, one a line, "
        "each sign, so that the receiver can go from one to the next.",
    )
    secret_variable: str = Field(
        default="", examples=["HOOK_SECRET"], description="An environment variable that holds it instead."
    )

    @model_validator(mode="after")
    def _is_signed(self) -> Self:
        if bool(self.secret_file) == bool(self.secret_variable):
            message = "expected one of secret_file and secret_variable. Received: both or none"
            raise ValueError(message)
        return self


class Destination:
    """POSTs reports to one URL and follows no redirection."""

    def __init__(
        self,
        settings: Settings,
        calling_ae_title: str,  # noqa: ARG002 - HTTP has no AE titles
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Keep the settings; nothing is connected yet."""
        self._settings = settings
        self._clock = clock

    def send(self, outgoing: Outgoing) -> str:
        """POST one report; return the receiver's status. Raises DeliveryError unless it is 2xx."""
        headers = {"Content-Type": outgoing.media_type, **self._signed(outgoing.identifier, outgoing.data)}
        with opened(self._settings, str(self)) as http:
            got = http.ask("POST", self._settings.url, headers=headers, content=outgoing.data)
        if not 200 <= got.status < 300:  # noqa: PLR2004 - 2xx
            expected = f"expected {self} to take it"
            raise refused(expected, got)
        return f"HTTP {got.status}"

    def alert(self, alert: Alert) -> None:
        """POST an alert, signed as reports are. Raises DeliveryError unless the answer is 2xx."""
        self.send(Outgoing("application/json", alert.data, alert.identifier, ""))

    def ping(self) -> None:
        """Ask for its headers: does anything answer, and can we sign? Raises DeliveryError if not."""
        self._keys()
        with opened(self._settings, str(self)) as http:
            got = http.ask("HEAD", self._settings.url, headers={})
        if not (200 <= got.status < 300 or got.status in _THERE):  # noqa: PLR2004 - 2xx
            expected = f"expected {self} to be there"
            raise refused(expected, got)

    def __str__(self) -> str:
        """Return its host: the rest of such a URL is often a secret."""
        url = httpx.URL(self._settings.url)
        return f"{url.scheme}://{url.netloc.decode('ascii')}"

    def _signed(self, identifier: str, body: bytes) -> dict[str, str]:
        seconds = str(int(self._clock().timestamp()))
        content = f"{identifier}.{seconds}.".encode() + body
        signatures = [base64.b64encode(hmac.digest(key, content, sha256)).decode("ascii") for key in self._keys()]
        return {
            "webhook-id": identifier,
            "webhook-timestamp": seconds,
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }

    def _keys(self) -> list[bytes]:
        secret = read_secret(self._settings.secret_file, self._settings.secret_variable).get_secret_value()
        try:
            keys = [base64.b64decode(one.removeprefix(_PREFIX), validate=True) for one in secret.split()]
        except (binascii.Error, ValueError):
            keys = []
        if not keys or not all(len(key) in _KEY_BYTES for key in keys):
            message = "expected a signing secret of 24 to 64 bytes in base64. Received: something else"
            raise DestinationDownError(message, retry=Retry.SLOWLY)
        return keys
