"""Which open associations bring which studies: rows, since any number of receiving processes share one port.

The row of an association's first Instance of a study is committed with that Instance, and removed when the association
ends. A process that dies leaves its rows: they keep a study from closing by the release of others, not from closing by
quiet, and are swept when they are old.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from db.advance import lock
from db.closing import Steps, waits_for_quiet
from db.database import Database
from db.lifecycle import State
from db.prepared import Prepared
from db.schema.arrival import association_study
from db.schema.domain import study
from db.still import still

_BIGGEST_BATCH = 500
_HELD = [steps for steps in Steps if waits_for_quiet(1, steps)]
_BRING = Prepared(
    sqlite.insert(association_study).on_conflict_do_nothing(),
    postgresql=postgresql.insert(association_study).on_conflict_do_nothing(),
)


def bring(connection: Connection, study_id: int, association_id: str, *, at: datetime) -> None:
    """Note that an open association brings a study; again is nothing. The study's row is locked."""
    values = {"association_id": association_id, "study_id": study_id, "opened_at": at}
    _BRING.run(connection, values)


def note_association_ended(database: Database, association_id: str, *, closes_at: datetime) -> None:
    """Let the studies that an association brought close at `closes_at`, if that is earlier than planned.

    Not those that another open association brings as well: its end decides. And not those that wait for quiet in any
    case (`db.closing`).
    """
    with database.read() as connection:
        ids = [one.study_id for one in _BROUGHT.rows(connection, {"association_id": association_id})]
    if len(ids) == 1:
        with database.begin() as connection:
            _end_one(connection, association_id, ids[0], closes_at)
        return
    for start in range(0, len(ids), _BIGGEST_BATCH):
        with database.begin() as connection:
            _end(connection, association_id, ids[start : start + _BIGGEST_BATCH], closes_at)


def _end_one(connection: Connection, association_id: str, study_id: int, closes_at: datetime) -> None:
    """As `_end`, of the one study that nearly all associations bring."""
    lock(connection, study_id)
    _FORGET_ONE.run(connection, {"ended": association_id, "which": study_id})
    _CLOSE_ONE.run(connection, {"which": study_id, "planned": closes_at, "closes_at": closes_at})


def _may_close(closes_at: ColumnElement[datetime] | datetime) -> ColumnElement[bool]:
    """Tell whether a study is to close earlier now that an association has ended."""
    return and_(
        still(study.c.state) == State.RECEIVING,
        study.c.closes_at > closes_at,
        study.c.revision == 1,
        or_(study.c.steps.is_(None), study.c.steps.not_in(_HELD)),
        ~exists().where(association_study.c.study_id == study.c.id),
    )


_BROUGHT = Prepared(
    select(association_study.c.study_id)
    .where(association_study.c.association_id == bindparam("association_id"))
    .order_by(association_study.c.study_id)
)
_FORGET_ONE = Prepared(
    delete(association_study).where(
        association_study.c.association_id == bindparam("ended"), association_study.c.study_id == bindparam("which")
    )
)
_CLOSE_ONE = Prepared(
    update(study).where(
        study.c.id == bindparam("which"), _may_close(bindparam("planned", type_=study.c.closes_at.type))
    )
)


def _end(connection: Connection, association_id: str, study_ids: Sequence[int], closes_at: datetime) -> None:
    # Locked first, always in the same order: of two associations that end at once, the second sees that it is the last.
    connection.execute(select(study.c.id).where(study.c.id.in_(study_ids)).order_by(study.c.id).with_for_update())
    connection.execute(
        delete(association_study).where(
            association_study.c.association_id == association_id, association_study.c.study_id.in_(study_ids)
        )
    )
    connection.execute(
        update(study).where(study.c.id.in_(study_ids), _may_close(closes_at)).values(closes_at=closes_at)
    )


def forget_associations(database: Database, *, before: datetime) -> int:
    """Remove what associations left behind whose process died, from before `before`; return how many rows."""
    with database.begin() as connection:
        return connection.execute(delete(association_study).where(association_study.c.opened_at < before)).rowcount
