"""What stays on record of associations: those that ended, and, in the audit trail, those that were refused."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from agent.audit.lately import Memory
from db.association_log import EndedAssociation, note_ended
from db.audit import AuditEvent, Who, record
from db.audit_terms import EventAction, EventId, EventOutcome, EventType
from db.database import Database
from db.errors import DatabaseError
from dicom_io.scp import AssociationSummary

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AssociationBook:
    """Puts associations on record once they are over: a database that is away costs no peer its answer."""

    database: Database
    clock: Callable[[], datetime]
    _refused: Memory = field(default_factory=Memory)

    def ended(self, summary: AssociationSummary) -> None:
        """Put on record that one has ended."""
        facts = {name: getattr(summary, name) for name in EndedAssociation.__slots__}
        try:
            note_ended(self.database, EndedAssociation(**facts))
        except DatabaseError as error:
            log.warning("association_not_listed", association_id=summary.association_id, reason=str(error))

    def refused(self, summary: AssociationSummary) -> None:
        """Put on record that somebody was refused (PS3.15 A.5.3.11), once in a while for who comes again and again."""
        who, at = Who(summary.calling_ae_title.strip(), source=summary.peer_address), self.clock()
        if not self._refused.is_new(who, at):
            return
        event = AuditEvent(
            event=EventId.SECURITY_ALERT,
            type=EventType.NODE_AUTHENTICATION,
            action=EventAction.EXECUTE,
            outcome=EventOutcome.MINOR_FAILURE,
            who=who,
            at=at,
            detail="association refused",
        )
        try:
            record(self.database, event)
        except DatabaseError as error:
            log.warning("refusal_not_recorded", association_id=summary.association_id, reason=str(error))
