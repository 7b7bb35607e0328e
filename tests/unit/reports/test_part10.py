"""What is taken over from the images: the bytes as they came, or nothing."""

import io
from datetime import UTC, datetime

import pytest
from pydicom import Dataset, dcmread

from agent.reports.document import StudyFacts
from agent.reports.evidence import Instance
from agent.reports.part10 import write
from dicom_io.scan import Syntax

LITTLE = Syntax(explicit=True, little_endian=True)
NOBODY = StudyFacts(received_at=datetime(2026, 3, 1, tzinfo=UTC))


def source(values: dict[int, bytes]) -> Instance:
    return Instance(
        sop_class_uid="1.2",
        sop_instance_uid="1.3",
        series_instance_uid="1.4",
        study_instance_uid="1.5",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        syntax=LITTLE,
        values=values,
    )


def encoded(values: dict[int, bytes]) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.4", "1.2.5"
    return dcmread(io.BytesIO(write(dataset, source(values), NOBODY).data))


def test_elements_stand_in_order_of_their_tags() -> None:
    tags = list(encoded({0x00100020: b"4711", 0x00080050: b"A1", 0x00200010: b"1"}).keys())
    assert tags == sorted(tags)
    assert len(tags) == 12


def test_attributes_that_must_be_there_are_there_and_empty() -> None:
    dataset = encoded({})
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"):
        assert dataset[keyword].is_empty
    assert dataset["AccessionNumber"].is_empty
    assert dataset["ReferringPhysicianName"].is_empty
    assert "SpecificCharacterSet" not in dataset
    assert "PatientAge" not in dataset


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (0x00080020, b"2004.08.26"),
        (0x00080020, b"20041301"),
        (0x00080030, b"25:00"),
        (0x00080030, b"246000"),
        (0x00100030, b"unknown "),
        (0x00100040, b"female"),
        (0x00101010, b"4 years"),
    ],
)
def test_a_date_time_age_or_sex_that_is_none_is_left_out_and_not_repaired(tag: int, value: bytes) -> None:
    element = encoded({tag: value}).get(tag)
    assert element is None or element.is_empty


@pytest.mark.parametrize(
    ("tag", "value"), [(0x00080030, b"185059.123456"), (0x00080030, b"18"), (0x00101010, b"004Y"), (0x00100040, b"O ")]
)
def test_valid_dates_times_ages_and_sexes_are_taken_over(tag: int, value: bytes) -> None:
    assert str(encoded({tag: value})[tag].value) == value.decode().strip()


@pytest.mark.parametrize("value", [b"\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", b"\xd6\xd0\xce\xc4", b"a\\b^c=d ", b" lead "])
def test_names_and_identifiers_are_taken_over_byte_for_byte(value: bytes) -> None:
    dataset = encoded({0x00100010: value, 0x00100020: value})
    for keyword in ("PatientName", "PatientID"):
        raw = dataset.get_item(keyword).value
        assert raw[: len(value)] == value
        assert raw[len(value) :] in (b"", b" ")


def test_a_value_of_spaces_or_zeros_is_empty() -> None:
    dataset = encoded({0x00100010: b"    ", 0x00100020: b"\0\0", 0x00080080: b"  "})
    assert dataset["PatientName"].is_empty
    assert dataset["PatientID"].is_empty
    assert "InstitutionName" not in dataset


def test_a_value_longer_than_its_vr_can_say_is_left_out() -> None:
    assert encoded({0x00100020: b"x" * 0x10000})["PatientID"].is_empty


def item(*elements: tuple[int, bytes, bytes]) -> bytes:
    body = b"".join(
        (tag >> 16).to_bytes(2, "little")
        + (tag & 0xFFFF).to_bytes(2, "little")
        + vr
        + len(value).to_bytes(2, "little")
        + value
        for tag, vr, value in elements
    )
    return b"\xfe\xff\x00\xe0" + len(body).to_bytes(4, "little") + body


def test_code_sequences_are_taken_over_without_items_that_are_no_codes() -> None:
    value = item((0x00080100, b"SH", b"RPID2503"), (0x00080102, b"SH", b"RADLEX"), (0x00080104, b"LO", b"Thorax"))
    broken = item((0x00080100, b"SH", b"XX"), (0x00080104, b"LO", b""))
    dataset = encoded({0x00081032: broken + value})
    (code,) = dataset.ProcedureCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("RPID2503", "RADLEX", "Thorax")
    assert "ProcedureCodeSequence" not in encoded({0x00081032: broken})


def test_issuers_are_taken_over() -> None:
    issuer = item((0x00400033, b"CS", b"ISO "))
    dataset = encoded({0x00100024: issuer})
    assert dataset.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityIDType == "ISO"
