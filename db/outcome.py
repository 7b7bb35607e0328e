"""What a study comes to, from what its images came to. Pure, so that the rule can be read, tested and printed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Of an image and of a study alike. Never blank, never "clear"."""

    FLAGGED = "flagged"
    NOT_FLAGGED = "not_flagged"
    NOT_ANALYSED = "not_analysed"
    FAILED = "failed"


CONFLICTING_IDENTITY = "conflicting identity"
NO_CANDIDATE = "no chest radiograph to analyse"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOutcome:
    """What came of one candidate image: outcome, reason of a decline or failure, probability of an analysed one.

    `lateral` marks an image that the gate declined as no frontal view; such images do not count.
    """

    outcome: Outcome
    reason: str = ""
    lateral: bool = False
    probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOutcome:
    """The study's outcome, its reason where not analysed or failed, the highest probability where one was scored."""

    outcome: Outcome
    reason: str = ""
    probability: float | None = None


def study_outcome(
    images: Sequence[ImageOutcome], *, conflict: str = "", withdrawn: str = "", missing: tuple[int, int] = (0, 0)
) -> StudyOutcome:
    """Return the outcome: any flagged, else any failed, else any frontal declined, else any analysed, else none.

    Nor does one that was not flagged speak for images that never came: `missing` is how many of how many that the
    modality says it made.

    A study in conflict of identity is never analysed, whatever its images say. A failed or declined frontal image is
    never outvoted by one that was not flagged: that would be a false "clear". Images that their modality withdrew are
    not among `images`; where none is left, `withdrawn` says why.
    """
    if conflict:
        return StudyOutcome(outcome=Outcome.NOT_ANALYSED, reason=conflict)
    if withdrawn and not images:
        return StudyOutcome(outcome=Outcome.NOT_ANALYSED, reason=withdrawn)
    counted = [image for image in images if not image.lateral]
    for outcome in (Outcome.FLAGGED, Outcome.FAILED, Outcome.NOT_ANALYSED):
        if decisive := [image for image in counted if image.outcome is outcome]:
            reason = "" if outcome is Outcome.FLAGGED else _share(decisive, counted)
            return StudyOutcome(outcome=outcome, reason=reason, probability=_highest(decisive))
    if counted and missing[0]:
        reason = f"{missing[0]} of {missing[1]} images that the modality names did not arrive"
        return StudyOutcome(outcome=Outcome.NOT_ANALYSED, reason=reason)
    if counted:
        return StudyOutcome(outcome=Outcome.NOT_FLAGGED, probability=_highest(counted))
    reason = _share(list(images), list(images)) if images else NO_CANDIDATE
    return StudyOutcome(outcome=Outcome.NOT_ANALYSED, reason=reason)


def _highest(images: Sequence[ImageOutcome]) -> float | None:
    return max((image.probability for image in images if image.probability is not None), default=None)


def _share(part: list[ImageOutcome], whole: list[ImageOutcome]) -> str:
    reasons = "; ".join(dict.fromkeys(image.reason for image in part))
    return reasons if len(whole) == 1 else f"{len(part)} of {len(whole)} images: {reasons}"
