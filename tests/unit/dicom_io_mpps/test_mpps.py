"""MPPS requests as bytes: whatever stands in them, the peer gets a status, and only steps that make sense are taken."""

import io
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.dimse_primitives import N_CREATE, N_SET
from pynetdicom.dsutils import encode

from dicom_io.exchange import Caller
from dicom_io.identifier import encode_elements, encode_items
from dicom_io.mpps import BegunStep, ChangedStep, answer, serve_step
from dicom_io.statuses import MAY_NO_LONGER_BE_UPDATED

CALLER = Caller(association_id="a", calling_ae_title="SCANNER", called_ae_title="TIBABU", address="127.0.0.1")
SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
IMPLICIT = str(ImplicitVRLittleEndian)
SOP_CLASS = "1.2.840.10008.3.1.2.3.3"


class Steps:
    """Takes what it is given."""

    def __init__(self) -> None:
        self.taken: list[BegunStep | ChangedStep] = []

    def begun(self, step: BegunStep) -> int:
        self.taken.append(step)
        return 0x0000

    def changed(self, step: ChangedStep) -> int:
        self.taken.append(step)
        return 0x0000


def data_set(images: int = 2) -> Dataset:
    step = Dataset()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    step.PatientName = "Zzyzx^Quentin"
    scheduled = Dataset()
    scheduled.StudyInstanceUID = "1.2.3"
    step.ScheduledStepAttributesSequence = [scheduled]
    series, other = Dataset(), Dataset()
    series.SeriesInstanceUID = "1.2.3.1"
    series.ReferencedImageSequence = []
    for number in range(images):
        reference = Dataset()
        reference.ReferencedSOPInstanceUID = f"1.2.3.1.{number}"
        series.ReferencedImageSequence.append(reference)
    report = Dataset()
    report.ReferencedSOPInstanceUID = "1.2.3.2.1"
    other.ReferencedNonImageCompositeSOPInstanceSequence = [report]
    step.PerformedSeriesSequence = [series, other]
    return step


