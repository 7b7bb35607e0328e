"""Where a study that begins stands: on the worklist, and in the agent's own work by its sender's pace."""

from sqlalchemy import Connection, bindparam, func, select

from db.incoming import IncomingInstance
from db.prepared import Prepared
from db.priority import Allowances, due_at, turn
from db.schema.domain import study

LAST = select(func.max(study.c.paced_at, type_=study.c.paced_at.type).label("paced_at")).where(
    study.c.calling_ae_title == bindparam("calling_ae_title"),
    study.c.order_priority == bindparam("order_priority"),
)
"""How far a sender's pace has come: the last entry of an index. Of senders that commit at the same moment on PostgreSQL
both may see the same one; so n receiving processes may let a sender have up to n times its pace."""


_LAST = Prepared(LAST)


def place(connection: Connection, incoming: IncomingInstance, allowances: Allowances) -> dict[str, object]:
    """Return the columns of a study that begins with this Instance which say in what order it comes."""
    at, ordered = incoming.received_at, incoming.order_priority
    due = due_at(at, ordered, allowances)
    values: dict[str, object] = {"order_priority": ordered, "due_at": due, "work_due_at": None, "paced_at": None}
    if incoming.is_prior:
        return values
    of_sender = {"calling_ae_title": incoming.calling_ae_title, "order_priority": ordered}
    paced_at = incoming.standing.paced_at(at, _LAST.rows(connection, of_sender)[0].paced_at)
    work_due = due_at(turn(at, paced_at), max(ordered, incoming.standing.at_least), allowances)
    return values | {"paced_at": paced_at, "work_due_at": None if work_due == due else work_due}
