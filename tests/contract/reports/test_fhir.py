"""The FHIR Bundle: valid as R4B models, idempotent, preliminary, and never a word that a finding is not there."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from agent.reports import fhir
from agent.reports.document import OUTCOMES, StudyResult
from agent.reports.identity import device_uid

Study = Callable[..., StudyResult]
SYSTEMS = {"patient_id_systems": {"KLINIK": "urn:oid:1.2.9"}, "patient_id_system": "urn:oid:1.2.8"}


def resources(result: StudyResult, **settings: Any) -> dict[str, dict[str, Any]]:
    """Return the Bundle's resources by type, after the models of R4B have taken it."""
    document = fhir.render(result, fhir.Settings(**settings))
    Bundle.model_validate_json(document.data)
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in json.loads(document.data)["entry"]}


def requests(result: StudyResult, **settings: Any) -> dict[str, str]:
    """Return how each resource is written, by type."""
    bundle = json.loads(fhir.render(result, fhir.Settings(**settings)).data)
    return {
        entry["resource"]["resourceType"]: " ".join(
            entry["request"][key] for key in ("method", "url", "ifNoneExist") if key in entry["request"]
        )
        for entry in bundle["entry"]
    }


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("patient", ["identifier", "search", "create"])
def test_it_is_valid_in_every_setting_whatever_the_outcome(
    study: Study, source: Path, outcome: str, patient: str
) -> None:
    for writing, imaging_study in itertools.product(["id", "identifier"], ["find", "own", "identifier"]):
        settings = {"writing": writing, "imaging_study": imaging_study, "patient": patient}
        found = resources(study(outcome, source), **settings, **SYSTEMS)
        assert {"Observation", "DiagnosticReport", "Task", "Device", "Provenance"} <= set(found)
        assert ("Patient" in found) == (patient == "create")
        assert ("ImagingStudy" in found) == (imaging_study != "identifier")


def test_a_study_of_which_nothing_is_known_is_valid_too(study: Study, radiograph: Callable[..., Path]) -> None:
    made = study("not_analysed", radiograph())
    empty = {name: "" for name in made.study.__slots__ if isinstance(getattr(made.study, name), str)}
    facts = replace(made.study, **empty | {"order_priority": "LOW", "priority": "LOW"})
    for settings in ({"patient": "create"}, {"imaging_study": "own", "writing": "identifier"}):
        found = resources(replace(made, study=facts), **settings, **SYSTEMS)
        assert found["Observation"]["subject"] == {"type": "Patient", "display": "Patient without a Patient ID"}
        assert found["Observation"]["effectiveDateTime"] == "2026-03-01T20:59:58.000007+00:00"
        assert "basedOn" not in found["Observation"]


def test_a_study_whose_files_cannot_be_read_is_reported_all_the_same(
    study: Study, source: Path, tmp_path: Path
) -> None:
    (broken := tmp_path / "broken").write_bytes(b"\0" * 200)
    made = study("failed", source)
    images = tuple(replace(image, path=broken) for image in made.images)
    found = resources(replace(made, images=images, evidence=(broken,)), imaging_study="own")
    assert "series" not in found["ImagingStudy"]
    assert "pixel data is truncated" in found["DiagnosticReport"]["conclusion"]


def test_everything_that_the_agent_asserts_is_preliminary_and_marked_as_from_an_ai(study: Study, source: Path) -> None:
    for outcome in OUTCOMES:
        found = resources(study(outcome, source))
        for kind in ("Observation", "DiagnosticReport", "Task", "Provenance"):
            assert [label["code"] for label in found[kind]["meta"]["security"]] == ["AIAST"]
        assert found["Observation"]["status"] == found["DiagnosticReport"]["status"] == "preliminary"
        assert (found["Task"]["status"], found["Task"]["intent"]) == ("requested", "proposal")


