"""Beside the revision: the oldest version that goes on working on this schema, for an upgrade host by host."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column to Alembic's own table; `db.migrate` writes it after every upgrade."""
    op.add_column("alembic_version", sa.Column("works_from", sa.String(length=32), nullable=True))
