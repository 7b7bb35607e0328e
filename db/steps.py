"""Performed procedure steps become rows: one transaction for the step and for what it does to its studies."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from sqlalchemy import Connection, delete, exists, insert, select, update

from db.advance import Position, lock, note
from db.closing import Steps, Timing, close_time
from db.completion import conclude_when_settled
from db.database import Database, take
from db.lifecycle import State
from db.performed import StepState, steps_lock, steps_of, steps_say
from db.priority import Allowances
from db.queue import Queue
from db.schema.arrival import association_study, performed_step, performed_step_instance, performed_step_study
from db.schema.domain import study
from db.upsert import insert_into
from db.withdrawal import withdraw_discontinued


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """A performed procedure step that begins: IN PROGRESS. The studies need not have arrived.

    `radiographs` are the images among the `named` whose absence is missed.
    """

    sop_instance_uid: str
    study_instance_uids: tuple[str, ...]
    named: tuple[str, ...]
    calling_ae_title: str
    at: datetime
    radiographs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """What a modality says anew of its step; None where it says nothing. `named` replaces what was named before."""

    sop_instance_uid: str
    state: StepState | None
    reason_code: str
    named: tuple[str, ...] | None
    at: datetime
    radiographs: frozenset[str] = frozenset()


class Taken(Enum):
    """What became of it."""

    RECORDED = auto()
    DUPLICATE = auto()  # a step of this UID is on record
    UNKNOWN = auto()  # none is
    FINAL = auto()  # it has ended, and may no longer be updated


@dataclass(frozen=True, slots=True)
class StepLedger:
    """Records performed procedure steps; when a method returns, its rows are synced to disk."""

    database: Database
    queue: Queue
    timing: Timing
    allowances: Allowances

    def create(self, step: NewStep) -> Taken:
        """Commit a step that begins: its studies stay open for it. Raises DatabaseError."""
        with self.database.begin() as connection:
            for uid in sorted(step.study_instance_uids):
                take(connection, steps_lock(uid))
            step_id = _insert(connection, step)
            if step_id is None:
                return Taken.DUPLICATE
            for uid in sorted(set(step.study_instance_uids)):
                connection.execute(insert(performed_step_study).values(step_id=step_id, study_instance_uid=uid))
            _name(connection, step_id, step.named, step.radiographs)
            self._tell(connection, step.study_instance_uids, step.sop_instance_uid, StepState.IN_PROGRESS, step.at)
        return Taken.RECORDED

    def change(self, change: StepChange) -> Taken:
        """Commit what is new of a step: one that ends lets its studies end, or withdraws its images.

        Raises DatabaseError.
        """
        uids = self._studies_of(change.sop_instance_uid)
        with self.database.begin() as connection:
            for uid in uids:
                take(connection, steps_lock(uid))
            query = select(performed_step).where(performed_step.c.sop_instance_uid == change.sop_instance_uid)
            row = connection.execute(query.with_for_update()).one_or_none()
            if row is None:
                return Taken.UNKNOWN
            if row.state != StepState.IN_PROGRESS:
                return Taken.FINAL
            state = change.state or StepState.IN_PROGRESS
            connection.execute(
                update(performed_step)
                .where(performed_step.c.id == row.id)
                .values(
                    state=state,
                    reason_code=change.reason_code,
                    updated_at=change.at,
                    ended_at=None if state is StepState.IN_PROGRESS else change.at,
                )
            )
            if change.named is not None:
                _name(connection, row.id, change.named, change.radiographs)
            self._tell(connection, uids, change.sop_instance_uid, state, change.at)
        return Taken.RECORDED

    def _studies_of(self, sop_instance_uid: str) -> Sequence[str]:
        with self.database.read() as connection:
            return connection.scalars(
                select(performed_step_study.c.study_instance_uid)
                .join(performed_step)
                .where(performed_step.c.sop_instance_uid == sop_instance_uid)
                .order_by(performed_step_study.c.study_instance_uid)
            ).all()

    def _tell(self, connection: Connection, uids: Iterable[str], step_uid: str, state: StepState, at: datetime) -> None:
        """Let the step act on those of its studies that are on record."""
        query = select(study.c.id).where(study.c.study_instance_uid.in_(list(uids))).order_by(study.c.id)
        for study_id in connection.scalars(query).all():
            position = lock(connection, study_id)
            detail = f"{step_uid} {state}"
            note(connection, position, "PERFORMED_STEP", position.state, at=at, detail=detail)
            self._settle(connection, position, at)

    def _settle(self, connection: Connection, position: Position, at: datetime) -> None:
        row = connection.execute(select(study).where(study.c.id == position.study_id)).one()
        steps = steps_of(connection, row.study_instance_uid)
        withdraw_discontinued(connection, self.queue, position, steps, at=at, allowances=self.allowances)
        say = steps_say(connection, position.study_id, steps)
        values: dict[str, object] = {"steps": say or None}
        if position.state is State.RECEIVING:
            is_open = exists().where(association_study.c.study_id == position.study_id)
            values["closes_at"] = close_time(
                self.timing,
                revision=row.revision,
                started_at=row.started_at,
                last_at=at if say in {Steps.IN_PROGRESS, Steps.MISSING} else row.last_received_at,
                steps=say,
                now=at,
                released_at=None if connection.execute(select(is_open)).scalar_one() else at,
            )
        connection.execute(update(study).where(study.c.id == position.study_id).values(values))
        conclude_when_settled(connection, self.queue, position, at=at)


def _insert(connection: Connection, step: NewStep) -> int | None:
    step_id: int | None = connection.execute(
        insert_into(connection, performed_step)
        .values(
            sop_instance_uid=step.sop_instance_uid,
            state=StepState.IN_PROGRESS,
            reason_code="",
            calling_ae_title=step.calling_ae_title,
            created_at=step.at,
            updated_at=step.at,
        )
        .on_conflict_do_nothing(index_elements=[performed_step.c.sop_instance_uid])
        .returning(performed_step.c.id)
    ).scalar_one_or_none()
    return step_id


def _name(connection: Connection, step_id: int, named: Iterable[str], radiographs: Collection[str]) -> None:
    table = performed_step_instance
    connection.execute(delete(table).where(table.c.step_id == step_id))
    rows = [
        {"step_id": step_id, "sop_instance_uid": uid, "is_radiograph": uid in radiographs}
        for uid in dict.fromkeys(named)
    ]
    if rows:
        connection.execute(insert(table), rows)
