"""Read studies: somebody has reported on them, so they leave the worklist."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from db.advance import lock, note
from db.schema.domain import study


def record_read(connection: Connection, study_id: int, *, how: str, at: datetime) -> bool:
    """Take a study off the worklist, in the caller's transaction; False when it is off already.

    `how` is shown and kept in the audit trail, such as "final report (HL7)": no patient data. A new candidate image
    puts the study back, and so does a conflict of identity.
    """
    position = lock(connection, study_id)
    if connection.execute(select(study.c.read_at).where(study.c.id == study_id)).scalar_one() is not None:
        return False
    connection.execute(update(study).where(study.c.id == study_id).values(read_at=at, read_how=how))
    note(connection, position, "READ", position.state, at=at, detail=how)
    return True
