"""The tables of what hospital systems say: messages answered, orders that wait for their images, merged patients."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, UniqueConstraint

from db.metadata import metadata
from db.types import UID, UtcDateTime

hl7_message = Table(  # what was answered to which message: no text of it but its name and kind
    "hl7_message",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sender", Text, nullable=False),  # sending application and facility (MSH-3, MSH-4)
    Column("control_id", Text, nullable=False),  # MSH-10
    Column("sha256", String(64), nullable=False),  # of the message as it came
    Column("kind", Text, nullable=False),  # MSH-9, such as ADT^A08
    Column("answer", String(2), nullable=False),  # AA, AE or AR, the last one given
    Column("error_code", Integer),  # HL7 table 0357
    Column("detail", Text, nullable=False),  # what became of it, without patient data
    Column("times", Integer, nullable=False),  # how often it came
    Column("received_at", UtcDateTime, nullable=False),
    Column("last_received_at", UtcDateTime, nullable=False),
    UniqueConstraint("sender", "control_id", "sha256"),
    Index("ix_hl7_message_received_at", "received_at"),
)

ordered = Table(  # orders, each until it expires: its study may begin later, and one order may have several studies
    "ordered",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),  # digest of what names it and its patient
    Column("study_instance_uid", String(UID), nullable=False),
    Column("accession_number", Text, nullable=False),
    Column("identifiers", Text, nullable=False),  # of the patient, in JSON: see db.patient_match.Identifier
    Column("patient_name", Text, nullable=False),
    Column("priority", Integer, nullable=False),  # db.priority.Priority
    Column("cancelled", Boolean, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_ordered_study_instance_uid", "study_instance_uid"),
    Index("ix_ordered_accession_number", "accession_number"),
    Index("ix_ordered_expires_at", "expires_at"),
)

patient_alias = Table(  # an identifier that was merged into another or replaced by it: images may still bring it
    "patient_alias",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("prior_patient_id", Text, nullable=False),
    Column("prior_issuer", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("issuer_of_patient_id", Text, nullable=False),
    Column("patient_name", Text, nullable=False),  # of the patient, as the message said it
    Column("patient_birth_date", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("prior_patient_id", "prior_issuer"),
)
