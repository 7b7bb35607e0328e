"""MLLP: whole messages out of bytes that come as they like, and never half of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hl7.errors import FramingError
from agent.hl7.framing import Deframer, frame

MESSAGES = st.lists(st.binary(max_size=40).filter(lambda data: not set(data) & set(b"\x0b\x1c")), max_size=6)
BETWEEN = st.sampled_from([b"", b"\r\n", b"\0", b"junk\x1c"])


@given(MESSAGES, BETWEEN, st.integers(1, 50))
def test_messages_come_out_whole_however_the_bytes_are_cut(messages: list[bytes], between: bytes, size: int) -> None:
    stream = b"".join(between + frame(message) for message in messages)
    deframer = Deframer(limit=100)
    found = []
    for start in range(0, len(stream), size):
        found += deframer.feed(stream[start : start + size])
    assert found == messages
    assert not deframer.within


def test_two_frames_in_one_packet_are_two_messages() -> None:
    assert Deframer(100).feed(frame(b"one") + frame(b"two")) == [b"one", b"two"]


def test_a_message_ends_with_fs_and_waits_for_no_cr() -> None:
    deframer = Deframer(100)
    assert deframer.feed(b"\x0bone\x1c") == [b"one"]
    assert deframer.feed(b"\r\x0btwo\x1c\n") == [b"two"]
    assert deframer.left_out == 0


def test_what_stands_between_frames_is_left_out_and_counted() -> None:
    deframer = Deframer(100)
    assert deframer.feed(b"GET / HTTP/1.1\r\n" + frame(b"one") + b"\r\n\r\n") == [b"one"]
    assert deframer.left_out == len(b"GET/HTTP/1.1")


@pytest.mark.parametrize("cut", range(1, 12))
def test_half_a_message_becomes_no_part_of_the_next_one(cut: int) -> None:
    stream = b"\x0bPID of A" + frame(b"B")
    deframer = Deframer(100)
    assert deframer.feed(stream[:cut]) + deframer.feed(stream[cut:]) == [b"B"]
    assert deframer.left_out == len(b"PID of A")


def test_a_message_without_end_is_refused_at_the_limit() -> None:
    deframer = Deframer(limit=10)
    deframer.feed(b"\x0b" + b"x" * 10)
    with pytest.raises(FramingError, match="at most 10 bytes"):
        deframer.feed(b"x")
