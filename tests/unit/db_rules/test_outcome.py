"""The rule that turns image results into the study's outcome."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.outcome import ImageOutcome, Outcome, study_outcome

FLAGGED = ImageOutcome(outcome=Outcome.FLAGGED, probability=0.9)
NOT_FLAGGED = ImageOutcome(outcome=Outcome.NOT_FLAGGED, probability=0.1)
FAILED = ImageOutcome(outcome=Outcome.FAILED, reason="pixel data is truncated")
DECLINED = ImageOutcome(outcome=Outcome.NOT_ANALYSED, reason="age unknown")
LATERAL = ImageOutcome(outcome=Outcome.NOT_ANALYSED, reason="not a frontal view: LL", lateral=True)


@pytest.mark.parametrize(
    ("images", "outcome", "reason"),
    [
        ([FLAGGED, FAILED, DECLINED, NOT_FLAGGED], Outcome.FLAGGED, ""),
        ([NOT_FLAGGED, FAILED], Outcome.FAILED, "1 of 2 images: pixel data is truncated"),
        ([NOT_FLAGGED, DECLINED], Outcome.NOT_ANALYSED, "1 of 2 images: age unknown"),
        ([FAILED, DECLINED], Outcome.FAILED, "1 of 2 images: pixel data is truncated"),
        ([NOT_FLAGGED, LATERAL], Outcome.NOT_FLAGGED, ""),
        ([LATERAL], Outcome.NOT_ANALYSED, "not a frontal view: LL"),
        ([DECLINED], Outcome.NOT_ANALYSED, "age unknown"),
        ([], Outcome.NOT_ANALYSED, "no chest radiograph to analyse"),
    ],
)
def test_the_outcome_of_a_study(images: list[ImageOutcome], outcome: Outcome, reason: str) -> None:
    found = study_outcome(images)
    assert (found.outcome, found.reason) == (outcome, reason)


def test_a_study_in_conflict_of_identity_is_not_analysed_even_if_an_image_is_flagged() -> None:
    found = study_outcome([FLAGGED], conflict="conflicting identity")
    assert (found.outcome, found.reason, found.probability) == (Outcome.NOT_ANALYSED, "conflicting identity", None)


def test_the_probability_of_a_flagged_study_is_its_highest_flagged_image() -> None:
    higher = ImageOutcome(outcome=Outcome.FLAGGED, probability=0.97)
    assert study_outcome([FLAGGED, higher, NOT_FLAGGED]).probability == higher.probability


def test_no_false_clear_images_that_never_came_were_not_looked_at() -> None:
    """But what was found in those that came stands."""
    found = study_outcome([NOT_FLAGGED], missing=(2, 3))
    assert found.outcome is Outcome.NOT_ANALYSED
    assert found.reason == "2 of 3 images that the modality names did not arrive"
    assert found.probability is None
    assert study_outcome([NOT_FLAGGED, FLAGGED], missing=(2, 3)).outcome is Outcome.FLAGGED
    assert study_outcome([FAILED], missing=(2, 3)).outcome is Outcome.FAILED
    assert study_outcome([NOT_FLAGGED], missing=(0, 3)).outcome is Outcome.NOT_FLAGGED


EVERY = (FLAGGED, NOT_FLAGGED, FAILED, DECLINED, LATERAL)


@given(st.lists(st.sampled_from(EVERY), max_size=6))
def test_no_false_clear_not_flagged_only_if_every_frontal_image_was_analysed(images: list[ImageOutcome]) -> None:
    found = study_outcome(images)
    if found.outcome is Outcome.NOT_FLAGGED:
        counted = [image for image in images if not image.lateral]
        assert counted
        assert all(image == NOT_FLAGGED for image in counted)
    else:
        assert found.outcome is Outcome.FLAGGED or found.reason, "never blank"


def test_the_order_of_the_images_does_not_matter() -> None:
    for images in itertools.permutations(EVERY[1:]):
        assert study_outcome(images).outcome is Outcome.FAILED
