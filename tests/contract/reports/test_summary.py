"""The summary: what its schema says, no patient unless a site asks for it, no number where none may be."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from agent.reports import summary
from agent.reports.document import OUTCOMES, StudyResult

Study = Callable[..., StudyResult]
SCHEMA = Path(__file__).parents[3] / "docs/summary.schema.json"


def rendered(result: StudyResult, **settings: Any) -> dict[str, Any]:
    document = json.loads(summary.render(result, summary.Settings(**settings)).data)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)
    return dict(document)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_it_is_what_its_schema_says_with_and_without_the_patient(study: Study, source: Path, outcome: str) -> None:
    link = "https://tibabu.example/studies/{study_instance_uid}"
    for settings in ({}, {"patient_data": True, "probability_when_not_flagged": True, "link": link}):
        data = rendered(study(outcome, source), **settings)["data"]
        assert data["outcome"] == outcome
        assert ("patient" in data) == bool(settings)
        assert data["links"] == ({"study": "https://tibabu.example/studies/1.2.826.0.1.99.1"} if settings else {})


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_nothing_that_tells_whose_study_it_is_leaves_unless_a_site_asks_for_it(
    study: Study, source: Path, outcome: str
) -> None:
    made = study(outcome, source)
    said = summary.render(made, summary.Settings()).data.decode()
    secrets = [getattr(made.study, name) for name in summary._PATIENT]
    assert all(secrets)
    assert not [secret for secret in secrets if f'"{secret}"' in said or (len(secret) > 2 and secret in said)]
    asked = summary.render(made, summary.Settings(patient_data=True)).data.decode()
    assert all(secret in asked for secret in secrets)


def test_every_fact_of_the_patient_and_the_order_is_among_those_that_are_withheld(study: Study, source: Path) -> None:
    """A fact that is added to StudyFacts is withheld or named here as telling nothing."""
    tells_nothing = {"corrected", "modality", "calling_ae_title", "received_at", "order_priority", "priority"}
    tells_nothing |= {"due_at", "reading_task_uid", "reading_task_cancelled", "reading_tasks_before"}
    assert set(study("flagged", source).study.__slots__) == set(summary._PATIENT) | tells_nothing


def test_only_flagged_studies_and_images_have_a_number_unless_a_site_asks_for_more(study: Study, source: Path) -> None:
    for outcome in OUTCOMES:
        made = study(outcome, source)
        data, more = (rendered(made, probability_when_not_flagged=asked)["data"] for asked in (False, True))
        assert ("probability" in data) == ("probability" in data["images"][0]) == (outcome == "flagged")
        assert ("probability" in more) == (outcome in {"flagged", "not_flagged"})


def test_its_times_are_in_the_zone_of_its_setting_and_the_same_moments(study: Study, source: Path) -> None:
    made = study("flagged", source)
    said = rendered(made, timezone="+0530")
    for name, moment in (
        ("received_at", made.study.received_at),
        ("analysed_at", made.analysed_at),
        ("concluded_at", made.concluded_at),
    ):
        assert said["data"][name].endswith("+05:30")
        assert datetime.fromisoformat(said["data"][name]) == moment
    assert said["timestamp"] == said["data"]["concluded_at"]


def test_a_later_version_has_an_identifier_of_its_own(study: Study, source: Path) -> None:
    one = study("flagged", source)
    versions = [one, study("flagged", source, version=2), study("flagged", source, variant="second")]
    assert len({summary.render(version, summary.Settings()).identifier for version in versions}) == 3


def test_a_withdrawn_result_says_so(study: Study, source: Path) -> None:
    assert rendered(study("not_analysed", source, reason="withdrawn: rejected"))["data"]["withdrawn"]
    assert not rendered(study("not_analysed", source))["data"]["withdrawn"]
    reason = "withdrawn: rejected for quality reasons"
    for outcome in ("not_analysed", "not_flagged"):  # all of it, and what is left
        result = replace(study(outcome, source), withdrawal="113001", withdrawal_reason=reason)
        assert f"Earlier AI triage results of this study are {reason}." in rendered(result)["data"]["sentences"]


@pytest.mark.parametrize("link", ["javascript:alert(1)", "tibabu.example", "https://tibabu.example/ä"])
def test_a_link_that_leads_nowhere_is_refused(link: str) -> None:
    with pytest.raises(ValidationError):
        summary.Settings(link=link)
