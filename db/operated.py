"""What an operator did, in the audit trail: who put back, tried or asked what."""

from datetime import datetime

from sqlalchemy import Connection

from db.audit import AuditEvent, Who, note
from db.audit_terms import EventAction, EventId, EventOutcome, EventType


def note_operated(
    connection: Connection,
    who: Who,
    detail: str,
    *,
    at: datetime,
    counterpart: str = "",
    outcome: EventOutcome = EventOutcome.SUCCESS,
) -> None:
    """Note, in the caller's transaction, what only an operator may do (PS3.15 A.5.3.11)."""
    note(
        connection,
        AuditEvent(
            event=EventId.SECURITY_ALERT,
            type=EventType.USE_OF_RESTRICTED_FUNCTION,
            action=EventAction.EXECUTE,
            outcome=outcome,
            who=who,
            at=at,
            counterpart=counterpart,
            detail=detail,
        ),
    )
