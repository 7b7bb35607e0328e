"""Reading: who has a study before them, what readers did and took back, and what they thought of the AI's results."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_IS_ASSIGNED = sa.text("assigned_to <> ''")


def upgrade() -> None:
    """Create the tables; nobody has done anything yet."""
    op.create_table(
        "study_reading",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("reader_name", sa.Text(), nullable=False),
        sa.Column("reader_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reader_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assigned_to", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_study_reading_study_id_study")),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_study_reading")),
    )
    op.create_index(
        "ix_study_reading_assigned_to",
        "study_reading",
        ["assigned_to"],
        sqlite_where=_IS_ASSIGNED,
        postgresql_where=_IS_ASSIGNED,
    )
    op.create_table(
        "reading_act",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_reading_act_study_id_study")),
        sa.ForeignKeyConstraint(["undoes"], ["reading_act.id"], name=op.f("fk_reading_act_undoes_reading_act")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reading_act")),
        sa.UniqueConstraint("undoes", name=op.f("uq_reading_act_undoes")),
    )
    op.create_index("ix_reading_act_study_id", "reading_act", ["study_id", "id"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("act_id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("agrees", sa.Boolean(), nullable=False),
        sa.Column("finding", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("finding_text", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("probability", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.String(length=64), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["act_id"], ["reading_act.id"], name=op.f("fk_feedback_act_id_reading_act")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_feedback_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("act_id", name=op.f("uq_feedback_act_id")),
    )
    op.create_index("ix_feedback_at", "feedback", ["at", "id"])
    op.create_index("ix_feedback_study_id", "feedback", ["study_id", "id"])
