"""Disks: how much room there is where store and database lie."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; nobody has looked."""
    op.create_table(
        "disk",
        sa.Column("place", sa.String(length=32), nullable=False),
        sa.Column("free_megabytes", sa.BigInteger(), nullable=False),
        sa.Column("low_megabytes", sa.BigInteger(), nullable=False),
        sa.Column("refused_megabytes", sa.BigInteger(), nullable=False),
        sa.Column("low_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_disk")),
    )
