"""The reading task: priorities as the standard has them, a label that promises nothing, one dataset for all doors."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from agent.reports import workitem
from agent.reports.document import StudyResult

Study = Callable[..., StudyResult]
GOLDEN = Path(__file__).with_name("golden") / "workitem-flagged.txt"
UID = "2.25.1"
NEVER = ("normal", "clear", "negative", "ruled out", "no pneumonia", "unremarkable")


@pytest.fixture
def result(study: Study, source: Path) -> Callable[..., StudyResult]:
    """Return `result(outcome, **facts)`: a concluded study with these facts."""

    def make(outcome: str, **facts: Any) -> StudyResult:
        made = study(outcome, source, version=2)
        due = datetime(2026, 3, 1, 21, 29, 50, tzinfo=UTC)
        return replace(made, study=replace(made.study, reading_task_uid=UID, due_at=due, **facts))

    return make


def rendered(result: StudyResult) -> Dataset:
    (model,) = json.loads(workitem.render(result, workitem.Settings()).data)
    return Dataset.from_json(model)


def test_a_task_is_what_was_reviewed(result: Any, tmp_path: Path) -> None:
    """Where a difference is meant, copy the new file over the golden one, and say in the commit why."""
    actual = tmp_path / GOLDEN.name
    actual.write_text(f"{rendered(result('flagged'))}\n", encoding="utf-8")
    expected = GOLDEN.read_text(encoding="utf-8") if GOLDEN.exists() else ""
    assert actual.read_text(encoding="utf-8") == expected, f"{actual} differs from {GOLDEN}"


@pytest.mark.parametrize("outcome", ["flagged", "not_flagged", "not_analysed", "failed"])
def test_only_a_flagged_study_is_called_so_and_none_is_called_anything_like_normal(result: Any, outcome: str) -> None:
    task = rendered(result(outcome))
    assert ("AI-flagged" in task.ProcedureStepLabel) is (outcome == "flagged")
    text = json.dumps(task.to_json_dict()).lower()
    assert not [word for word in NEVER if word in text]
    assert "not a diagnosis" in text


@pytest.mark.parametrize("priority", ["HIGH", "MEDIUM", "LOW"])
def test_the_priority_that_counts_is_the_tasks(result: Any, priority: str) -> None:
    assert rendered(result("flagged", priority=priority)).ScheduledProcedureStepPriority == priority


def test_what_is_empty_is_there_as_its_type_demands(study: Study, radiograph: Any) -> None:
    """PS3.4 table CC.2.5-3: attributes of type 2 are there, whatever is known."""
    made = study("not_analysed", radiograph())
    facts = dict.fromkeys(("patient_id", "patient_name", "patient_birth_date", "accession_number"), "")
    task = rendered(replace(made, study=replace(made.study, **facts)))
    for keyword in (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AdmissionID", "MedicalAlerts", "SpecialNeeds"),
        *("PregnancyStatus", "AdmittingDiagnosesDescription", "AdmittingDiagnosesCodeSequence"),
        *("ScheduledProcessingParametersSequence", "ScheduledStationNameCodeSequence", "InputInformationSequence"),
        *("ProcedureStepProgressInformationSequence", "UnifiedProcedureStepPerformedProcedureSequence"),
        *("ReferencedRequestSequence", "WorklistLabel", "IssuerOfAdmissionIDSequence"),
    ):
        assert keyword in task, keyword
    assert task.SOPInstanceUID, "a study of before there were tasks has a UID all the same"


def test_a_cancelled_task_says_why_and_nothing_else(result: Any) -> None:
    document = workitem.render(
        result("not_analysed", reading_task_cancelled="The images were withdrawn"), workitem.Settings()
    )
    (model,) = json.loads(document.data)
    task = Dataset.from_json(model)
    assert (task.ProcedureStepState, task.ReasonForCancellation) == ("CANCELED", "The images were withdrawn")
    assert document.identifier == f"{UID}/2"
    assert "PatientName" not in task


def test_a_task_that_takes_anothers_place_cancels_all_before_it_first(result: Any) -> None:
    document = workitem.render(result("flagged", reading_tasks_before=("2.25.8", "2.25.9")), workitem.Settings())
    earlier, before, model = (Dataset.from_json(one) for one in json.loads(document.data))
    assert (earlier.SOPInstanceUID, earlier.ProcedureStepState) == ("2.25.8", "CANCELED")  # it may be there still
    assert (before.SOPInstanceUID, before.ProcedureStepState) == ("2.25.9", "CANCELED")
    assert (model.SOPInstanceUID, model.ProcedureStepState) == (UID, "SCHEDULED")
    assert model.ReplacedProcedureStepSequence[0].ReferencedSOPInstanceUID == "2.25.9"
