"""hl7apy's own MLLP server takes our messages: it reads, validates and acknowledges them, and hangs up each time."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.mllp import AbstractHandler, MLLPServer
from hl7apy.parser import parse_message

from agent.destinations import Outgoing, mllp
from agent.reports import oru
from agent.reports.document import ModelIdentity, StudyFacts, StudyResult

AT = datetime(2026, 3, 1, 21, tzinfo=UTC)


class Acknowledging(AbstractHandler):
    """Validates a message by v2.5.1, keeps it, and answers as the library writes it."""

    def __init__(self, message: str, kept: list[Message]) -> None:
        super().__init__(message)
        self.kept = kept

    def reply(self) -> str:
        message = parse_message(self.incoming_message, validation_level=VALIDATION_LEVEL.STRICT)
        message.validate()
        self.kept.append(message)
        answer = Message("ACK", version="2.5.1")
        answer.msh.msh_9 = "ACK^R01^ACK"
        answer.msa.msa_1 = "AA"
        answer.msa.msa_2 = message.msh.msh_10.to_er7()
        return str(answer.to_mllp())


@pytest.fixture
def receiver() -> Iterator[tuple[int, list[Message]]]:
    kept: list[Message] = []
    with MLLPServer("127.0.0.1", 0, {"ORU^R01^ORU_R01": (Acknowledging, kept)}) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1], kept
        server.shutdown()
        thread.join(60)


def result(**fields: Any) -> StudyResult:
    values: dict[str, Any] = {
        "study_instance_uid": "1.2.3",
        "revision": 1,
        "outcome": "failed",
        "reason": "pixel data is truncated",
        "model": ModelIdentity(name="m", version="1", sha256="0" * 64, operating_point_name="p", threshold=0.5),
        "analysed_at": AT,
        "concluded_at": AT,
        "images": (),
        "evidence": (),
        "installation": "here",
        "software_version": "0.1.0",
        "study": StudyFacts(patient_id="4711", patient_name="Yamada^Tarou=山田^太郎", received_at=AT),
    }
    return StudyResult(**(values | fields))


def test_an_independent_server_validates_and_acknowledges_every_message(receiver: tuple[int, list[Message]]) -> None:
    port, kept = receiver
    settings = mllp.Settings(name="ris", type="mllp", host="127.0.0.1", port=port)
    destination = mllp.Destination(settings, "TIBABU")
    sent = [oru.render(result(version=version), oru.Settings()) for version in (1, 2, 3)]
    for document in sent:
        outgoing = Outgoing(
            media_type=document.media_type,
            data=document.data,
            identifier=document.identifier,
            study_instance_uid="1.2.3",
        )
        assert destination.send(outgoing) == "AA"
    assert [message.msh.msh_10.to_er7() for message in kept] == [document.identifier for document in sent]
    names = [name.to_er7() for name in kept[0].oru_r01_patient_result.oru_r01_patient.pid.pid_5]
    assert names == ["Yamada^Tarou^^^^^^A", "山田^太郎^^^^^^I"]
