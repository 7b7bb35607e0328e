"""The audit trail, where it is handed over to, and what has not been handed over yet."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS = ("person", "role", "source", "counterpart")
_INDEXES = ("person", "event", "study_instance_uid", "patient_id")


def upgrade() -> None:
    """Create the tables; the trail begins now, beside what each study's own events say of the past."""
    op.create_table(
        "audit_event",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("action", sa.String(length=1), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    op.create_index("ix_audit_event_at", "audit_event", ["at", "id"])
    for name in _INDEXES:
        op.create_index(f"ix_audit_event_{name}", "audit_event", [name, "at", "id"])
    op.create_table(
        "audit_sink",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handed_over_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_sink")),
    )
    op.create_table(
        "audit_outbox",
        sa.Column("sink", sa.String(length=16), nullable=False),
        sa.Column("audit_event_id", _NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["sink"], ["audit_sink.name"], name=op.f("fk_audit_outbox_sink_audit_sink")),
        sa.ForeignKeyConstraint(
            ["audit_event_id"], ["audit_event.id"], name=op.f("fk_audit_outbox_audit_event_id_audit_event")
        ),
        sa.PrimaryKeyConstraint("sink", "audit_event_id", name=op.f("pk_audit_outbox")),
    )
