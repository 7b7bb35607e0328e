"""The MLLP listener on a real socket in front of a real database, and a sender that works with raw bytes."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Self

import pytest
from arriving import incoming

from agent.hl7.incoming import Incoming, IncomingSettings
from agent.hl7.listener import ListenerSettings, MllpListener
from agent.hl7.meaning import Meaning, MeaningSettings
from db.closing import Timing
from db.database import Database
from db.intake import Recorded, record_instance
from db.messages import Rules
from db.priority import Allowances
from db.queue import open_queue

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Sender:
    """A connection to the listener: frames in, answers out."""

    connection: socket.socket
    buffer: bytes = b""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def raw(self, data: bytes) -> Self:
        self.connection.sendall(data)
        return self

    def answer(self) -> list[str]:
        """Return the segments of the next answer."""
        while b"\x1c\r" not in self.buffer:
            data = self.connection.recv(65536)
            assert data, "the connection ended before an answer"
            self.buffer += data
        frame, _, self.buffer = self.buffer.partition(b"\x1c\r")
        assert frame[:1] == b"\x0b"
        return frame[1:].decode().rstrip("\r").split("\r")

    def send(self, message: bytes | str) -> list[str]:
        data = message.encode() if isinstance(message, str) else message
        return self.raw(b"\x0b" + data + b"\x1c\r").answer()

    def code(self, message: bytes | str) -> str:
        """Return MSA-1."""
        return self.send(message)[1].split("|")[1]

    def has_ended(self) -> bool:
        """Tell whether the listener has let go: an end, or a reset where bytes of ours were left unread."""
        try:
            return self.connection.recv(1) == b""
        except ConnectionResetError:
            return True


@dataclass
class Hospital:
    """The listener and what is behind it."""

    database: Database
    listener: MllpListener
    opened: list[socket.socket] = field(default_factory=list)

    def connect(self) -> Sender:
        connection = socket.create_connection(("127.0.0.1", self.listener.port), 30)
        self.opened.append(connection)
        return Sender(connection)

    def receive(self, **given: Any) -> Recorded:
        """Record an Instance, as the Storage SCP does."""
        who = {"patient_id": "P1", "patient_name": "Doe^John", "patient_birth_date": "20200101"}
        said = who | {"received_at": NOON, "accession_number": "A1"} | given
        arriving = incoming("1.2.3", len(self.received) + 1, **said)
        recorded = record_instance(
            self.database,
            open_queue(self.database),
            arriving,
            timing=Timing(quiet=timedelta(seconds=30), forced=timedelta(minutes=15)),
            allowances=Allowances(),
        )
        self.received.append(recorded)
        return recorded

    received: list[Recorded] = field(default_factory=list)


Serve = Callable[..., AbstractContextManager[Hospital]]


def serving(database: Database) -> Serve:
    @contextmanager
    def serve(meaning: Any = None, incoming: Any = None, **settings: Any) -> Iterator[Hospital]:
        answering = Incoming(
            database,
            open_queue(database),
            Meaning(MeaningSettings(**(meaning or {}))),
            Rules(),
            IncomingSettings(**(incoming or {})),
            lambda: NOON,
        )
        listener = MllpListener(ListenerSettings(**settings), answering.answer)
        listener.start()
        found = Hospital(database, listener)
        try:
            yield found
        finally:
            for connection in found.opened:
                connection.close()
            listener.stop(10)

    return serve


@pytest.fixture
def hospital(database: Database) -> Serve:
    """Return `hospital(meaning={}, incoming={}, **listener)`: a listener that serves for a block, on both databases."""
    return serving(database)


@pytest.fixture
def sqlite_hospital(sqlite_database: Database) -> Serve:
    """Return the same for what has little to do with the database."""
    return serving(sqlite_database)


@pytest.fixture
def message() -> Callable[..., str]:
    """Return `message(kind, *segments, control_id="M1", **msh)`: a message with MSH-15, -16 and -18 as given."""

    def write(kind: str, *segments: str, control_id: str = "M1", processing_id: str = "P", msh: str = "") -> str:
        head = f"MSH|^~\\&|RIS|HOSP|TIBABU||20260101120000||{kind}|{control_id}|{processing_id}|2.5.1{msh}"
        return "\r".join((head, *segments)) + "\r"

    return write
