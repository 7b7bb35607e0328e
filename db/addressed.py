"""Orders and final reports that are about studies on record: named by UID, else by accession number, of one patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from db.advance import Position, note
from db.database import take
from db.expected import ExpectedOrder, keep_order
from db.lifecycle import State
from db.orders import apply_within
from db.patient_match import Identifier, speaks_of, told_apart
from db.patients import patient_lock
from db.priority import Allowances, Priority
from db.queue import Queue
from db.reading import record_read
from db.schema.domain import study


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a message says it is about."""

    study_instance_uid: str
    accession_number: str
    identifiers: tuple[Identifier, ...]
    patient_name: str


@dataclass(frozen=True, slots=True)
class Addressed:
    """The studies that a message is about; whether the one whose UID it names is another patient's.

    `doubtful` counts those that two patients with one ID may have: they are left alone.
    """

    studies: Sequence[Row[Any]]
    is_anothers: bool = False
    doubtful: int = 0


def addressed(connection: Connection, about: About, *, home: str) -> Addressed:
    """Return the studies on record that a message is about, locked. `home`: the authority of whatever names none."""
    for column in (study.c.study_instance_uid, study.c.accession_number):
        value = getattr(about, column.name)
        query = select(study).where(column == value).order_by(study.c.id).with_for_update()
        rows = connection.execute(query).all() if value else ()
        mine = [row for row in rows if speaks_of(about.identifiers, about.patient_name, row, home=home)]
        is_anothers = bool(rows) and not mine and column is study.c.study_instance_uid
        if mine or is_anothers:
            sure = told_apart(about.identifiers, about.patient_name, mine, home=home)
            return Addressed(sure, is_anothers, doubtful=len(mine) - len(sure))
    return Addressed(())


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDone:
    """What an order came to: how many studies it is about, how many it changed; see `Addressed.is_anothers`."""

    studies: int
    changed: int
    is_anothers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTaker:
    """Takes orders in the transaction of their message."""

    connection: Connection
    queue: Queue
    allowances: Allowances
    at: datetime
    expires_at: datetime
    home: str = ""

    def take(self, about: About, priority: Priority, *, cancelled: bool) -> OrderDone:
        """Keep an order for studies that begin, and apply it to those that have begun.

        Nothing is lowered: a study of which a lower priority or a cancellation is said keeps its place, and its audit
        trail says what came.
        """
        for patient_id in sorted({one.patient_id for one in about.identifiers} or {""}):
            take(self.connection, patient_lock(patient_id))
        keep_order(
            self.connection,
            ExpectedOrder(
                study_instance_uid=about.study_instance_uid,
                accession_number=about.accession_number,
                identifiers=about.identifiers,
                patient_name=about.patient_name,
                priority=priority,
                cancelled=cancelled,
            ),
            at=self.at,
            expires_at=self.expires_at,
        )
        found = addressed(self.connection, about, home=self.home)
        changed = sum(self._apply(row, about, priority, cancelled=cancelled) for row in found.studies)
        return OrderDone(studies=len(found.studies), changed=changed, is_anothers=found.is_anothers)

    def _apply(self, row: Row[Any], about: About, priority: Priority, *, cancelled: bool) -> bool:
        if cancelled:
            self._note(row, "ORDER_CANCELLED", "the study stays as it is")
            return False
        if priority < row.order_priority:
            self._note(row, "ORDER_LOWERED", f"to {priority.name}; {Priority(row.order_priority).name} is kept")
        return apply_within(
            self.connection,
            self.queue,
            row.id,
            priority=priority,
            accession_number=about.accession_number,
            at=self.at,
            allowances=self.allowances,
        )

    def _note(self, row: Row[Any], event: str, detail: str) -> None:
        position = Position(row.id, State(row.state), row.revision)
        note(self.connection, position, event, position.state, at=self.at, detail=detail, actor="hl7")


def take_off(connection: Connection, about: About, *, home: str, how: str, at: datetime) -> Addressed:
    """Take the studies that a final report is about off the worklist, but for those in quarantine: a person decides."""
    found = addressed(connection, about, home=home)
    for row in found.studies:
        if not row.conflict:
            record_read(connection, row.id, how=how, at=at)
    return found
