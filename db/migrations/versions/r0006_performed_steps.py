"""Performed procedure steps of modalities, and the images that they withdraw."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and add the columns: null in every row that is there."""
    op.create_table(
        "performed_step",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason_code", sa.String(length=16), nullable=False),
        sa.Column("calling_ae_title", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_performed_step")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_performed_step_sop_instance_uid")),
    )
    _create_reference("study", "study_instance_uid")
    _create_reference("instance", "sop_instance_uid")
    op.create_index(
        "ix_performed_step_study_study_instance_uid", "performed_step_study", ["study_instance_uid"], unique=False
    )
    op.add_column("study", sa.Column("steps", sa.String(length=16), nullable=True))
    op.add_column("study", sa.Column("withdrawing", sa.Boolean(), nullable=True))
    op.add_column("instance", sa.Column("performed_step_uid", sa.String(length=64), nullable=True))
    op.add_column("instance", sa.Column("withdrawn", sa.Text(), nullable=True))


def _create_reference(name: str, uid: str) -> None:
    table = f"performed_step_{name}"
    op.create_table(
        table,
        sa.Column("step_id", sa.Integer(), nullable=False),
        sa.Column(uid, sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["step_id"], ["performed_step.id"], name=op.f(f"fk_{table}_step_id_performed_step")),
        sa.PrimaryKeyConstraint("step_id", uid, name=op.f(f"pk_{table}")),
    )
