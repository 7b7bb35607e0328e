"""What DICOM says of a patient reads as people write it, and can do no harm where it is shown."""

import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.web.people import LONGEST, PersonName, age, dicom_date, patient_id, person_name, readable, sex

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("value", "shown", "other"),
    [
        ("DOE^John", "DOE, John", ""),
        ("Doe", "Doe", ""),
        ("^John", "John", ""),
        ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "Adams, Rev. John Robert Quincy, B.A. M.Div.", ""),
        ("Doe^John^Q", "Doe, John Q", ""),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou", "山田 太郎, やまだ たろう"),
        ("Hong^Gildong=洪^吉洞", "Hong, Gildong", "洪 吉洞"),
        ("=山田^太郎=やまだ^たろう", "山田 太郎", "やまだ たろう"),
        ("==やまだ^たろう", "やまだ たろう", ""),
        ("Жуков^Илья", "Жуков, Илья", ""),
        ("A^B^C^D^E^F^G", "A, D B C, E^F^G", ""),
        ("A=B=C=D", "A", "B, C=D"),
        ("", "name not given", ""),
        ("^^^^", "name not given", ""),
        (" = = ", "name not given", ""),
    ],
)
def test_a_name_is_written_as_people_write_it(value: str, shown: str, other: str) -> None:
    assert person_name(value) == PersonName(shown, other)


@given(st.text())
def test_any_value_becomes_one_line_that_can_be_sent_and_reorders_nothing(value: str) -> None:
    line = readable(value)
    assert line.encode("utf-8") is not None
    assert len(line) <= LONGEST
    assert not {unicodedata.category(letter) for letter in line} & {"Cc", "Cs"}
    assert not {unicodedata.bidirectional(letter) for letter in line} & {"LRE", "RLE", "LRO", "RLO", "PDF"}
    assert not {unicodedata.bidirectional(letter) for letter in line} & {"LRI", "RLI", "FSI", "PDI"}


@given(st.text())
def test_a_name_is_never_blank(value: str) -> None:
    assert person_name(value).shown.strip()


def test_what_is_cut_off_says_so() -> None:
    assert readable("x" * (LONGEST + 1)) == "x" * (LONGEST - 1) + "…"
    assert readable("x" * LONGEST) == "x" * LONGEST


def test_a_lone_surrogate_does_not_take_the_page_down() -> None:
    assert readable("a\udc80b") == "a b"


def test_a_missing_patient_id_is_said() -> None:
    assert patient_id(" ") == "no patient ID"
    assert patient_id("P1") == "P1"


@pytest.mark.parametrize(
    ("patient_age", "birth_date", "expected"),
    [
        ("004Y", "", "4 years"),
        ("001Y", "", "1 year"),
        ("018M", "", "18 months"),
        ("003W", "", "3 weeks"),
        ("001D", "", "1 day"),
        ("004Y", "19500101", "4 years"),
        ("", "20220302", "3 years"),
        ("", "20220301", "4 years"),
        ("", "20240402", "22 months"),
        ("", "20260301", "0 months"),
        ("4", "20220301", "4 years"),
        ("\u0660\u0660\u0664Y", "", "age unknown"),
        ("", "20260302", "age unknown"),
        ("", "20261301", "age unknown"),
        ("", "2022", "age unknown"),
        ("", "", "age unknown"),
    ],
)
def test_the_age_is_the_one_given_else_counted_from_the_birth_date(
    patient_age: str, birth_date: str, expected: str
) -> None:
    assert age(patient_age, birth_date, TODAY) == expected


def test_the_sex_is_a_word() -> None:
    assert [sex(value) for value in ("F", "m ", "O", "", "X")] == [
        "female",
        "male",
        "other sex",
        "sex unknown",
        "sex unknown",
    ]


def test_a_date_that_is_none_is_shown_as_it_came() -> None:
    assert dicom_date("20260331") == "2026-03-31"
    assert dicom_date("2026.03.31") == "2026-03-31"
    assert dicom_date("20260230") == "20260230"
    assert dicom_date("") == ""
