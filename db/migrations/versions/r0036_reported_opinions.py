"""Readers who disagree may let reports say so: which opinions, and in which results."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; no report has said so yet."""
    op.add_column("result", sa.Column("reader_finding", sa.String(length=16), nullable=True))
    op.add_column("feedback", sa.Column("is_reported", sa.Boolean(), server_default=sa.text("false"), nullable=False))
