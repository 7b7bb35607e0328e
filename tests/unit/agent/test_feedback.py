"""What readers' opinions come to: every share counts what its name says, with the interval of Wilson."""

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydicom.sr._concepts_dict import concepts

from agent.evaluation.manifest import entries_of_manifest
from agent.watch.feedback import ALSO, Rate, by_model, by_week, total, write_manifest
from agent.web import reading
from agent.web.feedback import charts
from db.errors import RefusedError
from db.feedback import Also, Finding, Opinion, check
from db.feedback_counts import FeedbackCount, LabelledImage
from db.outcome import Outcome


def count(day: int, outcome: Outcome, finding: Finding, results: int, version: str = "1.0.0") -> FeedbackCount:
    return FeedbackCount(
        day=date(2026, 3, day),
        model_name="net",
        model_version=version,
        outcome=outcome,
        finding=finding,
        results=results,
    )


COUNTS = (
    count(2, Outcome.FLAGGED, Finding.PRESENT, 6),
    count(3, Outcome.FLAGGED, Finding.OTHER, 3),
    count(8, Outcome.FLAGGED, Finding.ABSENT, 1),
    count(8, Outcome.NOT_FLAGGED, Finding.ABSENT, 17),
    count(8, Outcome.NOT_FLAGGED, Finding.OTHER, 1),
    count(9, Outcome.NOT_FLAGGED, Finding.PRESENT, 2, "2.0.0"),
    count(9, Outcome.FLAGGED, Finding.UNSURE, 5, "2.0.0"),
)


def test_each_share_counts_what_its_name_says_and_who_cannot_say_is_in_none() -> None:
    found = total(COUNTS)
    assert (found.agreement, found.predictive_value, found.missed_rate) == (Rate(24, 30), Rate(6, 10), Rate(2, 20))
    assert found.unsure == 5


def test_weeks_begin_on_monday_and_models_are_told_apart() -> None:
    assert [(one.name, one.agreement.of) for one in by_week(COUNTS)] == [("2026-03-02", 28), ("2026-03-09", 2)]
    assert [(one.name, one.missed_rate) for one in by_model(COUNTS)] == [
        ("net 1.0.0", Rate(0, 18)),
        ("net 2.0.0", Rate(2, 2)),
    ]


def test_intervals_are_wilsons_and_nothing_has_no_share() -> None:
    assert Rate(6, 10).interval == pytest.approx((0.3127, 0.8318), abs=1e-4)
    assert Rate(0, 0).value is None


def test_a_chart_has_a_dot_for_each_week_that_has_a_share_between_the_ends_of_its_interval() -> None:
    agreement, value, missed = charts(by_week(COUNTS))
    assert [len(one.dots) for one in (agreement, value, missed)] == [2, 1, 2]
    for chart in (agreement, value, missed):
        assert all(float(dot.high) <= float(dot.y) <= float(dot.low) for dot in chart.dots)
    assert [chart.dots for chart in charts(())] == [(), (), ()]


def labelled(path: str, patient: str, finding: Finding) -> LabelledImage:
    return LabelledImage(
        path=path,
        patient=(patient, ""),
        at=datetime(2026, 3, 2, tzinfo=UTC),
        finding=finding,
        outcome=Outcome.FLAGGED,
        modality="CR",
        station_name="=cmd()",
        model_version="1.0.0",
    )


def test_the_manifest_is_what_evaluate_reads_and_names_no_patient(tmp_path: Path) -> None:
    images = [
        labelled("00/a.dcm", "SECRET1", Finding.PRESENT),
        labelled("00/b.dcm", "SECRET2", Finding.OTHER),
        labelled("00/c.dcm", "SECRET1", Finding.ABSENT),
        labelled("00/c.dcm", "SECRET1", Finding.ABSENT),
    ]
    (tmp_path / "00").mkdir()
    for one in images:
        (tmp_path / one.path).touch()
    file = io.StringIO(newline="")
    assert write_manifest(images, file) == 3
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(file.getvalue(), encoding="utf-8", newline="")
    entries = entries_of_manifest(manifest, tmp_path).entries
    assert [(one.name, one.label, one.patient) for one in entries] == [
        ("00/a.dcm", 1, "p1"),
        ("00/b.dcm", 0, "p2"),
        ("00/c.dcm", 0, "p1"),
    ]
    assert "SECRET" not in file.getvalue()
    assert {row["station"] for row in csv.DictReader(io.StringIO(file.getvalue()))} == {"'=cmd()"}


def test_what_else_is_seen_has_the_codes_that_dicom_gives_it_and_words() -> None:
    """By pydicom's dictionary of the codes of PS3.16."""
    named = {(code, meaning) for meanings in concepts["SCT"].values() for code, (meaning, _) in meanings.items()}
    assert set(ALSO.values()) <= named
    assert {*ALSO, Also.NOTHING} == {*Also} == {*reading.ALSO}
    with pytest.raises(RefusedError, match="something else of the list"):
        check(Outcome.NOT_FLAGGED, Opinion(agrees=True, finding=Finding.ABSENT, also=Also.NODULE))
