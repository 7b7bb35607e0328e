"""The listener holds: whatever comes, in whatever pieces, one answer for each message and no message for nothing."""

import ipaddress
import socket
import threading
from typing import Any

import hl7apy.parser
import pytest
from sqlalchemy import select

from agent.hl7.listener import ListenerSettings, MllpListener
from db.schema.hl7 import hl7_message

PID = "PID|1||P1||Roe^Jane||20200101|F"


def test_an_independent_library_reads_the_answer(sqlite_hospital: Any, message: Any) -> None:
    with sqlite_hospital() as here:
        segments = here.connect().send(message("ADT^A08^ADT_A01", PID, control_id="M\\F\\1"))
    answer = hl7apy.parser.parse_message("\r".join(segments), find_groups=False)
    assert (answer.msa.msa_1.value, answer.msa.msa_2.value) == ("AA", "M\\F\\1")
    assert (answer.msh.msh_5.value, answer.msh.msh_6.value, answer.msh.msh_9.value) == ("RIS", "HOSP", "ACK^A08^ACK")


def test_a_message_in_pieces_and_two_in_one_are_answered_one_by_one(sqlite_hospital: Any, message: Any) -> None:
    one, two = (b"\x0b" + message("ADT^A08", PID, control_id=name).encode() + b"\x1c\r" for name in ("M1", "M2"))
    with sqlite_hospital() as here:
        sender = here.connect()
        for start in range(0, len(one), 7):
            sender.raw(one[start : start + 7])
        assert sender.answer()[1].startswith("MSA|AA|M1")
        sender.raw(b"\r\n junk " + one + two)
        assert [sender.answer()[1].split("|")[2] for _ in range(2)] == ["M1", "M2"]


def test_a_message_that_is_none_is_rejected_and_the_next_one_is_taken(sqlite_hospital: Any, message: Any) -> None:
    with sqlite_hospital() as here:
        sender = here.connect()
        assert sender.send(b"hello \xff\x00")[1].startswith("MSA|AR|")
        assert sender.code(message("ADT^A08", PID)) == "AA"


@pytest.mark.parametrize("data", [b"\x0b" + b"A" * 200_000, b"B" * 200_000])
def test_a_peer_without_end_is_let_go(sqlite_hospital: Any, data: bytes) -> None:
    with sqlite_hospital(maximum_message_bytes=100_000) as here:
        assert here.connect().raw(data).has_ended()


def test_silent_and_slow_peers_hold_back_nobody_and_are_let_go(sqlite_hospital: Any, message: Any) -> None:
    with sqlite_hospital(idle_seconds=0.5, message_seconds=0.5) as here:
        silent, slow = here.connect(), here.connect().raw(b"\x0bMSH|")
        assert here.connect().code(message("ADT^A08", PID)) == "AA"
        assert silent.has_ended()
        assert slow.has_ended()


def test_connections_past_the_limit_are_closed_and_those_before_go_on(sqlite_hospital: Any, message: Any) -> None:
    with sqlite_hospital(maximum_connections=2) as here:
        senders = [here.connect() for _ in range(2)]
        assert [sender.code(message("ADT^A08", PID)) for sender in senders] == ["AA", "AA"]
        assert here.connect().has_ended()
        assert senders[0].code(message("ADT^A08", PID, control_id="M9")) == "AA"


def test_after_a_reload_an_open_connection_is_answered_by_the_new_configuration(
    sqlite_hospital: Any, message: Any
) -> None:
    with sqlite_hospital() as here:
        sender = here.connect()
        assert sender.code(message("ADT^A08", PID)) == "AA"
        here.listener.renew(lambda _message, _peer: b"MSH|^~\\&|\rMSA|AE|M2\r")
        assert sender.code(message("ADT^A08", PID, control_id="M2")) == "AE"


