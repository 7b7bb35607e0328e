"""From a C-STORE to reports at the PACS and a row on the worklist, on SQLite and on PostgreSQL."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydicom import Dataset

from agent.reports.radiograph import _DECODER
from db.outcome import Outcome
from db.priority import Priority
from dicom_io import decoding_process
from dicom_io.errors import DecoderError

Make = Callable[..., Dataset]


def test_a_flagged_study_comes_back_as_sr_and_picture_and_is_raised(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    agent = start()
    bright, dark = radiograph(250), radiograph(5)
    agent.send(dark)
    agent.send(bright)
    eventually(lambda: agent.is_in(bright, "DELIVERED") and agent.is_in(dark, "DELIVERED"))
    assert (agent.row(bright).outcome, agent.row(dark).outcome) == (Outcome.FLAGGED, Outcome.NOT_FLAGGED)
    assert sorted(one.StudyInstanceUID for one in pacs.reports("SR")) == sorted(
        [bright.StudyInstanceUID, dark.StudyInstanceUID]
    )
    (picture,) = pacs.reports("OT")
    assert picture.StudyInstanceUID == bright.StudyInstanceUID
    assert picture.Rows > bright.Rows  # the caption stands under the radiograph
    assert picture.Columns == bright.Columns
    assert agent.row(bright).due_at < agent.row(dark).due_at
    assert all(len(digests) == 1 for digests in pacs.digests().values())
    page = httpx.get(agent.url, timeout=60).text
    assert page.index(bright.StudyInstanceUID) < page.index(dark.StudyInstanceUID)


def test_the_picture_of_a_flagged_study_waits_until_the_system_has_room_for_a_process_that_decodes(
    start: Any, radiograph: Make, pacs: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[list[str]] = []

    def refuse_at_first(command: list[str]) -> Any:
        if len(refused) == 6:  # more often than what nobody foresaw is tried
            return starts(command)
        refused.append(command)
        message = "expected a decoding process. Received: BlockingIOError"
        raise DecoderError(message)

    starts = decoding_process._start
    agent = start()
    _DECODER.close()
    monkeypatch.setattr(decoding_process, "_start", refuse_at_first)
    monkeypatch.setattr("agent.line.store_away.PAUSE", timedelta(seconds=0.1))
    bright = radiograph(250)
    agent.send(bright)
    eventually(lambda: agent.is_in(bright, "DELIVERED"))
    assert len(refused) == 6
    assert len(pacs.reports("OT")) == 1


def test_a_flagged_image_raises_its_study_before_its_heat_map_is_made(
    start: Any, radiograph: Make, network: Any, eventually: Any
) -> None:
    agent = start()
    bright = radiograph(250)
    network.may_explain.clear()
    agent.send(bright)
    eventually(lambda: agent.row(bright).ai_priority is Priority.MEDIUM)
    assert agent.row(bright).outcome is None
    network.may_explain.set()
    eventually(lambda: agent.is_in(bright, "DELIVERED"))
    assert [event["event"] for event in agent.record(bright).events].count("RAISED") == 1


def test_one_frontal_that_cannot_be_decoded_makes_the_study_failed_and_never_not_flagged(
    start: Any, radiograph: Make, eventually: Any
) -> None:
    agent = start()
    good = radiograph(5)
    broken = radiograph(5, StudyInstanceUID=good.StudyInstanceUID, SeriesInstanceUID=good.SeriesInstanceUID)
    broken.PixelData = b""
    assert [status.status for status in agent.send(good, broken)] == [0, 0]
    eventually(lambda: agent.is_in(good, "DELIVERED"))
    assert agent.row(good).outcome is Outcome.FAILED
    assert agent.row(good).reason.startswith("1 of 2 images: ")


def test_a_late_image_gives_a_new_version_of_the_report_that_names_its_predecessor(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    agent = start()
    first = radiograph(5)
    agent.send(first)
    eventually(lambda: agent.is_in(first, "DELIVERED"))
    late = radiograph(250, StudyInstanceUID=first.StudyInstanceUID)
    agent.send(late)
    eventually(lambda: agent.is_in(first, "DELIVERED") and agent.row(first).revision == 2)
    assert agent.row(first).outcome is Outcome.FLAGGED
    old, new = pacs.reports("SR")
    (predecessor,) = new.PredecessorDocumentsSequence
    assert predecessor.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == (
        old.SOPInstanceUID
    )


def test_reports_that_the_pacs_routes_back_start_nothing(
    start: Any, radiograph: Make, pacs: Any, eventually: Any
) -> None:
    agent = start()
    study = radiograph(250)
    agent.send(study)
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    sent = len(pacs.received_instances)
    agent.send(*pacs.reports("SR"), *pacs.reports("OT"), study, calling_ae_title="PACS")
    agent.send(other := radiograph(5))  # a study that comes later is through: so would anything of the first one be
    eventually(lambda: agent.is_in(other, "DELIVERED"))
    record = agent.record(study)
    assert len(record.results) == 1
    assert len(pacs.received_instances) == sent + 1
    assert {instance["role"] for instance in record.instances} == {"candidate", "own"}


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"PatientAge": "040Y", "PatientBirthDate": ""}, "age"),
        ({"PatientAge": "", "PatientBirthDate": ""}, "age unknown"),
        ({"BodyPartExamined": "HAND"}, "body part"),
        ({"ViewPosition": "LL", "PatientOrientation": ["A", "F"]}, "view"),
    ],
)
def test_what_the_gate_declines_is_not_analysed_and_reported_with_its_reason(
    start: Any, radiograph: Make, pacs: Any, eventually: Any, attributes: dict[str, Any], reason: str
) -> None:
    agent = start()
    study = radiograph(250, **attributes)
    agent.send(study)
    eventually(lambda: agent.is_in(study, "DELIVERED"))
    assert agent.row(study).outcome is Outcome.NOT_ANALYSED
    assert reason in agent.row(study).reason
    (report,) = pacs.reports("SR")
    assert "not analysed" in report.SeriesDescription
    assert agent.row(study).probability is None
