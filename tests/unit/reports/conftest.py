"""Results of studies whose files nobody opens."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.reports.document import ImageOutcome, ModelIdentity, StudyFacts, StudyResult

CR = "1.2.840.10008.5.1.4.1.1.1"


@pytest.fixture
def model() -> ModelIdentity:
    return ModelIdentity(
        name="lite",
        version="3",
        sha256="ab" * 32,
        operating_point_name="sensitive",
        threshold=0.3125,
        preprocessing="156",
    )


@pytest.fixture
def image() -> Callable[..., ImageOutcome]:
    """Return `image(outcome, **fields)`."""

    def make(outcome: str, **fields: object) -> ImageOutcome:
        probabilities = {"flagged": 0.9731, "not_flagged": 0.1234}
        given = {"probability": probabilities.get(outcome), "sop_instance_uid": "1.2.3", "sop_class_uid": CR} | fields
        return ImageOutcome(outcome=outcome, path=Path("nowhere"), **given)

    return make


@pytest.fixture
def result(model: ModelIdentity, image: Callable[..., ImageOutcome]) -> Callable[..., StudyResult]:
    """Return `result(outcome, **fields)`: a study of one image that came to the same."""

    def make(outcome: str, **fields: object) -> StudyResult:
        given: dict[str, object] = {
            "study_instance_uid": "1.2",
            "revision": 1,
            "model": model,
            "analysed_at": datetime(2026, 3, 1, 23, 59, 58, 7, tzinfo=UTC),
            "concluded_at": datetime(2026, 3, 2, 0, 0, 1, tzinfo=UTC),
            "images": (image(outcome),),
            "evidence": (),
            "installation": "5b4b1c8e-1111-4222-8333-123456789abc",
            "software_version": "0.1.0",
            "study": StudyFacts(received_at=datetime(2026, 3, 1, 23, 59, 50, tzinfo=UTC)),
        }
        return StudyResult(outcome=outcome, **(given | fields))

    return make
