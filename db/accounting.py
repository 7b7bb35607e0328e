"""Where everything stands that was ever taken: for whoever counts what was sent against what became of it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select

from db.database import Database
from db.delivery_state import DeliveryState
from db.lifecycle import State
from db.outcome import Outcome
from db.roles import Role
from db.schema.domain import delivery, instance, report, result, study

_AT_ONCE = 400  # fewer than the parameters that a statement may have


@dataclass(frozen=True, slots=True)
class Recorded:
    """An Instance on record; `study_instance_uid` is the study that it is filed under."""

    sop_instance_uid: str
    sha256: str
    role: Role
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class ReportStanding:
    """A rendered report that a destination said it has."""

    sop_instance_uid: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a study stands: its state, whether it is quarantined, and its deliveries of reports by their state."""

    study_instance_uid: str
    state: State
    outcome: Outcome | None
    quarantined: bool
    deliveries: dict[str, int]
    acknowledged: tuple[ReportStanding, ...]

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will happen by itself: all is delivered, or a person has to look."""
        waits = self.deliveries.get(DeliveryState.QUEUED, 0) + self.deliveries.get(DeliveryState.STORED, 0)
        if self.quarantined or self.state is State.DELIVERED:
            return waits == 0
        return self.state is State.CONCLUDED and waits == 0 and bool(self.deliveries.get(DeliveryState.PARKED))


def recorded(database: Database, studies: Sequence[str]) -> Iterator[Recorded]:
    """Yield the Instances that are filed under these studies (Study Instance UIDs)."""
    query = select(instance.c.sop_instance_uid, instance.c.sha256, instance.c.role, study.c.study_instance_uid)
    for start in range(0, len(studies), _AT_ONCE):
        uids = studies[start : start + _AT_ONCE]
        with database.read() as connection:
            found = connection.execute(query.join(study).where(study.c.study_instance_uid.in_(uids))).all()
        yield from (Recorded(row[0], row[1], Role(row[2]), row[3]) for row in found)


def standings(database: Database, studies: Sequence[str], *, destination: str | None = None) -> Iterator[Standing]:
    """Yield where each of these studies stands that is known; deliveries to one `destination`, or to all."""
    for start in range(0, len(studies), _AT_ONCE):
        with database.read() as connection:
            yield from _standings(connection, studies[start : start + _AT_ONCE], destination)


def _standings(connection: Connection, uids: Sequence[str], destination: str | None) -> list[Standing]:
    rows = connection.execute(
        select(study.c.id, study.c.study_instance_uid, study.c.state, study.c.outcome, study.c.conflict).where(
            study.c.study_instance_uid.in_(uids)
        )
    ).all()
    ours: list[ColumnElement[bool]] = [result.c.study_id.in_([row.id for row in rows])]
    if destination is not None:
        ours.append(delivery.c.destination == destination)
    query = (
        select(result.c.study_id, delivery.c.state, report.c.sop_instance_uid, report.c.sha256)
        .select_from(delivery)
        .join(report, delivery.c.report_id == report.c.id)
        .join(result, report.c.result_id == result.c.id)
    )
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    there: dict[int, list[ReportStanding]] = defaultdict(list)
    for study_id, state, uid, sha256 in connection.execute(query.where(*ours)):
        counts[study_id][state] += 1
        if state == DeliveryState.ACKNOWLEDGED and uid is not None:
            there[study_id].append(ReportStanding(uid, sha256))
    return [
        Standing(
            study_instance_uid=row.study_instance_uid,
            state=State(row.state),
            outcome=None if row.outcome is None else Outcome(row.outcome),
            quarantined=bool(row.conflict),
            deliveries=dict(counts[row.id]),
            acknowledged=tuple(there[row.id]),
        )
        for row in rows
    ]
