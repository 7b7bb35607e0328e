"""Messages are read from what senders really send, and written so that other libraries read the same."""

from contextlib import suppress

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hl7.ack import acknowledgement
from agent.hl7.errors import MessageError, WrongAnswerError
from agent.hl7.message import parse, write

ADT = (
    b"MSH|^~\\&|HIS|KLINIK|TIBABU|RAD|20260301120000+0530||ADT^A40^ADT_A39|17|P|2.5.1||||||UNICODE UTF-8\r"
    b"PID|1||4711^^^KLINIK&1.2.3&ISO^PI~0815^^^LAND||"
    b"M\xc3\xbcller \\T\\ Co^Zo\xc3\xab~\xe5\xb1\xb1\xe7\x94\xb0^^^^^^^I\r"
    b'MRG|4712^^^KLINIK|""\r'
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_a_message_is_read_by_segment_field_repetition_component_and_subcomponent() -> None:
    message = parse(ADT)
    assert (message.control_id, message.header.value(9, 2), message.header.field(1)) == ("17", "A40", "|")
    pid = message.first("PID")
    assert pid is not None
    assert (pid.value(3), pid.value(3, 4), pid.value(3, 4, 2), pid.value(3, 4, 3)) == ("4711", "KLINIK", "1.2.3", "ISO")
    assert (pid.value(3, repetition=2), pid.value(3, 4, repetition=2)) == ("0815", "LAND")
    assert [pid.part(one) for one in pid.repetitions(5)] == ["Müller & Co", "山田"]
    assert (pid.value(3, 9), pid.value(99), pid.repetitions(2)) == ("", "", ())
    merged = message.first("MRG")
    assert merged is not None
    assert merged.field(2) == '""'
    assert message.first("OBX") is None


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r"])
def test_other_ends_of_segments_are_read_too(end: bytes) -> None:
    message = parse(b"\r\n" + ADT.replace(b"\r", end))
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "MRG"]


@pytest.mark.parametrize("data", [b"", b"PID|1", b"MSH", b"MSH|||||", b"<xml/>", b"\xff\xfeM\0S\0H\0|\0"])
def test_what_is_no_message_is_refused_without_being_quoted(data: bytes) -> None:
    with pytest.raises(MessageError, match="Received: something else"):
        parse(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    parse(b"MSH|^~\\&|" + data)
    with suppress(MessageError):
        parse(data)


@given(TEXT, TEXT, TEXT)
def test_what_is_written_is_read_back_by_us(first: str, second: str, third: str) -> None:
    written = write(
        [("MSH", {18: "UNICODE UTF-8"}), ("ZZZ", {2: [(first, (second, "x")), third, "end"]})], "UNICODE UTF-8"
    )
    segment = parse(written).first("ZZZ")
    assert segment is not None
    assert segment.value(2) == first
    assert (segment.value(2, 2), segment.value(2, 2, 2)) == (second, "x")
    assert segment.value(2, repetition=2) == third


def test_what_is_written_is_read_by_another_library() -> None:
    written = write([("MSH", {3: "A|B", 10: "17"}), ("ZZZ", {3: [("a^b", ("c&d", "e"))], 5: "f~g"})], "ASCII")
    assert written == b"MSH|^~\\&|A\\F\\B|||||||17\rZZZ|||a\\S\\b^c\\T\\d&e||f\\R\\g\r"
    other = hl7.parse(written)
    assert other.extract_field("MSH", field_num=3) == "A|B"
    assert other.extract_field("ZZZ", field_num=3, component_num=2, subcomponent_num=1) == "c&d"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("MSA|AA|T1", "AA"),
        ("MSA|AE|T1|Unknown patient Müller^Zoë|||207^Müller^HL70357", "AE: 207"),
        ("MSA|AR|T1\rERR|||101^Required field missing^HL70357|E|||PID Müller", "AR: 101"),
        ("MSA|AR|T1\rERR|||4711-Müller", "AR"),
        ("MSA|AR|T1\rERR|PID^1^5^103&Müller&HL70357", "AR: 103"),
        ("MSA|CE|T1\rERR|||Müller|E\rERR|||204|E", "CE: 204"),
        ("MSA|CA|T1", "CA"),
        ("MSA|CR|T1", "CR"),
    ],
)
def test_of_an_acknowledgement_only_codes_are_kept(answer: str, told: str) -> None:
    found = acknowledgement(parse(f"MSH|^~\\&|||||20260301||ACK|9|P|2.5.1\r{answer}\r".encode()))
    assert (str(found), found.control_id) == (told, "T1")
    assert (found.accepted, found.rejected) == (told[1] == "A", told[1] == "R")


@pytest.mark.parametrize("answer", ["", "MSA||T1", "MSA|OK|T1", "PID|1||4711"])
def test_what_acknowledges_nothing_is_no_acknowledgement(answer: str) -> None:
    with pytest.raises(WrongAnswerError, match="Received: something else"):
        acknowledgement(parse(f"MSH|^~\\&|||||20260301||ACK|9|P|2.5.1\r{answer}\r".encode()))
