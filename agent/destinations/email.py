"""Mail to people, by SMTP (RFC 5321): the summary in words. Encrypted unless a site says otherwise."""

import json
import smtplib
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from agent.config.http import TimeOuts
from agent.config.tls import TlsTrust
from agent.destinations import NAME, Alert, DestinationSettings, Outgoing
from agent.errors import DestinationDownError, Retry
from agent.line.statuses import of_smtp, refusal
from agent.net.smtp import Smtp, SmtpOverTls
from agent.secret import is_this_machine, read_secret
from dicom_io.errors import TlsError
from dicom_io.tls import TlsClientContext, client_context

MEDIA_TYPES: Final = frozenset({"application/json"})

_SUBJECTS: Final = {
    "flagged": "AI triage: a study was flagged",
    "not_flagged": "AI triage: a study was processed - does not exclude disease",
    "not_analysed": "AI triage: a study was not analysed",
    "failed": "AI triage: the analysis of a study failed",
    "withdrawn": "AI triage: a result was withdrawn",
}
_PATIENT: Final = {
    "patient_name": "Name",
    "patient_id": "Patient ID",
    "issuer_of_patient_id": "Issuer",
    "patient_birth_date": "Birth date",
    "patient_sex": "Sex",
    "accession_number": "Accession number",
    "study_date": "Study date",
    "study_time": "Study time",
    "study_description": "Study",
    "study_id": "Study ID",
    "referring_physician_name": "Referring physician",
}

_POLICY: Final = SMTP.clone(cte_type="7bit")
"""Not every server takes eight bits."""

Address = Annotated[str, StringConstraints(pattern=r"^[!-;=?-~]+@[!-;=?-~]+$", max_length=254)]


class Settings(TlsTrust, TimeOuts, DestinationSettings):
    """A mail server, and who gets mail."""

    name: str = Field(examples=["mail"], pattern=NAME, description="Its name in the ledger and on the pages.")
    type: Literal["email"] = Field(examples=["email"], description="Mail by SMTP.")
    reports: tuple[str, ...] = Field(
        default=("summary",),
        description="Which reports it gets: types, or names of [reports.NAME] tables; [] for none.",
    )
    host: str = Field(examples=["mail.example"], min_length=1, description="The mail server's host name or address.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port: 587 with starttls, 465 with tls.")
    encryption: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description='"starttls" and "tls" send nothing unless encrypted; "none" encrypts nothing.'
    )
    sender: Address = Field(examples=["tibabu@hospital.example"], description="Who it is from.")
    recipients: tuple[Address, ...] = Field(
        examples=[["reading-room@hospital.example"]], min_length=1, description="Who gets it."
    )
    login: str | None = Field(default=None, examples=["tibabu"], description="Name to log in with; unset: without.")
    secret_file: Path | None = Field(
        default=None, examples=["/run/secrets/mail"], description="A file that holds the login's password."
    )
    secret_variable: str = Field(
        default="", examples=["MAIL_PASSWORD"], description="An environment variable that holds it instead."
    )

    @model_validator(mode="after")
    def _login_is_whole_and_safe(self) -> Self:
        if (bool(self.secret_file) + bool(self.secret_variable)) != bool(self.login):
            message = "expected login with one of secret_file and secret_variable, or none of them. Received: another"
            raise ValueError(message)
        if self.login and self.encryption == "none" and not is_this_machine(self.host):
            message = 'expected encryption for a server that gets a password. Received: encryption="none"'
            raise ValueError(message)
        return self


