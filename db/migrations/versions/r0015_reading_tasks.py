"""Reading tasks: Unified Procedure Steps, who is told of them, and what is still to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables; nothing that is there changes."""
    op.create_table(
        "workitem",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=True),
        sa.Column("performer", sa.Text(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_workitem_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workitem")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_workitem_sop_instance_uid")),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_workitem_study_id_number")),
    )
    op.create_index("ix_workitem_state", "workitem", ["state"], unique=False)
    op.create_index(
        "uq_workitem_open",
        "workitem",
        ["study_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('SCHEDULED', 'IN PROGRESS')"),
        postgresql_where=sa.text("state IN ('SCHEDULED', 'IN PROGRESS')"),
    )
    op.create_table(
        "workitem_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("workitem_id", sa.Integer(), nullable=False),
        sa.Column("receiving_ae", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("match_keys", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["workitem_id"], ["workitem.id"], name=op.f("fk_workitem_event_workitem_id_workitem")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workitem_event")),
    )
    op.create_index("ix_workitem_event_receiving_ae", "workitem_event", ["receiving_ae", "state", "id"], unique=False)
    op.create_table(
        "workitem_subscription",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("receiving_ae", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("workitem_id", sa.Integer(), nullable=True),
        sa.Column("is_subscribed", sa.Boolean(), nullable=False),
        sa.Column("deletion_lock", sa.Boolean(), nullable=False),
        sa.Column("match_keys", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workitem_id"], ["workitem.id"], name=op.f("fk_workitem_subscription_workitem_id_workitem")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workitem_subscription")),
        sa.UniqueConstraint(
            "receiving_ae", "workitem_id", name=op.f("uq_workitem_subscription_receiving_ae_workitem_id")
        ),
    )
    op.create_index("ix_workitem_subscription_workitem_id", "workitem_subscription", ["workitem_id"], unique=False)
    op.create_index(
        "uq_workitem_subscription_global",
        "workitem_subscription",
        ["receiving_ae"],
        unique=True,
        sqlite_where=sa.text("workitem_id IS NULL"),
        postgresql_where=sa.text("workitem_id IS NULL"),
    )
