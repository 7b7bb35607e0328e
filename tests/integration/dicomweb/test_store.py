"""STOW-RS: what came over HTTP is stored as what came by C-STORE, and each Instance has its answer."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ImplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid
from sqlalchemy import select

from agent.config.file import Config
from db.schema.domain import delivery, instance, study
from db.worklist import study_record

Web = Any  # tests/integration/dicomweb/conftest.py
Make = Callable[..., Dataset]
Encode = Callable[[Dataset], bytes]
Multipart = Callable[..., tuple[bytes, dict[str, str]]]
FAILED, STORED, OTHERS, REASON = "00081198", "00081199", "0008119A", "00081197"


def reasons(answer: dict[str, Any], sequence: str = FAILED) -> list[int]:
    return [item[REASON]["Value"][0] for item in answer.get(sequence, {"Value": []})["Value"]]


def uids(answer: dict[str, Any], sequence: str = STORED) -> list[str]:
    return [item["00081155"]["Value"][0] for item in answer.get(sequence, {"Value": []})["Value"]]


def test_what_is_answered_200_is_on_disk_and_on_record(
    web: Web, radiograph: Make, encode: Encode, multipart: Multipart
) -> None:
    sent = radiograph()
    body, headers = multipart([encode(sent)])
    answer = web.client(web.token()).post("/studies", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+json")
    assert uids(answer.json()) == [sent.SOPInstanceUID]
    study = f"{web.url}/studies/{sent.StudyInstanceUID}"
    assert answer.json()["00081190"]["Value"] == [study]
    assert answer.json()[STORED]["Value"][0]["00081190"]["Value"] == [
        f"{study}/series/{sent.SeriesInstanceUID}/instances/{sent.SOPInstanceUID}"
    ]
    record = study_record(web.database, sent.StudyInstanceUID)
    assert record is not None
    (instance,) = record.instances
    assert (instance["role"], instance["calling_ae_title"]) == ("candidate", "viewer")
    kept = dcmread(web.store.path(instance["path"]))
    assert kept == sent
    assert kept.file_meta.ImplementationVersionName == "TIBABU"


def test_what_comes_after_a_rule_was_taken_over_is_forwarded_by_it(
    serve: Callable[..., Web], radiograph: Make, encode: Encode, multipart: Multipart, tmp_path: Path
) -> None:
    web = serve()
    sender, sent = web.client(web.token()), [radiograph(), radiograph()]
    archive = {"name": "archive", "type": "folder", "folder": str(tmp_path / "archive")}
    rules = Config.model_validate({"destinations": [archive], "forward": [{"name": "all", "to": ["archive"]}]})
    for one in sent:
        body, headers = multipart([encode(one)])
        assert sender.post("/studies", content=body, headers=headers).status_code == 200
        web.renewal.tell(web.config.model_copy(update={"destinations": rules.destinations, "forward": rules.forward}))
    query = select(instance.c.sop_instance_uid).join(delivery, delivery.c.instance_id == instance.c.id)
    with web.database.read() as connection:
        assert connection.scalars(query).all() == [sent[1].SOPInstanceUID]


def test_the_same_dataset_is_one_instance_whoever_wrote_its_file_meta_information(
    web: Web, radiograph: Make, encode: Encode, multipart: Multipart
) -> None:
    sent = radiograph()
    first = encode(sent)
    sent.file_meta.SourceApplicationEntityTitle = "ELSEWHERE"
    body, headers = multipart([first, encode(sent)])
    assert web.client(web.token()).post("/studies", content=body, headers=headers).status_code == 200
    record = study_record(web.database, sent.StudyInstanceUID)
    assert record is not None
    assert len(record.instances) == 1


def test_a_study_of_a_request_closes_soon_after_it(
    web: Web, radiograph: Make, encode: Encode, multipart: Multipart
) -> None:
    sent = radiograph()
    body, headers = multipart([encode(sent)])
    web.client(web.token()).post("/studies", content=body, headers=headers)
    with web.database.read() as connection:
        query = select(study.c.last_received_at, study.c.closes_at)
        row = connection.execute(query.where(study.c.study_instance_uid == sent.StudyInstanceUID)).one()
    assert row.closes_at - row.last_received_at < timedelta(seconds=30)  # when it is quiet


def test_one_that_fails_among_others_is_202_and_says_which_and_why(
    web: Web, radiograph: Make, encode: Encode, multipart: Multipart
) -> None:
    good, elsewhere, strange = radiograph(), radiograph(), radiograph(SOPClassUID="1.2.3.4")
    good.StudyInstanceUID = strange.StudyInstanceUID = named = generate_uid()
    body, headers = multipart([encode(elsewhere), b"no DICOM at all", encode(good), encode(strange)])
    answer = web.client(web.token()).post(f"/studies/{named}", content=body, headers=headers)
    assert answer.status_code == 202
    assert uids(answer.json()) == [good.SOPInstanceUID]
    assert uids(answer.json(), FAILED) == [elsewhere.SOPInstanceUID, strange.SOPInstanceUID]
    assert reasons(answer.json()) == [0xA900, 0x0122]
    assert reasons(answer.json(), OTHERS) == [0xC000]
    assert study_record(web.database, elsewhere.StudyInstanceUID) is None


def test_none_stored_is_409(web: Web, radiograph: Make, encode: Encode, multipart: Multipart) -> None:
    body, headers = multipart([encode(radiograph())])
    answer = web.client(web.token()).post("/studies/1.2.3", content=body, headers=headers)
    assert (answer.status_code, reasons(answer.json())) == (409, [0xA900])


def test_no_room_is_503_with_the_reason_and_nothing_on_record(
    serve: Callable[..., Web], radiograph: Make, encode: Encode, multipart: Multipart
) -> None:
    web, sent = serve(store={"minimum_free_megabytes": 10**9}), radiograph()
    body, headers = multipart([encode(sent)])
    answer = web.client(web.token()).post("/studies", content=body, headers=headers)
    assert (answer.status_code, reasons(answer.json())) == (503, [0xA700])
    assert int(answer.headers["retry-after"]) > 0
    assert study_record(web.database, sent.StudyInstanceUID) is None


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        ("", 415),
        ("multipart/form-data; boundary=B", 415),
        ('multipart/related; type="application/dicom"', 415),
        ('multipart/related; type="application/dicom+json"; boundary=B', 415),
        ('multipart/related; type="application/dicom"; boundary=' + "B" * 500, 415),
        ('multipart/related; type="application/dicom"; boundary=OTHER', 400),
    ],
)
def test_a_body_that_is_not_multipart_of_dicom_is_refused(web: Web, content_type: str, status: int) -> None:
    answer = web.client(web.token()).post("/studies", content=b"--B\r\n\r\n", headers={"Content-Type": content_type})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_body_without_an_end_is_400_and_what_was_whole_is_stored(
    web: Web, radiograph: Make, encode: Encode, multipart: Multipart
) -> None:
    sent = radiograph()
    body, headers = multipart([encode(sent), encode(radiograph())])
    answer = web.client(web.token()).post("/studies", content=body[:-2000], headers=headers)
    assert answer.status_code == 400
    assert study_record(web.database, sent.StudyInstanceUID) is not None


def test_an_empty_body_of_parts_is_400(web: Web, multipart: Multipart) -> None:
    body, headers = multipart([])
    client = web.client(web.token())
    assert client.post("/studies", content=body, headers=headers).status_code == 400
    packed = client.post("/studies", content=body, headers=headers | {"Content-Encoding": "gzip"})
    assert (packed.status_code, packed.headers["content-type"]) == (415, "application/problem+json")


def test_what_is_too_large_is_413_before_it_is_read(
    serve: Callable[..., Web], radiograph: Make, encode: Encode, multipart: Multipart
) -> None:
    web = serve(maximum_body_megabytes=2, maximum_instance_megabytes=1)
    client = web.client(web.token())
    large = radiograph(PixelData=bytes(1_100_000))
    body, headers = multipart([encode(large)])
    instance = client.post("/studies", content=body, headers=headers)
    assert (instance.status_code, "Instances of at most 1000000" in instance.json()["detail"]) == (413, True)
    body, headers = multipart([encode(radiograph(PixelData=bytes(700_000))) for _ in range(3)])
    assert client.post("/studies", content=body, headers=headers).status_code == 413
    chunked = client.post("/studies", content=iter([body[:1_000_000], body[1_000_000:]]), headers=headers)
    assert chunked.status_code == 413


def test_more_parts_than_an_answer_can_tell_of_are_413(web: Web) -> None:
    """Nine bytes are a part: four gigabytes of them filled the memory with what to say of each."""
    body = b"--B\r\n\r\n\r\n" * 20_001 + b"--B--\r\n"
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=B'}
    response = web.client(web.token("dicomweb:store")).post("/studies", content=body, headers=headers)
    assert response.status_code == 413
    assert "20000 parts" in response.json()["detail"]


def test_only_json_is_answered(web: Web, radiograph: Make, encode: Encode, multipart: Multipart) -> None:
    body, headers = multipart([encode(radiograph())])
    client = web.client(web.token())
    xml = client.post("/studies", content=body, headers={**headers, "Accept": "application/dicom+xml"})
    assert xml.status_code == 406


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, JPEGBaseline8Bit])
def test_the_transfer_syntax_is_kept(
    web: Web, radiograph: Make, encode: Encode, multipart: Multipart, syntax: str
) -> None:
    sent = radiograph()
    sent.file_meta.TransferSyntaxUID = syntax
    if syntax == JPEGBaseline8Bit:
        sent.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0\xff\xd8\xff\xd9\xfe\xff\xdd\xe0\0\0\0\0"
        sent["PixelData"].is_undefined_length = True
    body, headers = multipart([encode(sent)])
    assert web.client(web.token()).post("/studies", content=body, headers=headers).status_code == 200
    record = study_record(web.database, sent.StudyInstanceUID)
    assert record is not None
    assert record.instances[0]["transfer_syntax_uid"] == syntax
