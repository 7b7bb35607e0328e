"""Where audit messages go: a file, and syslog over TLS (PS3.15 A.6; RFC 5424, RFC 5425)."""

import os
import socket
import ssl
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from agent.errors import AuditError
from db.audit import AuditEvent
from db.audit_terms import EventOutcome
from dicom_io.errors import TlsError
from dicom_io.tls import TlsClientSettings, client_context

_AUTHPRIV: Final = 10  # facility: security and authorization messages
_WARNING, _NOTICE = 4, 5  # severities
_BOM: Final = b"\xef\xbb\xbf"  # says that UTF-8 follows (RFC 5424 section 6.4)
_MSGID: Final = "DICOM+RFC3881"  # PS3.15 A.6


@dataclass(frozen=True, slots=True)
class Message:
    """An audit message and the event that it tells of."""

    event: AuditEvent
    xml: bytes


class Sink(Protocol):
    """Takes messages in their order; when `take` returns, they are there."""

    def take(self, messages: Sequence[Message]) -> None:
        """Take them all. AuditError: whether it has any is not known, and they are to be given again."""


@dataclass(frozen=True, slots=True)
class FileSink:
    """A file with a message on each line, synced to disk; opened each time, so that it may be rotated."""

    path: Path

    def take(self, messages: Sequence[Message]) -> None:
        """Append them. What a crash had left half written gets a line of its own."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                cut_off = size and os.pread(file.fileno(), 1, size - 1) != b"\n"
                file.write(b"\n" if cut_off else b"")
                file.writelines(message.xml + b"\n" for message in messages)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            reason = f"expected a file that can be written. Received: {error.strerror}"
            raise AuditError(reason) from None


@dataclass(frozen=True, slots=True)
class SyslogSink:
    """A syslog receiver over TLS.

    Syslog acknowledges nothing. So each call has a connection of its own, and what was sent counts as taken when the
    receiver has closed it in answer to our closing (RFC 5425 section 4.4): it has read all that came before.
    """

    host: str
    port: int
    tls: TlsClientSettings = field(default_factory=TlsClientSettings)
    seconds: float = 10
    own_host: str = "-"

    def take(self, messages: Sequence[Message]) -> None:
        """Send them and wait for the receiver to have read them."""
        try:
            context = client_context(self.tls)
            with (
                closing(socket.create_connection((self.host, self.port), self.seconds)) as plain,
                context.wrap_socket(plain, server_hostname=self.host) as connection,
            ):
                for message in messages:
                    frame = syslog_frame(message, self.own_host)
                    connection.sendall(b"%d " % len(frame) + frame)
                _close(connection)
        except (TlsError, OSError) as error:
            what = str(error) if isinstance(error, TlsError) else type(error).__name__
            reason = f"expected a syslog receiver over TLS at {self.host}:{self.port}. Received: {what}"
            raise AuditError(reason) from None


def syslog_frame(message: Message, host: str) -> bytes:
    """Return a message as syslog has it (RFC 5424 section 6), without the count of its bytes before it."""
    severity = _NOTICE if message.event.outcome is EventOutcome.SUCCESS else _WARNING
    stamp = _stamp(message.event.at)
    head = f"<{_AUTHPRIV * 8 + severity}>1 {stamp} {host} tibabu {os.getpid()} {_MSGID} - "
    return head.encode("ascii", "replace") + _BOM + message.xml


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _close(connection: ssl.SSLSocket) -> None:
    """Say that nothing more comes, and wait for the receiver to say so, too."""
    try:
        connection.unwrap()
    except ssl.SSLEOFError:
        return  # it closed the connection itself, without saying so first: it has seen our end as well
