"""The client of MLLP against a real receiver over a real socket: only a message's own acknowledgement counts."""

import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, repeat
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.hl7.client import Client, Receiver
from agent.hl7.errors import NoAnswerError, NotReachedError, WrongAnswerError

FIRST, SECOND, THIRD = (letter * 20 for letter in "ABC")


def message(control_id: str) -> bytes:
    return f"MSH|^~\\&|TIBABU||RIS||20260301||ORU^R01^ORU_R01|{control_id}|P|2.5.1\rPID|1||4711||Müller\r".encode()


@pytest.fixture
def client(ris: Any) -> Iterator[Client]:
    made = Client(Receiver(host="127.0.0.1", port=ris.port, response_timeout=60))
    yield made
    made.close()


def send(client: Client, control_id: str) -> str:
    return str(client.exchange(message(control_id), control_id))


def test_messages_go_over_one_connection_and_come_as_they_were(client: Client, ris: Any) -> None:
    assert [send(client, one) for one in (FIRST, SECOND, THIRD)] == ["AA", "AA", "AA"]
    assert ris.messages == [message(one) for one in (FIRST, SECOND, THIRD)]
    assert ris.connections == 1


@pytest.mark.parametrize("code", ["AE", "AR", "CA", "CE", "CR"])
def test_every_acknowledgement_code_comes_back_and_the_connection_is_kept(
    client: Client, ris: Any, answer: Callable[..., bytes], code: str
) -> None:
    ris.reply = lambda message: answer(message, code)
    assert [send(client, one) for one in (FIRST, SECOND)] == [code, code]
    assert ris.connections == 1


def test_a_receiver_that_is_away_got_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotReachedError, match="Connection refused"):
        Client(Receiver(host="127.0.0.1", port=port)).exchange(message(FIRST), FIRST)


def test_a_receiver_that_does_not_answer_in_time_may_have_it_and_is_called_anew(ris: Any) -> None:
    client = Client(Receiver(host="127.0.0.1", port=ris.port, response_timeout=0.2))
    ris.reply = lambda _: None
    with pytest.raises(NoAnswerError, match=r"within 0\.2 s") as caught:
        send(client, FIRST)
    assert caught.value.late
    assert len(ris.messages) == 1
    with pytest.raises(NoAnswerError):
        send(client, SECOND)
    assert ris.connections == 2


def test_a_receiver_that_drips_its_answer_has_no_more_time_than_any_other(ris: Any) -> None:
    ris.reply = lambda _: b"\x0bMSH|"
    moments = chain([0.0] * 3, repeat(31.0))  # connected, sent, waiting; once half an answer is here the time is over
    with pytest.raises(NoAnswerError, match="within 30 s"):
        Client(Receiver(host="127.0.0.1", port=ris.port), clock=partial(next, moments)).exchange(message(FIRST), FIRST)


def test_an_acknowledgement_of_the_message_before_acknowledges_nothing_and_the_message_is_sent_again(
    client: Client, ris: Any, answer: Callable[..., bytes]
) -> None:
    """A late answer on a kept connection is dropped with it; the same bytes go once more over a new one."""
    send(client, FIRST)
    answers = iter([("AA", FIRST), ("AE", SECOND)])
    ris.reply = lambda message: answer(message, *next(answers))
    with capture_logs() as logs:
        assert send(client, SECOND) == "AE"
    assert ris.received == [(1, message(FIRST)), (1, message(SECOND)), (2, message(SECOND))]
    (line,) = logs
    assert (line["event"], line["named"], line["expected"]) == ("hl7_answer_discarded", FIRST, SECOND)


def test_an_acknowledgement_that_came_while_nothing_was_asked_is_not_read_as_the_next_one(
    client: Client, ris: Any, answer: Callable[..., bytes]
) -> None:
    """Even one that guessed the next control ID right: nothing that came before a message can be about it."""
    ris.reply = lambda message: answer(message) + answer(message, "AA", SECOND)
    send(client, FIRST)
    ris.reply = lambda message: answer(message, "AR")
    assert send(client, SECOND) == "AR"
    assert ris.connections == 2


def test_a_receiver_that_always_acknowledges_something_else_gets_the_message_and_no_belief(
    client: Client, ris: Any, answer: Callable[..., bytes]
) -> None:
    """What it names could be a patient's: neither the error nor the log repeats it."""
    ris.reply = lambda message: answer(message, "AA", "4711-Müller")
    with capture_logs() as logs, pytest.raises(WrongAnswerError, match="AA for another one") as caught:
        send(client, FIRST)
    assert "Müller" not in f"{caught.value}{logs}"
    assert logs[0]["named"] == "none of ours"


@pytest.mark.parametrize(
    "said",
    [b"\x0bnonsense\x1c\r", b"\x0bMSH|^~\\&|RIS\rMSA|OK|A\r\x1c\r", b"\x0bPID|1||4711||Secret\x1c\r", b"\x0b\x1c\r"],
)
def test_an_answer_that_is_no_acknowledgement_is_refused_without_being_quoted(
    client: Client, ris: Any, said: bytes
) -> None:
    ris.reply = lambda _: said
    with pytest.raises(WrongAnswerError, match="expected") as caught:
        send(client, FIRST)
    assert "4711" not in str(caught.value)


def test_a_connection_that_ended_while_it_was_idle_is_replaced_before_anything_is_sent(
    client: Client, ris: Any
) -> None:
    send(client, FIRST)
    ris.hang_up()
    assert ris.ended.wait(60)
    assert send(client, SECOND) == "AA"
    assert ris.messages == [message(FIRST), message(SECOND)]


def test_a_kept_connection_that_ends_on_a_message_is_replaced_once(client: Client, ris: Any) -> None:
    send(client, FIRST)
    ris.reply = lambda _: b""
    with pytest.raises(NoAnswerError, match="the end of the connection") as caught:
        send(client, SECOND)
    assert not caught.value.late
    assert ris.received[1:] == [(1, message(SECOND)), (2, message(SECOND))]


def test_a_connection_that_was_idle_for_long_is_not_trusted(ris: Any) -> None:
    now = [0.0]
    client = Client(Receiver(host="127.0.0.1", port=ris.port, idle_seconds=60), clock=lambda: now[0])
    send(client, FIRST)
    now[0] = 61
    send(client, SECOND)
    client.close()
    assert ris.connections == 2


def test_threads_send_one_after_the_other(client: Client, ris: Any) -> None:
    threads = [threading.Thread(target=send, args=(client, letter * 20)) for letter in "ABCDEFGH"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ris.messages) == [message(letter * 20) for letter in "ABCDEFGH"]
    assert ris.connections == 1


def test_an_answer_in_pieces_amid_junk_is_read(client: Client, ris: Any, answer: Callable[..., bytes]) -> None:
    ris.reply = lambda message: b"\r\njunk\x0b\x06\x1c\r" + answer(message)
    assert send(client, FIRST) == "AA"


def test_a_transport_that_did_not_take_the_message_says_so(client: Client, ris: Any) -> None:
    """NAK of MLLP release 2."""
    ris.reply = lambda _: b"\x0b\x15\x1c\r"
    with pytest.raises(NoAnswerError, match="NAK"):
        send(client, FIRST)


def test_an_endless_answer_is_given_up(client: Client, ris: Any) -> None:
    ris.reply = lambda _: b"\x0b" + b"x" * (1 << 21)
    with pytest.raises(WrongAnswerError, match="at most"):
        send(client, FIRST)
