"""A result is withdrawn by the command; an independent PACS has the rejection note, and routes it back in vain."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom.ko
import pytest
from pydicom import Dataset, dcmread

pytestmark = [pytest.mark.shared, pytest.mark.tools]

KEY_OBJECTS, SR = "1.2.840.10008.5.1.4.1.1.88.59", "1.2.840.10008.5.1.4.1.1.88.34"


def test_orthanc_has_the_note_of_a_withdrawn_result_and_what_it_sends_back_changes_nothing(
    hospital: Any, radiograph: Callable[..., Dataset], eventually: Callable[..., None], tool: Any, tmp_path: Path
) -> None:
    image = radiograph(41, PatientName="Дурова^Надежда", SpecificCharacterSet="ISO_IR 144")
    study = str(image.StudyInstanceUID)
    hospital.agent.send(image)
    eventually(lambda: hospital.has_delivered([study]))
    first = hospital.agent.document("show", study)
    done = hospital.agent.document("withdraw", study, "--reason", "safety", "--note", "wrong side marker")
    assert done["revision"] == 1
    eventually(lambda: hospital.agent.document("show", study)["study"]["revision"] == 2)
    eventually(lambda: hospital.has_delivered([study]))
    (instance,) = hospital.orthanc.find(StudyInstanceUID=study, SOPClassUID=KEY_OBJECTS)
    file = tmp_path / "note.dcm"
    file.write_bytes(hospital.orthanc.bytes_of(f"/instances/{instance}/file"))
    assert "Error" not in tool("dciodvfy", file)
    assert "Rejected for Patient Safety Reasons" in tool("dsrdump", file)
    note = dcmread(file)
    assert str(note.PatientName) == "Дурова^Надежда"
    named = {
        one.referenced_sop_instance_uid
        for one in highdicom.ko.KeyObjectSelection.from_sequence([note]).get_references()
    }
    assert named == {row["sop_instance_uid"] for row in first["reports"]}
    before = hospital.agent.document("show", study)["events"]
    hospital.orthanc.rest.post("/modalities/tibabu/store", json=[instance]).raise_for_status()
    other = radiograph(42)
    hospital.agent.send(other)
    eventually(lambda: hospital.has_delivered([str(other.StudyInstanceUID)]))
    assert hospital.agent.document("show", study)["events"] == before
