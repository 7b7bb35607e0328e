"""DICOM over TLS: the BCP 195 RFC 8996, 9325 Secure Transport Connection Profile (PS3.15 annex B), in both roles.

TLS 1.2 with the four suites that RFC 9325 4.2.1 recommends, and TLS 1.3; nothing older, no falling back.
The home of `ssl`.
"""

import logging
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dicom_io.errors import TlsError

SUITES: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
"""Of TLS 1.2, as OpenSSL names them; those of TLS 1.3 are all with authenticated encryption and stay as they are."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsServerSettings:
    """How connections are accepted: PEM files.

    Peers are asked for a certificate if `client_ca` is given, and must have one if `required`.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsClientSettings:
    """How a peer is called: PEM files. Without `ca_file` the system's authorities are trusted.

    `certificate` and `key` are shown to a peer that asks for them. The certificate must be the host's that was called,
    unless `verify_host_name` is false.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    verify_host_name: bool = True


class TlsServer:
    """Accepts TLS on connections; takes up new certificate files without a restart. Safe for threads."""

    def __init__(self, settings: TlsServerSettings) -> None:
        """Load the files. Raises TlsError when they cannot be used."""
        self._settings = settings
        self._lock = threading.Lock()
        self._seen = self._stamps()
        self._context = _server_context(settings)

    def handshake(self, connection: socket.socket) -> ssl.SSLSocket:
        """Return the connection encrypted, within its own time-out. Raises TlsError, and closes it, when that fails."""
        wrapped = self._current().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            wrapped.do_handshake()
        except OSError as error:
            wrapped.close()
            message = f"expected a TLS handshake. Received: {_reason(error)}"
            raise TlsError(message) from error
        return wrapped

    def _current(self) -> ssl.SSLContext:
        """Return the context of the files as they are now; of the old ones while new ones cannot be used."""
        with self._lock:
            stamps = self._stamps()
            if stamps != self._seen:
                self._seen = stamps
                try:
                    self._context = _server_context(self._settings)
                    _log.info("tls_certificate_loaded")
                except TlsError as error:
                    _log.error("tls_certificate_not_loaded", extra={"reason": str(error)})
            return self._context

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Tell the files' versions from each other; None stands for one that is not there."""
        files = self._settings.certificate, self._settings.key, self._settings.client_ca
        return tuple(_stamp(file) for file in files if file is not None)


class TlsClientContext(ssl.SSLContext):
    """A context for one connection to a peer; `failure` is why its handshake failed, "" if it did not."""

    failure: str = ""


def client_context(settings: TlsClientSettings) -> TlsClientContext:
    """Return a new context, of the files as they are now. Raises TlsError when they cannot be used."""
    context = TlsClientContext(ssl.PROTOCOL_TLS_CLIENT)
    _restrict(context)
    context.sslsocket_class = _TellingSocket
    context.check_hostname = settings.verify_host_name
    try:
        if settings.ca_file is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            context.load_verify_locations(settings.ca_file)
        if settings.certificate is not None:
            context.load_cert_chain(settings.certificate, settings.key)
    except OSError as error:
        raise _unusable(error) from error
    return context


class _TellingSocket(ssl.SSLSocket):
    """A socket that leaves word of why its handshake failed, since pynetdicom only says that there is no connection."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  # ssl's signature
        try:
            super().do_handshake(block)
        except OSError as error:
            context: Any = self.context
            context.failure = _reason(error)
            self.close()  # pynetdicom shuts it down, which fails, and then lets go of it
            raise


def _server_context(settings: TlsServerSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _restrict(context)
    context.num_tickets = 0  # a session is not resumed past a certificate that has been replaced
    try:
        context.load_cert_chain(settings.certificate, settings.key)
        if settings.client_ca is not None:
            context.load_verify_locations(settings.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if settings.required else ssl.CERT_OPTIONAL
    except OSError as error:
        raise _unusable(error) from error
    return context


def _restrict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(SUITES))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE


def _unusable(error: OSError) -> TlsError:
    return TlsError(f"expected PEM files with certificates and the key of the first. Received: {_reason(error)}")


def _reason(error: OSError) -> str:
    """Return what went wrong in the words of OpenSSL's or the system's tables: nothing that a peer could write."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted, {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, TimeoutError):
        return "nothing in time"
    return error.strerror or "the end of the connection"


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
