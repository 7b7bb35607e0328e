"""Every sentence for people: what it says, what it must never say, and that it fits where it goes."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from agent.reports import wording
from agent.reports.document import OUTCOMES, ImageOutcome, ModelIdentity, StudyResult

Make = Callable[..., ImageOutcome]
MakeResult = Callable[..., StudyResult]
LONG_STRING = 64
RULE_OUT = re.compile(
    r"\b(normal|clear|negative|healthy|unremarkable|ruled out|no (finding|pneumonia|evidence))", re.IGNORECASE
)


@pytest.mark.parametrize(
    ("outcome", "reason", "description"),
    [
        ("flagged", "", "AI: FLAGGED - prioritisation only"),
        ("not_flagged", "", "AI: processed - does not exclude disease"),
        ("not_analysed", "age unknown", "AI: not analysed - age unknown"),
        ("not_analysed", "", "AI: not analysed - no reason recorded"),
        ("failed", "pixel data is truncated", "AI: analysis failed"),
    ],
)
def test_the_series_description_says_the_outcome(
    result: MakeResult, outcome: str, reason: str, description: str
) -> None:
    assert wording.series_description(result(outcome, reason=reason)) == description


def test_the_series_description_fits_a_long_string_whatever_the_reason(result: MakeResult) -> None:
    description = wording.series_description(result("not_analysed", reason="2 of 2 images: " + "patient too old " * 9))
    assert len(description) <= LONG_STRING
    assert description.startswith("AI: not analysed - 2 of 2 images: patient")
    assert description.endswith("...")


def test_no_sentence_suggests_that_a_study_is_normal_clear_or_ruled_out(result: MakeResult, image: Make) -> None:
    for outcome, other in product(OUTCOMES, OUTCOMES):
        if (outcome == "flagged") != ("flagged" in (outcome, other)):
            continue
        study = result(outcome, images=(image(outcome), image(other)))
        texts = [wording.series_description(study), *wording.summary(study)]
        texts += [wording.image_sentence(one) for one in study.images]
        texts += wording.caption(study, study.images[0], datetime(2026, 3, 1, tzinfo=UTC))
        for text in texts:
            assert not RULE_OUT.search(text), text


def test_a_result_says_first_what_it_is_and_then_that_it_is_no_diagnosis(result: MakeResult) -> None:
    for outcome, opening in zip(
        OUTCOMES, ("FLAGGED", "PROCESSED, NOT FLAGGED", "NOT ANALYSED", "ANALYSIS FAILED"), strict=True
    ):
        first, second, third = wording.summary(result(outcome))
        assert first.startswith(f"{opening}")
        assert "not a diagnosis" in second
        assert "disease" in third


def test_a_study_that_is_not_flagged_is_said_not_to_be_without_disease(result: MakeResult) -> None:
    text = " ".join(wording.summary(result("not_flagged")))
    assert "does not exclude pneumonia or any other disease" in text
    assert "Only pneumonia was looked for" in text


def test_what_was_not_analysed_is_not_said_to_have_been_looked_at(result: MakeResult) -> None:
    for outcome in ("not_analysed", "failed"):
        text = " ".join(wording.summary(result(outcome, reason="lateral view")))
        assert "looked for" not in text
        assert "not assessed" in text


def test_a_summary_counts_the_flagged_among_the_analysed(result: MakeResult, image: Make) -> None:
    images = (image("flagged"), image("not_flagged"), image("not_analysed"))
    assert "on 1 of 2 images analysed" in wording.summary(result("flagged", images=images))[0]


@pytest.mark.parametrize(
    ("value", "shown"), [(1.0, "> 0.99"), (0.995, "> 0.99"), (0.9731, "0.97"), (0.005, "0.01"), (0.0, "< 0.01")]
)
def test_a_probability_for_people_never_claims_certainty(value: float, shown: str) -> None:
    assert wording.probability(value) == shown


def test_text_from_elsewhere_becomes_one_line_of_printable_ascii() -> None:
    assert wording.plain("a\\b\n c\t\x1b d\u00e9 \u4e2d") == "a/b c ? d? ?"


def test_the_caption_names_score_operating_point_model_version_and_time(
    result: MakeResult, image: Make, model: ModelIdentity
) -> None:
    caption = wording.caption(result("flagged"), image("flagged"), datetime(2026, 3, 2, 5, 30, tzinfo=UTC))
    text = "\n".join(caption)
    for part in (
        "0.97",
        "sensitive",
        "0.3125",
        model.name,
        f"{model.name} {model.version}",
        "2026-03-02 05:30 UTC+0000",
    ):
        assert part in text
    assert "Only pneumonia was looked for" in text


def test_the_caption_says_when_there_is_no_heat_map(result: MakeResult, image: Make) -> None:
    caption = wording.caption(result("flagged"), image("flagged", heat_map=None), datetime(2026, 3, 2, tzinfo=UTC))
    assert wording.NO_HEAT_MAP in caption
    assert wording.HEAT_MAP not in caption


def test_the_algorithm_is_described_by_all_that_makes_it_another_one(model: ModelIdentity) -> None:
    text = "\n".join(wording.algorithm_parameters(model))
    for part in ("sensitive", "0.3125", model.sha256, "preprocessing: 156"):
        assert part in text


@pytest.mark.parametrize(
    ("value", "said"), [(1.0, 0.9999), (0.99996, 0.9999), (0.0, 0.0001), (0.00004, 0.0001), (0.97312, 0.9731)]
)
def test_no_number_claims_certainty(value: float, said: float) -> None:
    assert wording.measured(value) == said


@pytest.mark.parametrize("finding", ["present", "absent", "other"])
def test_that_a_reader_disagrees_stands_after_the_outcome_and_rules_nothing_out(
    result: MakeResult, finding: str
) -> None:
    study = replace(result("flagged"), reader_finding=finding)
    first, second, *rest = wording.summary(study)
    assert (first, *rest) == wording.summary(result("flagged"))
    assert second.startswith("A reader has disagreed with this AI result. The reader ")
    assert not RULE_OUT.search(second)
