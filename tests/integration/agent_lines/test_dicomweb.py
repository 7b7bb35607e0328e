"""From STOW-RS to reports that WADO-RS hands out: what comes over HTTP goes the whole way, as what comes by C-STORE."""

import io
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread

from agent.tokens import SCOPES, new_token
from db.outcome import Outcome
from db.tokens import create_token

Make = Callable[..., Dataset]


@pytest.mark.tools
def test_a_study_that_is_stored_over_http_is_analysed_and_its_reports_are_retrieved(
    start: Any, radiograph: Make, pacs: Any, eventually: Any, tmp_path: Path
) -> None:
    agent = start(dicomweb={"enabled": True, "port": 0})
    token = new_token()
    create_token(
        agent.database, "scanner-9", sha256=token.sha256, scopes=tuple(SCOPES), by="test", now=datetime.now(UTC)
    )
    client = DICOMwebClient(agent.dicomweb, headers={"Authorization": f"Bearer {token.secret}"})
    bright = radiograph(250)
    client.store_instances([bright])
    eventually(lambda: agent.is_in(bright, "DELIVERED"))
    row = agent.row(bright)
    assert (row.outcome, row.calling_ae_title) == (Outcome.FLAGGED, "scanner-9")
    (study,) = client.search_for_studies(search_filters={"StudyInstanceUID": bright.StudyInstanceUID})
    assert Dataset.from_json(study).NumberOfStudyRelatedInstances == 3
    series = [Dataset.from_json(one) for one in client.search_for_series(bright.StudyInstanceUID)]
    assert sorted(one.Modality for one in series) == ["CR", "OT", "SR"]
    sent = {one.SOPInstanceUID: one for one in (*pacs.reports("SR"), *pacs.reports("OT"))}
    for one in client.retrieve_study(bright.StudyInstanceUID):
        assert one == sent.get(one.SOPInstanceUID, bright)
    (report,) = pacs.reports("SR")
    uids = (report.StudyInstanceUID, report.SeriesInstanceUID, report.SOPInstanceUID)
    (metadata,) = client.retrieve_series_metadata(*uids[:2])
    assert Dataset.from_json(metadata).ContentSequence == report.ContentSequence
    (picture,) = pacs.reports("OT")
    uids = (picture.StudyInstanceUID, picture.SeriesInstanceUID, picture.SOPInstanceUID)
    assert client.retrieve_instance_rendered(*uids, media_types=("image/png",)).startswith(b"\x89PNG")
    retrieved = tmp_path / "report.dcm"
    client.retrieve_instance(*uids).save_as(retrieved, enforce_file_format=True)
    assert dcmread(io.BytesIO(retrieved.read_bytes())) == picture
    dump = ["/usr/bin/dcmdump", "+P", "SOPInstanceUID", str(retrieved)]
    said = subprocess.run(dump, capture_output=True, text=True, check=True).stdout  # noqa: S603 - a fixed command
    assert picture.SOPInstanceUID in said
