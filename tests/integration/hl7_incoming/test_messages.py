"""Messages as hospitals send them, over a socket: what they do to studies on record, in the character sets in use."""

from typing import Any

import pytest
from hl7apy.core import Message
from sqlalchemy import select

from agent.config.file import Config
from agent.process.listening import sent_as
from db.priority import Priority
from db.schema.domain import study
from db.worklist import worklist

PID = "PID|1||P1^^^HOSP^MR||Roe^Jane^Q^^Dr||20200101|F"


def row(here: Any, uid: str = "1.2.3") -> Any:
    with here.database.read() as connection:
        return connection.execute(select(study).where(study.c.study_instance_uid == uid)).one()


def test_an_update_by_an_independent_library_reaches_the_study(sqlite_hospital: Any) -> None:
    update = Message("ADT_A01", version="2.5.1")
    update.msh.msh_3, update.msh.msh_9, update.msh.msh_10, update.msh.msh_11 = "HIS", "ADT^A08^ADT_A01", "H1", "P"
    update.evn.evn_2 = "20260101"
    update.pid.pid_3, update.pid.pid_5, update.pid.pid_8 = "P1^^^HOSP^MR", "Doe^Jo", "M"
    update.pid.pid_7 = "20200101"
    update.pv1.pv1_2 = "I"
    with sqlite_hospital() as here:
        here.receive()
        assert here.connect().code(update.to_er7()) == "AA"
        assert (row(here).patient_name, row(here).patient_sex) == ("Doe^Jo", "M")


@pytest.mark.parametrize("event", ["A08", "A31"])
def test_an_update_gives_the_name_in_dicoms_order(hospital: Any, message: Any, event: str) -> None:
    with hospital() as here:
        here.receive()
        assert here.connect().code(message(f"ADT^{event}", PID)) == "AA"
        assert (row(here).patient_name, row(here).corrected) == ("Roe^Jane^Q^Dr", "patient_name patient_sex")


@pytest.mark.parametrize("event", ["A18", "A34", "A36", "A40", "A47"])
def test_a_merge_moves_the_study_and_a_late_image_under_the_old_id_stays_with_it(
    sqlite_hospital: Any, message: Any, event: str
) -> None:
    with sqlite_hospital() as here:
        here.receive()
        text = message(f"ADT^{event}", "PID|1||P2||Doe^John||20200101|M", "MRG|P1")
        assert here.connect().code(text) == "AA"
        here.receive()
        assert (row(here).patient_id, row(here).conflict) == ("P2", "")


def test_one_message_may_merge_several_patients(hospital: Any, message: Any) -> None:
    with hospital() as here:
        here.receive()
        here.receive(study_instance_uid="1.9", patient_id="P5")
        segments = ("PID|1||P2||Doe^John||20200101", "MRG|P1", "PID|1||P6||Doe^John||20200101", "MRG|P5")
        assert here.connect().code(message("ADT^A40", *segments)) == "AA"
        assert (row(here).patient_id, row(here, "1.9").patient_id) == ("P2", "P6")


def test_a_message_that_would_hold_back_all_others_is_refused(sqlite_hospital: Any, message: Any) -> None:
    """One message is one transaction: forty thousand merges in one kept images from being stored for half a minute."""
    merge, many = ("PID|1||P2||Doe^John", "MRG|P1"), "~".join(f"P{number}" for number in range(1, 400))
    with sqlite_hospital() as here:
        here.receive()
        ris = here.connect()
        assert ris.code(message("ADT^A40", *merge * 151, control_id="1")) == "AR"
        assert ris.code(message("ADT^A08", f"PID|1||{many}||Roe^Jane", control_id="2")) == "AR"
        assert ris.code(message("ORM^O01", "PID|1||P1", *("ORC|NW", "OBR|1") * 150, control_id="3")) == "AR"
        assert (row(here).patient_id, row(here).patient_name) == ("P1", "Doe^John")
        assert ris.code(message("ADT^A40", *merge * 150, control_id="4")) == "AA"


@pytest.mark.parametrize(
    ("kind", "segments", "code", "error"),
    [
        ("ADT^A40", ("PID|1||P2||Doe^John",), "AE", "101"),
        ("ADT^A40", ("PID|1||P2||Doe^John", "MRG|"), "AE", "101"),
        ("ADT^A40", ("PID|1||P1||Doe^John", "MRG|P1"), "AA", ""),
        ("ORM^O01", ("PID|1||P1",), "AE", "101"),
        ("ORM^O01", ("PID|1||P7||Smith^Ann", "ORC|NW|PL1|FL1", "OBR|1", "ZDS|1.2.3^100^App^DICOM"), "AE", "204"),
    ],
)
def test_a_message_that_names_too_little_or_another_patient_changes_nothing(
    sqlite_hospital: Any, message: Any, kind: str, segments: tuple[str, ...], code: str, error: str
) -> None:
    with sqlite_hospital() as here:
        here.receive()
        before = row(here)
        said = here.connect().send(message(kind, *segments))
        assert said[1].split("|")[1] == code
        assert [one.split("|")[3].split("^")[0] for one in said[2:]] == ([error] if error else [])
        assert row(here) == before


