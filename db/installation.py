"""Who this installation is: a UUID made once, from which the UIDs of everything it writes are derived."""

import uuid
from datetime import datetime

from sqlalchemy import select

from db.database import Database
from db.schema.domain import installation
from db.upsert import insert_into


def installation_uuid(database: Database, *, now: datetime) -> str:
    """Return this installation's UUID as text; the first call makes it."""
    query = select(installation.c.uuid).where(installation.c.id == 1)
    with database.read() as connection:
        found: str | None = connection.execute(query).scalar_one_or_none()
    if found is not None:
        return found
    with database.begin() as connection:
        connection.execute(
            insert_into(connection, installation)
            .values(id=1, uuid=str(uuid.uuid4()), created_at=now)
            .on_conflict_do_nothing()
        )
        made: str = connection.execute(query).scalar_one()
    return made
