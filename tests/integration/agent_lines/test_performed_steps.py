"""MPPS over real associations (PS3.4 annex F): pynetdicom is the modality, the whole agent behind it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep

Make = Callable[..., Dataset]


LISTED = [{"ae_title": "SCANNER"}]
"""A step takes images back: only listed peers may report one."""


class Modality:
    """A modality that tells of one performed procedure step."""

    def __init__(self, agent: Any, transfer_syntax: str = ImplicitVRLittleEndian) -> None:
        self.agent = agent
        self.transfer_syntax = transfer_syntax
        self.uid = generate_uid()

    @contextmanager
    def association(self, calling_ae_title: str = "SCANNER") -> Iterator[Any]:
        entity = AE(calling_ae_title)
        entity.add_requested_context(ModalityPerformedProcedureStep, self.transfer_syntax)
        association = entity.associate("127.0.0.1", self.agent.peer.port, ae_title="TIBABU")
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def begin(self, *images: Dataset, uid: str | None = "", **changed: Any) -> Dataset:
        """Send N-CREATE for the images' studies; return the response's status data set."""
        step = Dataset()
        step.PerformedProcedureStepStatus = "IN PROGRESS"
        step.PerformedStationAETitle, step.PerformedProcedureStepID, step.Modality = "SCANNER", "1", "CR"
        step.PatientName, step.PatientID = images[0].PatientName, images[0].PatientID
        step.ScheduledStepAttributesSequence = []
        for image in images:
            item = Dataset()
            item.StudyInstanceUID, item.AccessionNumber = image.StudyInstanceUID, "A1"
            step.ScheduledStepAttributesSequence.append(item)
        step.PerformedSeriesSequence = []
        for keyword, value in changed.items():
            if value is None:
                del step[keyword]
            else:
                setattr(step, keyword, value)
        with self.association() as association:
            named = self.uid if uid == "" else uid
            status, answered = association.send_n_create(step, ModalityPerformedProcedureStep, named)
            self.answered = answered
            return status

    def tell(self, state: str, *images: Dataset, reason: str = "", uid: str = "") -> Dataset:
        """Send N-SET that names the images; return the response's status data set."""
        change = Dataset()
        change.PerformedProcedureStepStatus = state
        series = Dataset()
        series.SeriesInstanceUID = generate_uid()
        series.ReferencedImageSequence = []
        for image in images:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
            series.ReferencedImageSequence.append(item)
        change.PerformedSeriesSequence = [series]
        if reason:
            code = Dataset()
            code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = reason, "DCM", "whatever Zzyzx says"
            change.PerformedProcedureStepDiscontinuationReasonCodeSequence = [code]
        with self.association() as association:
            status, _ = association.send_n_set(change, ModalityPerformedProcedureStep, uid or self.uid)
            return status


SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


def test_a_completed_step_ends_its_study_whose_association_was_long_released(
    start: Callable[..., Any], radiograph: Make, eventually: Any
) -> None:
    agent = start(peers=LISTED, complete={"after_release_seconds": 0.2, "quiet_seconds": 60, "in_progress_seconds": 60})
    modality = Modality(agent)
    one = radiograph(20)
    two = radiograph(20, StudyInstanceUID=one.StudyInstanceUID)
    assert modality.begin(one).Status == 0x0000
    agent.send(one)
    agent.send(two)  # an association for each image
    assert modality.tell("COMPLETED", one, two).Status == 0x0000
    eventually(lambda: agent.is_in(one, "DELIVERED"))
    assert agent.row(one).revision == 1, "one report, not one for each association"


@pytest.mark.parametrize("transfer_syntax", SYNTAXES)
def test_a_discontinued_step_withdraws_the_delivered_result(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any, transfer_syntax: str
) -> None:
    agent = start(peers=LISTED)
    modality = Modality(agent, transfer_syntax)
    bright = radiograph(250)
    modality.begin(bright)
    agent.send(bright)
    modality_second_thoughts = Modality(agent, transfer_syntax)
    assert modality_second_thoughts.tell("COMPLETED", bright).Status == 0x0112
    eventually(lambda: agent.row(bright) is not None and agent.row(bright).ai_priority is not None)
    assert modality.tell("DISCONTINUED", bright, reason="110514").Status == 0x0000
    eventually(lambda: agent.is_in(bright, "DELIVERED"))
    row = agent.row(bright)
    assert (row.outcome, row.reason) == ("not_analysed", "withdrawn: incorrect worklist entry selected")
    assert row.ai_priority is None
    (report,) = pacs.reports()
    assert "NOT ANALYSED: withdrawn: incorrect worklist entry selected." in report.to_json()
    assert report.SeriesDescription.startswith("AI: not analysed - withdrawn")


