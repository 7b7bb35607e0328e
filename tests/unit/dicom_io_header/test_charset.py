"""Names in every character set of PS3.3 C.12.1.1.2 come out as they were meant, and nothing fails."""

import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_io.charset import codec_names, decode_text
from dicom_io.header import read_header

Make = Callable[..., bytes]
NAME, CHARSET = 0x00100010, 0x00080005

# The examples of PS3.5 annexes H, I, J and K, and plain single-byte sets.
EXAMPLES = {
    "ISO_IR 100": (b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    "ISO_IR 101": (b"Wa\xb3\xeasa", "Wałęsa"),
    "ISO_IR 126": (b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    "ISO_IR 127": (b"\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار"),
    "ISO_IR 138": (b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"),
    "ISO_IR 144": (b"\xbb\xee\xda\x63\x65\xdc\xd1\xe3\xe0\xd3", "Люкceмбург"),  # noqa: RUF001  # Cyrillic, but for "ce"
    "ISO_IR 192": ("Wang^XiaoDong=王^小東=".encode(), "Wang^XiaoDong=王^小東="),
    "ISO_IR 203": (b"\xbduvre^\xbeve", "œuvre^Ÿve"),
    "\\ISO 2022 IR 203": (b"Fran\x1b-b\xbdois", "Franœois"),
    "GB18030": (b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
    "\\ISO 2022 IR 87": (
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    "ISO 2022 IR 13\\ISO 2022 IR 87": (
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    "\\ISO 2022 IR 149": (
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    "\\ISO 2022 IR 58": (b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东="),
    "ISO 2022 IR 100\\ISO 2022 IR 144": (b"\x1b-L\xb8\xd2\xd0\xdd^Andr\xe9", "Иван^André"),  # "^" resets to the first
    "ISO 2022 IR 6\\ISO 2022 IR 144": (b"Ivanov=\x1b-L\xb8\xd2\xd0\xdd\xde\xd2", "Ivanov=Иванов"),
}


@pytest.mark.parametrize(("terms", "value", "name"), [(terms, *pair) for terms, pair in EXAMPLES.items()])
def test_a_name_is_decoded_by_its_character_set(part10: Make, terms: str, value: bytes, name: str) -> None:
    header = read_header(part10({CHARSET: (b"CS", terms.encode()), NAME: (b"PN", value)}))
    assert header.patient_name == name
    assert header.specific_character_set == tuple(terms.split("\\"))
    assert not header.misread_text


@pytest.mark.parametrize(
    ("term", "value"),
    [
        (b"ISO_IR 192", b"M\xfcller"),
        (b"", "Müller".encode()),
        (b"ISO_IR 999", b"M\xfcller"),
        (b"ISO 2022 IR 6\\ISO 2022 IR 87", b"Yamada=\x1b$B\xff\xff\x1b(B"),
        (b"ISO_IR 100", b"Doe\x1bZZ^John"),
    ],
)
def test_text_that_is_not_valid_in_its_declared_character_set_is_said_to_be_misread(
    part10: Make, term: bytes, value: bytes
) -> None:
    for tag, vr in ((NAME, b"PN"), (0x00081030, b"LO")):
        assert read_header(part10({CHARSET: (b"CS", term), tag: (vr, value)})).misread_text


@pytest.mark.parametrize("term", ["", "ISO_IR 999", "KOI8-R", "utf8", "\x00", "ISO_IR 100 "])
@pytest.mark.parametrize("name", ["Müller^Jürgen", "Иванов^Иван", "山田^太郎"])
def test_utf8_under_a_wrong_or_missing_character_set_is_read_as_utf8_or_at_least_read(
    part10: Make, term: str, name: str
) -> None:
    header = read_header(part10({CHARSET: (b"CS", term.encode()), NAME: (b"PN", name.encode())}))
    latin = term.strip() == "ISO_IR 100"
    assert header.patient_name == (
        "".join(c for c in name.encode().decode("latin-1") if c.isprintable() or c == "\xad") if latin else name
    )


def test_escape_sequences_and_control_characters_never_reach_a_terminal(part10: Make) -> None:
    hostile = read_header(part10({NAME: (b"PN", b"A\x1b[2J\x07\x9b31mB")})).patient_name
    assert all(character.isprintable() for character in hostile)


@given(st.binary(max_size=64), st.lists(st.sampled_from([*EXAMPLES, "", "x"]), max_size=3))
def test_no_bytes_and_no_terms_make_decoding_fail(value: bytes, terms: list[str]) -> None:
    assert isinstance(decode_text(value, codec_names(terms)), str)


def test_odd_text_leaves_no_log_line(part10: Make, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read_header(part10({CHARSET: (b"CS", b"WRONG"), NAME: (b"PN", b"\xff\xfe"), 0x00101010: (b"AS", b"old")}))
    assert caplog.records == []
