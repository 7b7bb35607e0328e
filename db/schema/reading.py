"""The tables of reading: who has a study before them, what readers did, took back, and thought of the AI."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from db.metadata import metadata
from db.types import UtcDateTime

study_reading = Table(  # one row for each study that a person has opened or done anything with
    "study_reading",
    metadata,
    Column("study_id", ForeignKey("study.id"), primary_key=True),
    Column("version", Integer, nullable=False),  # counts the acts: who acts says which they have seen
    # Who has it before them, a soft lock: it warns others and ends by itself.
    Column("reader", Text, nullable=False),  # the name of an account; "" for nobody
    Column("reader_name", Text, nullable=False),  # how people call them
    Column("reader_since", UtcDateTime),
    Column("reader_until", UtcDateTime),
    Column("assigned_to", Text, nullable=False),  # the name of an account; "" for nobody
    Index(
        "ix_study_reading_assigned_to",
        "assigned_to",
        sqlite_where=text("assigned_to <> ''"),
        postgresql_where=text("assigned_to <> ''"),
    ),
)

reading_act = Table(  # rows are added, never removed: to take one back is an act as well
    "reading_act",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("kind", String(16), nullable=False),  # db.reading_acts.Kind
    Column("revision", Integer, nullable=False),  # the study's
    Column("before", Text, nullable=False),  # the values that it changed, in JSON
    Column("after", Text, nullable=False),
    Column("words", Text, nullable=False),  # the reason or note, in the person's own words: retention blanks them
    Column("undoes", ForeignKey("reading_act.id"), unique=True),
    Index("ix_reading_act_study_id", "study_id", "id"),
)

feedback = Table(  # what a reader thought of one result; it stays when retention removes the study, without free text
    "feedback",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("act_id", ForeignKey("reading_act.id"), nullable=False, unique=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("person", Text, nullable=False),
    Column("agrees", Boolean, nullable=False),
    Column("finding", String(16), nullable=False),  # db.feedback.Finding
    Column("reason", Text, nullable=False),
    Column("finding_text", Text, nullable=False),
    Column("also", String(24), nullable=False, server_default=text("''")),  # db.feedback.Also
    # The result that was judged.
    Column("revision", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("probability", Float),
    Column("threshold", Float, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("is_reported", Boolean, nullable=False, server_default=text("false")),  # the reader let reports say so
    Column("undone_at", UtcDateTime),  # taken back by its reader or another: it counts no more
    Index("ix_feedback_at", "at", "id"),
    Index("ix_feedback_study_id", "study_id", "id"),
)
