"""The tables of the delivery ledger: every attempt, what was asked to confirm it, and which destinations rest."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from db.metadata import metadata
from db.types import UID, UtcDateTime

delivery_attempt = Table(
    "delivery_attempt",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("delivery_id", ForeignKey("delivery.id"), nullable=False),
    Column("number", Integer, nullable=False),  # 1 for the first; goes on when a person requeues
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),  # null: on its way, or its process died and nobody has noticed yet
    Column("ending", String(16)),  # db.delivery_attempt.Ending; null as long as ended_at is
    Column("status", Text, nullable=False),  # the receiver's, as 0000, B000, AA, HTTP 409; empty if it gave none
    Column("reply", Text, nullable=False),  # what it added or what went wrong; never anything of the patient
    Column("sha256", String(64), nullable=False),  # of what was sent
    UniqueConstraint("delivery_id", "number"),
)

commitment_asked = Table(  # of a PACS, for what we stored there (PS3.4 annex J): any process may take its answer
    "commitment_asked",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("delivery_id", ForeignKey("delivery.id"), nullable=False),
    Column("transaction_uid", String(UID), nullable=False, unique=True),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("failure_reason", Integer),  # (0008,1197), 0 for committed; null until answered
    Index("ix_commitment_asked_delivery_id", "delivery_id"),
)

destination_rest = Table(  # a destination that failed several times in a row is left alone until it answers a ping
    "destination_rest",
    metadata,
    Column("destination", String(32), primary_key=True),
    Column("state", String(16), nullable=False),  # db.breaker.BreakerState
    Column("failures", Integer, nullable=False),  # of its own fault, in a row
    Column("probes", Integer, nullable=False),  # unanswered since it was opened
    Column("reason", Text, nullable=False),
    Column("opened_at", UtcDateTime),
    Column(
        "probe_at", UtcDateTime
    ),  # when it is asked next; of a half-open one: when the process that asks is given up
    Column("updated_at", UtcDateTime, nullable=False),
)

alert = (
    Table(  # what those who look after this have been told stands wrong; gone when they have been told that it is over
        "alert",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("trouble", String(16), nullable=False),  # db.trouble.Trouble
        Column("destination", String(32), nullable=False),  # whose: a destination, a tick or a disk
        Column("channel", String(32), nullable=False),  # the destination that carries the alert
        Column("token", String(32), nullable=False),  # from this the identifiers of its messages derive
        Column("told", Integer, nullable=False),  # how often
        Column(
            "told_at", UtcDateTime
        ),  # last; null: it may have been, by a process that died or a connection that broke
        Column("claimed_until", UtcDateTime),  # a process tells it; a later one does if it has not by then
        UniqueConstraint("trouble", "destination", "channel"),
    )
)
