"""The tables of the audit trail: who did, saw, sent or asked what. Rows are added, and removed by retention only."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, text

from db.metadata import metadata
from db.types import UID, UtcDateTime

NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""Rows are many: every Instance of a patient that came, went or was looked at has its share in one."""

audit_event = Table(
    "audit_event",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("event", String(32), nullable=False),  # db.audit_terms.EventId, and so on
    Column("type", String(32), nullable=False),  # EventType; "" for none
    Column("action", String(1), nullable=False),
    Column("outcome", Integer, nullable=False),
    Column("person", Text, nullable=False),  # who: the name of an account, an AE title, the name of a token, "agent"
    Column("role", Text, nullable=False),  # what for; "" for a program
    Column("source", Text, nullable=False),  # from which address; "" for this installation itself
    Column("counterpart", Text, nullable=False),  # the other end of a transfer: its name; "" for none
    # Of which study and patient, as they were called then. No foreign key: the trail outlives the study.
    Column("study_instance_uid", String(UID), nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("detail", Text, nullable=False),  # names no patient
    Index("ix_audit_event_at", "at", "id"),
    Index("ix_audit_event_person", "person", "at", "id"),
    Index("ix_audit_event_event", "event", "at", "id"),
    Index("ix_audit_event_study_instance_uid", "study_instance_uid", "at", "id"),
    Index("ix_audit_event_patient_id", "patient_id", "at", "id"),
)

audit_sink = Table(  # where the trail is handed over to; a row as long as the configuration names it
    "audit_sink",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("handed_over_at", UtcDateTime),  # the last time that it took anything
    Column("failing_since", UtcDateTime),  # null: it took what it was given
    Column("error", Text, nullable=False, server_default=text("''")),
)

audit_outbox = Table(  # what a sink has not taken yet; written with the event, gone when it is taken
    "audit_outbox",
    metadata,
    Column("sink", ForeignKey("audit_sink.name"), primary_key=True),
    Column("audit_event_id", NUMBER, ForeignKey("audit_event.id"), primary_key=True),
)
