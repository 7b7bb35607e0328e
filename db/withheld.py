"""What the model says while triage is off: kept for the record, and told to nobody."""

from dataclasses import replace

from sqlalchemy import Connection, exists, insert, select, update

from db.outcome import ImageOutcome, Outcome
from db.schema.domain import image_result, instance
from db.schema.triage import withheld_result
from db.triage import TRIAGE_OFF

SAID = frozenset({Outcome.FLAGGED, Outcome.NOT_FLAGGED})
"""What only a model can have said; that an image was declined or failed stays true without it."""


def without_model(image: ImageOutcome) -> ImageOutcome:
    """Return what is told of an image while triage is off."""
    if image.outcome not in SAID:
        return image
    return replace(image, outcome=Outcome.NOT_ANALYSED, reason=TRIAGE_OFF, probability=None)


def withhold_results(connection: Connection, study_id: int) -> None:
    """Put aside what the model said of the study's images as they count now; its row is locked."""
    counted = (
        select(image_result)
        .join(instance)
        .where(
            instance.c.study_id == study_id,
            image_result.c.revision == instance.c.analysis_revision,
            image_result.c.outcome.in_(SAID),
        )
    )
    for row in connection.execute(counted).all():
        withhold(connection, row.instance_id, row.revision)


def withhold(connection: Connection, instance_id: int, revision: int) -> None:
    """Put aside what the model said of one image, which has its row in `image_result`."""
    one = (image_result.c.instance_id == instance_id, image_result.c.revision == revision)
    columns = ("instance_id", "revision", "outcome", "score", "probability")
    said = select(*(image_result.c[name] for name in columns)).where(*one, image_result.c.outcome.in_(SAID))
    connection.execute(insert(withheld_result).from_select(columns, said))
    connection.execute(
        update(image_result)
        .where(*one, image_result.c.outcome.in_(SAID))
        .values(outcome=Outcome.NOT_ANALYSED, reason=TRIAGE_OFF, score=None, probability=None, heat_map=None)
    )


def is_withheld(connection: Connection, study_id: int) -> bool:
    """Tell whether an image of the study that counts was flagged, and that is not told."""
    return bool(
        connection.execute(
            select(
                exists().where(
                    instance.c.study_id == study_id,
                    withheld_result.c.instance_id == instance.c.id,
                    withheld_result.c.revision == instance.c.analysis_revision,
                    withheld_result.c.outcome == Outcome.FLAGGED,
                )
            )
        ).scalar_one()
    )
