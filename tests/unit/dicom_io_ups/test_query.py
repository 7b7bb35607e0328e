"""Matching of workitems: in the attributes and in sequences, and what an answer holds."""

from typing import Any

import pytest
from pydicom import Dataset

from dicom_io.errors import MatchingError
from dicom_io.ups_query import answer, selected, workitem_query


def model(**attributes: Any) -> dict[str, Any]:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset.to_json_dict()


def item(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


TASK = model(
    SOPClassUID="1.2.840.10008.5.1.4.34.6.1",
    SOPInstanceUID="1.2.3",
    PatientName="Öztürk^Zoë=山田^太郎",
    PatientID="PID-4711",
    ProcedureStepState="SCHEDULED",
    ScheduledProcedureStepPriority="MEDIUM",
    ExpectedCompletionDateTime="20260101123000+0000",
    ScheduledWorkitemCodeSequence=[
        item(CodeValue="110005", CodingSchemeDesignator="DCM"),
        item(CodeValue="1", CodingSchemeDesignator="99X"),
    ],
    ReferencedRequestSequence=[item(AccessionNumber="A-1", RequestedProcedureID="")],
)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"ProcedureStepState": ""},
        {"ProcedureStepState": "SCHEDULED"},
        {"ProcedureStepState": ["IN PROGRESS", "SCHEDULED"]},
        {"PatientName": "ÖZTÜRK*"},
        {"PatientName": "山田^太郎"},
        {"PatientID": "PID-????"},
        {"SOPInstanceUID": ["9.9", "1.2.3"]},
        {"ExpectedCompletionDateTime": "20260101"},
        {"ExpectedCompletionDateTime": "20260101140000+0200-20260101150000+0200"},
        {"ExpectedCompletionDateTime": "-20260101123000+0000"},
        {"ExpectedCompletionDateTime": ""},
        {"ExpectedCompletionDateTime": "2026"},
        {"ExpectedCompletionDateTime": "202601"},
        {"ExpectedCompletionDateTime": "202512-202601"},
        {"ExpectedCompletionDateTime": "20260101073000-0500-20260101073000-0500"},
        {"ScheduledWorkitemCodeSequence": [item(CodeValue="110005", CodingSchemeDesignator="DCM")]},
        {"ScheduledWorkitemCodeSequence": [item(CodeValue="")]},
        {"ScheduledWorkitemCodeSequence": []},
        {"ReferencedRequestSequence": [item(AccessionNumber="A*")]},
        {"TimezoneOffsetFromUTC": "+0100"},
    ],
)
def test_these_keys_match(keys: dict[str, Any]) -> None:
    assert workitem_query(model(**keys)).fulfilled_by(TASK)


@pytest.mark.parametrize(
    "keys",
    [
        {"ProcedureStepState": "COMPLETED"},
        {"ProcedureStepState": "SCHEDULED", "PatientID": "PID-4712"},
        {"PatientName": "Zo*"},
        {"ExpectedCompletionDateTime": "20260101123001+0000-"},
        {"ExpectedCompletionDateTime": "20260102"},
        {"ExpectedCompletionDateTime": "2025"},
        {"ExpectedCompletionDateTime": "202602"},
        {"ScheduledProcedureStepStartDateTime": "2026"},
        {"ScheduledWorkitemCodeSequence": [item(CodeValue="110005", CodingSchemeDesignator="99X")]},
        {"ReferencedRequestSequence": [item(AccessionNumber="A-2")]},
        {"ReferencedRequestSequence": [item(RequestedProcedureID="7")]},
        {"ScheduledHumanPerformersSequence": [item(HumanPerformerName="Doe^*")]},
        {"WorklistLabel": "X"},
    ],
)
def test_these_keys_do_not(keys: dict[str, Any]) -> None:
    assert not workitem_query(model(**keys)).fulfilled_by(TASK)


@pytest.mark.parametrize(
    "keys",
    [
        {"00404011": {"vr": "DT", "Value": ["tomorrow"]}},
        {"00404011": {"vr": "DT", "Value": ["20261301"]}},
        {"00404011": {"vr": "DT", "Value": ["20260101", "20260102"]}},
        {"00404011": {"vr": "DT", "Value": ["-"]}},
        {"00404018": {"vr": "SQ", "Value": [{}, {}]}},
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A*" * 2000}]}},
        {f"{tag:08X}": {"vr": "LO"} for tag in range(0x00410000, 0x00410400)},
    ],
)
def test_keys_that_cannot_be_matched_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(MatchingError):
        workitem_query(keys)


def test_an_answer_holds_what_was_asked_for_and_which_task_it_is() -> None:
    keys = model(
        PatientID="",
        WorklistLabel="",
        ScheduledWorkitemCodeSequence=[item(CodeValue="")],
        ReferencedRequestSequence=[],
        ScheduledStationNameCodeSequence=[item(CodeValue="")],
    )
    keys |= {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}
    said = answer(TASK, keys)
    found = Dataset.from_json(said)
    assert "00080005" not in said, "an answer is encoded as the protocol has it"
    assert (found.SOPInstanceUID, found.PatientID, found.WorklistLabel) == ("1.2.3", "PID-4711", "")
    assert [one.CodeValue for one in found.ScheduledWorkitemCodeSequence] == ["110005", "1"]
    assert all("CodingSchemeDesignator" not in one for one in found.ScheduledWorkitemCodeSequence)
    assert found.ReferencedRequestSequence[0].AccessionNumber == "A-1", "an empty sequence asks for all of it"
    assert len(found.ScheduledStationNameCodeSequence) == 0
    assert "PatientName" not in found


def test_an_n_get_gives_what_is_named_or_all() -> None:
    assert selected(TASK, ()) == TASK
    assert list(selected(TASK, [0x00100020, 0x00741202])) == ["00100020"]
