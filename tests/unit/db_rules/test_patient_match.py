"""Whose studies a message speaks of: two patients with one ID are never mixed."""

from dataclasses import dataclass

import pytest

from db.patient_match import Demographics, Identifier, agree, match, packed, same_name, speaks_of, unpacked

SAID = Demographics(patient_name="Roe^Jane", patient_birth_date="20200101")


@dataclass(frozen=True)
class Study:
    issuer_of_patient_id: str = ""
    patient_name: str = "Roe^Jane"
    patient_birth_date: str = "20200101"
    patient_id: str = "P1"


OTHER = {"patient_name": "Doe^John", "patient_birth_date": "19500505"}


def told(identifier: Identifier, *rows: Study, home: str = "", said: Demographics = SAID) -> tuple[int, int]:
    found = match(identifier, rows, [said], home=home)
    return len(found.sure), len(found.doubtful)


def test_where_both_name_the_authority_it_decides_whatever_the_names_are() -> None:
    hospital = Identifier("P1", "HOSP", "1.2.3")
    assert told(hospital, Study("HOSP", **OTHER)) == (1, 0)
    assert told(hospital, Study("1.2.3")) == (1, 0), "by its universal ID, too"
    assert told(hospital, Study("CLINIC")) == (0, 0), "the same number elsewhere is another patient"


def test_one_without_an_authority_matches_if_nothing_contradicts() -> None:
    assert told(Identifier("P1", "HOSP"), Study()) == (1, 0)
    assert told(Identifier("P1"), Study("HOSP")) == (1, 0)
    assert told(Identifier("P1"), Study()) == (1, 0)


def test_one_that_shares_neither_name_nor_birth_date_is_in_doubt_where_one_side_names_no_authority() -> None:
    assert told(Identifier("P1", "HOSP"), Study(**OTHER)) == (0, 1)
    assert told(Identifier("P1"), Study("HOSP", **OTHER)) == (0, 1)
    assert told(Identifier("P1"), Study(**OTHER)) == (1, 0), "where nobody names one, the ID is all there is"


def test_where_another_authority_has_the_same_id_those_without_one_are_in_doubt() -> None:
    assert told(Identifier("P1", "HOSP"), Study("HOSP"), Study("CLINIC"), Study()) == (1, 1)
    assert told(Identifier("P1"), Study("HOSP"), Study("CLINIC")) == (0, 2)


def test_two_persons_under_one_id_without_authorities_are_both_in_doubt() -> None:
    assert told(Identifier("P1"), Study(), Study(**OTHER)) == (0, 2)


def test_the_authority_that_a_site_names_stands_for_what_names_none() -> None:
    assert told(Identifier("P1", "HOSP"), Study(**OTHER), home="HOSP") == (1, 0)
    assert told(Identifier("P1", "CLINIC"), Study(), home="HOSP") == (0, 0)
    assert told(Identifier("P1"), Study("CLINIC"), Study(), home="HOSP") == (1, 0)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (SAID, Study(patient_name="ROE^JANE^Q", patient_birth_date="19990101"), True),
        (SAID, Study(patient_name="Smith^Jane"), True),
        (SAID, Study(patient_name="", patient_birth_date=""), True),
        (SAID, Study(patient_name="Smith^Jane", patient_birth_date=""), False),
        (SAID, Study(**OTHER), False),
        (Demographics(), Study(), True),
        (Study(patient_name="Yamada^Tarou=山田^太郎"), Study("", "山田^太郎", "19990101"), True),
    ],
)
def test_two_may_be_one_person_if_name_or_birth_date_agree_or_nothing_is_known(
    one: Demographics | Study, other: Study, *, expected: bool
) -> None:
    assert agree(one, other) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Doe^John", "DOE^JOHN^^", True),
        ("Doe^John", " doe ^ john", True),
        ("Yamada^Tarou=山田^太郎", "山田^太郎", True),
        ("Doe^John", "Doe^John^Q", False),
        ("Doe^John", "", False),
        ("", "^^", True),
    ],
)
def test_a_name_is_the_same_but_for_case_blanks_and_empty_components(one: str, other: str, *, expected: bool) -> None:
    assert same_name(one, other) is expected


def test_an_order_is_about_a_study_if_one_of_its_identifiers_is_the_patients() -> None:
    given = (Identifier("X9", "OTHER"), Identifier("P1", "HOSP"))
    assert speaks_of(given, "", Study("HOSP"))
    assert speaks_of(given, "", Study())
    assert not speaks_of(given, "", Study("CLINIC"))
    assert not speaks_of((), "Roe^Jane", Study())
    assert speaks_of((), "roe^jane", Study(patient_id="")), "without an ID on both sides the name decides"
    assert unpacked(packed(given)) == given
