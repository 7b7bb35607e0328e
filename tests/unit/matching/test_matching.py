"""Attribute matching as PS3.4 C.2.2.2 has it, example by example."""

import time

import pytest

from dicom_io.errors import MatchingError
from dicom_io.matching import make_query

MANY = "\\".join(f"1.{number}" for number in range(10_001))


def matches(name: str, key: str, value: str | tuple[str, ...]) -> bool:
    return make_query({name: key}).fulfilled_by({name: value})


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("patient_id", "P1", "P1"),
        ("patient_id", " P1 ", "P1"),
        ("patient_id", "", "anything"),
        ("patient_id", "*", ""),
        ("patient_id", "P*", "P"),
        ("patient_id", "P?1", "P 1"),
        ("patient_id", "A[1]*", "A[1]23"),
        ("patient_id", "P1\\P2", "P2"),
        ("study_instance_uid", "1.2\\1.3\\1.4", "1.3"),
        ("patient_name", "doe^john", "Doe^John"),
        ("patient_name", "DOE^JOHN", "Doe^John^^^"),
        ("patient_name", "Doe^John^^", "Doe^John"),
        ("patient_name", "M\u00dcLLER*", "M\u00fcller^J\u00f6rg"),
        ("patient_name", "yamada*", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"),
        (
            "patient_name",
            "\u5c71\u7530*",
            "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce=\u3084\u307e\u3060^\u305f\u308d\u3046",
        ),
        ("study_date", "20260102", "20260102"),
        ("study_date", "20260101-20260131", "20260131"),
        ("study_date", "-20260131", "19990101"),
        ("study_date", "20260101-", "20260101"),
        ("study_date", "2026.01.01-2026.01.31", "20260115"),
        ("study_time", "10", "105959.999"),
        ("study_time", "1015", "101559"),
        ("study_time", "10-11", "115959"),
        ("study_time", "10:15-", "101500"),
        ("series_number", "3", "003"),
        ("rows", "512", "512"),
        ("modalities_in_study", "CR", ("CR", "SR")),
        ("modalities_in_study", "CT\\SR", ("CR", "SR")),
        ("modalities_in_study", "S*", ("CR", "SR")),
        ("image_type", "PRIMARY", "ORIGINAL\\PRIMARY"),
    ],
)
def test_it_matches(name: str, key: str, value: str) -> None:
    assert matches(name, key, value)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("patient_id", "p1", "P1"),
        ("patient_id", "P1", "P12"),
        ("patient_id", "P?", "P"),
        ("patient_id", "?*", ""),
        ("patient_id", "P.", "PX"),
        ("study_instance_uid", "1.*", "1.2"),
        ("study_instance_uid", "1.2", "1.22"),
        ("patient_name", "Doe^J", "Doe^John"),
        ("patient_name", "Doe", "Doe^John"),
        ("patient_name", "a=b", "a=c"),
        ("study_date", "20260101-20260131", "20260201"),
        ("study_date", "20260101-", ""),
        ("study_date", "20260101", "2026"),
        ("study_time", "10", "110000"),
        ("study_time", "1015-1016", "101700"),
        ("study_time", "-10", ""),
        ("series_number", "3", "30"),
        ("modalities_in_study", "CT", ("CR", "SR")),
        ("modalities_in_study", "CT", ()),
    ],
)
def test_it_does_not_match(name: str, key: str, value: str) -> None:
    assert not matches(name, key, value)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("study_date", "yesterday"),
        ("study_date", "2026"),
        ("study_date", "-"),
        ("study_date", "20260101-20260102-20260103"),
        ("study_date", "20260101\\20260102"),
        ("study_time", "noon"),
        ("study_time", "1"),
        ("study_instance_uid", MANY),
        ("patient_id", "P\0001"),  # PostgreSQL takes no such text
    ],
)
def test_a_key_that_makes_no_sense_is_an_error_that_does_not_quote_it(name: str, key: str) -> None:
    with pytest.raises(MatchingError, match=f"{name}") as caught:
        make_query({name: key})
    assert len(key) == 1 or key not in str(caught.value)


def test_a_range_of_dates_and_one_of_times_are_apart_unless_they_are_combined() -> None:
    keys = {"study_date": "20260101-20260103", "study_time": "22-06"}
    night = {"study_date": "20260102", "study_time": "120000"}
    assert not make_query(keys).fulfilled_by(night)
    assert make_query(keys, combined=True).fulfilled_by(night)
    assert not make_query(keys, combined=True).fulfilled_by({"study_date": "20260101", "study_time": "213000"})
    assert not make_query(keys, combined=True).fulfilled_by({"study_date": "20260103", "study_time": "0701"})
    assert not make_query(keys, combined=True).fulfilled_by({"study_date": "", "study_time": "23"})


def test_all_keys_have_to_match_and_unknown_ones_do_not_count() -> None:
    query = make_query({"patient_id": "P1", "accession_number": "A*", "patient_comments": "tall"})
    assert query.fulfilled_by({"patient_id": "P1", "accession_number": "A7"})
    assert not query.fulfilled_by({"patient_id": "P1", "accession_number": "B7"})


@pytest.mark.parametrize("name", ["study_description", "patient_name"])
def test_no_pattern_keeps_a_receiver_busy(name: str) -> None:
    """With regular expressions this one took longer than the universe has existed."""
    query = make_query({name: "a*" * 30 + "b"})
    begun = time.process_time()
    assert not query.fulfilled_by({name: "a" * 64})
    assert not query.fulfilled_by({name: "a" * 100_000})
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("key", ["a*" * 513, "\\".join(["a*"] * 101)])
def test_patterns_that_are_too_long_or_too_many_are_an_error(key: str) -> None:
    with pytest.raises(MatchingError, match="at most 100 patterns of 1024 characters"):
        make_query({"study_description": key})
