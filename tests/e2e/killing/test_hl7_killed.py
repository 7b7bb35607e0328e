"""kill -9 between a message and its acknowledgement: the same message comes again, and is known by its control ID."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from db.worklist import study_record

ROLES = ("receive", "work", "deliver", "clock")


@dataclass
class Ris:
    """Remembers messages; calls `before_answer` with how many there are, then acknowledges."""

    server: socket.socket
    before_answer: Callable[[int], None] = lambda _: None
    messages: list[bytes] = field(default_factory=list)

    def serve(self) -> None:
        while True:
            try:
                stream, _ = self.server.accept()
            except OSError:
                return
            with stream:
                self.talk(stream)

    def talk(self, stream: socket.socket) -> None:
        pending = b""
        try:
            while data := stream.recv(65536):
                pending += data
                while b"\x1c\r" in pending:
                    frame, _, pending = pending.partition(b"\x1c\r")
                    self.messages.append(frame.removeprefix(b"\x0b"))
                    self.before_answer(len(self.messages))
                    named = control_id(self.messages[-1])
                    stream.sendall(f"\x0bMSH|^~\\&|RIS||||20260301||ACK|1|P|2.5.1\rMSA|AA|{named}\r\x1c\r".encode())
        except OSError:
            return


def control_id(message: bytes) -> str:
    return message.split(b"|")[9].decode()


@pytest.fixture
def ris() -> Iterator[Ris]:
    receiver = Ris(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=receiver.serve, daemon=True)
    thread.start()
    yield receiver
    receiver.server.shutdown(socket.SHUT_RDWR)
    receiver.server.close()
    thread.join(60)


def test_a_message_that_was_sent_but_not_acknowledged_comes_again_as_the_same_bytes(
    configure: Any, running: Any, radiograph: Any, ris: Ris, eventually: Callable[..., None], tmp_path: Path
) -> None:
    agent = configure(tmp_path)
    port = ris.server.getsockname()[1]
    with agent.config.open("a", encoding="utf-8") as config:
        config.write(f'[[destinations]]\nname = "ris"\ntype = "mllp"\nhost = "127.0.0.1"\nport = {port}\n')

    def kill_the_sender(count: int) -> None:
        if count == 1:
            os.kill(agent.pid("deliver"), signal.SIGKILL)

    ris.before_answer = kill_the_sender
    study = radiograph(SpecificCharacterSet="ISO_IR 192", PatientName="Yamada^Tarou=山田^太郎")
    uid = str(study.StudyInstanceUID)

    def acknowledged() -> bool:
        record = study_record(agent.database, uid)
        return record is not None and [row["state"] for row in record.deliveries] == ["ACKNOWLEDGED"]

    with running(agent, ROLES):
        agent.send(study)
        eventually(acknowledged)
    first, *others = ris.messages
    assert others == [first]
    assert "Yamada^Tarou^^^^^^A~山田^太郎^^^^^^I" in first.decode()
    assert f"||{uid}||||||O\r" in first.decode()
    assert "山田" not in agent.text()
