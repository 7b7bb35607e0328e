"""Our transactions in a FHIR server that shares no code with us: what it holds after each."""

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.destinations import Outgoing
from agent.destinations import fhir as destination
from agent.reports import fhir
from agent.reports.document import StudyResult

pytestmark = pytest.mark.validators

Study = Callable[..., StudyResult]
SERVER = Path(__file__).with_name("judges") / "fhir_server.mjs"
SYSTEM = "urn:oid:1.2.9"
KINDS = ("Patient", "ImagingStudy", "Device", "Observation", "DiagnosticReport", "Task", "Provenance")


class Server:
    """Medplum's, as a process."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._to = destination.Destination(destination.Settings(name="fhir", type="fhir", url=self.url), "TIBABU")

    def send(self, result: StudyResult, **settings: Any) -> str:
        document = fhir.render(result, fhir.Settings(patient_id_systems={"KLINIK": SYSTEM}, **settings))
        return self._to.send(Outgoing(document.media_type, document.data, document.identifier, "1.2.3"))

    def held(self, kind: str) -> list[dict[str, Any]]:
        found = httpx.get(f"{self.url}/{kind}", timeout=60).raise_for_status().json()
        return [entry["resource"] for entry in found.get("entry", ())]

    def counts(self) -> Counter[str]:
        return Counter({kind: len(self.held(kind)) for kind in KINDS})


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    modules = Path(os.environ["TIBABU_FHIR"]).resolve()
    command = ["node", SERVER, modules]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        yield Server(int(process.stdout.readline()))
        assert process.stdin is not None
        process.stdin.close()
        process.stdout.read()


@pytest.fixture
def server(running: Server) -> Server:
    httpx.delete(running.url, timeout=60)
    return running


@pytest.mark.parametrize("writing", ["id", "identifier"])
@pytest.mark.parametrize("imaging_study", ["find", "own"])
def test_sent_twice_is_as_sent_once_and_a_later_version_takes_the_place_of_the_earlier(
    server: Server, study: Study, source: Path, writing: str, imaging_study: str
) -> None:
    settings = {"writing": writing, "imaging_study": imaging_study, "patient": "create"}
    flagged = study("flagged", source)
    for _ in range(2):
        assert server.send(flagged, **settings) == "HTTP 200: 7 entries"
        assert server.counts() == dict.fromkeys(KINDS, 1)
    (observation,), (report,), (task,) = (server.held(kind) for kind in ("Observation", "DiagnosticReport", "Task"))
    (patient,), (images,), (device,) = (server.held(kind) for kind in ("Patient", "ImagingStudy", "Device"))
    assert observation["subject"]["reference"] == task["for"]["reference"] == f"Patient/{patient['id']}"
    assert observation["derivedFrom"][0]["reference"] == f"ImagingStudy/{images['id']}" == task["focus"]["reference"]
    assert report["result"] == [{"reference": f"Observation/{observation['id']}"}]
    assert observation["device"]["reference"] == f"Device/{device['id']}"
    server.send(study("not_flagged", source, revision=2, version=2), **settings)
    assert server.counts() == dict.fromkeys(KINDS, 1) | {"Provenance": 2}
    (later,) = server.held("Observation")
    assert later["id"] == observation["id"]
    assert "interpretation" not in later
    server.send(study("not_analysed", source, reason="withdrawn: rejected", revision=3, version=3), **settings)
    assert {server.held(kind)[0]["status"] for kind in ("Observation", "DiagnosticReport")} == {"entered-in-error"}
    assert server.held("Task")[0]["status"] == "cancelled"
    assert server.counts() == dict.fromkeys(KINDS, 1) | {"Provenance": 3}


def test_what_others_keep_there_is_used_and_not_changed(server: Server, study: Study, source: Path) -> None:
    made = study("flagged", source)
    theirs = {"resourceType": "ImagingStudy", "status": "available", "subject": {"display": "somebody"}}
    uid = {"system": "urn:dicom:uid", "value": f"urn:oid:{made.study_instance_uid}"}
    posted = httpx.post(f"{server.url}/ImagingStudy", json=theirs | {"identifier": [uid]}, timeout=60).json()
    server.send(made, imaging_study="find")
    (images,) = server.held("ImagingStudy")
    assert images == posted
    assert server.held("Task")[0]["focus"]["reference"] == f"ImagingStudy/{posted['id']}"


def test_two_studies_share_a_device_and_nothing_else(server: Server, study: Study, source: Path) -> None:
    one = study("flagged", source)
    server.send(one)
    server.send(replace(one, study_instance_uid="1.2.3.4"))
    assert server.counts() == Counter(dict.fromkeys(KINDS[1:], 2) | {"Device": 1, "Patient": 0})
