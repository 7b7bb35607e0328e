"""A PACS or any other STOW-RS origin server: each object in a POST of its own, over one connection (PS3.18 10.5)."""

import ipaddress
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Final, Literal, Self

import httpx
from pydantic import AfterValidator, Field, SecretStr, model_validator

from agent.destinations import NAME, DestinationSettings, Outgoing, Progress
from agent.errors import DeliveryError, DestinationDownError
from agent.http_client import HINTS, NOTHING_SENT, PLAIN, reason, short_body
from agent.stow_answer import found, judge
from dicom_io.commitment_scu import Answer, Question, Way
from dicom_io.errors import HeaderError, TlsError
from dicom_io.file_meta import read_file_meta
from dicom_io.tls import TlsClientSettings, client_context

MEDIA_TYPES: Final = frozenset({"application/dicom"})

_CHUNK: Final = 1 << 18
_NOBODY: Final = "2.25.0"  # no study has this UID, so that a query for it asks for no data
_THERE: Final = frozenset({403, 405, 501})  # it is there, though it lets us search nothing


def _check_url(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        message = "expected a URL of http or https without user, query and fragment, such as https://pacs/dicom-web"
        raise ValueError(message)
    return text.rstrip("/")


class Settings(DestinationSettings):
    """A STOW-RS server."""

    name: str = Field(examples=["web"], pattern=NAME, description="Its name in the ledger and on the pages.")
    type: Literal["stow"] = Field(examples=["stow"], description="A STOW-RS server (DICOMweb).")
    url: Annotated[str, AfterValidator(_check_url)] = Field(
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
    connection_timeout_seconds: float = Field(default=10, gt=0, description="Longest wait for a connection.")
    response_timeout_seconds: float = Field(
        default=60, gt=0, description="Longest wait for an answer, and for the server to take or give the next bytes."
    )

    confirm: Literal["auto", "query", "none"] = Field(
        default="auto",
        description='Whether it is searched for a report (QIDO-RS) before that counts as delivered. "auto": where the '
        "server allows it.",
    )
    confirm_within_seconds: float = Field(
        default=600, gt=0, description="How long it may take to find it; then it is sent again."
    )

    @model_validator(mode="after")
    def _secret_is_one_and_safe(self) -> Self:
        if self.secret_file and self.secret_variable:
            message = "expected secret_file or secret_variable. Received: both"
            raise ValueError(message)
        url = httpx.URL(self.url)
        if self.has_secret and url.scheme != "https" and not _is_this_machine(url.host):
            message = "expected https for a server that gets a secret, unless it is on this machine. Received: http"
            raise ValueError(message)
        return self

    @property
    def has_secret(self) -> bool:
        """Whether the server is shown who asks."""
        return bool(self.secret_file or self.secret_variable)

    def secret(self) -> SecretStr:
        """Return the secret as it is now. Raises DeliveryError if it cannot be had."""
        try:
            text = (
                self.secret_file.read_text(encoding="utf-8") if self.secret_file else os.environ[self.secret_variable]
            )
        except (OSError, UnicodeDecodeError, KeyError) as error:
            where = self.secret_file or f"${self.secret_variable}"
            message = f"expected the secret in {where}. Received: {type(error).__name__}"
            raise DeliveryError(message, retry=True) from None
        if not text.strip() or not text.strip().isprintable() or not text.isascii():
            message = "expected a secret of printable ASCII characters. Received: something else"
            raise DeliveryError(message, retry=True)
        return SecretStr(text.strip())


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
        """Give a client. Maps everything that it raises; its messages may quote what was sent."""
        settings = self._settings
        try:
            context = client_context(TlsClientSettings(ca_file=settings.ca_file))
        except TlsError as error:
            raise DestinationDownError(str(error)) from None
        try:
            with httpx.Client(
                verify=context,
                headers={"Accept": "application/dicom+json"} | PLAIN | self._credentials(),
                timeout=httpx.Timeout(settings.response_timeout_seconds, connect=settings.connection_timeout_seconds),
                follow_redirects=False,
                trust_env=False,
            ) as client:
                yield client
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            message = f"expected an answer from {self}. Received: {reason(error, context)}"
            raise DestinationDownError(message, sent=not isinstance(error, NOTHING_SENT)) from None

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
