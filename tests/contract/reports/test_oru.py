"""The ORU^R01: valid for an independent validator, never final, and silent where nothing may be said."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message, Segment
from hl7apy.exceptions import ValidationError as Hl7ValidationError
from hl7apy.parser import parse_message
from pydantic import ValidationError
from pydicom import Dataset

from agent.hl7 import charsets
from agent.reports import oru
from agent.reports.document import OUTCOMES, StudyFacts, StudyResult

Study = Callable[..., StudyResult]
GOLDEN = Path(__file__).with_name("golden")
FACTS = StudyFacts(received_at=datetime(2026, 3, 1, 20, 59, 50, tzinfo=UTC))
FORBIDDEN = re.compile(r"\b(normal|clear|negative|absent|ruled out|unremarkable|no pneumonia)\b", re.IGNORECASE)
LONGEST = "".join("abcdefghij"[number % 10] for number in range(64))


def text_of(result: StudyResult, **settings: object) -> str:
    made = oru.Settings(**settings)  # type: ignore[arg-type]
    return oru.render(result, made).data.decode(charsets.WRITTEN[made.character_set])


def message_of(result: StudyResult, **settings: object) -> Message:
    return parse_message(text_of(result, **settings), find_groups=False)


def segments(message: Message, name: str) -> list[Segment]:
    return [segment for segment in message.children if segment.name == name]


def segment(message: Message, name: str) -> Segment:
    """Return the only segment of a name."""
    (found,) = segments(message, name)
    return found


def observation(message: Message, code: str) -> Segment:
    """Return the only OBX with that code in OBX-3."""
    (found,) = [obx for obx in segments(message, "OBX") if field(obx, 3).startswith(f"{code}^")]
    return found


def repetitions(of: Segment, number: int) -> list[str]:
    return [one.to_er7() for one in getattr(of, f"{of.name}_{number}".lower())]


def field(of: Segment, number: int) -> str:
    return "~".join(repetitions(of, number))


@pytest.mark.parametrize("outcome", [*OUTCOMES, "withdrawn"])
def test_a_message_is_what_was_reviewed(study: Study, source: Path, outcome: str, tmp_path: Path) -> None:
    """Where a difference is meant, copy the new file over the golden one, and say in the commit why."""
    if outcome == "withdrawn":
        result = replace(
            study("not_analysed", source), reason="withdrawn: incorrect worklist entry selected", images=()
        )
        result = replace(result, version=2, revision=2)
    else:
        result = study(outcome, source)
    if outcome != "flagged":
        result = replace(result, study=replace(result.study, priority="LOW"))
    actual = tmp_path / f"oru-{outcome}.hl7"
    actual.write_text(text_of(result).replace("\r", "\n"), encoding="utf-8")
    golden = GOLDEN / actual.name
    expected = golden.read_text(encoding="utf-8") if golden.exists() else ""
    assert actual.read_text(encoding="utf-8") == expected, f"{actual} differs from {golden}"


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("facts", ["all", "few", "odd"])
def test_an_independent_validator_finds_no_error(
    study: Study, source: Path, outcome: str, facts: str, tmp_path: Path
) -> None:
    """hl7apy reads it by the structure and the tables of v2.5.1; what it knows no table of is a warning."""
    result = study(outcome, source)
    if facts == "few":
        result = replace(result, study=replace(FACTS, patient_id="1", patient_name="A"), images=result.images * 2)
    elif facts == "odd":
        names = ("patient_id", "issuer_of_patient_id", "patient_name", "accession_number", "study_description")
        odd = dict.fromkeys(names, "|^~\\&\r\nOBX|9|山" + LONGEST[:40])
        result = replace(result, study=replace(result.study, **odd))
    report = tmp_path / "report"
    level = VALIDATION_LEVEL.TOLERANT if facts == "odd" else VALIDATION_LEVEL.STRICT  # of lengths
    parse_message(text_of(result), validation_level=level).validate(report_file=str(report))
    unknown = re.compile(r"Warning: Value (CWE|SCT|LN|UCUM|HL70485|DCM) not in table .*")
    assert all(unknown.fullmatch(line) for line in report.read_text().splitlines())


def test_a_patient_without_an_id_is_sent_without_one(study: Study, source: Path) -> None:
    """v2.5.1 requires PID-3; an ID that was made up could be somebody's, so a receiver may refuse the message."""
    message = parse_message(text_of(replace(study("flagged", source), study=FACTS)))
    with pytest.raises(Hl7ValidationError, match="PID_3"):
        message.validate()


