"""Which WebSocket of a subscriber is its latest: of two, maybe in two processes on two hosts, the later one counts."""

from datetime import datetime

from sqlalchemy import delete, insert, select

from db.database import Database
from db.schema.workitems import event_channel


def hold_channel(database: Database, receiving_ae: str, holder: str, *, at: datetime) -> None:
    """Commit that `holder` is a subscriber's channel from now on. Raises DatabaseError."""
    mine = event_channel.c.receiving_ae == receiving_ae
    with database.begin(lock=("event_channel", receiving_ae)) as connection:
        connection.execute(delete(event_channel).where(mine))
        connection.execute(insert(event_channel).values(receiving_ae=receiving_ae, holder=holder, opened_at=at))


def holds_channel(database: Database, receiving_ae: str, holder: str) -> bool:
    """Tell whether no other channel has been opened since. Raises DatabaseError."""
    query = select(event_channel.c.holder).where(event_channel.c.receiving_ae == receiving_ae)
    with database.read() as connection:
        return connection.scalar(query) == holder