def test_two_patients_with_one_id_are_an_error_and_nothing_is_mixed(hospital: Any, message: Any) -> None:
    with hospital() as here:
        here.receive()
        here.receive(study_instance_uid="1.9", patient_name="Smith^Ann", patient_birth_date="19500505")
        segments = here.connect().send(message("ADT^A08", "PID|1||P1||Roe^Jane||20200101|F"))
        assert segments[1].split("|")[1] == "AE"
        assert segments[2].split("|")[3].startswith("205")
        assert [row(here, uid).patient_name for uid in ("1.2.3", "1.9")] == ["Doe^John", "Smith^Ann"]
        assert all(one.doubt for one in worklist(here.database))
        final = message("ORU^R01", "PID|1||P1", "ORC|RE||A1", segment("OBR", _3="A1", _25="F"), control_id="M2")
        said = here.connect().send(final)
        assert (said[1].split("|")[1], said[2].split("|")[3][:3]) == ("AE", "205")
        assert len(worklist(here.database)) == 2, "nobody can tell whose report it is"


@pytest.mark.parametrize(
    ("term", "codec", "name"),
    [
        ("UNICODE UTF-8", "utf-8", "Łukaszewicz^Życisława"),
        ("8859/2", "iso8859_2", "Łukaszewicz^Życisława"),
        ("8859/5", "iso8859_5", "Житков^Семен"),
        ("", "latin-1", "Müller^Jürgen"),
        ("", "utf-8", "Müller^Jürgen"),
        ("~ISO IR87", "iso2022_jp", "山田^太郎"),
    ],
)
def test_names_come_through_in_the_character_sets_in_use(
    hospital: Any, message: Any, term: str, codec: str, name: str
) -> None:
    text = message("ADT^A08", f"PID|1||P1||{name}||20200101", msh=f"||||||{term}")
    with hospital() as here:
        here.receive()
        assert here.connect().code(text.encode(codec)) == "AA"
        assert row(here).patient_name == name


def test_a_message_that_declares_no_character_set_is_read_in_the_configured_one(
    sqlite_hospital: Any, message: Any
) -> None:
    text = message("ADT^A08", "PID|1||P1||Житков^Борис||20200101").encode("iso8859_5")
    with sqlite_hospital(incoming={"character_set": "8859/5"}) as here:
        here.receive()
        assert here.connect().code(text) == "AA"
        assert row(here).patient_name == "Житков^Борис"


def test_alphabetic_ideographic_and_phonetic_names_are_the_groups_of_one(sqlite_hospital: Any, message: Any) -> None:
    name = "Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"
    with sqlite_hospital() as here:
        here.receive()
        here.connect().code(message("ADT^A08", f"PID|1||P1||{name}||20200101", msh="||||||UNICODE UTF-8"))
        assert row(here).patient_name == "Yamada^Tarou=山田^太郎=やまだ^たろう"


def segment(name: str, **fields: str) -> str:
    """Return a segment with the fields given by number, as `segment("OBR", _18="A1")`."""
    numbers = {int(key[1:]): value for key, value in fields.items()}
    return "|".join([name, *(numbers.get(number, "") for number in range(1, max(numbers) + 1))])


ORDER = {
    "ORM^O01": ("ORC|NW|PL1|FL1", segment("OBR", _18="A1", _27="^^^^^S"), "ZDS|1.2.3^100^App^DICOM"),
    "OMG^O19": ("ORC|NW|PL1|FL1", segment("TQ1", _9="S^Stat^HL70485"), segment("OBR", _18="A1")),
    "OMI^O23": ("ORC|NW|PL1", segment("TQ1", _9="S"), "OBR|1|PL1||XR^Chest", "IPC|A1|RP1|1.2.3|SPS1"),
}


