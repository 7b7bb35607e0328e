"""Datasets of messages as DICOM JSON and back, against pydicom; and for any bytes."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_io.errors import MatchingError
from dicom_io.json_message import decode, encode, text_of, values_of

NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def dataset() -> Dataset:
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "110005", "Deutung öffentlich"
    item = Dataset()
    item.ScheduledWorkitemCodeSequence = [inner]
    item.ReferencedFrameNumber = [1, 2]
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 192"
    found.PatientName = "Öztürk^Zoë=山田^太郎"
    found.ProcedureStepLabel = "Read: imaging study"
    found.ScheduledProcedureStepStartDateTime = "20260101120000+0530"
    found.InputInformationSequence = [item, Dataset()]
    found.PregnancyStatus = 4
    found.ContactURI = "https://ris.example/contact"
    found.ReasonForCancellation = "One line\\not two"
    found.ScheduledStationNameCodeSequence = []
    found.PatientID = ""
    return found


def written(dataset: Dataset, syntax: UID) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
    write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


@pytest.mark.parametrize("syntax", NATIVE)
def test_what_pydicom_writes_is_read_as_pydicom_has_it(syntax: UID) -> None:
    expected = dataset().to_json_dict()
    del expected["00080005"], expected["00404025"]["Value"]  # pydicom writes an empty array where there is no item
    assert decode(written(dataset(), syntax), syntax) == expected


@pytest.mark.parametrize("syntax", NATIVE)
def test_what_is_written_is_read_by_pydicom(syntax: UID) -> None:
    model = dataset().to_json_dict()
    found = read_dataset(io.BytesIO(encode(model, syntax)), syntax.is_implicit_VR, syntax.is_little_endian)
    assert found.to_json_dict() == model


def test_a_deflated_dataset_is_read_too() -> None:
    model = dataset().to_json_dict()
    syntax = DeflatedExplicitVRLittleEndian
    assert decode(encode(model, syntax), syntax) == decode(encode(model, NATIVE[0]), NATIVE[0])


def test_text_in_the_peers_character_set_is_read() -> None:
    found = Dataset()
    found.PatientName = "Юлия"
    found.SpecificCharacterSet = "ISO_IR 144"
    model = decode(written(found, ExplicitVRLittleEndian), ExplicitVRLittleEndian)
    assert text_of(model, "00100010") == "Юлия"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_dataset_or_are_refused(data: bytes) -> None:
    for syntax in NATIVE:
        try:
            model = decode(data, syntax)
        except MatchingError:
            continue
        encode(model, syntax)


@pytest.mark.parametrize(
    "model",
    [
        {"00100010": {"vr": "PN", "Value": ["text"]}},
        {"00100010": {"Value": ["text"]}},
        {"0010": "text"},
        {"00741200": {"vr": "XX", "InlineBinary": "***"}},
        {"001021C0": {"vr": "US", "Value": ["many"]}},
        {"001021C0": {"vr": "US", "Value": [70000]}},
        {"0040A370": {"vr": "SQ", "Value": ["text"]}},
        {"patient": {"vr": "LO"}},
    ],
)
def test_what_is_no_model_is_refused(model: dict[str, object]) -> None:
    with pytest.raises(MatchingError):
        encode(model, ExplicitVRLittleEndian)


def test_an_element_whose_sender_did_not_know_its_vr_has_that_of_the_dictionary_and_bytes_are_left_out() -> None:
    """PS3.5 section 6.2.2."""
    found = Dataset()
    found.add_new(0x00100020, "UN", b"PID ")
    found.add_new(0x00420011, "OB", b"\1\2")
    model = decode(written(found, ExplicitVRLittleEndian), ExplicitVRLittleEndian)
    assert model == {"00100020": {"vr": "LO", "Value": ["PID"]}}


def test_a_value_that_is_null_is_an_empty_one() -> None:
    model = {"00081080": {"vr": "LO", "Value": ["A", None, "B"]}}
    found = read_dataset(io.BytesIO(encode(model, ExplicitVRLittleEndian)), is_implicit_VR=False, is_little_endian=True)
    assert list(found.AdmittingDiagnosesDescription) == ["A", "", "B"]


def test_what_is_not_there_has_no_values() -> None:
    assert values_of({}, "00100010") == []
    assert text_of({"00100010": {"vr": "PN"}}, "00100010") == ""


def test_too_large_a_dataset_is_refused() -> None:
    with pytest.raises(MatchingError, match="at most"):
        decode(bytes((1 << 20) + 2), ExplicitVRLittleEndian)
