"""Orders and results are found whatever the version: each with its own segments, and the ORC that they share."""

import pytest

from agent.hl7.message import Message, parse
from agent.hl7.ordering import Group, groups

PLACES = (("IPC", 1), ("OBR", 18), ("ORC", 3))


def message(*segments: str) -> Message:
    return parse("\r".join(("MSH|^~\\&|A|B|C|D|2026||ORM^O01|1|P|2.5.1", *segments)).encode())


def only(*segments: str) -> Group:
    (group,) = groups(message(*segments))
    return group


def test_each_orc_and_each_further_obr_is_an_order_of_its_own() -> None:
    found = groups(message("PID|1", "ORC|NW||A1", "TQ1|1", "OBR|1", "ZDS|1.2", "OBR|2", "ORC|CA||A2", "OBR|1"))
    assert [(group.value("ORC", 1), group.value("ORC", 3), group.value("OBR", 1)) for group in found] == [
        ("NW", "A1", "1"),
        ("NW", "A1", "2"),
        ("CA", "A2", "1"),
    ]


def test_results_without_an_orc_are_found_by_their_obr() -> None:
    found = list(groups(message("PID|1", "OBR|1||A1", "OBX|1", "OBR|2||A2")))
    assert [group.value("OBR", 3) for group in found] == ["A1", "A2"]
    assert list(groups(message("PID|1", "NTE|1"))) == []


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (("ORC|NW", "OBR|1", "IPC|A1|R|1.2.3"), "1.2.3"),
        (("ORC|NW", "OBR|1", "ZDS|1.2.3^100^App^DICOM"), "1.2.3"),
        (("OBR|1", "OBX|1|ST|1^Other||9.9", "OBX|2|ST|113014^DICOM Study^DCM||1.2.3"), "1.2.3"),
        (("ORC|NW", "OBR|1", "ZDS|../../etc/passwd"), ""),
        (("ORC|NW", "OBR|1", "ZDS|1." + "2" * 64), ""),
    ],
)
def test_the_study_is_named_where_messages_name_it(segments: tuple[str, ...], expected: str) -> None:
    assert only(*segments).study_instance_uid == expected


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (("ORC|NW||F1", "OBR|1", "IPC|I1"), "I1"),
        (("ORC|NW||F1^RIS", "OBR|1"), "F1"),
        (('ORC|NW||""', "OBR|1"), ""),
        (("ORC|NW||A\\E\\B", "OBR|1"), ""),
    ],
)
def test_the_accession_number_is_the_first_that_can_be_one(segments: tuple[str, ...], expected: str) -> None:
    assert only(*segments).accession_number(PLACES) == expected


@pytest.mark.parametrize(
    ("control", "status", "cancelled", "completed"),
    [
        ("NW", "", False, False),
        ("CA", "", True, False),
        ("OC", "", True, False),
        ("SC", "CM", False, True),
        ("SC", "CA", True, False),
        ("NW", "CM", False, False),
        ("SC", "IP", False, False),
    ],
)
def test_how_an_order_stands(control: str, status: str, *, cancelled: bool, completed: bool) -> None:
    group = only(f"ORC|{control}||A1||{status}", "OBR|1")
    assert (group.is_cancelled, group.is_completed) == (cancelled, completed)
