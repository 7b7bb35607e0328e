"""Escape sequences and delimiters, with the standard's own examples and python-hl7's `unescape` as judges.

The product takes only the structure of messages from that library, no escape sequences.
"""

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hl7.text import STANDARD, Delimiters, delimiters_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OTHERS = Delimiters("$", "%", "+", "!", "#")


@given(TEXT)
def test_any_text_comes_back_from_its_escaped_form(text: str) -> None:
    for delimiters in (STANDARD, OTHERS):
        assert delimiters.unescaped(delimiters.escaped(text), "utf-8") == text


@given(TEXT)
def test_an_escaped_text_holds_no_delimiter_and_no_control_character(text: str) -> None:
    escaped = STANDARD.escaped(text)
    assert not set(escaped) & set("|^~&\r\n\x0b\x1c\0")


@given(TEXT)
def test_reading_never_fails_whatever_stands_there(text: str) -> None:
    STANDARD.unescaped(text, "utf-8")


@given(st.text(st.sampled_from("ab|^~&\\FSTRE.br\r")))
def test_another_library_reads_what_was_escaped(text: str) -> None:
    message = hl7.parse("MSH|^~\\&|\r")
    lines = text.replace("\r", "")
    assert message.unescape(STANDARD.escaped(lines)) == lines


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"Mueller \T\ Sohn", "Mueller & Sohn"),
        (r"a\.br\b\.sp2\c", "a\nb\n\nc"),
        (r"a\.sk3\b\.ti4\c", "a   bc"),
        (r"\H\loud\N\ quiet", "loud quiet"),
        (r"M\XC3\\XBC\ller", "Müller"),
        (r"M\XC3BC\ller", "Müller"),
        (r"\\server\share", r"\\server\share"),
        ("C:\\temp\\", "C:\\temp\\"),
        (r"5 mg\5 ml", r"5 mg\5 ml"),
        (r"\Z01\\C2842\\M2442\ kept", r"\Z01\\C2842\\M2442\ kept"),
        (r"\X0\ \XZZ\ kept", r"\X0\ \XZZ\ kept"),
        (r"\.sp99999999\ kept", r"\.sp99999999\ kept"),
    ],
)
def test_an_escape_sequence_is_what_the_standard_says_and_all_else_stays(escaped: str, text: str) -> None:
    assert STANDARD.unescaped(escaped, "utf-8") == text


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("MSH|^~\\&|A", STANDARD),
        ("MSH$%+!#$A", OTHERS),
        ("MSH|^~\\|A", STANDARD),
        ("MSH|^^\\&|A", None),
        ("MSHA^~\\&A", None),
        ("MSH|^~", None),
        ("MSH ^~\\&A", None),
        ("BHS|^~\\&|A", None),
        ("", None),
    ],
)
def test_a_message_says_what_divides_it(start: str, expected: Delimiters | None) -> None:
    assert delimiters_of(start) == expected