class Destination:
    """Sends each summary as one message to all recipients or, if one of them is refused, to none."""

    def __init__(self, settings: Settings, calling_ae_title: str) -> None:  # noqa: ARG002 - mail has no AE titles
        """Keep the settings; nothing is connected yet."""
        self._settings = settings

    def send(self, outgoing: Outgoing) -> str:
        """Send one summary; return the server's status. Raises DeliveryError unless it took it for all recipients."""
        return self._post(self._message(outgoing))

    def alert(self, alert: Alert) -> None:
        """Send an alert as one message. Raises DeliveryError unless the server took it for all recipients."""
        self._post(self._letter(alert.subject, alert.at, alert.identifier, alert.lines))

    def _post(self, message: bytes) -> str:
        recipients = self._settings.recipients
        with self._session() as server:
            self._expect(server.mail(self._settings.sender)[0], "the sender")
            for number, recipient in enumerate(recipients, start=1):
                self._expect(server.rcpt(recipient)[0], f"recipient {number} of {len(recipients)}")
            try:
                status = server.data(message)[0]
            except smtplib.SMTPDataError as error:
                status = error.smtp_code
            except OSError as error:
                message_ = f"expected {self} to say that it has the message. Received: {_why(error)}"
                raise DestinationDownError(message_, sent=True) from None
            self._expect(status, "the message")
        return f"{status}: {len(recipients)} recipients"

    def ping(self) -> None:
        """Connect, encrypt and log in; raises DeliveryError if the server does not let us."""
        with self._session() as server:
            self._expect(server.noop()[0], "a connection")

    def __str__(self) -> str:
        """Return its address."""
        return f"{self._settings.host}:{self._settings.port}"

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """Give a session, encrypted and logged in. Maps what is raised: the server's words may quote the message."""
        settings = self._settings
        password = ""
        if settings.login is not None:
            password = read_secret(settings.secret_file, settings.secret_variable).get_secret_value()
        context: TlsClientContext | None = None
        try:
            context = client_context(settings.trust)
            with self._connected(context) as server:
                if settings.login is not None:
                    server.login(settings.login, password)
                yield server
        except smtplib.SMTPResponseException as error:
            message = f"expected {self} to let us in. Received: status={error.smtp_code}"
            verdict = of_smtp(error.smtp_code)
            retry = Retry.SOON if verdict.retry is Retry.SOON else Retry.SLOWLY
            raise DestinationDownError(message, retry=retry, status=str(error.smtp_code)) from None
        except (smtplib.SMTPException, TlsError, OSError, ValueError) as error:
            why = _why(error) if context is None else context.failure or _why(error)
            message = f"expected {self} to answer as a mail server. Received: {why}"
            raise DestinationDownError(message) from None

    @contextmanager
    def _connected(self, context: ssl.SSLContext) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        # The host's name stays out of EHLO: it is nobody's business, and looking it up may take long.
        options: dict[str, Any] = {"local_hostname": "localhost", "timeout": settings.connection_timeout_seconds}
        server: Smtp
        if settings.encryption == "tls":
            server = SmtpOverTls(settings.host, settings.port, context=context, **options)
        else:
            server = Smtp(settings.host, settings.port, **options)
        try:
            if server.sock is not None:
                server.sock.settimeout(settings.response_timeout_seconds)
            if settings.encryption == "starttls":
                server.starttls(context=context)
            server.ehlo_or_helo_if_needed()
            yield server
            with suppress(smtplib.SMTPException, OSError):  # what was taken before a poor farewell is taken
                server.quit()
        finally:
            server.close()

    def _expect(self, status: int, what: str) -> None:
        if status // 100 != 2:  # noqa: PLR2004 - 2yz, positive completion
            message = f"expected {self} to take {what}. Received: status={status}"
            raise refusal(message, of_smtp(status), status=str(status))

    def _message(self, outgoing: Outgoing) -> bytes:
        """Return the message: the same for the same summary, with a Message-ID by which a second copy is known."""
        payload = json.loads(outgoing.data)
        data = payload["data"]
        moment = datetime.fromisoformat(payload["timestamp"])
        subject = _SUBJECTS["withdrawn" if data.get("withdrawn") else data["outcome"]]
        return self._letter(subject, moment, outgoing.identifier, _lines(data))

    def _letter(self, subject: str, at: datetime, identifier: str, lines: Iterable[str]) -> bytes:
        message = EmailMessage(policy=_POLICY)
        message["From"] = self._settings.sender
        message["To"] = ", ".join(self._settings.recipients)
        message["Subject"] = subject
        message["Date"] = format_datetime(at)
        message["Message-ID"] = f"<{identifier}@{self._settings.sender.partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence shall answer
        message.set_content("\n".join(lines) + "\n")
        return message.as_bytes()


def _lines(data: dict[str, Any]) -> Iterator[str]:
    yield from data["sentences"]
    yield ""
    order, effective = (data["priority"][name] for name in ("order", "effective"))
    yield f"Priority: {effective}" + (f", raised from {order}" if effective != order else "")
    if model := data["model"]:
        yield f"Model: {model['name']} {model['version']}, operating point {model['operating_point']}"
    yield f"Concluded: {datetime.fromisoformat(data['concluded_at']):%Y-%m-%d %H:%M:%S %Z}"
    yield f"Study Instance UID: {data['study_instance_uid']}"
    yield from (f"Open: {link}" for link in data["links"].values())
    patient = data.get("patient", {})
    yield from (f"{label}: {' '.join(patient[key].split())}" for key, label in _PATIENT.items() if patient.get(key))


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(reason) if isinstance(error, OSError) and reason else type(error).__name__
