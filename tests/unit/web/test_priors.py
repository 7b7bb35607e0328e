"""Another study of a patient says in what it says another person, and what it is here for."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.web.priors import other_lines
from db.priors import OtherStudy
from db.worklist import WorklistRow

ROW = cast("WorklistRow", SimpleNamespace(patient_name="Doe^John", patient_birth_date="20200101", patient_sex="M"))
OTHER: dict[str, Any] = {
    "study_instance_uid": "1.2.4",
    "patient_name": "DOE^JOHN",
    "patient_birth_date": "20200101",
    "patient_sex": "M",
    "study_date": "20250101",
    "study_description": "",
    "modality": "CR",
    "state": "DELIVERED",
    "prior_only": False,
    "ai_priority": None,
    "outcome": "not_flagged",
    "reason": "",
    "probability": None,
    "instances": (),
    "image_results": (),
}


@pytest.mark.parametrize(
    ("said", "differs"),
    [
        ({}, ""),
        ({"patient_birth_date": "", "patient_sex": ""}, ""),
        ({"patient_birth_date": "19500505"}, "born 1950-05-05"),
        ({"patient_sex": "F"}, "female"),
        ({"patient_name": "Smith^Ann", "patient_sex": "F"}, "female, name: Smith, Ann"),
    ],
)
def test_what_does_not_fit_is_said(said: dict[str, Any], differs: str) -> None:
    (line,) = other_lines(ROW, [OtherStudy(**OTHER | said)])
    assert line.differs == differs


def test_what_was_fetched_for_comparison_only_has_no_result_and_says_so() -> None:
    lines = other_lines(ROW, [OtherStudy(**OTHER | {"prior_only": True}), OtherStudy(**OTHER)])
    assert lines[0].outcome != lines[1].outcome
    assert "comparison" in f"{lines[0].outcome}".lower()
