"""Ages: what a header states, else what its dates say, and None rather than a guess."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_io.ages import years_between, years_from_age_string
from dicom_io.header import Header


@pytest.mark.parametrize(
    ("text", "years"),
    [("004Y", 4), ("018M", 1.5), ("012M", 1), ("000D", 0), ("130Y", 130), ("4Y", 4), ("052W", 52 / 52.178571)],
)
def test_an_age_string_is_years(text: str, years: float) -> None:
    assert years_from_age_string(text) == pytest.approx(years, rel=1e-6)


@pytest.mark.parametrize(
    "text", ["", "4", "54", "004", "004y", "Y", "-04Y", "0004Y", "999Y", "131Y", "004 Y", "4.5Y", "٤Y"]
)
def test_what_states_no_age_that_a_patient_can_have_is_none(text: str) -> None:
    assert years_from_age_string(text) is None


@pytest.mark.parametrize(
    ("birth", "day", "years"),
    [
        ("20200101", "20250101", 5.0),
        ("20200101", "20241231", 4 + 365 / 366),
        ("20200601", "20250531", 5 - 1 / 366),
        ("2020.01.01", "20250101", 5.0),
        ("20200229", "20250228", 4 + 365 / 366),
        ("20200229", "20250301", 5.0),
        ("20250101", "20250101", 0.0),
    ],
)
def test_years_are_counted_by_birthdays(birth: str, day: str, years: float) -> None:
    assert years_between(birth, day) == pytest.approx(years)


@pytest.mark.parametrize(
    ("birth", "day"),
    [("", "20250101"), ("20200101", ""), ("20250102", "20250101"), ("18000101", "20250101"), ("20201301", "20250101"),
     ("00000000", "20250101"), ("2020", "20250101"), ("20200101", "2025-01-01"), ("20200230", "20250101")],
)  # fmt: skip
def test_dates_that_give_no_age_that_a_patient_can_have_are_none(birth: str, day: str) -> None:
    assert years_between(birth, day) is None


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(0, 40_000))
def test_the_whole_years_are_the_birthdays_that_have_passed(birth: date, days: int) -> None:
    day = birth + timedelta(days=days)
    years = years_between(f"{birth:%Y%m%d}", f"{day:%Y%m%d}")
    birthdays = day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
    assert years is not None
    assert int(years) == birthdays


@pytest.mark.parametrize(
    ("header", "years"),
    [
        (Header(patient_age="004Y", patient_birth_date="19400101", study_date="20040101"), 4),
        (Header(patient_age="4", patient_birth_date="20000101", study_date="20040101"), 4),
        (Header(patient_age="999Y", patient_birth_date="20000101", acquisition_date="20040101"), 4),
        (Header(patient_birth_date="20000101", content_date="20040101"), 4),
        (Header(patient_birth_date="20000101"), None),
        (Header(study_date="20040101"), None),
    ],
)
def test_the_stated_age_counts_before_the_dates(header: Header, years: float | None) -> None:
    assert header.age_years == years