@pytest.mark.parametrize(
    ("outcome", "status", "corrected", "version"), list(product(OUTCOMES, ["P", "R"], ["", "C"], [1, 2]))
)
def test_no_message_is_final_or_says_that_anything_is_well(
    study: Study, source: Path, outcome: str, status: str, corrected: str, version: int
) -> None:
    result = replace(study(outcome, source), version=version)
    message = message_of(result, result_status=status, corrected_status=corrected, probability_when_not_flagged=True)
    expected = corrected if corrected and version > 1 else status
    assert field(segment(message, "OBR"), 25) == expected
    states = {field(obx, 11) for obx in segments(message, "OBX")}
    assert states <= {expected, "O", "X", "W"}
    flags = {field(obx, 8) for obx in segments(message, "OBX")}
    assert flags == ({"", "A"} if outcome == "flagged" else {""})
    assert not FORBIDDEN.search(message.to_er7())


def test_a_flagged_study_has_presence_probability_and_a_flag(study: Study, source: Path) -> None:
    message = message_of(study("flagged", source), abnormal_flag="AA")
    finding, probability = observation(message, "233604007"), observation(message, "122157")
    assert (field(finding, 2), field(finding, 5), field(finding, 8)) == ("CWE", "52101004^Present^SCT", "AA")
    assert (field(probability, 2), field(probability, 5), field(probability, 8)) == ("NM", "0.9731", "")
    assert field(finding, 18).startswith("2.25.")
    assert field(finding, 19) == "20260302022958+0530"


def test_an_unflagged_study_has_no_number_unless_the_site_asks(study: Study, source: Path) -> None:
    result = study("not_flagged", source)
    assert "122157^" not in text_of(result)
    assert field(observation(message_of(result), "233604007"), 5) == "373068000^Undetermined^SCT"
    told = message_of(result, probability_when_not_flagged=True)
    assert field(observation(told, "122157"), 5) == "0.1234"


@pytest.mark.parametrize("outcome", ["not_analysed", "failed"])
def test_what_was_not_assessed_has_no_value_no_number_and_its_reason(study: Study, source: Path, outcome: str) -> None:
    result = study(outcome, source)
    message = message_of(result, probability_when_not_flagged=True)
    finding = observation(message, "233604007")
    assert (field(finding, 2), field(finding, 5), field(finding, 8), field(finding, 11)) == ("", "", "", "X")
    assert "122157^" not in message.to_er7()
    assert result.reason in field(observation(message, "121111"), 5)


def test_a_withdrawn_result_is_posted_as_wrong(study: Study, source: Path) -> None:
    """W keeps what was sent and shows that it does not hold (table 0085); only a later version can withdraw."""
    result = replace(study("not_analysed", source), reason="withdrawn: wrong patient", images=())
    reason = "withdrawn: wrong patient"
    corrected = message_of(replace(result, version=2, withdrawal="113038", withdrawal_reason=reason))
    assert f"Earlier AI triage results of this study are {reason}." in corrected.to_er7()
    assert [field(observation(corrected, code), 11) for code in ("233604007", "122157")] == ["W", "W"]
    assert field(observation(message_of(result), "233604007"), 11) == "X"


