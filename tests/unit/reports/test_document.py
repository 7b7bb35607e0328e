"""What goes into a report is checked when it is made, so that no report can contradict itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agent.reports.document import Document, ImageOutcome, ReportSettings, StudyResult, zone

Make = Callable[..., ImageOutcome]
MakeResult = Callable[..., StudyResult]


@pytest.mark.parametrize("outcome", ["not_analysed", "failed"])
def test_an_image_that_was_not_analysed_never_has_a_probability(image: Make, outcome: str) -> None:
    with pytest.raises(ValueError, match="expected no probability"):
        image(outcome, probability=0.5)


def test_a_flagged_image_has_a_probability(image: Make) -> None:
    with pytest.raises(ValueError, match="expected the probability of a flagged image"):
        image("flagged", probability=None)


@pytest.mark.parametrize("probability", [-0.01, 1.01, float("nan")])
def test_a_probability_is_one(image: Make, probability: float) -> None:
    with pytest.raises(ValueError, match="expected a probability from 0 to 1"):
        image("flagged", probability=probability)


@pytest.mark.parametrize("outcome", ["", "clear", "normal", "FLAGGED"])
def test_there_are_four_outcomes_and_none_of_them_is_blank_or_clear(
    image: Make, result: MakeResult, outcome: str
) -> None:
    for make in (image, result):
        with pytest.raises(ValueError, match="expected one of flagged, not_flagged, not_analysed, failed"):
            make(outcome)


def test_a_study_is_flagged_exactly_when_an_image_is(image: Make, result: MakeResult) -> None:
    assert result("flagged", images=(image("failed"), image("flagged"))).outcome == "flagged"
    for outcome, images in (("flagged", (image("failed"),)), ("failed", (image("failed"), image("flagged")))):
        with pytest.raises(ValueError, match="expected a study to be flagged exactly when an image is"):
            result(outcome, images=images)


@pytest.mark.parametrize("field", ["analysed_at", "concluded_at"])
def test_times_are_aware(result: MakeResult, field: str) -> None:
    naive = datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match=f"expected an aware datetime. Received: {field}"):
        result("failed", **{field: naive})


def test_a_document_knows_its_digest_and_does_not_print_its_bytes() -> None:
    document = Document(
        media_type="application/dicom",
        data=b"Doe^Jane",
        identifier="2",
        sop_class_uid="1",
        series_instance_uid="3",
    )
    assert document.sha256 == "ff37cfdaa95116a3f73b5546abb2df17956d962ea9092e4ffde8807478183d62"
    assert "Doe" not in repr(document)


@pytest.mark.parametrize(
    ("name", "hours"), [("UTC", 0), ("+0530", 5.5), ("-0330", -3.5), ("Asia/Kolkata", 5.5), ("+1400", 14)]
)
def test_a_zone_is_an_iana_name_or_an_offset_also_with_half_hours(name: str, hours: float) -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    assert moment.astimezone(zone(name)).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "+25", "+0560", "../../etc/passwd", "0530"])
def test_a_zone_that_is_none_is_refused_by_the_settings(name: str) -> None:
    with pytest.raises(ValueError, match="expected an IANA time zone"):
        ReportSettings(timezone=name)
