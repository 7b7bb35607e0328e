"""Results are withdrawn, by people and by rejection notes that arrive: real associations, the whole agent behind."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from sqlalchemy import func, select, update

from agent.tokens import SCOPES, new_token
from db import kinds
from db.amendment import request_amendment
from db.causes import Cause, reason_of
from db.priority import Allowances
from db.queue import open_queue
from db.requeue import requeue_study
from db.result_withdrawal import Why, withdraw_result
from db.schema.domain import study
from db.schema.withdrawal import rejected_instance
from db.tokens import create_token
from db.worklist import worklist

Make = Callable[..., Dataset]
LISTED = [{"ae_title": "SCANNER"}, {"ae_title": "QA"}]
KEY_OBJECTS, SR, CAPTURE = "1.2.840.10008.5.1.4.1.1.88.59", "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.7"


@pytest.fixture
def database(sqlite_database: Any) -> Any:
    """One database is enough here: db_lines/test_withdrawal.py has both."""
    return sqlite_database


def withdraw(agent: Any, study: Dataset, cause: Cause = Cause.SAFETY, note: str = "") -> None:
    withdraw_result(
        agent.database,
        open_queue(agent.database),
        study.StudyInstanceUID,
        Why(cause=cause, reason=reason_of(cause, note), actor="user test"),
        at=datetime.now(UTC),
        allowances=Allowances(),
    )


def correct_patient(agent: Any, study_: Dataset) -> None:
    """Correct the name and report anew, as an admission message does."""
    with agent.database.begin() as connection:
        which = study.c.study_instance_uid == study_.StudyInstanceUID
        study_id = connection.execute(select(study.c.id).where(which)).scalar_one()
        values = {"patient_name": "Right^Name", "corrected": "patient_name"}
        connection.execute(update(study).where(which).values(values))
        queue = open_queue(agent.database)
        assert request_amendment(connection, queue, study_id, reason="corrected", at=datetime.now(UTC))


def note(title: str, study: Dataset, *rejected: Dataset, **changed: Any) -> Dataset:
    """Return a rejection note of the study, as a quality workstation makes it."""
    made, code = Dataset(), Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex"):
        setattr(made, keyword, study.get(keyword))
    made.SOPClassUID, made.SOPInstanceUID, made.SeriesInstanceUID = KEY_OBJECTS, generate_uid(), generate_uid()
    made.Modality, made.Manufacturer = "KO", "QA"
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = title, "DCM", "whatever"
    made.ConceptNameCodeSequence = [code]
    evidence = Dataset()
    evidence.StudyInstanceUID = study.StudyInstanceUID
    evidence.ReferencedSeriesSequence = [reference(one) for one in rejected]
    made.CurrentRequestedProcedureEvidenceSequence = [evidence]
    for keyword, value in changed.items():
        setattr(made, keyword, value)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def reference(one: Dataset) -> Dataset:
    series, instance = Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = one.SeriesInstanceUID, [instance]
    return series


def taken_back(note_: Dataset) -> set[str]:
    (evidence,) = note_.CurrentRequestedProcedureEvidenceSequence
    return {
        instance.ReferencedSOPInstanceUID
        for series in evidence.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }


def rejected(agent: Any) -> int:
    """Return how many images are known to be rejected that have not come."""
    with agent.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(rejected_instance)).scalar_one())


def delivered(agent: Any, study: Dataset, revision: int) -> bool:
    row = agent.row(study)
    return row is not None and row.revision == revision and row.state == "DELIVERED"


def test_a_withdrawn_result_is_taken_back_where_it_was_sent_and_reported_as_not_analysed(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any
) -> None:
    agent = start()
    image = radiograph(250)
    agent.send(image)
    eventually(lambda: delivered(agent, image, 1))
    first, picture = pacs.reports("SR")[0], pacs.reports("OT")[0]
    withdraw(agent, image, note="wrong side marker")
    eventually(lambda: delivered(agent, image, 2))
    (note_,) = pacs.reports("KO")
    assert note_.ConceptNameCodeSequence[0].CodeValue == "113037"
    assert taken_back(note_) == {first.SOPInstanceUID, picture.SOPInstanceUID}
    assert (note_.PatientID, note_.StudyInstanceUID) == (image.PatientID, image.StudyInstanceUID)
    later = pacs.reports("SR")[1]
    assert "withdrawn: rejected for patient safety reasons (wrong side marker)" in later.to_json()
    assert first.SOPInstanceUID in str(later.PredecessorDocumentsSequence)
    assert "Probability" not in later.to_json()
    assert len(pacs.reports("OT")) == 1
    row = agent.row(image)
    assert (row.outcome, row.ai_priority) == ("not_analysed", None)
    assert row.reason.startswith("withdrawn: ")


def test_a_new_result_may_follow_and_be_withdrawn_in_its_turn(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any
) -> None:
    """The second note names what the second result sent, not what the first has taken back."""
    agent = start()
    image = radiograph(250)
    agent.send(image)
    eventually(lambda: delivered(agent, image, 1))
    withdraw(agent, image, Cause.QUALITY)
    eventually(lambda: delivered(agent, image, 2))
    requeue_study(
        agent.database, open_queue(agent.database), image.StudyInstanceUID, actor="user test", now=datetime.now(UTC)
    )
    eventually(lambda: delivered(agent, image, 3))
    assert agent.row(image).outcome == "flagged"
    withdraw(agent, image, Cause.WORKLIST_ENTRY)
    eventually(lambda: delivered(agent, image, 4))
    first, second = pacs.reports("KO")
    assert [one.ConceptNameCodeSequence[0].CodeValue for one in (first, second)] == ["113001", "113038"]
    reports = pacs.reports("SR")
    pictures = pacs.reports("OT")
    assert taken_back(first) == {reports[0].SOPInstanceUID, pictures[0].SOPInstanceUID}
    assert taken_back(second) == {one.SOPInstanceUID for one in (reports[1], reports[2], pictures[1])}
    correct_patient(agent, image)
    eventually(lambda: delivered(agent, image, 5))
    assert str(pacs.reports("SR")[-1].PatientName) == "Right^Name"
    assert all(len(digests) == 1 for digests in pacs.digests().values()), "one UID, one sequence of bytes"
    assert len(pacs.digests()) == 5 + 2 + 2, "SRs, pictures and notes: each version under a UID of its own"


def test_only_who_may_have_our_reports_gets_a_note_and_only_of_what_it_may_have(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any, pacs_port: int
) -> None:
    place = {"type": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs_port}
    agent = start(
        destinations=[
            {"name": "both", **place},
            {"name": "documents", **place, "reports": ["sr"]},
            {"name": "pictures", **place, "reports": ["picture"], "outcomes": ["not_flagged"]},
            {"name": "quiet", **place, "rejection_notes": False},
        ]
    )
    image = radiograph(250)
    agent.send(image)
    eventually(lambda: delivered(agent, image, 1))
    withdraw(agent, image)
    eventually(lambda: delivered(agent, image, 2))
    (report,) = {one.SOPInstanceUID for one in pacs.reports("SR") if one.InstanceNumber == 1}
    (picture,) = {one.SOPInstanceUID for one in pacs.reports("OT")}
    notes = {one.SOPInstanceUID: taken_back(one) for one in pacs.reports("KO")}
    assert sorted(map(len, notes.values())) == [1, 2], "one to each of two destinations, each under a UID of its own"
    assert {report, picture} in notes.values()
    assert {report} in notes.values()


def test_our_own_note_that_a_pacs_routes_back_changes_nothing(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any
) -> None:
    agent = start(peers=[{"ae_title": "PACS"}])
    image = radiograph(250)
    agent.send(image)
    eventually(lambda: delivered(agent, image, 1))
    withdraw(agent, image)
    eventually(lambda: delivered(agent, image, 2))
    requeue_study(
        agent.database, open_queue(agent.database), image.StudyInstanceUID, actor="user test", now=datetime.now(UTC)
    )
    eventually(lambda: delivered(agent, image, 3))
    before = agent.record(image)
    (status,) = agent.send(pacs.reports("KO")[0], calling_ae_title="PACS")
    assert status.status == 0
    agent.send(radiograph(20), calling_ae_title="PACS")  # whatever the note set off has its turn before this one
    eventually(lambda: len(pacs.reports("SR")) == 4)
    after = agent.record(image)
    assert (after.events, after.study.outcome) == (before.events, "flagged")


@pytest.mark.parametrize("who", ["QA", "STRANGER"])
def test_a_note_that_names_our_report_withdraws_its_result_if_it_comes_from_a_listed_peer(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any, who: str
) -> None:
    agent = start(peers=LISTED)
    image = radiograph(250)
    agent.send(image)
    eventually(lambda: delivered(agent, image, 1))
    (report,) = pacs.reports("SR")
    (status,) = agent.send(note("113001", image, report), calling_ae_title=who)
    assert status.status == 0
    if who == "QA":
        eventually(lambda: delivered(agent, image, 2))
        assert agent.row(image).reason == "withdrawn: rejected for quality reasons"
        assert report.SOPInstanceUID in taken_back(pacs.reports("KO")[0])
        assert "peer QA" in {event["actor"] for event in agent.record(image).events}
        return
    other = radiograph(20)
    agent.send(other)
    eventually(lambda: delivered(agent, other, 1))
    assert (agent.row(image).outcome, agent.row(image).revision) == ("flagged", 1)


def test_a_note_that_comes_over_http_is_heeded(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any
) -> None:
    """Whoever stores over STOW-RS has a token for it."""
    agent = start(dicomweb={"enabled": True, "port": 0})
    token = new_token()
    create_token(agent.database, "qa", sha256=token.sha256, scopes=tuple(SCOPES), by="test", now=datetime.now(UTC))
    image = radiograph(250)
    agent.send(image)
    eventually(lambda: delivered(agent, image, 1))
    client = DICOMwebClient(agent.dicomweb, headers={"Authorization": f"Bearer {token.secret}"})
    client.store_instances([note("113037", image, pacs.reports("SR")[0])])
    eventually(lambda: delivered(agent, image, 2))
    assert agent.row(image).reason == "withdrawn: rejected for patient safety reasons"


def test_a_note_that_names_an_image_withdraws_the_image(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any
) -> None:
    """What is left of the study decides, and a requeue does not bring the image back."""
    agent = start(peers=LISTED)
    bad = radiograph(250)
    good = radiograph(20, StudyInstanceUID=bad.StudyInstanceUID)
    agent.send(bad, good)
    eventually(lambda: delivered(agent, bad, 1))
    agent.send(note("113037", bad, bad), calling_ae_title="QA")
    eventually(lambda: delivered(agent, bad, 2))
    row = agent.row(bad)
    assert (row.outcome, row.ai_priority) == ("not_flagged", None)
    said = pacs.reports("SR")[1].to_json()
    assert "Image not analysed: withdrawn: rejected for patient safety reasons." in said
    assert len(taken_back(pacs.reports("KO")[0])) == 2
    queue = open_queue(agent.database)
    requeue_study(agent.database, queue, bad.StudyInstanceUID, actor="user test", now=datetime.now(UTC))
    eventually(lambda: delivered(agent, bad, 3))
    assert agent.row(bad).outcome == "not_flagged"
    agent.send(bad)  # a rejected object that comes again, and once more in another transfer syntax
    same = {name: bad[name].value for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")}
    again = radiograph(250, **same)
    again.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    agent.send(again)
    eventually(lambda: not any(depth.kind == kinds.COMPARE for depth in queue.depth(datetime.now(UTC))))
    assert (agent.row(bad).outcome, agent.row(bad).revision) == ("not_flagged", 3)


def test_an_image_that_was_rejected_before_it_came_does_not_count(
    start: Callable[..., Any], radiograph: Make, eventually: Any
) -> None:
    """The note is faster than its image; alone it makes no study to report on."""
    agent = start(peers=LISTED)
    image = radiograph(250)
    agent.send(note("113038", image, image), calling_ae_title="QA")
    eventually(lambda: rejected(agent) == 1)
    assert list(worklist(agent.database, limit=10)) == []
    agent.send(image)
    eventually(lambda: delivered(agent, image, 1))
    row = agent.row(image)
    assert (row.outcome, row.reason) == ("not_analysed", "withdrawn: incorrect worklist entry selected")


@pytest.mark.parametrize("title", ["113039", "113000"])
def test_notes_that_say_nothing_against_the_objects_withdraw_nothing(
    start: Callable[..., Any], radiograph: Make, eventually: Any, pacs: Any, title: str
) -> None:
    """Expired retention, and key images of interest."""
    agent = start(peers=LISTED)
    image, other = radiograph(250), radiograph(20)
    agent.send(image)
    eventually(lambda: delivered(agent, image, 1))
    agent.send(note(title, image, image, pacs.reports("SR")[0]), calling_ae_title="QA")
    agent.send(other)
    eventually(lambda: delivered(agent, other, 1))
    assert (agent.row(image).outcome, agent.row(image).revision) == ("flagged", 1)


def test_a_note_for_another_patients_study_withdraws_nothing(
    start: Callable[..., Any], radiograph: Make, eventually: Any
) -> None:
    """It names the objects of a study that is not its own: only its own study is looked at."""
    agent = start(peers=LISTED)
    image, other = radiograph(250), radiograph(20, PatientID="OTHER", PatientName="Other")
    agent.send(image, other)
    eventually(lambda: delivered(agent, image, 1) and delivered(agent, other, 1))
    foreign = note("113001", other, image)
    agent.send(foreign, calling_ae_title="QA")
    third = radiograph(20)
    agent.send(third)
    eventually(lambda: delivered(agent, third, 1))
    assert (agent.row(image).outcome, agent.row(image).revision) == ("flagged", 1)