@pytest.mark.parametrize("kind", ORDER)
def test_an_order_raises_a_study_that_begins_and_one_that_has_begun(hospital: Any, message: Any, kind: str) -> None:
    with hospital() as here:
        here.receive(patient_id="P9", study_instance_uid="1.9")
        assert here.connect().code(message(kind, PID, *ORDER[kind])) == "AA"
        here.receive()
        assert (row(here).order_priority, row(here, "1.9").order_priority) == (Priority.HIGH, Priority.ROUTINE)
        late = message(kind, PID.replace("P1", "P9"), *ORDER[kind][:-1], ORDER[kind][-1].replace("1.2.3", "1.9"))
        assert here.connect().code(late.replace("|M1|", "|M2|")) == "AA"
        assert row(here, "1.9").order_priority == Priority.HIGH


@pytest.mark.parametrize(
    ("term", "expected"),
    [("ASAP", Priority.MEDIUM), ("STAT", Priority.HIGH), ("R", Priority.ROUTINE), ("T", Priority.MEDIUM)],
)
def test_priorities_are_read_where_old_senders_write_them(
    sqlite_hospital: Any, message: Any, term: str, expected: Priority
) -> None:
    with sqlite_hospital() as here:
        here.receive()
        here.connect().code(message("ORM^O01", PID, "ORC|XO||A1", segment("OBR", _5=term)))
        assert row(here).order_priority == expected


@pytest.mark.parametrize(
    ("segments", "settings", "remaining"),
    [
        (("ORC|RE||A1", segment("OBR", _3="A1", _25="F"), "OBX|1|TX|1||No text"), {}, 0),
        ((segment("OBR", _3="A9", _25="C"), "OBX|1|ST|113014^DICOM Study^DCM||1.2.3"), {}, 0),
        (("ORC|RE||A1", segment("OBR", _3="A1", _25="P")), {}, 1),
        (("ORC|RE||A9", segment("OBR", _3="A9", _25="F")), {}, 1),
    ],
)
def test_a_final_report_and_no_other_takes_its_study_off_the_worklist(
    sqlite_hospital: Any, message: Any, segments: Any, settings: Any, remaining: int
) -> None:
    with sqlite_hospital(meaning=settings) as here:
        here.receive()
        assert here.connect().code(message("ORU^R01", PID, *segments)) == "AA"
        assert len(worklist(here.database)) == remaining


def test_a_report_that_is_this_agents_own_changes_nothing(sqlite_hospital: Any, message: Any) -> None:
    with sqlite_hospital() as here:
        here.receive()
        echo = message("ORU^R01", PID, segment("OBR", _3="A1", _25="F")).replace("|RIS|", "|TIBABU|", 1)
        assert here.connect().code(echo) == "AA"
        assert len(worklist(here.database)) == 1


def test_a_report_that_this_agent_sent_under_another_name_is_its_own_too(sqlite_hospital: Any, message: Any) -> None:
    """A correction (C) reads as final, so that one of ours that is routed back would take its study off the list."""
    config = Config(reports={"oru": {"sending_application": "AI^1.2.3^ISO", "corrected_status": "C"}})
    with sqlite_hospital(meaning={"ours": sent_as(config)}) as here:
        here.receive()
        echo = message("ORU^R01", PID, segment("OBR", _3="A1", _25="C")).replace("|RIS|", "|AI^1.2.3^ISO|", 1)
        assert here.connect().code(echo) == "AA"
        assert len(worklist(here.database)) == 1


def test_a_final_report_on_another_patient_takes_nothing_off(sqlite_hospital: Any, message: Any) -> None:
    result = (segment("OBR", _3="A1", _25="F"), "OBX|1|ST|113014^DICOM Study^DCM||1.2.3")
    with sqlite_hospital() as here:
        here.receive()
        assert here.connect().code(message("ORU^R01", PID.replace("P1", "P7"), *result)) == "AE"
        assert len(worklist(here.database)) == 1


@pytest.mark.parametrize(("is_read", "remaining"), [(True, 0), (False, 1)])
def test_a_completed_order_is_taken_as_read_where_the_site_says_so(
    sqlite_hospital: Any, message: Any, *, is_read: bool, remaining: int
) -> None:
    with sqlite_hospital(meaning={"completed_orders_are_read": is_read}) as here:
        here.receive()
        assert here.connect().code(message("ORM^O01", PID, "ORC|SC||A1||CM", "OBR|1||A1|XR")) == "AA"
        assert len(worklist(here.database)) == remaining


def test_the_accession_number_is_read_where_the_site_puts_it(sqlite_hospital: Any, message: Any) -> None:
    with sqlite_hospital(meaning={"accession_places": (("OBR", 19),)}) as here:
        here.receive()
        here.connect().code(message("ORM^O01", PID, "ORC|NW||X1", segment("OBR", _3="X1", _5="S", _19="A1")))
        assert row(here).order_priority == Priority.HIGH
