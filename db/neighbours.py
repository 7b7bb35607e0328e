"""Whether peers and destinations answer, as persons asked them last."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from db.audit import Who
from db.audit_terms import EventOutcome
from db.database import Database
from db.operated import note_operated
from db.schema.network import neighbour_asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How one answered: `kind` is peer or destination, `reason` why it did not."""

    kind: str
    name: str
    at: datetime
    answers: bool
    seconds: float
    reason: str
    person: str


def record_asked(database: Database, asked: Asked, *, who: Who) -> None:
    """Commit how it answered, in place of how it did before, and that somebody asked."""
    table = neighbour_asked
    with database.begin(lock=("neighbour_asked", asked.kind, asked.name)) as connection:
        connection.execute(delete(table).where(table.c.kind == asked.kind, table.c.name == asked.name))
        connection.execute(insert(table).values(asdict(asked)))
        outcome = EventOutcome.SUCCESS if asked.answers else EventOutcome.MINOR_FAILURE
        note_operated(connection, who, f"{asked.kind} asked", at=asked.at, counterpart=asked.name, outcome=outcome)


def asked_neighbours(database: Database) -> dict[tuple[str, str], Asked]:
    """Return how each answered last, by kind and name."""
    with database.read() as connection:
        rows = connection.execute(select(neighbour_asked)).mappings()
        return {(row["kind"], row["name"]): Asked(**row) for row in rows}