def test_what_is_left_after_a_withdrawal_is_said_and_the_earlier_number_posted_as_wrong(
    study: Study, source: Path
) -> None:
    result = replace(study("not_flagged", source), version=2, withdrawal="113001", withdrawal_reason="withdrawn: blur")
    message = message_of(result)
    finding, number = observation(message, "233604007"), observation(message, "122157")
    assert (field(finding, 5), field(finding, 11)) == ("373068000^Undetermined^SCT", "P")
    assert (field(number, 5), field(number, 11)) == ("", "W")


def test_a_report_has_one_control_id_and_each_version_and_variant_its_own(study: Study, source: Path) -> None:
    result = study("flagged", source)
    others = [
        result,
        replace(result, version=2),
        replace(result, revision=2),
        replace(result, variant="oru_ris2"),
        replace(result, installation="another"),
        replace(result, study_instance_uid="1.2.3"),
    ]
    documents = [oru.render(one, oru.Settings()) for one in others]
    ids = [document.identifier for document in documents]
    assert len(set(ids)) == len(ids)
    for document in documents:
        assert re.fullmatch("[A-Z2-7]{20}", document.identifier)
        assert parse_message(document.data.decode(), find_groups=False).msh.msh_10.to_er7() == document.identifier


@pytest.mark.parametrize(
    ("order", "effective", "expected"),
    [
        ("LOW", "LOW", ""),
        ("LOW", "MEDIUM", "A"),
        ("MEDIUM", "MEDIUM", "A"),
        ("HIGH", "HIGH", "S"),
        ("HIGH", "LOW", "S"),
        ("LOW", "HIGH", "S"),
    ],
)
def test_a_priority_is_raised_or_not_said(
    study: Study, source: Path, order: str, effective: str, expected: str
) -> None:
    """Routine is never sent: the receiver may know of an urgency that this agent does not."""
    result = study("flagged", source)
    result = replace(result, study=replace(result.study, order_priority=order, priority=effective))
    message = message_of(result)
    said = [field(tq1, 9).partition("^")[0] for tq1 in segments(message, "TQ1")]
    assert said == ([expected] if expected else [])
    assert field(segment(message, "OBR"), 27) == field(segment(message, "ORC"), 7) == ("^^^^^" + expected).rstrip("^")
    assert "TQ1|" not in text_of(result, priority=False)


def test_the_study_and_its_order_can_be_found(study: Study, source: Path) -> None:
    message = message_of(study("flagged", source))
    obr, orc = segment(message, "OBR"), segment(message, "ORC")
    assert field(obr, 3) == field(orc, 3) == field(obr, 18) == "A-2026-0001"
    assert field(obr, 7) == "20260301081530+0530"
    assert field(obr, 4) == "43468-8^XR Unspecified body region^LN^^Thorax"
    uid = observation(message, "113014")
    assert (field(uid, 2), field(uid, 5), field(uid, 11)) == ("ST", "1.2.826.0.1.99.1", "O")


def test_without_an_accession_number_the_order_is_named_by_the_study(study: Study, source: Path) -> None:
    result = study("flagged", source)
    message = message_of(replace(result, study=replace(result.study, accession_number="")))
    assert field(segment(message, "OBR"), 3) == "1.2.826.0.1.99.1"
    assert field(segment(message, "OBR"), 18) == ""


def test_the_procedure_is_the_images_own_or_the_sites(study: Study, radiograph: Callable[..., Path]) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "RTHX", "99KLINIK", "Röntgen Thorax & Rippen"
    path = radiograph(SpecificCharacterSet="ISO_IR 100", ProcedureCodeSequence=[code])
    result = study("flagged", path)
    own = segment(message_of(result), "OBR")
    assert field(own, 4) == "RTHX^Röntgen Thorax \\T\\ Rippen^99KLINIK^^Thorax"
    assert field(segment(message_of(result, procedure="AI1^AI triage^L"), "OBR"), 4) == "AI1^AI triage^L^^Thorax"


