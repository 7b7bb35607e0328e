"""How long a revision took from its first Instance to its result, for whoever counts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from db.lifecycle import Event
from db.prepared import Prepared
from db.schema.domain import study_event


@dataclass(frozen=True, slots=True)
class Course:
    """When a revision's first and last Instance came, and when it was found complete."""

    began_at: datetime
    last_received_at: datetime
    completed_at: datetime

    def seconds(self, concluded_at: datetime) -> dict[str, float]:
        """Return how long each stage took, and all of them."""
        spans = {
            "receive_seconds": self.last_received_at - self.began_at,
            "complete_seconds": self.completed_at - self.last_received_at,
            "conclude_seconds": concluded_at - self.completed_at,
            "seconds": concluded_at - self.began_at,
        }
        return {name: round(span.total_seconds(), 3) for name, span in spans.items()}


_COMPLETED = Prepared(
    select(study_event.c.at, study_event.c.event)
    .where(
        study_event.c.study_id == bindparam("study_id"),
        study_event.c.revision == bindparam("of_revision"),
        study_event.c.event.in_((Event.ENDED, Event.REQUEUED)),
    )
    .order_by(study_event.c.id.desc())
    .limit(1)
)


def course_of(connection: Connection, row: Any) -> Course | None:  # noqa: ANN401 - a row of `study`
    """Return the course of the study's revision; None where a person had it analysed anew: then nothing arrived."""
    found = _COMPLETED.one_or_none(connection, {"study_id": row.id, "of_revision": row.revision})
    if found is None or found.event != Event.ENDED:
        return None
    return Course(row.started_at, row.last_received_at, found.at)
