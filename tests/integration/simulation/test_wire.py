"""The cable of the drill does what it is told: a network that is cut, stands still or loses answers looks like that."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.simulation.wire import Wire, wire


class Echo:
    """Answers what it hears with the same; `heard` is all of it."""

    def __init__(self, listener: socket.socket) -> None:
        self.heard, self._listener = bytearray(), listener
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                while data := _received(connection):
                    self.heard += data
                    connection.sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(64)
    except ConnectionResetError:
        return b""


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo(socket.create_server(("127.0.0.1", 0)))
    yield server
    server.close()


@pytest.fixture
def cable(echo: Echo) -> Iterator[Wire]:
    with wire(echo._listener.getsockname()[1]) as laid:
        yield laid


def call(cable: Wire) -> socket.socket:
    return socket.create_connection(("127.0.0.1", cable.port), timeout=60)


def answered(connection: socket.socket, word: bytes = b"hello") -> bytes:
    connection.sendall(word)
    return connection.recv(64)


def is_cut(connection: socket.socket) -> bool:
    """Wait for the end of a connection, and tell whether it was cut: who is told to cut has heard what it was told."""
    try:
        return pytest.fail(f"expected a cut. Received: {connection.recv(64)!r}")
    except ConnectionResetError:
        return True


def is_refused(cable: Wire) -> bool:
    try:
        with call(cable) as connection:
            return answered(connection) == b""
    except ConnectionError:
        return True


def test_a_cable_passes_stands_still_loses_answers_and_is_cut_as_it_is_told(
    cable: Wire, echo: Echo, eventually: Callable[..., None]
) -> None:
    with call(cable) as connection:
        assert answered(connection) == b"hello"
        cable.say("stall")
        cable.say("reset")
        assert is_cut(connection)
    with call(cable) as connection:
        connection.sendall(b"later")
        connection.settimeout(0.05)
        with pytest.raises(TimeoutError):
            connection.recv(64)
        connection.settimeout(60)
        cable.say("pass")
        assert connection.recv(64) == b"later"
        cable.say("deaf")
        cable.say("reset")
        assert is_cut(connection)
    with call(cable) as connection:
        connection.sendall(b"lost")
        eventually(lambda: bytes(echo.heard) == b"hellolaterlost")
        cable.say("refuse")
        cable.say("reset")
        assert is_cut(connection), "its answer was lost"
    assert is_refused(cable)


def test_a_cable_may_end_at_a_unix_socket_or_nowhere(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    server = Echo(listener)
    with wire(tmp_path / "s") as laid:
        with call(laid) as connection:
            assert answered(connection) == b"hello"
        server.close()
        assert is_refused(laid)