def test_only_a_flagged_study_has_the_finding_an_interpretation_and_a_number(study: Study, source: Path) -> None:
    flagged = resources(study("flagged", source))["Observation"]
    assert flagged["valueCodeableConcept"]["coding"][0]["code"] == "52101004"
    assert flagged["interpretation"][0]["coding"][0]["code"] == "A"
    assert flagged["component"][0]["valueQuantity"]["value"] == 0.9731
    found = {outcome: resources(study(outcome, source))["Observation"] for outcome in OUTCOMES[1:]}
    assert not any({"interpretation", "component"} & set(one) for one in found.values())
    assert found["not_flagged"]["valueCodeableConcept"]["coding"][0]["display"] == "Undetermined"
    reasons = {name: one["dataAbsentReason"]["coding"][0]["code"] for name, one in list(found.items())[1:]}
    assert reasons == {"not_analysed": "not-performed", "failed": "error"}


def test_what_a_site_may_choose_is_what_it_gets(study: Study, source: Path) -> None:
    positive = resources(study("flagged", source), interpretation="POS")["Observation"]
    assert positive["interpretation"][0]["coding"][0]["code"] == "POS"
    number = resources(study("not_flagged", source), probability_when_not_flagged=True)["Observation"]
    assert number["component"][0]["valueQuantity"]["value"] == 0.1234
    for outcome in ("not_analysed", "failed"):
        assert "component" not in resources(study(outcome, source), probability_when_not_flagged=True)["Observation"]


@pytest.mark.parametrize(
    ("priority", "medium", "sent"),
    [
        ("HIGH", "urgent", "stat"),
        ("MEDIUM", "urgent", "urgent"),
        ("MEDIUM", "asap", "asap"),
        ("LOW", "asap", "routine"),
    ],
)
def test_the_task_has_the_priority_that_counts(
    study: Study, source: Path, priority: str, medium: str, sent: str
) -> None:
    made = study("flagged", source)
    made = replace(made, study=replace(made.study, priority=priority))
    assert resources(made, medium_priority=medium)["Task"]["priority"] == sent


