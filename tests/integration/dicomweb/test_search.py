"""QIDO-RS, asked by dicomweb-client and by hand: what is found, at each level, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset
from pydicom.uid import generate_uid

Web = Any  # tests/integration/dicomweb/conftest.py
Make = Callable[..., Dataset]


@pytest.fixture
def stored(viewer: DICOMwebClient, radiograph: Make) -> list[Dataset]:
    """Store two Studies of one patient: one with two Series of one image, one with one Series of two images."""
    patient = generate_uid()
    first, second = radiograph(PatientID=patient, StudyDate="20260101"), radiograph(PatientID=patient)
    second.StudyInstanceUID, second.Modality, second.SeriesNumber = first.StudyInstanceUID, "DX", 2
    second.StudyDate = first.StudyDate
    third = radiograph(
        PatientID=patient, StudyDate="20260301", PatientName="Åse^Ödön=山田", SpecificCharacterSet="ISO_IR 192"
    )
    fourth = radiograph(PatientID=patient, StudyDate="20260301", PatientName=third.PatientName, InstanceNumber=2)
    fourth.SpecificCharacterSet = "ISO_IR 192"
    fourth.StudyInstanceUID, fourth.SeriesInstanceUID = third.StudyInstanceUID, third.SeriesInstanceUID
    found = [first, second, third, fourth]
    viewer.store_instances(found)
    return found


def test_studies_are_found_by_patient_with_what_the_standard_wants_said(
    viewer: DICOMwebClient, stored: list[Dataset], web: Web
) -> None:
    found = [
        Dataset.from_json(one) for one in viewer.search_for_studies(search_filters={"PatientID": stored[0].PatientID})
    ]
    assert [one.StudyInstanceUID for one in found] == [stored[2].StudyInstanceUID, stored[0].StudyInstanceUID]
    newer, older = found
    assert list(older.ModalitiesInStudy) == ["CR", "DX"]
    assert (older.NumberOfStudyRelatedSeries, older.NumberOfStudyRelatedInstances) == (2, 2)
    assert (newer.NumberOfStudyRelatedSeries, newer.NumberOfStudyRelatedInstances) == (1, 2)
    assert newer.PatientName == "Åse^Ödön=山田"
    assert (older.AccessionNumber, older.StudyDate, older.InstanceAvailability) == ("ACC-1", "20260101", "ONLINE")
    assert older.RetrieveURL == f"{web.url}/studies/{older.StudyInstanceUID}"
    assert older.SpecificCharacterSet == "ISO_IR 192"
    assert {"StudyTime", "ReferringPhysicianName", "PatientBirthDate", "PatientSex", "StudyID"} <= set(older.dir())


@pytest.mark.parametrize(
    ("name", "value", "count"),
    [
        ("StudyDate", "20260101-20260201", 1),
        ("StudyDate", "20260101", 1),
        ("00080020", "-20251231", 0),
        ("ModalitiesInStudy", "DX", 1),
        ("PatientName", "zzyzx*", 1),
        ("PatientName", "åSE^?dön", 1),
        ("PatientName", "Zzy", 0),
        ("AccessionNumber", "ACC-?", 2),
        ("AccessionNumber", "ACC-2", 0),
    ],
)
def test_matching_is_that_of_the_standard(
    viewer: DICOMwebClient, stored: list[Dataset], name: str, value: str, count: int
) -> None:
    filters = {"PatientID": stored[0].PatientID, name: value}
    assert len(viewer.search_for_studies(search_filters=filters)) == count


def test_a_list_of_uids_is_matched_with_commas_and_with_backslashes(web: Web, stored: list[Dataset]) -> None:
    client = web.client(web.token(name="lists"))
    uids = [stored[0].StudyInstanceUID, stored[2].StudyInstanceUID, "1.2.3"]
    for separator in (",", "\\"):
        answer = client.get("/studies", params={"StudyInstanceUID": separator.join(uids)})
        assert len(answer.json()) == 2


def test_series_and_instances_are_found_within_and_across_studies(
    viewer: DICOMwebClient, stored: list[Dataset], web: Web
) -> None:
    first, second, third, fourth = stored
    series = viewer.search_for_series(first.StudyInstanceUID)
    assert {Dataset.from_json(one).SeriesInstanceUID for one in series} == {
        first.SeriesInstanceUID,
        second.SeriesInstanceUID,
    }
    across = viewer.search_for_series(search_filters={"PatientID": first.PatientID, "Modality": "CR"})
    assert len(across) == 2
    assert {Dataset.from_json(one).StudyInstanceUID for one in across} == {
        first.StudyInstanceUID,
        third.StudyInstanceUID,
    }
    (one,) = viewer.search_for_instances(
        third.StudyInstanceUID, third.SeriesInstanceUID, search_filters={"InstanceNumber": "2"}
    )
    found = Dataset.from_json(one)
    assert (found.SOPInstanceUID, found.Rows, found.Columns, found.BitsAllocated) == (fourth.SOPInstanceUID, 40, 32, 16)
    place = f"/studies/{third.StudyInstanceUID}/series/{third.SeriesInstanceUID}/instances/{fourth.SOPInstanceUID}"
    assert found.RetrieveURL == web.url + place
    everywhere = viewer.search_for_instances(search_filters={"SOPInstanceUID": fourth.SOPInstanceUID})
    assert [Dataset.from_json(one).PatientID for one in everywhere] == [first.PatientID]


def test_pages_are_parts_of_the_whole_and_say_when_there_is_more(web: Web, stored: list[Dataset]) -> None:
    client = web.client(web.token(name="pages"))
    first = client.get("/studies", params={"PatientID": stored[0].PatientID, "limit": 1})
    second = client.get("/studies", params={"PatientID": stored[0].PatientID, "limit": 1, "offset": 1})
    assert [len(first.json()), len(second.json())] == [1, 1]
    assert first.json() != second.json()
    assert "additional results" in first.headers["warning"]
    assert "warning" not in second.headers
    third = client.get("/studies", params={"PatientID": stored[0].PatientID, "offset": 2})
    assert (third.status_code, third.json()) == (200, [])


def test_fuzzy_matching_is_refused_politely(web: Web, stored: list[Dataset]) -> None:
    client = web.client(web.token(name="fuzzy"))
    answer = client.get("/studies", params={"PatientID": stored[0].PatientID, "fuzzymatching": "true"})
    assert answer.status_code == 200
    assert answer.headers["warning"].startswith(f'299 {web.url} "The fuzzymatching parameter is not supported.')


@pytest.mark.parametrize(
    "query",
    [
        "PatientComments=x",
        "00104000=x",
        "00091001=x",
        "RequestAttributesSequence.ScheduledProcedureStepID=1",
        "limit=-1",
        "offset=x",
        "StudyDate=yesterday",
        "PatientID=1&00100020=2",
        "StudyInstanceUID=1.2",
    ],
)
def test_what_cannot_be_matched_is_refused_and_never_left_out_in_silence(web: Web, query: str) -> None:
    client = web.client(web.token())
    path = "/studies/1.2.3/series" if query.startswith("StudyInstanceUID") else "/studies"
    answer = client.get(f"{path}?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("query", ["_=123", "includefield=all&includefield=00081030,PatientName", "charset=utf-8"])
def test_parameters_that_are_no_attributes_change_nothing(web: Web, query: str) -> None:
    answer = web.client(web.token()).get(f"/studies?StudyInstanceUID=1.2.3&{query}")
    assert (answer.status_code, answer.json()) == (200, [])


def test_addresses_are_those_that_the_proxy_has(serve: Callable[..., Web], radiograph: Make) -> None:
    web = serve(public_url="https://pacs.example/dicom-web/")
    client = DICOMwebClient(web.url, headers={"Authorization": f"Bearer {web.token()}"})
    sent = radiograph()
    client.store_instances([sent])
    (found,) = client.search_for_studies()
    assert found["00081190"]["Value"] == [f"https://pacs.example/dicom-web/studies/{sent.StudyInstanceUID}"]


def test_a_host_that_is_none_is_refused(web: Web) -> None:
    client = web.client(web.token())
    for host in ("evil.example/path", "a b", "[::", "user@host", "x:y"):
        assert client.get("/studies", headers={"Host": host}).status_code == 400
