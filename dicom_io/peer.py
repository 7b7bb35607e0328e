"""A peer AE, and how long it may take."""

import re
from dataclasses import dataclass
from typing import Final, Self

from dicom_io.tls import TlsClientSettings

_AE_TITLE: Final = re.compile(
    r"(?! *$)[ -\[\]-~]{1,16}"
)  # PS3.5 6.2: printable ASCII but the backslash, not only spaces
_PEER: Final = re.compile(r"(?P<ae_title>[^@]+)@(?P<host>\[[0-9A-Fa-f:.]+\]|[^@:\[\]\s]+):(?P<port>\d{1,5})")
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Peer:
    """An AE somewhere else: its AE title, its host name or address, its port, and how to call it over TLS if so."""

    ae_title: str
    host: str
    port: int
    tls: TlsClientSettings | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what no peer can have."""
        check_ae_title(self.ae_title)
        if not self.host or not 0 < self.port <= _MAX_PORT:
            message = f"expected a host and a port of 1 to {_MAX_PORT}. Received: host={self.host!r} port={self.port}"
            raise ValueError(message)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `AET@HOST:PORT`; an IPv6 address stands in brackets. Raises ValueError."""
        match = _PEER.fullmatch(text.strip())
        if match is None:
            message = f"expected AET@HOST:PORT, for example PACS@10.0.0.5:104. Received: {text!r}"
            raise ValueError(message)
        return cls(match["ae_title"], match["host"].strip("[]"), int(match["port"]))

    def __str__(self) -> str:
        """Return what `parse` reads; of TLS it says nothing."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.ae_title}@{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a peer may take, in seconds.

    `connection`: to accept the TCP connection. `acse`: to answer an association or release request. `dimse`: to answer
    a message after it was sent, as long as it takes it. `network`: to take or to go on with a PDU once begun.
    """

    connection: float = 10.0
    acse: float = 30.0
    dimse: float = 60.0
    network: float = 60.0


DEFAULT_TIMEOUTS: Final = Timeouts()


def check_ae_title(value: str) -> str:
    """Return `value` if it is an AE title (PS3.5 6.2), else raise ValueError."""
    if _AE_TITLE.fullmatch(value) is None:
        message = f"expected an AE title of 1 to 16 printable ASCII characters without backslash. Received: {value!r}"
        raise ValueError(message)
    return value
