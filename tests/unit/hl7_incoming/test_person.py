"""Patients of messages as DICOM writes them: what cannot be written is not said, and nothing is guessed."""

import pytest

from agent.hl7.message import Segment, parse
from agent.hl7.person import demographics, first_of, identifiers, person_name
from db.patient_match import Identifier

TYPES = frozenset({"MR", "PI"})


def pid(fields: str) -> Segment:
    text = f"MSH|^~\\&|A|B|C|D|2026||ADT^A08|1|P|2.5.1||||||UNICODE UTF-8\rPID|{fields}\r"
    segment = parse(text.encode()).first("PID")
    assert segment is not None
    return segment


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("P1", [Identifier("P1")]),
        ("P1^^^HOSP&1.2.3&ISO^MR", [Identifier("P1", "HOSP", "1.2.3")]),
        ("P1^^^&1.2.3&ISO", [Identifier("P1", "", "1.2.3")]),
        ("S1^^^SSA^SS~P1^^^HOSP^mr~P1^^^HOSP^MR", [Identifier("P1", "HOSP")]),
        ('""', []),
        ("", []),
        ("A\\E\\B", []),
        ("X" * 65, []),
        (" P1 ", [Identifier("P1")]),
    ],
)
def test_identifiers_are_those_of_patients_that_dicom_can_hold(field: str, expected: list[Identifier]) -> None:
    assert list(identifiers(pid(f"1||{field}"), 3, TYPES)) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Roe^Jane", "Roe^Jane"),
        ("Roe^Jane^Q^Jr^Dr", "Roe^Jane^Q^Dr^Jr"),
        ("van Roe&van&Roe^Jane", "van Roe^Jane"),
        ("Roe=X^Ja\\S\\ne\\E\\", "RoeX^Jane"),
        ("Roe^Jane^^^^^N~Doe^Jane^^^^^L", "Doe^Jane"),
        ("山田^太郎^^^^^L^I~Yamada^Tarou^^^^^L^A", "Yamada^Tarou=山田^太郎"),
        ("山田^太郎^^^^^L^I", "=山田^太郎"),
        ('""', ""),
        ("^^^^", ""),
        ("R" * 70 + "^Jane", "R" * 64),
    ],
)
def test_names_have_dicoms_components_and_groups(field: str, expected: str) -> None:
    assert person_name(pid(f"1||P1||{field}"), 5) == expected


@pytest.mark.parametrize(
    ("date", "sex", "expected"),
    [
        ("20200101", "F", ("20200101", "F")),
        ("20200101103000+0100", "A", ("20200101", "O")),
        ("2020", "U", (None, None)),
        ("00000000", "F", (None, "F")),
        ("20260231", "F", (None, "F")),
        ('""', '""', (None, None)),
        ("", "", (None, None)),
    ],
)
def test_what_is_not_said_or_emptied_is_not_taken(date: str, sex: str, expected: tuple[str | None, ...]) -> None:
    said = demographics(pid(f"1||P1||Roe||{date}|{sex}"))
    assert (said.patient_birth_date, said.patient_sex) == expected


def test_an_identifier_gives_way_to_the_one_of_its_own_authority() -> None:
    found = (Identifier("E1", "REGION"), Identifier("P2", "HOSP"))
    assert first_of(found, Identifier("P1", "HOSP")) == Identifier("P2", "HOSP")
    assert first_of(found, Identifier("P1", "CLINIC")) == Identifier("E1", "REGION")
    assert first_of((), Identifier("P1")) is None
