"""What an independent scanner sends comes back at an independent PACS, valid, readable and in its place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import dcmread

pytestmark = [pytest.mark.shared, pytest.mark.tools]

CR = "1.2.840.10008.5.1.4.1.1.1"
COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
FLAGGED = "AI: FLAGGED - prioritisation only"
PROCESSED = "AI: processed - does not exclude disease"


@dataclass
class Seen:
    """The studies of the children, all delivered, as they stand on the worklist and at Orthanc."""

    orthanc: Any
    rows: list[dict[str, Any]]
    labels: Mapping[str, str]  # by Study Instance UID

    def studies(self, outcome: str) -> list[str]:
        return [row["study_instance_uid"] for row in self.rows if row["outcome"] == outcome]

    def at_orthanc(self, study: str) -> dict[str, list[str]]:
        """Return Orthanc's identifiers of a study's Instances, by SOP Class."""
        found: dict[str, list[str]] = {}
        for instance in self.orthanc.find(StudyInstanceUID=study):
            found.setdefault(self.orthanc.tags(instance)["SOPClassUID"], []).append(instance)
        return found

    def reports(self, sop_class: str) -> list[bytes]:
        """Return the files of one SOP Class that the agent sent."""
        found = (instance for study in self.labels for instance in self.at_orthanc(study).get(sop_class, ()))
        return [self.orthanc.bytes_of(f"/instances/{instance}/file") for instance in found]


@pytest.fixture(scope="module")
def seen(hospital: Any, children: Mapping[str, list[Path]], storescu: Any, eventually: Callable[..., None]) -> Seen:
    """Let a scanner send to PACS and agent, and the agent to the PACS."""
    labels = {
        str(dcmread(file, stop_before_pixels=True).StudyInstanceUID): label
        for label, group in children.items()
        for file in group
    }
    for peer in (hospital.orthanc.peer, hospital.agent.peer):
        storescu(peer, [*children["NORMAL"], *children["PNEUMONIA"]])
    eventually(lambda: hospital.has_delivered(labels))
    rows = [row for row in hospital.agent.document("worklist") if row["study_instance_uid"] in labels]
    return Seen(hospital.orthanc, rows, labels)


def test_real_radiographs_are_told_apart(seen: Seen) -> None:
    flagged, others = seen.studies("flagged"), seen.studies("not_flagged")
    assert len(flagged) + len(others) == len(seen.labels)
    assert [seen.labels[study] for study in flagged].count("PNEUMONIA") >= 3
    assert [seen.labels[study] for study in others].count("NORMAL") >= 2


def test_the_worklist_has_the_flagged_studies_first_on_the_command_line_and_on_the_page(
    hospital: Any, seen: Seen
) -> None:
    outcomes = [row["outcome"] for row in seen.rows]
    assert outcomes == sorted(outcomes), "flagged comes before not_flagged"
    page = httpx.get(hospital.agent.url, timeout=60).raise_for_status().text
    places = [page.index(row["study_instance_uid"]) for row in seen.rows]
    assert places == sorted(places)


def test_every_study_has_its_sr_at_orthanc_in_the_same_study_and_flagged_ones_a_picture(seen: Seen) -> None:
    for row in seen.rows:
        found = seen.at_orthanc(row["study_instance_uid"])
        is_flagged = row["outcome"] == "flagged"
        assert len(found.pop(CR)) == 1
        (report,) = (seen.orthanc.tags(instance) for instance in found.pop(COMPREHENSIVE_3D_SR))
        assert report["SeriesDescription"] == (FLAGGED if is_flagged else PROCESSED)
        assert (report["PatientID"], report["PatientName"]) == (row["patient_id"], row["patient_name"])
        pictures = [seen.orthanc.tags(instance) for instance in found.pop(SECONDARY_CAPTURE, [])]
        assert [picture["SeriesDescription"] for picture in pictures] == ([FLAGGED] if is_flagged else [])
        assert found == {}


def test_dciodvfy_finds_no_error_in_anything_that_was_sent(seen: Seen, tool: Any, tmp_path: Path) -> None:
    reports, pictures = seen.reports(COMPREHENSIVE_3D_SR), seen.reports(SECONDARY_CAPTURE)
    assert (len(reports), len(pictures)) == (len(seen.rows), len(seen.studies("flagged")))
    for data in reports + pictures:
        (file := tmp_path / "one.dcm").write_bytes(data)
        assert "Error" not in tool("dciodvfy", file)


def test_dsrdump_reads_every_sr(seen: Seen, tool: Any, tmp_path: Path) -> None:
    texts = []
    for data in seen.reports(COMPREHENSIVE_3D_SR):
        (file := tmp_path / "one.dcm").write_bytes(data)
        texts.append(tool("dsrdump", file))
    assert all("Imaging Measurement Report" in text for text in texts)
    flagged = [text for text in texts if "Pneumonia" in text and "FLAGGED for prioritisation" in text]
    assert len(flagged) == len(seen.studies("flagged"))


def test_check_and_show_speak_of_the_running_hospital(hospital: Any, seen: Seen) -> None:
    assert [finding["check"] for finding in hospital.agent.document("check") if not finding["ok"]] == []
    record = hospital.agent.document("show", seen.studies("flagged")[0])
    assert [event["to_state"] for event in record["events"]][-2:] == ["CONCLUDED", "DELIVERED"]
    assert {delivery["state"] for delivery in record["deliveries"]} == {"ACKNOWLEDGED"}
    assert {report["kind"] for report in record["reports"]} == {"sr", "picture"}
