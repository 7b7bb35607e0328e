"""How reloading the configuration went last, at each place; and, in the audit trail, what changed each time."""

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, insert, select

from db.audit import THE_AGENT, AuditEvent, Who, note
from db.audit_terms import EventAction, EventId, EventOutcome, EventType
from db.database import Database
from db.operated import note_operated
from db.schema.configuration import configuration_reload


class ReloadOutcome(StrEnum):
    """What became of a configuration that was to be taken over."""

    TAKEN = "taken"
    UNCHANGED = "unchanged"
    REFUSED = "refused"  # whole: the one before it stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """One reload: where, by which supervisor, what changed, and why it was refused; secrets are in neither."""

    place: str
    pid: int
    at: datetime
    outcome: ReloadOutcome
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def record_reload(database: Database, reload: Reload, *, of_network: bool = False) -> None:
    """Commit how it went, in place of how it did before, and what changed or was refused in the audit trail.

    `of_network`: whether it changes with whom the agent talks (PS3.15 A.5.3.11, Network Configuration).
    """
    table, refused = configuration_reload, reload.outcome is ReloadOutcome.REFUSED
    values = asdict(reload) | {"changes": "\n".join(reload.changes), "problems": "\n".join(reload.problems)}
    said = [problem.partition(": ")[0] for problem in reload.problems] if refused else reload.changes
    event = AuditEvent(
        event=EventId.SECURITY_ALERT,
        type=EventType.NETWORK_CONFIGURATION if of_network else EventType.SOFTWARE_CONFIGURATION,
        action=EventAction.UPDATE,
        outcome=EventOutcome.MINOR_FAILURE if refused else EventOutcome.SUCCESS,
        who=THE_AGENT,
        at=reload.at,
        detail=f"configuration {reload.outcome} on {reload.place}: {'; '.join(said) or 'nothing differs'}",
    )
    with database.begin(lock=("configuration_reload", reload.place)) as connection:
        connection.execute(delete(table).where(table.c.place == reload.place))
        connection.execute(insert(table).values(values))
        note(connection, event)


def record_asked(database: Database, who: Who, *, at: datetime) -> None:
    """Commit that somebody asks for the file to be read again."""
    with database.begin() as connection:
        note_operated(connection, who, "reload of the configuration asked for", at=at)


def reloads(database: Database) -> tuple[Reload, ...]:
    """Return how it went last at each place."""
    query = select(configuration_reload).order_by(configuration_reload.c.place)
    with database.read() as connection:
        return tuple(
            Reload(
                **dict(row)
                | {
                    "outcome": ReloadOutcome(row["outcome"]),
                    "changes": tuple(row["changes"].splitlines()),
                    "problems": tuple(row["problems"].splitlines()),
                }
            )
            for row in connection.execute(query).mappings()
        )
