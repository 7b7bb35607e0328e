"""What the study page hands out: objects, reports, the whole study, small pictures; each to whom, and what is said."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import insert, select, update

from agent.web.priors import other_lines
from agent.web.viewing import MOST, left_out, viewed_images
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId
from db.causes import Cause, How, reason_of
from db.database import Database
from db.outcome import Outcome
from db.priors import other_studies
from db.queue import open_queue
from db.roles import Role
from db.schema.domain import instance, study
from db.schema.pictures import thumbnail
from db.worklist import worklist_row
from dicom_io.encapsulated import PDF_CLASS
from dicom_io.rendering import thumbnail as small_picture

Ledger = Any  # tests/fixtures/served.py
UID = "1.2.826.0.1.3680043.10.1505.1"
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture
def reported(ledger: Ledger) -> Ledger:
    """Give a ledger of a flagged study of two images, with a report that was sent."""
    images = [ledger.receive(UID, at=NOW, patient_id="P1") for _ in range(2)]
    ledger.score(images[0], Outcome.FLAGGED, probability=0.93, at=NOW)
    ledger.score(images[1], Outcome.NOT_FLAGGED, probability=0.1, at=NOW)
    ledger.conclude(images[0].study_id, at=NOW + timedelta(minutes=1))
    ledger.deliver(UID, at=NOW + timedelta(minutes=2))
    return ledger


def exports(database: Database) -> list[str]:
    rows = search(database, AuditQuery(event=EventId.EXPORT)).rows
    assert {row.event.study_instance_uid for row in rows} <= {UID}
    return sorted(row.event.detail for row in rows)


def test_an_object_and_a_report_come_as_they_are_stored_and_the_trail_says_so(
    client: httpx.Client, reported: Ledger
) -> None:
    stored = {path.name: path.read_bytes() for path in reported.store.glob("00/*.dcm")}
    answer = client.get(f"/studies/{UID}/instances/{UID}.1/file")
    assert answer.content == stored[f"{1:064x}.dcm"]
    assert answer.headers["content-type"] == "application/dicom"
    assert answer.headers["content-disposition"] == f'attachment; filename="{UID}.1.dcm"'
    assert answer.headers["cache-control"] == "no-store"
    report = client.get(f"/studies/{UID}/reports/1")
    assert report.content == stored[f"{3:064x}.dcm"]
    assert report.headers["content-disposition"] == 'attachment; filename="sr-1.dcm"'
    assert exports(reported.database) == [f"object {UID}.1", "report sr, 1"]
    for path in (f"/studies/{UID}/reports/2", f"/studies/{UID}.9/reports/1", f"/studies/{UID}/reports/x"):
        assert client.get(path).status_code == 404


def test_the_whole_study_is_one_zip_that_says_what_is_not_in_it_and_why(client: httpx.Client, reported: Ledger) -> None:
    (reported.store / f"00/{2:064x}.dcm").unlink()
    apart = reported.receive(UID, at=NOW)
    with reported.database.begin() as connection:
        connection.execute(update(instance).where(instance.c.id == apart.instance_id).values(role=Role.CONFLICT))
    answer = client.get(f"/studies/{UID}/download")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.testzip() is None
        first = f"objects/{UID}.1.dcm"
        assert found.namelist() == [first, f"objects/{UID}.2.dcm.missing.txt", "contents.txt"]
        assert found.read(first) == (reported.store / f"00/{1:064x}.dcm").read_bytes()
        contents = found.read("contents.txt").decode()
    assert f"{first}  sha256 {1:064x}" in contents
    assert f"objects/{UID}.4.dcm  not in here: kept apart until a person has decided" in contents
    assert exports(reported.database) == ["whole study"]


def test_what_is_kept_apart_removed_or_lost_is_told_apart(client: httpx.Client, reported: Ledger) -> None:
    apart = reported.receive(UID, at=NOW)
    with reported.database.begin() as connection:
        connection.execute(update(instance).where(instance.c.id == apart.instance_id).values(role=Role.CONFLICT))
        connection.execute(update(instance).where(instance.c.sop_instance_uid == f"{UID}.1").values(removed_at=NOW))
    (reported.store / f"00/{2:064x}.dcm").unlink()
    for number, status, said in (
        (1, 410, "removed here by retention"),
        (2, 410, "gone or damaged"),
        (4, 404, "kept apart"),
        (9, 404, "No object of that SOP Instance UID"),
    ):
        for what in ("file", "frames/1/values"):
            answer = client.get(f"/studies/{UID}/instances/{UID}.{number}/{what}")
            assert answer.status_code == status
            assert said in answer.text
    page = client.get(f"/studies/{UID}").text
    assert "removed by retention" in page
    assert "kept apart" in page


def test_a_store_that_is_away_has_lost_nothing_and_says_so(client: httpx.Client, reported: Ledger) -> None:
    (reported.store / "00").rename(reported.store / "away")
    for what in ("file", "pdf", "report", "frames/1/values", "frames/1/picture"):
        if what in {"pdf", "report"}:
            sop_class = {"pdf": PDF_CLASS, "report": "1.2.840.10008.5.1.4.1.1.88.33"}[what]
            with reported.database.begin() as connection:
                connection.execute(update(instance).values(sop_class_uid=sop_class))
        answer = client.get(f"/studies/{UID}/instances/{UID}.1/{what}")
        assert (answer.status_code, "Nothing is lost" in answer.text) == (503, True), what
    assert client.get(f"/studies/{UID}/reports/1").status_code == 503


def test_the_report_of_the_result_is_this_agents_and_neither_a_key_object_nor_somebody_elses(
    client: httpx.Client, reported: Ledger
) -> None:
    structured, key_object = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.59"
    of = {"at": NOW, "candidate": False}
    own = [reported.receive(UID, sop_class_uid=uid, **of).instance_id for uid in (structured, key_object)]
    reported.receive(UID, sop_class_uid=structured, **of)
    with reported.database.begin() as connection:
        connection.execute(update(instance).where(instance.c.id.in_(own)).values(role=Role.OWN))
        report = connection.scalars(select(instance.c.sop_instance_uid).where(instance.c.id == own[0])).one()
    (said,) = [line for line in client.get(f"/studies/{UID}").text.splitlines() if "Read the structured" in line]
    assert f"/instances/{report}/report" in said


def test_of_more_images_than_a_viewer_offers_the_flagged_one_is_there_and_the_rest_is_said() -> None:
    names = ("withdrawn", "analysis_revision", "removed_at")
    texts = dict.fromkeys(("modality", "series_description", "body_part_examined", "laterality", "series_number"), "")
    plain = {"is_image": True, "role": Role.CANDIDATE, "number_of_frames": 1} | dict.fromkeys(names) | texts
    numbers = range(1, MOST + 4)
    rows = [plain | {"id": n, "sop_instance_uid": f"{UID}.{n}", "instance_number": str(n)} for n in numbers]
    last = rows[-1]["id"]
    found = {"instance_id": last, "revision": 1, "outcome": "flagged", "reason": "", "probability": 0.9}
    offered = viewed_images(UID, rows, [found | {"has_heat_map": True}])
    assert [image.id for image in offered if image.first] == [f"{UID}.{last}"]
    assert (len(offered), offered[-1].label, left_out(rows, offered)) == (MOST + 1, f"Image {last}", 2)


def test_a_small_picture_is_made_once_and_kept_and_a_study_is_stood_for_by_its_flagged_image(
    client: httpx.Client, ledger: Ledger
) -> None:
    plain, flagged = (ledger.receive(UID, at=NOW) for _ in range(2))
    ledger.score(plain, Outcome.NOT_FLAGGED, probability=0.1, at=NOW)
    first = client.get(f"/studies/{UID}/thumbnail")
    ledger.score(flagged, Outcome.FLAGGED, probability=0.9, at=NOW)
    for path in (ledger.store / "00").glob("*.dcm"):
        if path.name != f"{2:064x}.dcm":
            path.unlink()  # the first one's picture is on record
    assert client.get(f"/studies/{UID}/instances/{UID}.1/thumbnail").content == first.content
    second = client.get(f"/studies/{UID}/thumbnail")
    assert second.headers["content-type"] == "image/jpeg"
    assert second.headers["cache-control"] == "no-store"
    with Image.open(io.BytesIO(second.content)) as picture:
        assert picture.size == (85, 128)  # of 16 x 24 pixels
    with ledger.database.read() as connection:
        kept = connection.execute(select(thumbnail.c.instance_id).order_by(thumbnail.c.instance_id)).scalars().all()
    assert kept == [plain.instance_id, flagged.instance_id]
    assert client.get("/studies/1.2.3/thumbnail").status_code == 404


def test_an_image_that_was_taken_back_stands_for_its_study_no_more(client: httpx.Client, reported: Ledger) -> None:
    def whose() -> bytes:
        return client.get(f"/studies/{UID}/thumbnail").content

    def take_back(number: int, how: How) -> None:
        gone = {"withdrawn": reason_of(Cause.WORKLIST_ENTRY), "withdrawn_how": how}
        with reported.database.begin() as connection:
            connection.execute(update(instance).where(instance.c.sop_instance_uid == f"{UID}.{number}").values(gone))

    with reported.database.begin() as connection:
        for row in connection.execute(select(instance.c.id, instance.c.sop_instance_uid)).all():
            jpeg = row.sop_instance_uid.encode()
            connection.execute(insert(thumbnail).values(instance_id=row.id, jpeg=jpeg))
    flagged, other = f"{UID}.1".encode(), f"{UID}.2".encode()
    assert whose() == flagged
    take_back(1, How.REJECTED)
    assert whose() == other
    take_back(1, How.RESULT)
    take_back(2, How.MODALITY)
    assert whose() == flagged  # the image itself is no other patient's
    take_back(1, How.MODALITY)
    assert client.get(f"/studies/{UID}/thumbnail").status_code == 404
    assert client.get(f"/studies/{UID}/instances/{UID}.1/thumbnail").content == flagged  # as the study's page lists it


def test_a_small_picture_made_of_the_networks_square_has_the_shape_of_its_image() -> None:
    with Image.open(io.BytesIO(small_picture(np.zeros((156, 156), np.uint8), 3000, 1500))) as picture:
        assert picture.size == (64, 128)


@pytest.mark.parametrize(
    "outside",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image", "Authorization": "Bearer of a program"},
    ],
)
def test_looking_at_an_image_is_in_the_trail_and_a_small_picture_only_outside_of_a_page(
    client: httpx.Client, reported: Ledger, outside: dict[str, str]
) -> None:
    client.get(f"/studies/{UID}/instances/{UID}.1/frames/1/values")
    client.get(f"/studies/{UID}/thumbnail", headers={"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image"})
    query = AuditQuery(event=EventId.INSTANCES_ACCESSED, study_instance_uid=UID)
    assert [row.event.detail for row in search(reported.database, query).rows] == [f"image {UID}.1"]
    client.get(f"/studies/{UID}/thumbnail", headers=outside)
    assert "thumbnail" in [row.event.detail for row in search(reported.database, query).rows]


def test_other_studies_are_those_of_the_same_patient_id_and_issuer_and_of_nobody_in_doubt(
    database: Database, make_ledger: Callable[..., Ledger]
) -> None:
    ledger = make_ledger(database, None)
    said = {"patient_id": "P1", "issuer_of_patient_id": "WARD", "patient_name": "Doe^Jane"}
    for number, differs in enumerate(
        (
            {},
            {"patient_name": "Another^Name"},
            {"issuer_of_patient_id": "CLINIC"},
            {"issuer_of_patient_id": ""},
            {"patient_id": "P2"},
        ),
        1,
    ):
        ledger.receive(f"{UID}.{number}", at=NOW, candidate=False, **{**said, **differs})
    ledger.receive(f"{UID}.8", at=NOW, candidate=False, patient_name="Doe^Jane")
    ledger.receive(f"{UID}.9", at=NOW, candidate=False, patient_name="Doe^Jane")
    others = [one.study_instance_uid for one in other_studies(database, f"{UID}.1")]
    assert others == [f"{UID}.2"]
    assert other_studies(database, f"{UID}.8") == ()
    with database.begin() as connection:
        connection.execute(update(study).where(study.c.study_instance_uid == f"{UID}.2").values(doubt="merge"))
    assert other_studies(database, f"{UID}.1") == ()


def test_another_study_that_is_worked_on_says_so_and_that_its_result_may_change(
    database: Database, make_ledger: Callable[..., Ledger]
) -> None:
    ledger = make_ledger(database, open_queue(database))
    ledger.receive(UID, at=NOW, patient_id="P1")
    other = f"{UID}.2"

    def said() -> tuple[str, str]:
        row = worklist_row(database, UID)
        assert row is not None
        (line,) = other_lines(row, other_studies(database, UID))
        assert line.outcome is not None
        return line.outcome.text, line.outcome.updating

    image = ledger.receive(other, at=NOW, patient_id="P1")
    assert said() == ("Being received", "")
    ledger.score(image, Outcome.NOT_FLAGGED, probability=0.1, at=NOW)
    ledger.conclude(image.study_id, at=NOW + timedelta(hours=1))
    assert said() == ("Not flagged", "")
    image = ledger.receive(other, at=NOW + timedelta(hours=2), patient_id="P1")
    assert said() == ("Not flagged", "updating: being received")


def test_a_report_that_makes_no_sense_says_so(
    client: httpx.Client, ledger: Ledger, sr_file: Callable[..., bytes]
) -> None:
    plain = {"candidate": False, "is_image": False, "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.34"}
    ledger.receive(UID, at=NOW, file=sr_file(), **plain)
    ledger.receive(UID, at=NOW, file=sr_file()[:200] + b"\xff" * 90, **plain)
    ledger.receive(UID, at=NOW)
    page = client.get(f"/studies/{UID}/instances/{UID}.1/report").text
    assert "A finding in words" in page
    assert "complete, unverified" in page
    assert "cannot be read" in client.get(f"/studies/{UID}/instances/{UID}.2/report").text
    assert client.get(f"/studies/{UID}/instances/{UID}.3/report").status_code == 404


@pytest.mark.parametrize("pdf", [b"%PDF-1.7 odd", b"%PDF-1.7 even"])
def test_the_pdf_in_an_object_comes_as_a_file_of_its_own(client: httpx.Client, ledger: Ledger, pdf: bytes) -> None:
    def wrapped(document: bytes) -> bytes:
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = PDF_CLASS, "1.2.3"
        dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
        dataset.EncapsulatedDocumentLength = len(document)
        dataset.add_new("EncapsulatedDocument", "OB", document + b"\0" * (len(document) % 2))
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
        return file.getvalue()

    plain = {"candidate": False, "is_image": False, "sop_class_uid": PDF_CLASS}
    ledger.receive(UID, at=NOW, file=wrapped(pdf), **plain)
    ledger.receive(UID, at=NOW, file=wrapped(b"<script>alert(1)</script>"), **plain)
    answer = client.get(f"/studies/{UID}/instances/{UID}.1/pdf")
    assert (answer.content, answer.headers["content-type"]) == (pdf, "application/pdf")
    assert answer.headers["content-disposition"] == f'attachment; filename="{UID}.1.pdf"'
    assert client.get(f"/studies/{UID}/instances/{UID}.2/pdf").status_code == 422


def test_the_digest_in_the_list_of_a_zip_is_the_one_on_record(client: httpx.Client, ledger: Ledger) -> None:
    content = b"x" * 700_000
    ledger.receive(UID, at=NOW, file=content, is_image=False, candidate=False)
    with zipfile.ZipFile(io.BytesIO(client.get(f"/studies/{UID}/download").content)) as found:
        assert hashlib.sha256(found.read(f"objects/{UID}.1.dcm")).digest() == hashlib.sha256(content).digest()


def test_a_study_without_an_image_has_no_viewer_and_says_so(client: httpx.Client, ledger: Ledger) -> None:
    ledger.receive(UID, at=NOW, is_image=False, candidate=False)
    page = client.get(f"/studies/{UID}").text
    assert "This study holds no image that can be shown." in page
    assert "viewer.js" not in page
