"""MSH-18: names survive in every character set that is read, and in those that are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hl7 import charsets
from agent.hl7.charsets import WRITTEN, codec_of, decode, encode

HEAD = b"MSH|^~\\&|||||20260301||ADT^A08|1|P|2.5.1||||||"


def message(name: bytes, declared: bytes) -> bytes:
    return HEAD + declared + b"\rPID|1||4711||" + name + b"\r"


@pytest.mark.parametrize(
    ("declared", "codec", "name"),
    [
        (b"", "ascii", "Mueller^Zoe"),
        (b"ASCII", "ascii", "Mueller^Zoe"),
        (b"8859/1", "latin-1", "Müller^Zoë"),
        (b"8859/2", "iso8859_2", "Dvořák^Anežka"),
        (b"8859/5", "iso8859_5", "Иванова^Анна"),
        (b"8859/7", "iso8859_7", "Παπαδοπούλου^Άννα"),
        (b"8859/8", "iso8859_8", "כהן^שרה"),
        (b"8859/9", "iso8859_9", "Öztürk^Şule"),
        (b"8859/15", "iso8859_15", "Œuvre^Zoë"),
        (b"UNICODE UTF-8", "utf-8", "山田^太郎"),
        (b"UNICODE", "utf-8", "山田^太郎"),
        (b"utf-8", "utf-8", "Ŋ^김"),
        (b"ISO 8859-1", "latin-1", "Müller^Zoë"),
        (b"WINDOWS-1252", "cp1252", "Müller^Zoë"),
        (b"GB 18030-2000", "gb18030", "王^小东"),
        (b"KS X 1001", "euc_kr", "김^희중"),
        (b"BIG-5", "big5", "王^小東"),
        (b"ISO IR14", "shift_jis", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        (b"~ISO IR87", "iso2022_jp", "Yamada^Tarou^^^^^^A~山田^太郎^^^^^^I"),
        (b"ASCII~ISO IR87~ISO IR159", "iso2022_jp", "Yamada^Tarou~山田^太郎"),
    ],
)
def test_a_name_is_read_in_the_character_set_that_the_message_declares(declared: bytes, codec: str, name: str) -> None:
    decoded = decode(message(name.encode(codec), declared))
    assert decoded.text.endswith(f"||{name}\r")
    assert decoded.as_declared


@pytest.mark.parametrize(
    ("declared", "name", "read"),
    [
        (b"", "Müller".encode(), "Müller"),
        (b"", "Müller".encode("latin-1"), "Müller"),
        (b"ASCII", "Müller".encode(), "Müller"),
        (b"UNICODE UTF-8", "Müller".encode("latin-1"), "Müller"),
        (b"KLINGON", "山田".encode(), "山田"),
        (b"CNS 11643-1992", b"abc", "abc"),
    ],
)
def test_a_character_set_that_cannot_be_right_is_guessed_and_told(declared: bytes, name: bytes, read: str) -> None:
    decoded = decode(message(name, declared))
    assert decoded.text.endswith(f"||{read}\r")
    assert not decoded.as_declared


def test_a_site_says_what_senders_mean_that_declare_nothing() -> None:
    decoded = decode(message("Müller".encode("latin-1"), b""), default="8859/1")
    assert decoded.text.endswith("||Müller\r")
    assert decoded.as_declared


def test_a_byte_order_mark_is_no_text() -> None:
    assert decode(b"\xef\xbb\xbf" + message(b"A", b"UNICODE UTF-8")).text.startswith("MSH|")


@given(st.binary())
def test_reading_never_fails_whatever_the_bytes(data: bytes) -> None:
    decode(data)
    decode(b"MSH|" + data)


@given(st.text(), st.sampled_from(sorted(WRITTEN)))
def test_writing_never_fails_and_is_read_back_by_its_own_name(text: str, term: str) -> None:
    assert encode(text, term).decode(codec_of(term)) is not None


@pytest.mark.parametrize("term", sorted(WRITTEN))
def test_no_byte_of_another_letter_looks_like_a_delimiter(term: str) -> None:
    for code in range(0x80, 0x3000):
        try:
            written = chr(code).encode(WRITTEN[term])
        except UnicodeError:
            continue
        assert not set(written) & set(b"|^~\\&\r\n\x0b\x1c")


def test_a_letter_that_the_receiver_cannot_read_goes_without_its_marks() -> None:
    assert encode("Öztürk^Zoë 山", charsets.ASCII) == b"Ozturk^Zoe ?"
    assert encode("Dvořák", "8859/1") == "Dvorák".encode("latin-1")
