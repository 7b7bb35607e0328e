"""SMTP clients whose server may say little and must say it in time: smtplib reads a reply for as long as it goes on."""

import smtplib
import socket
import time
from typing import Final

_LONGEST_REPLY: Final = 1 << 16
_CHUNK: Final = 1 << 12


class _Reader:
    """Reads lines as a socket's file does: so many bytes of a reply at most, and within the time of one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._pending = b""
        self._left = 0
        self._until = 0.0

    def begin(self, seconds: float) -> None:
        """Allow one more reply."""
        self._left, self._until = _LONGEST_REPLY, time.monotonic() + seconds

    def readline(self, size: int) -> bytes:
        """Return a line, or so much of it; b"" at the end. OSError where the server says too much, or too slowly."""
        while b"\n" not in self._pending and len(self._pending) < size:
            remaining = self._until - time.monotonic()
            if remaining <= 0 or self._left <= 0:
                raise TimeoutError
            self._connection.settimeout(remaining)
            data = self._connection.recv(_CHUNK)
            if not data:
                break
            self._pending += data
        line, end, _ = self._pending.partition(b"\n")
        line = (line + end)[:size]
        self._pending = self._pending[len(line) :]
        self._left -= len(line)
        if self._left <= 0:
            raise TimeoutError
        return line

    def close(self) -> None:
        """Let go of what was read and not asked for; the connection is closed by whoever opened it."""
        self._pending = b""


class Smtp(smtplib.SMTP):
    """A client whose time-out is that of a whole reply (RFC 5321 4.2)."""

    file: _Reader | None

    def getreply(self) -> tuple[int, bytes]:
        """Return the server's reply. Raises SMTPServerDisconnected if it is too long or too slow."""
        if self.sock is None:
            return super().getreply()
        if self.file is None:
            self.file = _Reader(self.sock)
        seconds = self.sock.gettimeout() or 0.0
        self.file.begin(seconds)
        try:
            return super().getreply()
        finally:
            if self.sock is not None:
                self.sock.settimeout(seconds)


class SmtpOverTls(Smtp, smtplib.SMTP_SSL):
    """The same with TLS from the first byte (RFC 8314)."""
