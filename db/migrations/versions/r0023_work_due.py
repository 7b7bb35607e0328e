"""By when the agent's own work on a study is due, and how far its sender's pace has come."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns; of studies on record before, the work is due when they are, and no sender has a pace yet."""
    op.add_column("study", sa.Column("work_due_at", sa.DateTime(timezone=True)))
    op.add_column("study", sa.Column("paced_at", sa.DateTime(timezone=True)))
    op.create_index("ix_study_pace", "study", ["calling_ae_title", "order_priority", "paced_at"])