def strings(value: object) -> list[str]:
    """Return every text in a JSON value, names and systems of codes left out."""
    if isinstance(value, dict):
        return [text for key, inner in value.items() if key not in {"system", "url"} for text in strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_no_text_and_no_code_says_that_a_study_is_normal_or_clear(study: Study, source: Path, outcome: str) -> None:
    document = fhir.render(study(outcome, source), fhir.Settings(probability_when_not_flagged=True))
    said = " | ".join(strings(json.loads(document.data)))
    assert not re.search(r"\b(normal|clear|negative|NEG|ruled out|no (finding|pneumonia)|absent|272519000)\b", said)
    assert "prioritisation only, not a diagnosis" in said


def test_the_same_resources_are_written_again_by_each_version_and_sent_again_as_the_same_bytes(
    study: Study, source: Path
) -> None:
    """Provenance alone is one for each version: who said what, and when, stays on record."""
    for writing in ("id", "identifier"):
        first, later = study("flagged", source), study("not_flagged", source, revision=2, version=2)
        before, after = requests(first, writing=writing), requests(later, writing=writing)
        assert {kind for kind in before if before[kind] != after[kind]} == {"Provenance"}
        settings = fhir.Settings(writing=writing)
        assert fhir.render(first, settings).data == fhir.render(first, settings).data
        assert fhir.render(first, settings).identifier != fhir.render(later, settings).identifier


def test_nothing_of_another_study_installation_or_variant_is_written_over(study: Study, source: Path) -> None:
    one = study("flagged", source)
    others = (
        replace(one, study_instance_uid="1.2.3"),
        replace(one, installation="another"),
        replace(one, variant="second"),
    )
    for other in others:
        for kind in ("Observation", "DiagnosticReport", "Task", "Provenance"):
            assert requests(one)[kind] != requests(other)[kind]


def test_what_is_the_agents_own_is_put_and_what_is_others_is_only_made_where_it_is_missing(
    study: Study, source: Path
) -> None:
    found = requests(study("flagged", source), patient="create", **SYSTEMS)
    assert found["Patient"] == "POST Patient identifier=urn:oid:1.2.9|PID-4711"
    assert found["ImagingStudy"] == "POST ImagingStudy identifier=urn:dicom:uid|urn:oid:1.2.826.0.1.99.1"
    ours = {kind: how for kind, how in found.items() if kind not in {"Patient", "ImagingStudy"}}
    assert all(re.fullmatch(rf"PUT {kind}/[0-9a-f-]{{36}}", how) for kind, how in ours.items())
    by_identifier = requests(study("flagged", source), writing="identifier")
    assert re.fullmatch(r"PUT Task\?identifier=urn:ietf:rfc:3986\|urn:oid:2\.25\.\d{36,39}", by_identifier["Task"])
    assert by_identifier["Provenance"].startswith("PUT Provenance?_tag=urn:tibabu:resource|")


def test_a_withdrawn_result_is_entered_in_error_and_its_task_cancelled(study: Study, source: Path) -> None:
    reason = "withdrawn: rejected for quality reasons"
    found = resources(study("not_analysed", source, reason=reason, revision=2))
    assert found["Observation"]["status"] == found["DiagnosticReport"]["status"] == "entered-in-error"
    assert (found["Task"]["status"], found["Task"]["statusReason"]["text"]) == ("cancelled", reason)
    assert found["Provenance"]["activity"]["coding"][0]["code"] == "NULLIFY"
    assert resources(study("flagged", source))["Provenance"]["activity"]["coding"][0]["code"] == "CREATE"
    assert resources(study("flagged", source, version=2))["Provenance"]["activity"]["coding"][0]["code"] == "UPDATE"


def test_the_device_is_another_one_with_each_model_operating_point_and_version(study: Study, source: Path) -> None:
    one = study("flagged", source)
    assert one.model is not None
    device = resources(one)["Device"]
    assert device["identifier"][1]["value"] == f"urn:oid:{device_uid(one.installation, one.model)}"
    others = (replace(one, model=replace(one.model, threshold=0.5)), replace(one, software_version="0.2.0"))
    assert all(resources(other)["Device"]["id"] != device["id"] for other in others)


def test_two_patients_with_one_id_are_never_taken_for_each_other(study: Study, source: Path) -> None:
    """An ID whose issuer has no system here is not searched for: it would find the other one."""
    made = study("flagged", source)
    stranger = replace(made, study=replace(made.study, issuer_of_patient_id="ELSEWHERE"))
    for patient in ("search", "create"):
        found = resources(stranger, patient=patient, **SYSTEMS)
        assert "Patient" not in found
        subject = found["Observation"]["subject"]
        assert (subject["identifier"]["value"], subject["identifier"]["assigner"]) == (
            "PID-4711",
            {"display": "ELSEWHERE"},
        )
    known = resources(made, patient="search", **SYSTEMS)["Observation"]["subject"]
    assert known == {"reference": "Patient?identifier=urn:oid:1.2.9|PID-4711"}


def test_names_in_other_scripts_long_ids_and_half_hour_zones_come_through(study: Study, source: Path) -> None:
    made = study("flagged", source)
    facts = replace(
        made.study,
        patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう",
        patient_id="ü" + "x" * 62 + "|",
        issuer_of_patient_id="",
        accession_number="A" * 64,
        study_description="胸部\x1b 撮影",
    )
    found = resources(replace(made, study=facts), patient="create", **SYSTEMS)
    assert [name["family"] for name in found["Patient"]["name"]] == ["Yamada", "山田", "やまだ"]
    assert found["Patient"]["identifier"][0]["value"] == facts.patient_id
    assert found["ImagingStudy"]["started"] == "2026-03-01T08:15:30+05:30"
    assert found["ImagingStudy"]["description"] == "胸部 撮影"
    how = requests(replace(made, study=facts), patient="create", **SYSTEMS)["Patient"]
    assert how.endswith("identifier=urn:oid:1.2.8|%C3%BC" + "x" * 62 + "%5C%7C")


def test_a_date_or_time_that_is_none_is_left_out(study: Study, source: Path) -> None:
    made = study("flagged", source)
    for date, time, started in (("20260230", "0815", None), ("20260301", "99", "2026-03-01"), ("", "0815", None)):
        facts = replace(made.study, study_date=date, study_time=time, patient_birth_date="20220231")
        found = resources(replace(made, study=facts), patient="create", **SYSTEMS)
        assert found["ImagingStudy"].get("started") == started
        assert "birthDate" not in found["Patient"]
