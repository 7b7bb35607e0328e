"""A PACS or any other STOW-RS origin server: each object in a POST of its own, over one connection (PS3.18 10.5)."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Final, Literal, Self

import httpx
from pydantic import Field, SecretStr, model_validator

from agent.config.http import TimeOuts, Url
from agent.config.section import Seconds
from agent.destinations import NAME, DestinationSettings, Outgoing, Progress
from agent.errors import DeliveryError, DestinationDownError
from agent.line.stow_answer import found, judge
from agent.net.http_client import HINTS, PLAIN, connected, short_body
from agent.secret import is_this_machine, read_secret
from dicom_io.commitment_scu import Answer, Question, Way
from dicom_io.errors import HeaderError
from dicom_io.file_meta import read_file_meta
from dicom_io.tls import TlsClientSettings

MEDIA_TYPES: Final = frozenset({"application/dicom"})

_CHUNK: Final = 1 << 18
_NOBODY: Final = "2.25.0"  # no study has this UID, so that a query for it asks for no data
_THERE: Final = frozenset({403, 405, 501})  # it is there, though it lets us search nothing


class Settings(TimeOuts, DestinationSettings):
    """A STOW-RS server."""

    name: str = Field(examples=["web"], pattern=NAME, description="Its name in the ledger and on the pages.")
    type: Literal["stow"] = Field(examples=["stow"], description="A STOW-RS server (DICOMweb).")
    url: Url = Field(
        examples=["https://pacs.example/dicom-web"], description="Its service root: what stands before /studies."
    )
    authorization: Literal["bearer", "basic"] = Field(
        default="bearer", description="What the secret is, if there is one: a token, or USER:PASSWORD."
    )
    secret_file: Path | None = Field(
        default=None,
        examples=["/run/secrets/pacs_token"],
        description="A file that holds the token or USER:PASSWORD; read for each sending, so that it can be renewed.",
    )
    secret_variable: str = Field(
        default="", examples=["PACS_TOKEN"], description="An environment variable that holds it instead."
    )
    ca_file: Path | None = Field(
        default=None,
        examples=["/etc/tibabu/ca.pem"],
        description="Certificates (PEM) of who vouches for the server; unset: those of the operating system.",
    )
    confirm: Literal["auto", "query", "none"] = Field(
        default="auto",
        description='Whether it is searched for a report (QIDO-RS) before that counts as delivered. "auto": where the '
        "server allows it.",
    )
    confirm_within_seconds: Seconds = Field(
        default=600, description="How long it may take to find it; then it is sent again."
    )

    @model_validator(mode="after")
    def _secret_is_one_and_safe(self) -> Self:
        if self.secret_file and self.secret_variable:
            message = "expected secret_file or secret_variable. Received: both"
            raise ValueError(message)
        url = httpx.URL(self.url)
        if self.has_secret and url.scheme != "https" and not is_this_machine(url.host):
            message = "expected https for a server that gets a secret, unless it is on this machine. Received: http"
            raise ValueError(message)
        return self

    @property
    def has_secret(self) -> bool:
        """Whether the server is shown who asks."""
        return bool(self.secret_file or self.secret_variable)

    def secret(self) -> SecretStr:
        """Return the secret as it is now. Raises DeliveryError if it cannot be had."""
        found = read_secret(self.secret_file, self.secret_variable)
        if "\n" in found.get_secret_value():
            message = "expected a secret of one line. Received: several"
            raise DeliveryError(message, retry=True)
        return found


class Destination:
    """Sends objects to a STOW-RS server; follows no redirection and asks no proxy, so that data go nowhere else."""

    def __init__(self, settings: Settings, calling_ae_title: str) -> None:
        """Keep the settings; nothing is connected yet. HTTP has no AE titles."""
        self._settings = settings
        self._calling_ae_title = calling_ae_title
        self.ways: tuple[Way, ...] = () if settings.confirm == "none" else (Way.QUERY,)
        self.may_be_unable = settings.confirm == "auto"
        self.patience = timedelta(seconds=settings.confirm_within_seconds)

    def send(self, outgoing: Outgoing) -> str:
        """Store one report; return what the server said. Raises DeliveryError if it does not have it."""
        with self._client() as client:
            return self._post(client, outgoing.data, len(outgoing.data), outgoing.identifier)

    def forward(self, files: Sequence[Path], progress: Progress) -> None:
        """Store files over one connection, each answered on its own. See `Forwarding`."""
        with self._client() as client:
            for index, file in enumerate(files):
                try:
                    meta = read_file_meta(file)
                except HeaderError as error:
                    progress.failed(index, DeliveryError(f"not sent: {error}", retry=False))
                    continue
                progress.begins(index)
                try:
                    said = self._post(client, file, file.stat().st_size, meta.sop_instance_uid)
                except DestinationDownError:
                    raise
                except DeliveryError as error:
                    progress.failed(index, error)
                else:
                    progress.stored(index, said)

    def confirm(self, question: Question, ways: tuple[Way, ...]) -> Answer:  # noqa: ARG002 - there is one way
        """Search for a report by its UIDs (QIDO-RS, PS3.18 10.6). Raises DeliveryError if the server does not say."""
        query = {
            "StudyInstanceUID": question.study_instance_uid,
            "SeriesInstanceUID": question.series_instance_uid,
            "SOPInstanceUID": question.sop_instance_uid,
        }
        url = f"{self._settings.url}/instances"
        with self._client() as client, client.stream("GET", url, params=query) as response:
            answer = short_body(response, str(self), self._settings.response_timeout_seconds)
        return found(response.status_code, response.headers, answer, question.sop_instance_uid, server=str(self))

    def ping(self) -> None:
        """Search for a study that cannot be: is the server there, and does it know us? Raises DeliveryError if not."""
        query, url = {"StudyInstanceUID": _NOBODY, "limit": "1"}, f"{self._settings.url}/studies"
        with self._client() as client, client.stream("GET", url, params=query) as response:
            status = response.status_code
        if not (200 <= status < 300 or status in _THERE):  # noqa: PLR2004 - 2xx
            message = f"expected {self} to be there. Received: status={status}{HINTS.get(status, '')}"
            raise DestinationDownError(message, status=f"HTTP {status}")

    def __str__(self) -> str:
        """Return its URL."""
        return self._settings.url

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        """Give a client that shows who we are, as `connected` does."""
        trust = TlsClientSettings(ca_file=self._settings.ca_file)
        with connected(trust, self._settings, str(self)) as client:
            client.headers.update({"Accept": "application/dicom+json"} | PLAIN | self._credentials())
            yield client

    def _credentials(self) -> dict[str, str]:
        if not self._settings.has_secret:
            return {}
        secret = self._settings.secret().get_secret_value()
        if self._settings.authorization == "basic":
            secret = b64encode(secret.encode("ascii")).decode("ascii")
        return {"Authorization": f"{self._settings.authorization.capitalize()} {secret}"}

    def _post(self, client: httpx.Client, source: Path | bytes, size: int, sop_instance_uid: str) -> str:
        boundary = token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")
        tail = f"\r\n--{boundary}--\r\n".encode("ascii")
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(len(head) + size + len(tail)),
        }
        with client.stream(
            "POST", f"{self._settings.url}/studies", content=_body(head, source, tail), headers=headers
        ) as response:
            answer = short_body(response, str(self), self._settings.response_timeout_seconds)
        return judge(
            response.status_code, response.headers, answer, sop_instance_uid=sop_instance_uid, server=str(self)
        )


def _body(head: bytes, source: Path | bytes, tail: bytes) -> Iterator[bytes]:
    yield head
    if isinstance(source, bytes):
        yield source
    else:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    yield tail
