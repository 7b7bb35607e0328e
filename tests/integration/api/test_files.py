"""Files come byte for byte, whole or in parts; what is not there says why."""

import io
from typing import Any

import httpx
import pytest
from PIL import Image

from db.audit_search import AuditQuery, search
from db.audit_terms import EventId
from db.worklist import study_record

Site = Any  # conftest.py


@pytest.fixture
def path(site: Site) -> str:
    """Return the address of the flagged study's image."""
    return f"/studies/{site.studies[0]}/instances/{site.studies[0]}.1"


def test_a_file_comes_whole_or_in_parts_and_not_twice(api: httpx.Client, path: str) -> None:
    whole = api.get(f"{path}/file")
    size, tag = len(whole.content), whole.headers["etag"]
    assert (whole.status_code, whole.headers["content-type"]) == (200, "application/dicom")
    assert whole.content[128:132] == b"DICM"
    for part, content, told in (
        ("bytes=0-9", whole.content[:10], f"bytes 0-9/{size}"),
        ("bytes=130-", whole.content[130:], f"bytes 130-{size - 1}/{size}"),
        ("bytes=-4", whole.content[-4:], f"bytes {size - 4}-{size - 1}/{size}"),
    ):
        answer = api.get(f"{path}/file", headers={"Range": part, "If-Range": tag})
        assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, content, told)
    assert api.get(f"{path}/file", headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200
    assert api.get(f"{path}/file", headers={"Range": "bytes=9-0"}).content == whole.content
    assert api.get(f"{path}/file", headers={"Range": "lines=0-9"}).content == whole.content
    answer = api.get(f"{path}/file", headers={"Range": f"bytes={size}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    answer = api.get(f"{path}/file", headers={"If-None-Match": f'W/"none", {tag}'})
    assert (answer.status_code, answer.content) == (304, b"")


def test_the_heat_map_of_a_flagged_image_is_a_picture(api: httpx.Client, site: Site, path: str) -> None:
    answer = api.get(f"{path}/heat-map")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(answer.content)).mode == "RGBA"
    answer = api.get(f"/studies/{site.studies[1]}/instances/{site.studies[1]}.2/heat-map")
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("There is no heat map of this image")


def test_a_report_whose_file_is_lost_is_gone_and_an_unknown_one_is_not_there(api: httpx.Client, site: Site) -> None:
    study = f"/studies/{site.studies[0]}"
    (report,) = api.get(study).json()["reports"]
    answer = api.get(f"{study}/reports/{report['id']}/file")
    stored = site.store / study_record(site.database, site.studies[0]).reports[0]["path"]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom")
    assert answer.content == stored.read_bytes()
    stored.unlink()
    assert api.get(f"{study}/reports/{report['id']}/file").status_code == 410
    assert api.get(f"{study}/reports/999999/file").status_code == 404
    assert api.get(f"{study}/instances/1.2.3/file").status_code == 404


def test_a_file_that_is_taken_away_is_an_export_in_the_trail(site: Site, path: str) -> None:
    with site.client("worklist:read") as reader:
        (report,) = reader.get(f"/studies/{site.studies[0]}").json()["reports"]
        reader.get(f"{path}/file")
        reader.get(f"/studies/{site.studies[0]}/reports/{report['id']}/file")
    rows = search(site.database, AuditQuery(event=EventId.EXPORT, person=f"token:{site.names[-1]}")).rows
    assert {row.event.detail for row in rows} == {f"object {site.studies[0]}.1", f"report sr, {report['id']}"}