def test_names_in_any_script_and_of_any_length_arrive_whole(study: Study, source: Path) -> None:
    result = study("flagged", source)
    for name in ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Λουκάς^Ωμέγα", f"{LONGEST}^{LONGEST}"):
        message = message_of(replace(result, study=replace(result.study, patient_name=name, patient_id=LONGEST)))
        groups = [group.split("^")[:2] for group in repetitions(segment(message, "PID"), 5)]
        assert ["^".join(group) for group in groups] == name.split("=")
        assert field(segment(message, "PID"), 3) == f"{LONGEST}^^^KLINIK"


def test_a_receiver_that_refuses_long_names_gets_them_cut_and_no_identifier(study: Study, source: Path) -> None:
    """An identifier that was cut could be another patient's."""
    result = study("flagged", source)
    names = dict.fromkeys(("patient_name", "referring_physician_name"), f"{LONGEST}^{LONGEST}")
    text = text_of(replace(result, study=replace(result.study, **names)), cut_names=True)
    parse_message(text, validation_level=VALIDATION_LEVEL.STRICT).validate()
    assert f"|{LONGEST}^^^KLINIK|" in text_of(
        replace(result, study=replace(result.study, patient_id=LONGEST)), cut_names=True
    )


def test_two_patients_with_one_id_are_told_apart_by_who_assigned_it(study: Study, source: Path) -> None:
    result = study("flagged", source)
    here = replace(result, study=replace(result.study, issuer_of_patient_id="1.2.276.0.76"))
    nowhere = replace(result, study=replace(result.study, issuer_of_patient_id=""))
    said = [field(segment(message_of(one, assigning_authority="HOUSE"), "PID"), 3) for one in (result, here, nowhere)]
    assert said == ["PID-4711^^^KLINIK", "PID-4711^^^&1.2.276.0.76&ISO", "PID-4711^^^HOUSE"]


def test_a_study_whose_files_cannot_be_read_is_reported_in_the_sites_zone(study: Study, source: Path) -> None:
    result = study("not_flagged", source)
    source.write_bytes(b"no longer DICOM")
    message = message_of(result, timezone="Asia/Kathmandu")
    assert field(segment(message, "MSH"), 7) == "20260302024501+0545"


def test_applications_facilities_and_acknowledgements_are_as_configured(study: Study, source: Path) -> None:
    message = message_of(
        study("flagged", source),
        sending_application="TRIAGE^1.2.3^ISO",
        receiving_application="RIS",
        receiving_facility="HAUS & HOF",
        processing_id="T",
        acknowledgement="enhanced",
    )
    header = segment(message, "MSH")
    assert [field(header, number) for number in (3, 4, 5, 6, 11, 15, 16)] == [
        "TRIAGE^1.2.3^ISO",
        "",
        "RIS",
        "HAUS \\T\\ HOF",
        "T",
        "AL",
        "NE",
    ]


def test_a_receiver_that_reads_one_character_set_gets_that(study: Study, source: Path) -> None:
    result = study("flagged", source)
    latin = oru.render(result, oru.Settings(character_set="8859/1")).data
    assert b"|8859/1\r" in latin
    assert "Öztürk^Zoë".encode("latin-1") in latin
    assert b"||Ozturk^Zoe||" in oru.render(result, oru.Settings(character_set="ASCII")).data
    with pytest.raises(ValidationError):
        oru.Settings(character_set="EBCDIC")


def test_nothing_that_a_study_says_can_end_a_field_or_begin_a_segment(study: Study, source: Path) -> None:
    result = study("failed", source)
    nasty = "a|b^c~d\\e&f\rOBX|1|CWE|233604007^Pneumonia^SCT||52101004^Present^SCT|||A|||F\r"
    texts = dict.fromkeys(
        ("patient_id", "patient_name", "accession_number", "study_description", "referring_physician_name"), nasty
    )
    plain, odd = message_of(result), message_of(replace(result, study=replace(result.study, **texts)))
    assert [one.name for one in odd.children] == [one.name for one in plain.children]
    pairs = zip(odd.children, plain.children, strict=True)
    assert all(
        len(one.to_er7().split("|")) == len(other.to_er7().split("|")) for one, other in pairs if one.name != "OBR"
    )