def encoded(step: Dataset, syntax: Any) -> bytes:
    data = encode(step, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    assert data is not None
    return data


def create(data: bytes, uid: str | None = "1.9") -> Any:
    request = N_CREATE()
    request.MessageID, request.AffectedSOPClassUID = 1, SOP_CLASS
    request.AffectedSOPInstanceUID, request.AttributeList = uid, io.BytesIO(data)
    return request


def change(data: bytes) -> Any:
    request = N_SET()
    request.MessageID, request.RequestedSOPClassUID, request.RequestedSOPInstanceUID = 1, SOP_CLASS, "1.9"
    request.ModificationList = io.BytesIO(data)
    return request


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_named_is_read_in_every_transfer_syntax(syntax: Any) -> None:
    steps = Steps()
    assert answer(steps, CALLER, create(encoded(data_set(), syntax)), syntax).Status == 0x0000
    (step,) = steps.taken
    assert isinstance(step, BegunStep)
    assert (step.study_instance_uids, step.named) == (("1.2.3",), ("1.2.3.1.0", "1.2.3.1.1", "1.2.3.2.1"))


def test_a_series_of_twenty_thousand_images_is_read_whole() -> None:
    steps = Steps()
    images = [encode_elements({0x00081155: ("UI", f"1.2.{number}".encode())}, IMPLICIT) for number in range(20_000)]
    series = encode_elements({0x00081140: ("SQ", encode_items(images, IMPLICIT))}, IMPLICIT)
    step = encode_elements({0x00400340: ("SQ", encode_items([series], IMPLICIT))}, IMPLICIT)
    answer(steps, CALLER, change(step), IMPLICIT)
    assert steps.taken[0].named == tuple(f"1.2.{number}" for number in range(20_000))


def test_an_n_set_without_a_performed_series_sequence_leaves_what_was_named() -> None:
    steps, data = Steps(), Dataset()
    data.PerformedProcedureStepStatus = "COMPLETED"
    answer(steps, CALLER, change(encoded(data, ImplicitVRLittleEndian)), ImplicitVRLittleEndian)
    (step,) = steps.taken
    assert isinstance(step, ChangedStep)
    assert (step.state, step.named) == ("COMPLETED", None)


def test_a_discontinuation_reason_with_control_characters_does_not_keep_its_step_from_ending() -> None:
    steps, data, reason = Steps(), Dataset(), Dataset()
    reason.CodeValue = "1105\x0001"
    data.PerformedProcedureStepStatus = "DISCONTINUED"
    data.PerformedProcedureStepDiscontinuationReasonCodeSequence = [reason]
    answer(steps, CALLER, change(encoded(data, ImplicitVRLittleEndian)), ImplicitVRLittleEndian)
    (step,) = steps.taken
    assert isinstance(step, ChangedStep)
    assert (step.state, step.reason_code) == ("DISCONTINUED", "110501")


def test_a_step_that_has_no_uid_is_given_one_and_told() -> None:
    steps = Steps()
    data = encoded(data_set(), ImplicitVRLittleEndian)
    response = answer(steps, CALLER, create(data, None), ImplicitVRLittleEndian)
    assert response.AffectedSOPInstanceUID == steps.taken[0].sop_instance_uid


@given(
    start=st.integers(0, 400),
    patch=st.binary(max_size=40),
    syntax=st.sampled_from(SYNTAXES),
    is_new=st.booleans(),
    whole=st.booleans(),
)
def test_whatever_the_bytes_are_the_peer_gets_a_status(
    start: int, patch: bytes, syntax: Any, *, is_new: bool, whole: bool
) -> None:
    data = encoded(data_set(), syntax)
    damaged = patch if whole else data[:start] + patch + data[start + len(patch) :]
    response = answer(Steps(), CALLER, (create if is_new else change)(damaged), syntax)
    assert response.Status in {0x0000, 0x0106, 0x0110, 0x0112, 0x0117, 0x0120, 0x0121}
    assert "Zzyzx" not in str(response.ErrorComment)


@pytest.mark.parametrize(("studies", "images"), [(101, 1), (1, 50_001)])
def test_a_step_that_would_lock_or_name_without_end_is_refused(studies: int, images: int) -> None:
    """Each study is a lock that PostgreSQL keeps in memory that all share: 30,000 took what others needed."""

    def items(tag: int, vr: str, value: bytes, number: int = 1) -> bytes:
        return encode_items([encode_elements({tag: (vr, value)}, IMPLICIT)] * number, IMPLICIT)

    references = items(0x00081155, "UI", b"1.2.4", images)
    step = {
        0x00400252: ("CS", b"IN PROGRESS"),
        0x00400270: ("SQ", items(0x0020000D, "UI", b"1.2.3", studies)),
        0x00400340: ("SQ", items(0x00081140, "SQ", references)),
    }
    steps = Steps()
    response = answer(steps, CALLER, create(encode_elements(step, IMPLICIT)), IMPLICIT)
    assert response.Status == 0x0213
    assert steps.taken == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ScheduledStepAttributesSequence": None}, 0x0120),
        ({"ScheduledStepAttributesSequence": [Dataset()]}, 0x0120),
        ({"ScheduledStepAttributesSequence": []}, 0x0121),
        ({"StudyInstanceUID": ""}, 0x0121),
        ({"StudyInstanceUID": "9.8.7"}, 0x0106),
        ({"PerformedProcedureStepStatus": "COMPLETED"}, 0x0106),
    ],
    ids=str,
)
def test_a_step_that_does_not_say_of_which_study_it_is_or_has_not_begun_is_refused(
    changes: dict[str, Any], status: int
) -> None:
    steps, step = Steps(), data_set()
    for keyword, value in changes.items():
        if value is None:
            delattr(step, keyword)
        elif keyword == "StudyInstanceUID":
            step.ScheduledStepAttributesSequence[0].StudyInstanceUID = value
        else:
            setattr(step, keyword, value)
    data = encoded(step, ImplicitVRLittleEndian).replace(b"9.8.7", b"9/8/7")  # which pydicom would not write
    response = answer(steps, CALLER, create(data), IMPLICIT)
    assert (response.Status, steps.taken) == (status, [])


def test_an_image_that_is_named_by_no_uid_is_left_out_and_the_others_are_not() -> None:
    steps, data = Steps(), encoded(data_set(), ImplicitVRLittleEndian).replace(b"1.2.3.1.0", b"1/2/3/1/0")
    assert answer(steps, CALLER, create(data), IMPLICIT).Status == 0x0000
    assert steps.taken[0].named == ("1.2.3.1.1", "1.2.3.2.1")


def test_a_step_that_has_ended_is_not_changed_and_the_peer_is_told_why() -> None:
    """PS3.4 F.7.2.2.2: Processing failure, with the Error ID that tells this one from others."""
    steps = Mock(changed=Mock(return_value=MAY_NO_LONGER_BE_UPDATED))
    response = answer(steps, CALLER, change(b""), IMPLICIT)
    assert (response.Status, response.ErrorID) == (0x0110, 0xA710)
    assert response.ErrorComment == "Performed Procedure Step Object may no longer be updated"


def test_whatever_fails_while_a_step_is_taken_the_peer_gets_a_status_and_the_log_no_patient(
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps = Mock(begun=Mock(side_effect=RuntimeError("Zzyzx^Quentin")))
    association = Mock(_accepted_cx={1: Mock(transfer_syntax=[ImplicitVRLittleEndian])})
    serve_step(steps, association, CALLER, create(encoded(data_set(), ImplicitVRLittleEndian)), 1)
    (response, context_id), _ = association.dimse.send_msg.call_args
    assert (response.Status, context_id) == (0x0110, 1)
    assert [record.message for record in caplog.records] == ["step_failed"]
    assert "Zzyzx" not in str(vars(caplog.records[0]))
