"""The role `hl7` as its users run it: a process that is killed, started again, and knows what it has done."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

from sqlalchemy import select

from db.schema.hl7 import hl7_message

ORDER = (
    "MSH|^~\\&|RIS|HOSP|TIBABU||20260101120000||ORM^O01|K1|P|2.5.1\rPID|1||PID-4711||Zzyzx^Quentin||20210203|M\r"
    "ORC|NW||ACC-0815\rOBR|1||ACC-0815||S\r"
)


def say(port: int, text: str) -> str:
    """Send a message and return the segment MSA of its answer."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.sendall(b"\x0b" + text.encode() + b"\x1c\r")
        data = b""
        while not data.endswith(b"\x1c\r"):
            data += connection.recv(4096)
    return data.decode().split("\r")[1]


def test_a_listener_killed_with_connections_open_comes_back_and_knows_the_message_that_is_sent_again(
    configure: Any, running: Any, free_port: Any, tmp_path: Path
) -> None:
    port = free_port()
    agent = configure(tmp_path, hl7={"enabled": True, "port": port})
    with running(agent, ("hl7", "web")):
        assert say(port, ORDER) == "MSA|AA|K1|order kept; studies on record: 0, changed: 0"
        pid = agent.pid("hl7")
        assert pid is not None
        with socket.create_connection(("127.0.0.1", port), 60) as half:
            half.sendall(b"\x0b" + ORDER.encode()[:40])
            os.kill(pid, signal.SIGKILL)
            agent.ready("hl7", times=2)
        assert say(port, ORDER).startswith("MSA|AA|K1")
        with agent.database.read() as connection:
            (kept,) = connection.execute(select(hl7_message)).all()
    assert (kept.answer, kept.times) == ("AA", 2)
    assert [event["again"] for event in agent.events("hl7_message")] == [False, True]
    assert "Zzyzx" not in agent.text()
