"""Records that have done their part, removed by age: what was answered, reported and told to the end."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from db.database import Database
from db.delivery_state import DeliveryState
from db.schema.commitment import commitment, commitment_instance
from db.schema.hl7 import hl7_message
from db.schema.workitems import workitem_event

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows went."""

    messages: int
    commitments: int
    events: int


def prune(database: Database, *, before: datetime) -> Pruned:
    """Remove records that ended before `before`, a thousand in a transaction. What is still owed stays.

    A message of HL7 that is sent again afterwards is carried out again, as one that never came.
    """
    messages = select(hl7_message.c.id).where(hl7_message.c.last_received_at < before)
    done = commitment.c.state == DeliveryState.ACKNOWLEDGED
    commitments = select(commitment.c.id).where(done, commitment.c.requested_at < before)
    events = select(workitem_event.c.id).where(
        workitem_event.c.state == DeliveryState.ACKNOWLEDGED, workitem_event.c.created_at < before
    )
    counts = []
    for query, table in ((messages, hl7_message), (commitments, commitment), (events, workitem_event)):
        count = 0
        while True:
            with database.read() as connection:
                ids = connection.scalars(query.limit(_AT_ONCE)).all()
            if not ids:
                break
            with database.begin() as connection:
                if table is commitment:  # one that was asked for again meanwhile stays
                    ids = connection.scalars(query.where(commitment.c.id.in_(ids)).with_for_update()).all()
                    of_these = commitment_instance.c.commitment_id.in_(ids)
                    connection.execute(delete(commitment_instance).where(of_these))
                count += connection.execute(delete(table).where(table.c.id.in_(ids))).rowcount
        counts.append(count)
    return Pruned(messages=counts[0], commitments=counts[1], events=counts[2])
