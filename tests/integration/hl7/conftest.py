"""An MLLP receiver that is no part of the product, nor of its library: it finds MSH-10 by counting."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dicom_io.errors import TlsError

VT, FS_CR = b"\x0b", b"\x1c\r"
Reply = Callable[[bytes], bytes | None]


def acknowledge(message: bytes, code: str = "AA", control_id: str = "") -> bytes:
    """Return an acknowledgement in its frame."""
    named = control_id or message.split(b"|")[9].decode()
    answer = f"MSH|^~\\&|RIS|R|TIBABU|T|20260301210001||ACK^R01^ACK|9|P|2.5.1\rMSA|{code}|{named}\r"
    return VT + answer.encode() + FS_CR


@dataclass
class Ris:
    """What came, over which connection, and what it answers: bytes; b"" to hang up; None for nothing at all."""

    server: socket.socket
    reply: Reply = acknowledge
    wrap: Callable[[socket.socket], socket.socket] = lambda stream: stream
    received: list[tuple[int, bytes]] = field(default_factory=list)
    streams: list[socket.socket] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return int(self.server.getsockname()[1])

    @property
    def messages(self) -> list[bytes]:
        return [data for _, data in self.received]

    @property
    def connections(self) -> int:
        return len({number for number, _ in self.received})

    def serve(self) -> None:
        while True:
            try:
                stream, _ = self.server.accept()
            except OSError:
                return
            self.streams.append(stream)
            thread = threading.Thread(target=self.talk, args=(len(self.streams), stream))
            thread.start()
            self.threads.append(thread)

    def talk(self, number: int, stream: socket.socket) -> None:
        wrapped = stream
        try:
            wrapped = self.streams[number - 1] = self.wrap(stream)
            pending = b""
            while data := wrapped.recv(65536):
                pending += data
                while FS_CR in pending:
                    whole, _, pending = pending.partition(FS_CR)
                    message = whole.removeprefix(VT)
                    self.received.append((number, message))
                    answer = self.reply(message)
                    if answer == b"":
                        return
                    if answer:
                        wrapped.sendall(answer)
        except (OSError, TlsError):
            pass
        finally:
            self.ended.set()
            wrapped.close()

    def hang_up(self) -> None:
        """End all connections."""
        for stream in self.streams:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.hang_up()
        for thread in self.threads:
            thread.join(60)


@pytest.fixture
def ris() -> Iterator[Ris]:
    receiver = Ris(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=receiver.serve)
    thread.start()
    yield receiver
    receiver.close()
    thread.join(60)


@pytest.fixture
def answer() -> Callable[..., Any]:
    return acknowledge
