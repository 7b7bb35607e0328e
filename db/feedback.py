"""What readers think of the AI's results, as data: bound to the study, the revision of its result and the model.

Of each result the last word counts, whoever had it, unless it was taken back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, or_, select

from db.database import Database
from db.errors import RefusedError
from db.outcome import Outcome
from db.reading_acts import Acting, Kind, Opened, Seen, open_for_act, write
from db.schema.domain import result, study
from db.schema.reading import feedback

_AT_ONCE: Final = 1000


class Finding(StrEnum):
    """What the reader sees, with regard to what the AI was asked."""

    PRESENT = "present"  # pneumonia
    ABSENT = "absent"  # no pneumonia, nor anything else worth mentioning
    OTHER = "other"  # no pneumonia, but something else
    UNSURE = "unsure"  # cannot be said from these images


class Also(StrEnum):
    """What else the reader sees, of a short list that has codes; everything else is said in words."""

    NOTHING = ""
    EFFUSION = "pleural_effusion"
    PNEUMOTHORAX = "pneumothorax"
    PNEUMOMEDIASTINUM = "pneumomediastinum"
    ATELECTASIS = "plate_like_atelectasis"
    EDEMA = "pulmonary_edema"
    NODULE = "nodule"
    FOREIGN_BODY = "foreign_body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a reader thinks of a result: do they agree, why not, and what do they see themselves."""

    agrees: bool
    finding: Finding
    reason: str = ""
    finding_text: str = ""
    also: Also = Also.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRow:
    """An opinion on record, with the result that it is of."""

    id: int
    study_instance_uid: str
    at: datetime
    person: str
    agrees: bool
    finding: Finding
    reason: str
    finding_text: str
    also: Also
    revision: int
    outcome: Outcome
    probability: float | None
    threshold: float
    model_name: str
    model_version: str
    model_sha256: str
    is_reported: bool
    undone_at: datetime | None


def give(database: Database, seen: Seen, acting: Acting, opinion: Opinion) -> int:
    """Commit a reader's opinion of the study's current result; return the act's id.

    Raises RefusedError where there is no result to judge, or an opinion contradicts itself; ChangedError where the
    study has changed since it was seen.
    """
    with database.begin() as connection:
        opened = open_for_act(connection, seen, acting)
        latest = connection.execute(
            select(result)
            .where(result.c.study_id == opened.position.study_id)
            .order_by(result.c.revision.desc())
            .limit(1)
        ).one_or_none()
        if latest is None or opened.row.outcome is None or latest.revision != opened.position.revision:
            message = "There is no result of this revision yet that one could agree or disagree with."
            raise RefusedError(message)
        check(Outcome(latest.outcome), opinion)
        return _write(opened, opinion, latest)


def check(outcome: Outcome, opinion: Opinion) -> None:
    """Refuse an opinion that contradicts itself: to agree is to see what the AI said."""
    if outcome not in {Outcome.FLAGGED, Outcome.NOT_FLAGGED}:
        message = "The AI said nothing of this study that one could agree or disagree with."
        raise RefusedError(message)
    if opinion.also and opinion.finding is Finding.ABSENT:
        message = "You see nothing else to report, and something else of the list: that cannot be. Choose anew."
        raise RefusedError(message)
    if opinion.finding is Finding.UNSURE:
        return
    present = opinion.finding is Finding.PRESENT
    same = present == (outcome is Outcome.FLAGGED)
    if opinion.agrees != same:
        message = (
            f"Your finding {'is' if same else 'is not'} what the AI said: that is to"
            f" {'agree' if same else 'disagree'}. Choose both anew."
        )
        raise RefusedError(message)
    if not opinion.agrees and not opinion.reason.strip():
        message = "Give the reason why you disagree."
        raise RefusedError(message)


def _write(opened: Opened, opinion: Opinion, latest: Row[Any]) -> int:
    said, also = "agrees" if opinion.agrees else "disagrees", f", {opinion.also}" if opinion.also else ""
    act_id = write(
        opened,
        Kind.FEEDBACK,
        before={},
        after={"agrees": opinion.agrees, "finding": opinion.finding, "also": opinion.also},
        words=opinion.reason,
        detail=f"{said} with the AI ({latest.outcome.replace('_', ' ')}): {opinion.finding}{also}",
    )
    opened.connection.execute(
        insert(feedback).values(
            act_id=act_id,
            study_id=opened.position.study_id,
            at=opened.acting.at,
            person=opened.acting.who.name,
            agrees=opinion.agrees,
            finding=opinion.finding,
            reason=opinion.reason,
            finding_text=opinion.finding_text,
            also=opinion.also,
            revision=latest.revision,
            outcome=latest.outcome,
            probability=latest.probability,
            threshold=latest.threshold,
            model_name=latest.model_name,
            model_version=latest.model_version,
            model_sha256=latest.model_sha256,
        )
    )
    return act_id


def reported_finding(connection: Connection, current: Row[Any]) -> str | None:
    """Return what a reader sees who disagrees with the result `current` and lets reports say so; None if nobody does.

    An amended result is the one that was judged, and says so itself; of other images nobody has said anything.
    """
    said = (feedback.c.study_id == current.study_id, feedback.c.is_reported, feedback.c.undone_at.is_(None))
    query = select(feedback.c.finding, feedback.c.revision).where(*said).order_by(feedback.c.id.desc()).limit(1)
    last = connection.execute(query).one_or_none()
    if last is None or (last.revision != current.revision and not current.reader_finding):
        return None
    finding: str = last.finding
    return finding


def all_feedback(
    database: Database,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after: tuple[datetime, int] | None = None,
) -> Iterator[FeedbackRow]:
    """Yield all opinions by their time, taken back or not, `after` the time and the id of the one before the first."""
    conditions: list[ColumnElement[bool]] = []
    if since is not None:
        conditions.append(feedback.c.at >= since)
    if until is not None:
        conditions.append(feedback.c.at < until)
    names = [column for column in feedback.c if column.name not in {"act_id", "study_id"}]
    while True:
        query = select(study.c.study_instance_uid, *names).select_from(feedback).join(study).where(*conditions)
        if after is not None:
            later = or_(feedback.c.at > after[0], and_(feedback.c.at == after[0], feedback.c.id > after[1]))
            query = query.where(feedback.c.at >= after[0], later)
        with database.read() as connection:
            rows = connection.execute(query.order_by(feedback.c.at, feedback.c.id).limit(_AT_ONCE)).mappings().all()
        for row in rows:
            coded = {"finding": Finding(row["finding"]), "also": Also(row["also"])}
            yield FeedbackRow(**{**row, **coded, "outcome": Outcome(row["outcome"])})
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1]["at"], rows[-1]["id"]
