"""The destination `mllp`: what each answer of a receiver means for the ledger."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.destinations import Outgoing, mllp
from agent.errors import DeliveryError, DestinationDownError, Retry

CONTROL_ID = "XVM47X63KH5RSZOQQ2R2"
MESSAGE = Outgoing(
    media_type="application/hl7-v2",
    data=(
        f"MSH|^~\\&|TIBABU||RIS||20260301210001+0000||ORU^R01^ORU_R01|{CONTROL_ID}|P|2.5.1||||||UNICODE UTF-8\r"
        "PID|1||4711||Müller^Zoë\r"
    ).encode(),
    identifier=CONTROL_ID,
    study_instance_uid="1.2.3",
)


def destination(port: int, **settings: object) -> mllp.Destination:
    return mllp.Destination(mllp.Settings(name="ris", type="mllp", host="127.0.0.1", port=port, **settings), "TIBABU")  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_a_message_that_the_receiver_accepts_is_delivered(ris: Any, answer: Callable[..., bytes], code: str) -> None:
    ris.reply = lambda message: answer(message, code)
    assert destination(ris.port).send(MESSAGE) == code
    assert ris.messages == [MESSAGE.data]


@pytest.mark.parametrize(
    ("code", "retry"), [("AE", Retry.SOON), ("CE", Retry.SOON), ("AR", Retry.NEVER), ("CR", Retry.NEVER)]
)
def test_a_message_that_the_receiver_refuses_is_sent_again_or_parked(
    ris: Any, answer: Callable[..., bytes], code: str, retry: Retry
) -> None:
    ris.reply = lambda message: answer(message, code)
    with pytest.raises(DeliveryError, match=f"Received: {code}") as caught:
        destination(ris.port).send(MESSAGE)
    assert (caught.value.patience, caught.value.status, caught.value.sent) == (retry, code, False)


def test_what_a_receiver_says_of_the_patient_goes_nowhere(ris: Any) -> None:
    """MSA-3 and ERR-8 are free text; only the error's code is told."""
    ris.reply = lambda _: (
        b"\x0bMSH|^~\\&|RIS||||20260301||ACK|1|P|2.5.1\r"
        + f"MSA|AR|{CONTROL_ID}|no patient Müller^Zoë 4711\rERR|||204^Müller^HL70357|E||||4711\r".encode()
        + b"\x1c\r"
    )
    with capture_logs() as logs, pytest.raises(DeliveryError, match=r"Received: AR: 204$") as caught:
        destination(ris.port).send(MESSAGE)
    assert "4711" not in f"{caught.value}{logs}"


def test_a_receiver_that_is_away_is_down_and_has_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        away = destination(server.getsockname()[1])
    for ask in (lambda: away.send(MESSAGE), away.ping):
        with pytest.raises(DestinationDownError) as caught:
            ask()
        assert not caught.value.sent


@pytest.mark.parametrize("said", [None, b""])
def test_a_receiver_that_does_not_answer_is_down_and_may_have_it(ris: Any, said: bytes | None) -> None:
    ris.reply = lambda _: said
    with pytest.raises(DestinationDownError) as caught:
        destination(ris.port, response_timeout_seconds=0.2).send(MESSAGE)
    assert caught.value.sent
    assert ris.messages == [MESSAGE.data]


def test_an_answer_for_another_message_acknowledges_nothing(ris: Any, answer: Callable[..., bytes]) -> None:
    ris.reply = lambda message: answer(message, "AA", "A" * 20)
    with pytest.raises(DeliveryError) as caught:
        destination(ris.port).send(MESSAGE)
    assert (caught.value.patience, caught.value.sent) == (Retry.SOON, True)


def test_asking_whether_it_is_there_sends_nothing(ris: Any) -> None:
    there = destination(ris.port)
    there.ping()
    there.send(MESSAGE)
    assert ris.received == [(1, MESSAGE.data)]
