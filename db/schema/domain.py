"""The domain's tables. One row never means two things, and the database holds the invariants."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.metadata import metadata
from db.types import UID, UtcDateTime

INSTANCE_TEXTS = (
    "modality",
    "series_number",
    "series_description",
    "series_date",
    "series_time",
    "performed_procedure_step_start_date",
    "performed_procedure_step_start_time",
    "body_part_examined",
    "laterality",
    "protocol_name",
    "station_name",
    "instance_number",
    "content_date",
    "content_time",
    "image_type",
)
INSTANCE_NUMBERS = ("rows", "columns", "bits_allocated", "number_of_frames")
"""Attributes of an Instance and its Series, named by their PS3.6 keyword in snake_case."""

_UNREAD = text("prior_only = 0 AND read_at IS NULL")
_UNREAD_POSTGRESQL = text("NOT prior_only AND read_at IS NULL")
_UNDECIDED = text("conflict <> '' OR doubt <> ''")
_AMENDING = text("amending IS NOT NULL")
_CONFLICT = text("conflict <> ''")
_READ = text("read_at IS NOT NULL")

installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("uuid", String(36), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

study = Table(
    "study",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", String(UID), nullable=False, unique=True),
    # Identity and description as they came with the first Instance; an empty value is filled by a later Instance that
    # has it.
    Column("patient_id", Text, nullable=False),
    Column("issuer_of_patient_id", Text, nullable=False),
    Column("patient_name", Text, nullable=False),
    Column("patient_birth_date", Text, nullable=False),
    Column("patient_sex", Text, nullable=False),
    Column("patient_age", Text, nullable=False),
    Column("accession_number", Text, nullable=False),
    Column("study_date", Text, nullable=False),
    Column("study_time", Text, nullable=False),
    Column("study_description", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("study_id", Text, nullable=False, server_default=text("''")),  # Study ID (0020,0010), not a row's id
    Column("referring_physician_name", Text, nullable=False, server_default=text("''")),
    Column("corrected", Text, nullable=False, server_default=text("''")),  # which of these no longer are the files'
    Column("calling_ae_title", Text, nullable=False),
    Column("prior_only", Boolean, nullable=False, server_default=text("false")),  # all that came was asked for as prior
    # Lifecycle: written by db.advance only.
    Column("state", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    # Arrival.
    Column("received_at", UtcDateTime, nullable=False),
    Column("last_received_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),  # when this revision began to arrive
    Column("closes_at", UtcDateTime, nullable=False),  # when it is taken as complete unless more arrives
    Column(
        "steps", String(16)
    ),  # what its performed procedure steps say of its end: db.closing.Steps; null: none known
    Column("withdrawing", Boolean),  # true: the next result takes back what was said before
    Column("withdrawal_cause", String(16)),  # db.causes.Cause, and the reason to show, while it is withdrawing
    Column("withdrawal_reason", Text),
    Column("rejections", Boolean),  # true: Instances of it that have not come are rejected already
    Column("amending", Text),  # why the current result has to be reported anew; a job does it, and clears this
    Column("read_at", UtcDateTime),  # when somebody reported on it; null: it is on the worklist
    Column("read_how", Text),
    Column("doubt", Text, nullable=False, server_default=text("''")),  # why its patient may not be whom a message means
    # Removed by retention (db.retention): the Instances; all but the audit trail. Null: nothing of it.
    Column("images_removed_at", UtcDateTime),
    Column("removed_at", UtcDateTime),
    Column("conflict", Text, nullable=False),  # why a person has to decide; empty for almost all
    # Priority: db.priority.Priority values.
    Column("order_priority", Integer, nullable=False),
    Column("ai_priority", Integer),
    Column("person_priority", Integer),
    Column("due_at", UtcDateTime, nullable=False),
    # Of the agent's own work on it, where that is another time than when it should be read; null: it is not.
    Column("work_due_at", UtcDateTime),
    # When it would have come at its sender's pace; null: it does not count in that, as an order raised it.
    Column("paced_at", UtcDateTime),
    # The last concluded outcome, kept while a new revision is worked on.
    Column("outcome", String(16)),
    Column("reason", Text, nullable=False),
    Column("probability", Float),
    Column("concluded_at", UtcDateTime),
    Index("ix_study_due_at", "due_at", "id"),
    # What is open, a few of all: these cost nothing as the rest grows, and what asks for them says their condition.
    Index("ix_study_unread", "due_at", "id", sqlite_where=_UNREAD, postgresql_where=_UNREAD_POSTGRESQL),
    Index("ix_study_withdrawing", "id", sqlite_where=text("withdrawing = 1"), postgresql_where=text("withdrawing")),
    Index("ix_study_amending", "id", sqlite_where=_AMENDING, postgresql_where=_AMENDING),
    Index("ix_study_conflict", "id", sqlite_where=_CONFLICT, postgresql_where=_CONFLICT),
    Index("ix_study_read", "read_at", "id", sqlite_where=_READ, postgresql_where=_READ),  # what was read, the latest
    Index("ix_study_undecided", "due_at", "id", sqlite_where=_UNDECIDED, postgresql_where=_UNDECIDED),
    Index("ix_study_pace", "calling_ae_title", "order_priority", "paced_at"),
    # What archives are asked by: see db.archive.
    Index("ix_study_patient_id", "patient_id"),
    Index("ix_study_accession_number", "accession_number"),
    Index("ix_study_study_date", "study_date", "id"),
    Index("ix_study_state_closes_at", "state", "closes_at"),
)

instance = Table(
    "instance",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("series_instance_uid", String(UID), nullable=False),
    Column("sop_instance_uid", String(UID), nullable=False),
    Column("sop_class_uid", String(UID), nullable=False),
    Column("transfer_syntax_uid", String(UID), nullable=False),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("role", String(16), nullable=False),
    Column("is_image", Boolean, nullable=False),
    Column("calling_ae_title", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column(
        "analysis_revision", Integer
    ),  # the study revision for which this candidate needs an image result; null: none
    # What queries about Series and Instances ask for; "" and 0 where the Instance does not say. number_of_frames is 0
    # where none of these was ever read: the Instance came before there were such columns.
    *(Column(name, Text, nullable=False, server_default=text("''")) for name in INSTANCE_TEXTS),
    *(Column(name, Integer, nullable=False, server_default="0") for name in INSTANCE_NUMBERS),
    Column("performed_step_uid", String(UID)),  # of the performed procedure step that it says made it
    # What is poor about it: text that is not valid in its declared character set; a SOP Class that no one knows.
    Column("misread_text", Boolean, nullable=False, server_default=text("false")),
    Column("unknown_class", Boolean, nullable=False, server_default=text("false")),
    Column("withdrawn", Text),  # why this candidate does not count; null: it counts
    Column("removed_at", UtcDateTime),  # when retention removed its file; null: it is here
    Column("withdrawn_how", String(16)),  # db.causes.How; null, too, of what was withdrawn before there was this column
    Index("ix_instance_study_id", "study_id"),
    Index("ix_instance_sop_instance_uid", "sop_instance_uid"),
)

image_result = Table(
    "image_result",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("instance_id", ForeignKey("instance.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("is_lateral", Boolean, nullable=False),
    Column("score", Float),
    Column("probability", Float),
    Column("heat_map", LargeBinary),  # PNG, 8-bit grey, the model's input geometry
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("threshold", Float),  # of the operating point at which it was judged
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime, nullable=False),
    UniqueConstraint("instance_id", "revision"),
)

result = Table(
    "result",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("probability", Float),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("model_sha256", String(64), nullable=False),
    Column("operating_point", Text, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("device_uid", String(UID), nullable=False),
    Column("analysed_at", UtcDateTime, nullable=False),
    Column("concluded_at", UtcDateTime, nullable=False),
    Column("withdrawal_cause", String(16)),  # why earlier results were taken back with this one: db.causes.Cause
    Column("withdrawal_reason", Text),
    Column("reader_finding", String(16)),  # what a reader who disagrees sees, where reports are to say so: db.feedback
    UniqueConstraint("study_id", "revision"),
    Index("ix_result_device_uid", "device_uid"),
)

report = Table(
    "report",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("result_id", ForeignKey("result.id"), nullable=False),
    Column("kind", Text, nullable=False),  # its name in the configuration
    Column("version", Integer, nullable=False),
    Column("media_type", Text, nullable=False),
    # Null until rendered, once, before the first send; never changed afterwards. The UIDs: of a DICOM object only.
    Column("identifier", Text, unique=True),  # a DICOM object's SOP Instance UID; see agent.reports for the others
    Column("sop_class_uid", String(UID)),
    Column("sop_instance_uid", String(UID), unique=True),
    Column("series_instance_uid", String(UID)),
    Column("sha256", String(64)),
    Column("path", Text),
    Column("size", BigInteger),
    Column("rendered_at", UtcDateTime),
    Column("fall_back", Integer, nullable=False, server_default="0"),  # how many forms of it its destination refused
    Column("rejects", Boolean, nullable=False, server_default=text("false")),  # a rejection note, of one destination
    UniqueConstraint("result_id", "kind", "version"),
    Index("ix_report_sha256", "sha256"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    # Of a report or of a received Instance: exactly one of the two.
    Column("report_id", ForeignKey("report.id")),
    Column("instance_id", ForeignKey("instance.id")),
    Column("destination", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("acknowledged_at", UtcDateTime),
    # Of a report only: see db.confirmation.
    Column("stored_at", UtcDateTime),  # when the destination said that it has it
    Column("confirmation", Text, nullable=False, server_default=text("''")),  # how it was seen to have it
    # Of an Instance only: written by db.forwarding.
    Column("rule", Text),  # the names of the rules that forward it
    Column("on_outcomes", Text),  # which let it go, joined by spaces; empty: at once
    Column("not_before", UtcDateTime),  # when it is tried again
    Column("sent_at", UtcDateTime),  # when its bytes were first being sent: the destination may have them since
    CheckConstraint("(report_id IS NULL) = (instance_id IS NOT NULL)", name="of_one_thing"),
    UniqueConstraint("report_id", "destination"),
    UniqueConstraint("instance_id", "destination"),
    Index("ix_delivery_state", "state", "updated_at"),
)

study_event = Table(
    "study_event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("event", String(32), nullable=False),
    Column("from_state", String(16), nullable=False),
    Column("to_state", String(16), nullable=False),
    Column("revision", Integer, nullable=False),  # after the event
    Column("actor", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_study_event_study_id", "study_id", "id"),
)
