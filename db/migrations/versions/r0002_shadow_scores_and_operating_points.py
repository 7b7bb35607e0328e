"""A second model's scores, and the operating points that a site made its own."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the two tables; nothing that is there changes."""
    _create_shadow_score()
    _create_operating_point()


def _create_shadow_score() -> None:
    op.create_table(
        "shadow_score",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("instance_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("is_flagged", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(reason = '') = (score IS NOT NULL AND probability IS NOT NULL AND is_flagged IS NOT NULL)",
            name=op.f("ck_shadow_score_scored"),
        ),
        sa.ForeignKeyConstraint(["instance_id"], ["instance.id"], name=op.f("fk_shadow_score_instance_id_instance")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_score")),
        sa.UniqueConstraint("instance_id", "model_sha256", name=op.f("uq_shadow_score_instance_id_model_sha256")),
    )
    op.create_index("ix_shadow_score_model_sha256", "shadow_score", ["model_sha256"], unique=False)


def _create_operating_point() -> None:
    op.create_table(
        "operating_point",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("activated_by", sa.Text(), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deactivated_by", sa.Text(), nullable=True),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(deactivated_at IS NULL) = (deactivated_by IS NULL)", name=op.f("ck_operating_point_deactivated")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operating_point")),
    )
    op.create_index(
        "uq_operating_point_active",
        "operating_point",
        ["model_sha256"],
        unique=True,
        sqlite_where=sa.text("deactivated_at IS NULL"),
        postgresql_where=sa.text("deactivated_at IS NULL"),
    )
