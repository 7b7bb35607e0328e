"""Whether an image of a study that counts was flagged: what the AI's part of its priority rests on."""

from sqlalchemy import Connection, exists, select

from db.outcome import Outcome
from db.roles import Role
from db.schema.domain import image_result, instance


def is_flagged(connection: Connection, study_id: int) -> bool:
    """Tell whether a frontal image that counts was flagged when it was last analysed, and that was told."""
    flagged = exists().where(
        instance.c.study_id == study_id,
        instance.c.role == Role.CANDIDATE,
        instance.c.withdrawn.is_(None),
        image_result.c.instance_id == instance.c.id,
        image_result.c.revision == instance.c.analysis_revision,
        image_result.c.outcome == Outcome.FLAGGED,
        ~image_result.c.is_lateral,
    )
    return bool(connection.execute(select(flagged)).scalar_one())
