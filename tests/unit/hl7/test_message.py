"""Messages are read from what senders really send, and written so that other libraries read the same."""

import tracemalloc
from contextlib import suppress

import hl7
import pytest
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from agent.hl7.ack import acknowledgement
from agent.hl7.errors import MessageError, WrongAnswerError
from agent.hl7.message import MOST_PARTS, parse, write

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
    written = write(
        [("MSH", {3: "A|B", 10: "17", 12: "2.5.1"}), ("ZZZ", {3: [("a^b", ("c&d", "e"))], 5: "f~g"})], "ASCII"
    )
    assert written == b"MSH|^~\\&|A\\F\\B|||||||17||2.5.1\rZZZ|||a\\S\\b^c\\T\\d&e||f\\R\\g\r"
    other = parse_message(written.decode(), find_groups=False)
    assert (other.msh.msh_3.to_er7(), other.msh.msh_10.to_er7()) == ("A\\F\\B", "17")
    zzz = other.zzz.to_er7().split("|")
    assert zzz == ["ZZZ", "", "", "a\\S\\b^c\\T\\d&e", "", "f\\R\\g"]


@pytest.mark.parametrize(
    "text", ["PID|||4711^^^A&1.2&ISO~0815||Roe^Jane|", "PID|1", "PID|||^a~b&c^d", "ZZZ||a&b|~", "OBX|1|TX|||x^"]
)
def test_every_field_is_where_another_library_finds_it(text: str) -> None:
    head = "MSH|^~\\&|HIS||||20260301||ADT^A08^ADT_A01|17|P|2.5.1"
    segment = parse(f"{head}\r{text}\r".encode()).segments[1]
    (other,) = [one for one in parse_message(f"{head}\r{text}\r", find_groups=False).children if one.name != "MSH"]
    assert [segment.field(number) for number in range(1, 9)] == [
        "~".join(one.to_er7() for one in getattr(other, f"{text[:3]}_{number}".lower())) for number in range(1, 9)
    ]


@pytest.mark.parametrize("text", ["|", "~", "^", "&", "^~", "~|", "a~b^"])
def test_a_message_of_nothing_but_delimiters_is_refused_before_it_fills_the_memory(text: str) -> None:
    data = b"MSH|^~\\&|\rPID|||" + text.encode() * (1_000_000 // len(text))
    tracemalloc.start()
    with pytest.raises(MessageError, match=f"at most {MOST_PARTS} fields"):
        parse(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * len(data)


def test_a_long_text_is_read_whatever_its_length() -> None:
    message = parse(b"MSH|^~\\&|\rOBX|1|ED|PDF||^^PDF^Base64^" + b"A" * 900_000)
    assert len(message.segments[1].value(5, 5)) == 900_000


@pytest.mark.parametrize("end", ["MSH", "MSH|", "MSH|^~\\&", "MSHX|", "BHS", "FHS^~", "PID"])
def test_what_comes_twice_or_cut_off_leaves_the_header_as_it_is(end: str) -> None:
    message = parse(f"MSH|^~\\&|HIS|||||||17\r{end}".encode())
    assert (message.control_id, len(message.segments), message.segments[1].value(9)) == ("17", 2, "")
    assert parse(b"MSH|^~\\&").header.value(3) == ""


def test_delimiters_of_a_senders_own_are_the_ones_that_divide() -> None:
    pid = parse(b"MSH$%+!#$HIS\rPID$$$4711%%%A#1.2+08|15^~&").segments[1]
    assert (pid.value(3), pid.value(3, 4, 2), pid.value(3, repetition=2)) == ("4711", "1.2", "08|15^~&")


def test_the_library_logs_no_value(caplog: pytest.LogCaptureFixture) -> None:
    """It would quote a whole field; nothing of it that the product uses logs, and nothing else of it is heard."""
    message = hl7.parse(ADT.decode())
    assert message.unescape("\\QZoe\\") == message.unescape("\\XZoe\\") == ""
    assert parse(ADT + b"NTE|1||\\QZoe\\ \\XZZ\\").segments[-1].value(3) == "\\QZoe\\ \\XZZ\\"
    assert not caplog.records


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
