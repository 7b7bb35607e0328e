"""WADO-RS: what comes back is what was stored, byte for byte; metadata and frames are what pydicom reads in it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, generate_uid
from sqlalchemy import update

from db.archive import held_instances
from db.archive_columns import AnyOf
from db.schema.domain import instance

Web = Any  # tests/integration/dicomweb/conftest.py
Make = Callable[..., Dataset]
ANY = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def file_of(web: Web, dataset: Dataset) -> Path:
    """Return where an Instance lies."""
    (held,) = held_instances(web.database, {"sop_instance_uid": AnyOf((dataset.SOPInstanceUID,))})
    return Path(web.store.path(held.path))


def place(dataset: Dataset) -> str:
    series = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    return f"{series}/instances/{dataset.SOPInstanceUID}"


def parts(answer: Any) -> list[tuple[str, bytes]]:
    """Return the parts of a multipart answer: their heads and their bytes."""
    boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
    found = answer.content.split(b"--" + boundary)
    assert (found[0], found[-1]) == (b"", b"--\r\n")
    split = [part[2:-2].partition(b"\r\n\r\n") for part in found[1:-1]]
    return [(head.decode(), body) for head, _, body in split]


@pytest.fixture
def study(viewer: DICOMwebClient, radiograph: Make) -> list[Dataset]:
    """Store a Study of two Series."""
    first, second = radiograph(), radiograph(SeriesNumber=2)
    second.StudyInstanceUID = first.StudyInstanceUID
    viewer.store_instances([first, second])
    return [first, second]


def test_what_comes_back_is_the_stored_file(web: Web, study: list[Dataset]) -> None:
    client = web.client(web.token(name="reads"))
    first = study[0]
    answer = client.get(f"/studies/{first.StudyInstanceUID}", headers={"Accept": ANY})
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    found = parts(answer)
    assert [body for _, body in found] == [file_of(web, one).read_bytes() for one in study]
    assert found[0][0].splitlines() == [
        "Content-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.1",
        f"Content-Location: {web.url}{place(first)}",
    ]
    series = client.get(f"/studies/{first.StudyInstanceUID}/series/{first.SeriesInstanceUID}")
    assert [body for _, body in parts(series)] == [file_of(web, first).read_bytes()]
    single = client.get(place(first), headers={"Accept": "application/dicom"})
    assert single.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert single.content == file_of(web, first).read_bytes()
    assert single.headers["cache-control"] == "no-store"


def test_dicomweb_client_gets_datasets(viewer: DICOMwebClient, study: list[Dataset]) -> None:
    first = study[0]
    assert {one.SOPInstanceUID for one in viewer.retrieve_study(first.StudyInstanceUID)} == {
        one.SOPInstanceUID for one in study
    }
    assert viewer.retrieve_series(first.StudyInstanceUID, first.SeriesInstanceUID) == [first]
    assert viewer.retrieve_instance(first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID) == first


def test_metadata_are_the_datasets_without_pixels(viewer: DICOMwebClient, web: Web, study: list[Dataset]) -> None:
    first, second = study
    found = viewer.retrieve_study_metadata(first.StudyInstanceUID)
    assert len(found) == 2
    assert found[0]["7FE00010"] == {"vr": "OW", "BulkDataURI": f"{web.url}{place(first)}/bulkdata/7FE00010"}
    for sent, one in zip((first, second), found, strict=True):
        read = Dataset.from_json({tag: value for tag, value in one.items() if tag != "7FE00010"})
        assert read.AvailableTransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        for element in sent:
            if element.keyword != "PixelData":
                assert read[element.tag] == element
    assert len(viewer.retrieve_series_metadata(first.StudyInstanceUID, first.SeriesInstanceUID)) == 1
    pixels = viewer.retrieve_bulkdata(found[0]["7FE00010"]["BulkDataURI"])
    assert pixels == [first.PixelData]


def test_frames_are_the_pixels(viewer: DICOMwebClient, study: list[Dataset]) -> None:
    first = study[0]
    uids = (first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID)
    assert viewer.retrieve_instance_frames(*uids, frame_numbers=[1]) == [first.PixelData]


def test_frames_of_an_uncompressed_multiframe_come_in_the_order_asked_for(
    web: Web, radiograph: Make, viewer: DICOMwebClient
) -> None:
    values = np.arange(3 * 40 * 32, dtype="<u2") % 4096
    sent = radiograph(NumberOfFrames=3, PixelData=values.tobytes())
    viewer.store_instances([sent])
    client = web.client(web.token(name="reads"))
    found = parts(client.get(f"{place(sent)}/frames/3,1"))
    frames = values.reshape(3, -1)
    assert [body for _, body in found] == [frames[2].tobytes(), frames[0].tobytes()]
    assert "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1" in found[0][0]
    assert client.get(f"{place(sent)}/frames/4").status_code == 404
    for wrong in ("0", "x", "1,", "-1", "1,,2"):
        assert client.get(f"{place(sent)}/frames/{wrong}").status_code == 400


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_frames_of_other_uncompressed_syntaxes_are_little_endian(
    web: Web, radiograph: Make, viewer: DICOMwebClient, syntax: str
) -> None:
    sent = radiograph()
    little = sent.PixelData
    sent.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        sent.PixelData = np.frombuffer(little, "<u2").byteswap().tobytes()
    viewer.store_instances([sent])
    client = web.client(web.token(name="reads"))
    ((_, body),) = parts(client.get(f"{place(sent)}/frames/1"))
    assert body == little
    assert client.get(f"{place(sent)}/bulkdata/7FE00010").content == little


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("J2K_pixelrep_mismatch.dcm", "image/jp2"),
        ("emri_small_jpeg_ls_lossless.dcm", "image/jls"),
        ("rtdose_rle.dcm", "image/dicom-rle"),
    ],
)
def test_compressed_frames_are_the_bit_streams_of_the_file(
    web: Web, viewer: DICOMwebClient, name: str, media_type: str
) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.fail(f"pydicom brings {name}")
    sent = dcmread(str(path))
    sent.SOPInstanceUID, sent.StudyInstanceUID = generate_uid(), generate_uid()
    viewer.store_instances([sent])
    count = int(sent.get("NumberOfFrames") or 1)
    frames = list(generate_frames(sent.PixelData, number_of_frames=count))
    syntax = sent.file_meta.TransferSyntaxUID
    client = web.client(web.token(name="reads"))
    ohif = client.get(
        f"{place(sent)}/frames/{count}",
        headers={"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"},
    )
    ((head, body),) = parts(ohif)
    assert body == frames[-1]
    assert f"application/octet-stream; transfer-syntax={syntax}" in head
    ((head, body),) = parts(
        client.get(f"{place(sent)}/frames/1", headers={"Accept": f'multipart/related; type="{media_type}"'})
    )
    assert (body, f"{media_type}; transfer-syntax={syntax}" in head) == (frames[0], True)
    assert [body for _, body in parts(client.get(f"{place(sent)}/bulkdata/7FE00010"))] == frames
    decoded = client.get(
        f"{place(sent)}/frames/1",
        headers={"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"},
    )
    assert decoded.status_code == 406


def test_another_transfer_syntax_or_media_type_is_406(web: Web, study: list[Dataset]) -> None:
    client = web.client(web.token(name="reads"))
    for accept in (
        'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90',
        "application/dicom+xml",
        'multipart/related; type="application/dicom+xml"',
    ):
        assert client.get(place(study[0]), headers={"Accept": accept}).status_code == 406
    for path in ("frames/1", "bulkdata/7FE00010"):
        assert client.get(f"{place(study[0])}/{path}", headers={"Accept": "image/png"}).status_code == 406, path
    assert client.get(f"{place(study[0])}/metadata", headers={"Accept": "application/dicom+xml"}).status_code == 406


def test_what_there_is_not_is_404_and_what_is_no_uid_400(web: Web, study: list[Dataset]) -> None:
    client = web.client(web.token(name="reads"))
    other = study[0].StudyInstanceUID
    for path in ("/studies/1.2.3", "/studies/1.2.3/metadata", f"/studies/{other}/series/1.2.3", place(study[0])[:-1]):
        assert client.get(path).status_code == 404, path
    for path in ("/studies/x", "/studies/1..2/metadata", "/studies/" + "1" * 65):
        assert client.get(path).status_code == 400, path
    for path in ("00100010", "7FE00011", "zz", "00400555/1/00100010", "00400555/0/00100010", "7FE00010/1/00100010"):
        assert client.get(f"{place(study[0])}/bulkdata/{path}").status_code == 404, path


def test_who_has_it_already_is_told_so(web: Web, study: list[Dataset]) -> None:
    client = web.client(web.token(name="reads"))
    for path in ("", "/metadata", "/frames/1"):
        first = client.get(place(study[0]) + path)
        again = client.get(place(study[0]) + path, headers={"If-None-Match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


def test_what_is_kept_apart_is_not_handed_out_and_the_first_still_is(
    web: Web, viewer: DICOMwebClient, study: list[Dataset], radiograph: Make
) -> None:
    first = study[0]
    stranger = radiograph(PatientID="SOMEBODY-ELSE", StudyInstanceUID=first.StudyInstanceUID)
    viewer.store_instances([stranger])
    client = web.client(web.token(name="reads"))
    answer = client.get(place(stranger))
    assert answer.status_code == 404
    assert "kept apart until a person has decided" in answer.json()["detail"]
    assert len(parts(client.get(f"/studies/{first.StudyInstanceUID}"))) == 2
    assert client.get(place(first)).status_code == 200


def test_head_is_answered_without_making_a_body(
    web: Web, study: list[Dataset], eventually: Callable[..., None]
) -> None:
    client = web.client(web.token(name="reads"))
    with structlog.testing.capture_logs() as logged:
        answer = client.head(f"/studies/{study[0].StudyInstanceUID}")
        eventually(lambda: any(line.get("method") == "HEAD" for line in logged))  # others' lines may come meanwhile
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("multipart/related")
    assert [(line["status"], line["bytes"]) for line in logged if line.get("method") == "HEAD"] == [(200, 0)]
    assert client.get("/studies/1.2.3").status_code == 404


def test_pixel_data_that_are_cut_short_are_said_to_be_and_no_half_of_them_is_handed_out(
    web: Web, viewer: DICOMwebClient, radiograph: Make
) -> None:
    sent = radiograph()
    sent.PixelData = sent.PixelData[:1000]
    viewer.store_instances([sent])
    answer = web.client(web.token(name="reads")).get(f"{place(sent)}/frames/1")
    assert (answer.status_code, answer.json()["detail"][-37:]) == (
        406,
        "Received: one with pixel data is truncated"[-37:],
    )


def test_what_retention_has_removed_is_gone_and_not_unknown(web: Web, study: list[Dataset]) -> None:
    """PS3.18 table 8.5-1: 410 where the origin server knows that there was such a resource."""
    client = web.client(web.token(name="reads"))
    first, second = study
    with web.database.begin() as connection:
        which = instance.c.sop_instance_uid == first.SOPInstanceUID
        connection.execute(update(instance).where(which).values(removed_at=datetime.now(UTC)))
    assert client.get(place(first), headers={"Accept": ANY}).status_code == 410
    assert client.get(place(second), headers={"Accept": ANY}).status_code == 200
    first.SOPInstanceUID = generate_uid()
    assert client.get(place(first), headers={"Accept": ANY}).status_code == 404
