"""Which open associations bring which studies, for receivers of several processes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; nothing that is there changes."""
    op.create_table(
        "association_study",
        sa.Column("association_id", sa.String(length=32), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_association_study_study_id_study")),
        sa.PrimaryKeyConstraint("association_id", "study_id", name=op.f("pk_association_study")),
    )
    op.create_index("ix_association_study_study_id", "association_study", ["study_id"], unique=False)
    op.create_index("ix_association_study_opened_at", "association_study", ["opened_at"], unique=False)
