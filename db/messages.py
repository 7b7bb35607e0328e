"""The ledger of messages: each is carried out and kept, with what became of it, in one transaction. Once done is known.

Where no transaction is had at once (a lock, a deadlock) it is tried again: nothing of it was written.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, insert, select, update

from db.addressed import About, Addressed, OrderDone, OrderTaker, take_off
from db.database import Database
from db.errors import DatabaseBusyError
from db.patients import Correction
from db.priority import Allowances, Priority
from db.queue import Queue
from db.schema.hl7 import hl7_message

ACCEPTED = "AA"
_KNOWN_FOR = timedelta(days=7)  # a sender that counts its control IDs anew may mean the same words again
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedMessage:
    """What names a message: who sent it (MSH-3, MSH-4), its control ID (MSH-10), its digest; and its kind (MSH-9)."""

    sender: str
    control_id: str
    sha256: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageOutcome:
    """What became of a message: its answer (AA, AE, AR), a code of HL7 table 0357, and words without patient data.

    `again`: it had been accepted before, and nothing was done.
    """

    answer: str
    error_code: int | None
    detail: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a site says: how long priorities wait, whose IDs have no authority, how long orders are kept."""

    allowances: Allowances = field(default_factory=Allowances)
    home: str = ""
    orders_last: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What a message may change, in its transaction."""

    connection: Connection
    queue: Queue
    rules: Rules
    source: str
    at: datetime

    @property
    def correction(self) -> Correction:
        """What corrects patients."""
        return Correction(
            connection=self.connection, queue=self.queue, source=self.source, at=self.at, home=self.rules.home
        )

    def take_order(self, about: About, priority: Priority, *, cancelled: bool) -> OrderDone:
        """Keep an order and apply it to the studies that have begun."""
        taker = OrderTaker(
            connection=self.connection,
            queue=self.queue,
            allowances=self.rules.allowances,
            at=self.at,
            expires_at=self.at + self.rules.orders_last,
            home=self.rules.home,
        )
        return taker.take(about, priority, cancelled=cancelled)

    def take_off(self, about: About, *, how: str) -> Addressed:
        """Take the studies that a final report is about off the worklist."""
        return take_off(self.connection, about, home=self.rules.home, how=how, at=self.at)


def carry_out(
    database: Database,
    queue: Queue,
    message: ArrivedMessage,
    rules: Rules,
    work: Callable[[Books], MessageOutcome],
    *,
    at: datetime,
) -> MessageOutcome:
    """Commit what `work` does for a message, with its outcome; return the outcome, synced to disk by then.

    One that was accepted before is not carried out again. One that was refused is: what stood in its way may be gone.
    Raises db.errors.DatabaseError when nothing was done.
    """
    for _ in range(_TRIES - 1):
        try:
            return _carried_out(database, queue, message, rules, work, at)
        except DatabaseBusyError:
            continue
    return _carried_out(database, queue, message, rules, work, at)


def _carried_out(
    database: Database,
    queue: Queue,
    message: ArrivedMessage,
    rules: Rules,
    work: Callable[[Books], MessageOutcome],
    at: datetime,
) -> MessageOutcome:
    # The same message may come over two connections at once.
    with database.begin(lock=("hl7", message.sender, message.control_id)) as connection:
        if (detail := _done_before(connection, message, at)) is not None:
            return MessageOutcome(answer=ACCEPTED, error_code=None, detail=detail, again=True)
        outcome = work(Books(connection=connection, queue=queue, rules=rules, source=message.kind, at=at))
        _keep(connection, message, outcome, at)
    return outcome


def _done_before(connection: Connection, message: ArrivedMessage, at: datetime) -> str | None:
    """Return what became of a message that was accepted before, and count that it came again; None for any other."""
    row = connection.execute(select(hl7_message).where(*_is(message))).one_or_none()
    if row is None or row.answer != ACCEPTED or at - row.last_received_at > _KNOWN_FOR:
        return None
    again = {"times": hl7_message.c.times + 1, "last_received_at": at}
    connection.execute(update(hl7_message).where(hl7_message.c.id == row.id).values(again))
    detail: str = row.detail
    return detail


def _keep(connection: Connection, message: ArrivedMessage, outcome: MessageOutcome, at: datetime) -> None:
    """Keep a message with its outcome; one that was refused before has its last outcome on record."""
    values = {
        "answer": outcome.answer,
        "error_code": outcome.error_code,
        "detail": outcome.detail,
        "last_received_at": at,
    }
    again = values | {"times": hl7_message.c.times + 1}
    if connection.execute(update(hl7_message).where(*_is(message)).values(again)).rowcount:
        return
    connection.execute(
        insert(hl7_message).values(
            sender=message.sender,
            control_id=message.control_id,
            sha256=message.sha256,
            kind=message.kind,
            times=1,
            received_at=at,
            **values,
        )
    )


def _is(message: ArrivedMessage) -> tuple[ColumnElement[bool], ...]:
    return (
        hl7_message.c.sender == message.sender,
        hl7_message.c.control_id == message.control_id,
        hl7_message.c.sha256 == message.sha256,
    )
