"""DICOM's names and times as HL7 writes them."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from agent.hl7.message import parse, write
from agent.hl7.values import authority, moment, person, person_name, time_stamp

INDIA = timezone(timedelta(hours=5, minutes=30))


def written(value: object) -> str:
    return write([("MSH", {}), ("ZZZ", {1: value})], "UNICODE UTF-8").decode().split("\r")[1][4:]  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("dicom", "hl7"),
    [
        ("Öztürk^Zoë", "Öztürk^Zoë"),
        ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "Adams^John Robert Quincy^^B.A. M.Div.^Rev."),
        (
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            "Yamada^Tarou^^^^^^A~山田^太郎^^^^^^I~やまだ^たろう^^^^^^P",
        ),
        ("=김^희중", "김^희중^^^^^^I"),
        ("Wang^XiaoDong=王^小东", "Wang^XiaoDong^^^^^^A~王^小东^^^^^^I"),
        ("O'Brien & Söhne|x~y", "O'Brien \\T\\ Söhne\\F\\x\\R\\y"),
        ("", ""),
        ("^^^^", ""),
        ("A^B^C^D^E^F=G=H=I=J", "A^B^C^E^D^^^A~G^^^^^^^I~H^^^^^^^P"),
    ],
)
def test_a_name_keeps_its_parts_and_its_scripts(dicom: str, hl7: str) -> None:
    assert written(person_name(dicom)) == hl7


def test_a_name_is_cut_only_for_a_receiver_that_wants_it() -> None:
    name = f"{'F' * 64}^{'G' * 64}^M^{'P' * 64}^{'S' * 64}"
    assert written(person_name(name)) == f"{'F' * 64}^{'G' * 64}^M^{'S' * 64}^{'P' * 64}"
    assert written(person_name(name, cut=True)) == f"{'F' * 50}^{'G' * 30}^M^{'S' * 20}^{'P' * 20}"


def test_a_person_without_identifier_has_the_name_from_the_second_component_on() -> None:
    assert written(person("Zuweiser^Eva^^Dr.")) == "^Zuweiser^Eva^^^Dr."
    read = parse(write([("MSH", {}), ("PV1", {8: person("Ishi^Ken=石^健")})], "UNICODE UTF-8")).first("PV1")
    assert read is not None
    assert (read.value(8, 2, repetition=2), read.value(8, 15, repetition=2)) == ("石", "I")


@pytest.mark.parametrize(
    ("day", "time_of_day", "zone", "expected"),
    [
        ("20260301", "081530", INDIA, "20260301081530+0530"),
        ("20260301", "081530.123456", INDIA, "20260301081530.1234+0530"),
        ("20260301", "0815", timezone(-timedelta(hours=3, minutes=30)), "202603010815-0330"),
        ("20260301", "08", UTC, "2026030108+0000"),
        ("2026.03.01", "08:15:30", UTC, "20260301081530+0000"),
        ("20260701", "120000", ZoneInfo("Europe/Berlin"), "20260701120000+0200"),
        ("20260101", "120000", ZoneInfo("Europe/Berlin"), "20260101120000+0100"),
        ("20260301", "", UTC, "20260301"),
        ("20260301", "990000", UTC, "20260301"),
        ("20260301", "soon", UTC, "20260301"),
        ("20260230", "081530", UTC, ""),
        ("", "081530", UTC, ""),
        ("yesterday", "", UTC, ""),
    ],
)
def test_a_time_is_as_exact_as_it_is_known_and_never_made_up(
    day: str, time_of_day: str, zone: timezone | ZoneInfo, expected: str
) -> None:
    assert time_stamp(day, time_of_day, zone) == expected


def test_a_moment_is_written_in_local_time_with_its_offset() -> None:
    assert moment(datetime(2026, 3, 1, 21, 0, 1, 999999, tzinfo=UTC), INDIA) == "20260302023001+0530"


def test_who_assigned_an_identifier_is_an_object_identifier_or_a_namespace() -> None:
    assert written(("4711", "", "", authority("1.2.276.0.1"))) == "4711^^^&1.2.276.0.1&ISO"
    assert written(("4711", "", "", authority("KLINIK 1"))) == "4711^^^KLINIK 1"
    assert written(("4711", "", "", authority(""))) == "4711"
