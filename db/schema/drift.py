"""The tables of the watch on drift: what images looked like, what was made of that, and which alarms stand."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text

from db.metadata import metadata
from db.types import UtcDateTime

NUMBER = BigInteger().with_variant(Integer, "sqlite")

drift_sample = (
    Table(  # one row for each image that came to the gate; it names no image, study or patient, and can tell none
        "drift_sample",
        metadata,
        Column("id", NUMBER, primary_key=True),
        Column("at", UtcDateTime, nullable=False),
        Column("model_sha256", String(64), nullable=False),
        Column("outcome", String(16), nullable=False),  # as the model said, also while triage is off
        Column("decline_group", Text, nullable=False),  # of one that was declined: the kind of reason
        Column("score", Float),  # the raw logit
        Column("view", Text, nullable=False),
        Column("manufacturer", Text, nullable=False),
        Column("age_band", Text, nullable=False),
        Column("sex", Text, nullable=False),
        Column("mean_gray", Float),  # of what the network saw, as in the card's reference
        Column("contrast", Float),
        Column("sharpness", Float),
        Index("ix_drift_sample_at", "at"),
    )
)

drift_report = Table(  # what was made of them last, for each span of time
    "drift_report",
    metadata,
    Column("span", String(16), primary_key=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("content", Text, nullable=False),  # agent.watch.drift, as JSON
)

drift_alarm = Table(  # what lies beyond its limit now
    "drift_alarm",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
)