def test_a_result_that_was_delivered_gets_a_report_that_names_it_as_its_predecessor(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any
) -> None:
    agent = start(peers=LISTED, complete={"after_release_seconds": 0.2, "quiet_seconds": 1, "in_progress_seconds": 1})
    modality = Modality(agent)
    image = radiograph(20)
    modality.begin(image)
    agent.send(image)
    eventually(lambda: agent.is_in(image, "DELIVERED"))
    modality.tell("DISCONTINUED", image, reason="110513")
    eventually(lambda: agent.row(image).revision == 2 and agent.is_in(image, "DELIVERED"))
    first, second = pacs.reports()
    predecessors = str(second.get("PredecessorDocumentsSequence"))
    assert first.SOPInstanceUID in predecessors
    assert agent.row(image).reason == "withdrawn: discontinued at the modality"
    (note,) = pacs.reports("KO")
    assert note.ConceptNameCodeSequence[0].CodeValue == "113001"
    assert first.SOPInstanceUID in str(note.CurrentRequestedProcedureEvidenceSequence)
    assert second.SOPInstanceUID not in str(note.CurrentRequestedProcedureEvidenceSequence)


def test_a_study_of_which_a_radiograph_never_came_is_not_said_to_be_not_flagged(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any
) -> None:
    """One for processing, and what is no image, often go to somebody else: they are not missed."""
    agent = start(peers=LISTED, complete={"after_release_seconds": 0.2, "quiet_seconds": 1, "in_progress_seconds": 1})
    modality = Modality(agent)
    image = radiograph(20)
    late = radiograph(20, StudyInstanceUID=image.StudyInstanceUID)
    elsewhere = radiograph(20, StudyInstanceUID=image.StudyInstanceUID, SOPClassUID="1.2.840.10008.5.1.4.1.1.1.1.1")
    modality.begin(image)
    agent.send(image)
    assert modality.tell("COMPLETED", image, late, elsewhere).Status == 0x0000
    eventually(lambda: agent.is_in(image, "DELIVERED"))
    row = agent.row(image)
    assert (row.outcome, row.reason) == ("not_analysed", "1 of 2 images that the modality names did not arrive")
    (report,) = pacs.reports()
    assert "does not exclude pneumonia" in report.to_json()
    agent.send(late)
    eventually(lambda: agent.row(image).revision == 2 and agent.is_in(image, "DELIVERED"))
    assert agent.row(image).outcome == "not_flagged"


def test_every_wrong_request_is_told_what_is_wrong(start: Callable[..., Any], radiograph: Make) -> None:
    agent = start(peers=LISTED)
    modality = Modality(agent)
    image = radiograph()
    assert modality.begin(image, PerformedProcedureStepStatus="COMPLETED").Status == 0x0106
    assert modality.begin(image, PerformedProcedureStepStatus=None).Status == 0x0120
    assert modality.begin(image, ScheduledStepAttributesSequence=None).Status == 0x0120
    assert modality.begin(image, ScheduledStepAttributesSequence=[]).Status == 0x0121
    assert modality.begin(image, ScheduledStepAttributesSequence=[Dataset()]).Status in {0x0120, 0x0121}
    assert modality.tell("COMPLETED").Status == 0x0112
    assert modality.begin(image).Status == 0x0000
    assert modality.begin(image).Status == 0x0111
    assert modality.tell("RESTING").Status == 0x0106
    assert modality.tell("IN PROGRESS").Status == 0x0000
    assert modality.tell("COMPLETED").Status == 0x0000
    status = modality.tell("DISCONTINUED")
    assert (status.Status, status.ErrorID) == (0x0110, 0xA710)
    assert status.ErrorComment == "Performed Procedure Step Object may no longer be updated"


def test_a_step_without_a_uid_is_given_one(start: Callable[..., Any], radiograph: Make) -> None:
    modality = Modality(start(peers=LISTED))
    assert modality.begin(radiograph(), uid=None).Status == 0x0000


def test_by_default_a_stranger_is_not_offered_the_service(start: Callable[..., Any]) -> None:
    agent = start()
    entity = AE("SCANNER")
    entity.add_requested_context(ModalityPerformedProcedureStep)
    association = entity.associate("127.0.0.1", agent.peer.port, ae_title="TIBABU")
    assert not association.accepted_contexts
    association.release()