def test_where_there_is_no_room_for_a_thread_it_listens_on(
    sqlite_hospital: Any, message: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, refused = threading.Thread.start, list[str]()

    def no_room_at_first(thread: threading.Thread) -> None:
        if thread.name.startswith("hl7 ") and not refused:
            refused.append(thread.name)
            what = "can't start new thread"
            raise RuntimeError(what)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", no_room_at_first)
    with sqlite_hospital() as here:
        assert here.connect().has_ended()
        assert here.connect().code(message("ADT^A08", PID)) == "AA"
    assert refused


def test_only_listed_addresses_may_connect(sqlite_hospital: Any) -> None:
    with sqlite_hospital(senders=(ipaddress.ip_network("10.0.0.0/8"),)) as here:
        assert here.connect().has_ended()


def test_the_same_message_is_answered_again_and_carried_out_once(hospital: Any, message: Any) -> None:
    text = message("ADT^A08", PID)
    with hospital() as here:
        here.receive()
        answers = [here.connect().send(text) for _ in range(3)]
        with here.database.read() as connection:
            (kept,) = connection.execute(select(hl7_message)).all()
    assert {tuple(answer[1:]) for answer in answers} == {tuple(answers[0][1:])}
    assert (kept.sender, kept.control_id, kept.kind, kept.answer, kept.times) == ("RIS|HOSP", "M1", "ADT^A08", "AA", 3)


def test_the_same_message_over_many_connections_at_once_is_carried_out_once(hospital: Any, message: Any) -> None:
    text = message("ADT^A08", PID)
    codes: list[str] = []
    with hospital() as here:
        here.receive()
        threads = [threading.Thread(target=lambda: codes.append(here.connect().code(text))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        with here.database.read() as connection:
            (kept,) = connection.execute(select(hl7_message)).all()
    assert (codes, kept.times) == (["AA"] * 8, 8)


@pytest.mark.parametrize(
    ("kind", "settings", "code", "error"),
    [
        ("ADT^A01", {}, "AR", "201"),
        ("MDM^T02", {}, "AR", "200"),
        ("MDM^T02", {"accepts_unknown": True}, "AA", ""),
        ("ADT^A08", {}, "AE", "101"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_code(
    sqlite_hospital: Any, message: Any, kind: str, settings: Any, code: str, error: str
) -> None:
    with sqlite_hospital(meaning=settings) as here:
        segments = here.connect().send(message(kind, "EVN||20260101"))
    assert segments[1].split("|")[1] == code
    assert [segment.split("|")[3].split("^")[0] for segment in segments[2:]] == ([error] if error else [])


def test_several_messages_in_one_frame_are_refused_and_none_is_carried_out(sqlite_hospital: Any, message: Any) -> None:
    """An answer names one message: the others would be lost, or read as part of it."""
    with sqlite_hospital() as here:
        here.receive()
        both = message("ADT^A08", PID) + message("ADT^A08", PID.replace("P1", "P2"), control_id="M2")
        segments = here.connect().send(both)
        assert segments[1].split("|")[1:3] == ["AR", "M1"]
        batch = "BHS|^~\\&|RIS\r" + message("ADT^A08", PID) + "BTS|1\r"
        assert here.connect().code(batch) == "AR"


def test_a_sender_that_writes_keep_alives_between_frames_is_served(sqlite_hospital: Any, message: Any) -> None:
    with sqlite_hospital() as here:
        here.receive()
        sender = here.connect().raw(b"\r\n\0\r\n")
        assert sender.code(message("ADT^A08", PID)) == "AA"
        sender.raw(b"\r\n" * 100)
        assert sender.code(message("ADT^A08", PID, control_id="M2")) == "AA"


def test_messages_of_training_change_nothing(sqlite_hospital: Any, message: Any) -> None:
    with sqlite_hospital() as here:
        here.receive()
        segments = here.connect().send(message("ADT^A08", PID, processing_id="T"))
    assert (segments[1].split("|")[1], segments[2].split("|")[3][:3]) == ("AR", "202")


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [
        ("AL", "NE", "CA"),
        ("AL", "AL", "CA"),
        ("NE", "AL", "AA"),
        ("ER", "AL", "AA"),
        ("SU", "", "CA"),
        ("", "AL", "AA"),
    ],
)
def test_in_enhanced_mode_it_answers_what_is_wanted(
    sqlite_hospital: Any, message: Any, accept: str, application: str, expected: str
) -> None:
    with sqlite_hospital() as here:
        assert here.connect().code(message("ADT^A08", PID, msh=f"|||{accept}|{application}")) == expected


def test_where_no_answer_is_wanted_none_is_given(sqlite_hospital: Any, message: Any) -> None:
    with sqlite_hospital() as here:
        sender = here.connect()
        sender.raw(b"\x0b" + message("ADT^A08", PID, msh="|||NE|NE").encode() + b"\x1c\r")
        assert sender.send(message("ADT^A08", PID, control_id="M2"))[1].startswith("MSA|AA|M2")


def test_what_is_being_worked_on_is_answered_before_it_stops(message: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def answer(_data: bytes, _peer: str) -> bytes:
        begun.set()
        go_on.wait(60)
        return b"done"

    listener = MllpListener(ListenerSettings(), answer)
    listener.start()
    with socket.create_connection(("127.0.0.1", listener.port), 30) as connection:
        connection.sendall(b"\x0b" + message("ADT^A08").encode() + b"\x1c\r")
        assert begun.wait(60)
        stopping = threading.Thread(target=listener.stop, args=(10,))
        stopping.start()
        go_on.set()
        assert connection.recv(100) == b"\x0bdone\x1c\r"
        stopping.join(60)
        assert connection.recv(100) == b""
