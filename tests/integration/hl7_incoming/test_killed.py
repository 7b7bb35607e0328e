"""Killed with -9 before and after its commit: no message is acknowledged in vain, none is carried out twice."""

import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from commands import QuickCommands
from sqlalchemy import select

from db.schema.domain import study, study_event
from db.schema.hl7 import hl7_message

PROGRAM = Path(__file__).with_name("answering_program.py")
PID = "PID|1||P1||Roe^Jane||20200101|F"


def send_to_one_that_dies(commands: QuickCommands, url: str, moment: str, text: str) -> None:
    with commands.program(PROGRAM, url, moment) as process:
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(b"\x0b" + text.encode() + b"\x1c\r")
            assert connection.recv(100) == b"", "it was not acknowledged"
        assert process.wait(60) == -signal.SIGKILL


@pytest.mark.parametrize(("moment", "name"), [("before commit", "Doe^John"), ("before answer", "Roe^Jane")])
def test_the_message_that_is_sent_again_is_acknowledged_and_carried_out_once(
    hospital: Any, message: Any, moment: str, name: str, quick_commands: QuickCommands
) -> None:
    text = message("ADT^A08", PID)
    with hospital() as here:
        here.receive()
        send_to_one_that_dies(quick_commands, here.database.url.render_as_string(hide_password=False), moment, text)
        with here.database.read() as connection:
            assert connection.scalar(select(study.c.patient_name)) == name
        assert here.connect().code(text) == "AA"
        with here.database.read() as connection:
            events = connection.scalars(select(study_event.c.event)).all()
            (kept,) = connection.execute(select(hl7_message)).all()
            assert connection.scalar(select(study.c.patient_name)) == "Roe^Jane"
    assert events.count("IDENTITY_CORRECTED") == 1
    assert (kept.answer, kept.times) == ("AA", 1 if moment == "before commit" else 2)
