"""What hospital systems say over MLLP, carried into the running agent: its studies, its worklist and its reports."""

import itertools
import socket
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from pydicom import Dataset

from db.outcome import Outcome
from db.priority import Priority
from db.worklist import worklist

Make = Callable[..., Dataset]
LISTENING = {"enabled": True, "port": 0}
PID = "PID|1||PID-4711||Zzyzx^Quentin||20210203|M"
_NUMBERS = itertools.count(1)


def say(agent: Any, kind: str, *segments: str) -> str:
    """Send a message; return MSA-1 of the answer, which must name it."""
    number = f"N{next(_NUMBERS)}"
    head = f"MSH|^~\\&|RIS|HOSP|TIBABU||20260101120000||{kind}|{number}|P|2.5.1||||||UNICODE UTF-8"
    with socket.create_connection(("127.0.0.1", agent.hl7_port), 30) as connection:
        connection.sendall(b"\x0b" + "\r".join((head, *segments)).encode() + b"\r\x1c\r")
        data = b""
        while not data.endswith(b"\x1c\r"):
            data += connection.recv(4096)
    _, code, named, *_ = data.decode().split("\r")[1].split("|")  # MSA
    assert named == number
    return code


def test_an_order_before_its_images_puts_the_study_first_and_a_final_report_takes_it_off(
    start: Any, radiograph: Make, eventually: Any
) -> None:
    agent = start(hl7=LISTENING)
    order = (PID, "ORC|NW|PL1|ACC-0815", "TQ1|1||||||||S^Stat^HL70485", "OBR|1|PL1|ACC-0815|CHEST")
    assert say(agent, "OMG^O19^OMG_O19", *order) == "AA"
    other, study = radiograph(5, AccessionNumber="ACC-1"), radiograph(5)
    agent.send(other)
    agent.send(study)
    eventually(lambda: agent.is_in(study, "DELIVERED") and agent.is_in(other, "DELIVERED"))
    assert (agent.row(study).order_priority, agent.row(other).order_priority) == (Priority.HIGH, Priority.ROUTINE)
    assert next(row.study_instance_uid for row in worklist(agent.database)) == study.StudyInstanceUID
    result = ("ORC|RE||ACC-0815", "OBR|1||ACC-0815|CHEST" + "|" * 21 + "F", "OBX|1|TX|1||seen||||||F")
    assert say(agent, "ORU^R01^ORU_R01", PID, *result) == "AA"
    assert [row.study_instance_uid for row in worklist(agent.database)] == [other.StudyInstanceUID]
    agent.send(radiograph(5, StudyInstanceUID=study.StudyInstanceUID))
    eventually(lambda: len(worklist(agent.database)) == 2)


def test_a_corrected_and_then_merged_patient_has_new_versions_of_the_report_and_the_files_stay_as_they_came(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    agent = start(hl7=LISTENING, complete={"after_release_seconds": 0.2, "quiet_seconds": 0.2})
    study = radiograph(250)
    agent.send(study)
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    before = {one["path"]: one["sha256"] for one in agent.record(study).instances if one["role"] == "candidate"}
    assert say(agent, "ADT^A08^ADT_A01", PID.replace("Zzyzx^Quentin", "Żółw^Ähn")) == "AA"
    eventually(lambda: agent.row(study).revision == 2 and agent.is_in(study, "DELIVERED"))
    assert say(agent, "ADT^A40^ADT_A39", "PID|1||PID-99||Żółw^Ähn||20210203|M", "MRG|PID-4711") == "AA"
    eventually(lambda: agent.row(study).revision == 3 and agent.is_in(study, "DELIVERED"))
    late = radiograph(5, StudyInstanceUID=study.StudyInstanceUID)
    assert [status.status for status in agent.send(late)] == [0]
    eventually(lambda: agent.row(study).revision == 4 and agent.is_in(study, "DELIVERED"))
    reports = pacs.reports("SR")
    assert [(str(one.PatientName), one.PatientID) for one in reports] == [
        ("Zzyzx^Quentin", "PID-4711"),
        ("Żółw^Ähn", "PID-4711"),
        ("Żółw^Ähn", "PID-99"),
        ("Żółw^Ähn", "PID-99"),
    ]
    study.PatientID, study.PatientName, study.SpecificCharacterSet = "PID-99", "Żółw^Ähn", "ISO_IR 192"
    assert [status.status for status in agent.send(study)] == [0]
    eventually(lambda: [one["role"] for one in agent.record(study).instances][-1] == "duplicate")
    assert (agent.row(study).revision, agent.row(study).outcome) == (4, Outcome.FLAGGED), "the PACS sent it corrected"
    assert ["PredecessorDocumentsSequence" in one for one in reports] == [False, True, True, True]
    assert all(len(digests) == 1 for digests in pacs.digests().values())
    record = agent.record(study)
    held = {one["path"]: one["sha256"] for one in record.instances if one["role"] == "candidate"}
    assert before.items() <= held.items()
    assert sha256((agent.config.store.folder / next(iter(before))).read_bytes()).hexdigest() in before.values()
    notes, pictures = pacs.reports("KO"), pacs.reports("OT")
    identities = [(str(one.PatientName), one.PatientID, one.StudyInstanceUID) for one in notes]
    assert identities == [("Żółw^Ähn", of, study.StudyInstanceUID) for of in ("PID-4711", "PID-99")]
    for note, old in zip(notes, (reports[:1] + pictures[:1], reports[1:2] + pictures[1:2]), strict=True):
        assert note.ConceptNameCodeSequence[0].CodeValue == "113037"
        (evidence,) = note.CurrentRequestedProcedureEvidenceSequence
        named = [one for series in evidence.ReferencedSeriesSequence for one in series.ReferencedSOPSequence]
        assert {one.ReferencedSOPInstanceUID for one in named} >= {one.SOPInstanceUID for one in old}
    told = [event["detail"] for event in record.events if event["event"] == "IDENTITY_CORRECTED"]
    assert told == ["patient_name (ADT^A08)", "patient_id (ADT^A40)"]
