"""The tables of what is kept and what goes: legal holds, files to delete, damaged files, back-ups."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, ForeignKey, Index, Integer, String, Table, Text

from db.metadata import metadata
from db.types import UID, UtcDateTime

legal_hold = Table(  # rows are added and released, never removed: who kept what from being deleted stays on record
    "legal_hold",
    metadata,
    Column("id", Integer, primary_key=True),
    # Of one study, or of a patient with all studies, those to come too: exactly one of the two.
    Column("study_id", ForeignKey("study.id")),
    Column("patient_id", Text),
    Column("issuer_of_patient_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("released_by", Text),
    Column("released_at", UtcDateTime),
    CheckConstraint("(study_id IS NULL) = (patient_id IS NOT NULL)", name="of_one_thing"),
    CheckConstraint("(released_at IS NULL) = (released_by IS NULL)", name="released"),
    Index("ix_legal_hold_study_id", "study_id"),
)

file_to_delete = Table(  # committed with the rows that stop needing the file; gone when the file is
    "file_to_delete",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", Text, nullable=False, unique=True),
    Column("sha256", String(64), nullable=False),
    Column("sop_instance_uid", String(UID), nullable=False),  # empty: no DICOM object
    Column("size", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

damaged_file = Table(  # found by reading back; a row stays when its file is whole again
    "damaged_file",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", Text, nullable=False, unique=True),
    Column("sha256", String(64), nullable=False),
    Column("damage", String(16), nullable=False),  # db.scrub.Damage
    Column("found_at", UtcDateTime, nullable=False),
    Column("looked_at", UtcDateTime, nullable=False),
    Column("mended_at", UtcDateTime),
)

scrub = Table(  # one row: how far the reading of all stored files has come
    "scrub",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("after", String(64), nullable=False),  # the digest of the file that was read last; files are read in order
    Column("began_at", UtcDateTime, nullable=False),  # this round
    Column("files", BigInteger, nullable=False),  # read in this round
    Column("bytes", BigInteger, nullable=False),
    Column("rounded_at", UtcDateTime),  # when the last round ended
    Column("looked_at", UtcDateTime, nullable=False),
)

backup = Table(
    "backup",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("alive_at", UtcDateTime, nullable=False),  # while it runs, no stored file is deleted
    Column("ended_at", UtcDateTime),
    Column("is_whole", Boolean),  # null while it runs, or when its process died
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_backup_ended_at", "ended_at"),
)
