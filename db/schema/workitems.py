"""The tables of reading tasks (Unified Procedure Steps, PS3.4 CC), of who is told of them, and of what is told."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from db.metadata import metadata
from db.types import UID, UtcDateTime

_IS_OPEN = text("state IN ('SCHEDULED', 'IN PROGRESS')")
_IS_GLOBAL = text("workitem_id IS NULL")

workitem = Table(
    "workitem",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sop_instance_uid", String(UID), nullable=False, unique=True),
    Column("study_id", ForeignKey("study.id"), nullable=False),
    Column("number", Integer, nullable=False),  # of the study's tasks: a study that changes after it was read has more
    Column("revision", Integer, nullable=False),  # the study's, when the task was made or last confirmed
    Column("state", String(16), nullable=False),  # db.workitem_states.WorkitemState
    Column("transaction_uid", String(UID)),  # of who holds the task: the lock (PS3.4 CC.1.1)
    Column("performer", Text, nullable=False),  # its AE title, or the name of its token
    Column("scheduled_at", UtcDateTime, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("cancel_requested_at", UtcDateTime),  # while somebody held it
    Column("reason", Text, nullable=False),  # why it was cancelled, in this agent's words
    Column("said", Text, nullable=False),  # what its performer says of it: attributes in the DICOM JSON Model
    UniqueConstraint("study_id", "number"),
    Index("uq_workitem_open", "study_id", unique=True, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
    Index("ix_workitem_state", "state"),
)

workitem_subscription = Table(
    "workitem_subscription",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("receiving_ae", Text, nullable=False),
    Column("channel", String(8), nullable=False),  # db.subscriptions.Channel
    Column("workitem_id", ForeignKey("workitem.id")),  # null: all of them
    Column("is_subscribed", Boolean, nullable=False),  # false, of one task: not of this one, whatever is said of all
    Column("deletion_lock", Boolean, nullable=False),
    Column("match_keys", Text),  # of all tasks: which, as match keys in the DICOM JSON Model; null: every one
    Column("created_at", UtcDateTime, nullable=False),
    Column("suspended_at", UtcDateTime),  # of all tasks: not of those that came later
    UniqueConstraint("receiving_ae", "workitem_id"),
    Index(
        "uq_workitem_subscription_global",
        "receiving_ae",
        unique=True,
        sqlite_where=_IS_GLOBAL,
        postgresql_where=_IS_GLOBAL,
    ),
    Index("ix_workitem_subscription_workitem_id", "workitem_id"),
)

workitem_event = Table(
    "workitem_event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("workitem_id", ForeignKey("workitem.id"), nullable=False),
    Column("receiving_ae", Text, nullable=False),
    Column("channel", String(8), nullable=False),
    Column("kind", Integer, nullable=False),  # Event Type ID (PS3.4 CC.2.4): db.subscriptions.EventType
    Column("content", Text, nullable=False),  # its facts, as JSON
    Column("match_keys", Text),  # it is sent only if the task matches these
    Column("state", String(16), nullable=False),  # db.delivery_state.DeliveryState
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("acknowledged_at", UtcDateTime),
    Index("ix_workitem_event_receiving_ae", "receiving_ae", "state", "id"),
)

event_channel = Table(
    "event_channel",
    metadata,
    Column("receiving_ae", Text, primary_key=True),
    Column("holder", String(32), nullable=False),  # its latest WebSocket: an earlier one is told nothing more
    Column("opened_at", UtcDateTime, nullable=False),
)
