"""Channels of events: the latest WebSocket of each subscriber, whichever process holds it."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; channels that are open are opened anew with the process."""
    op.create_table(
        "event_channel",
        sa.Column("receiving_ae", sa.Text(), nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("receiving_ae", name=op.f("pk_event_channel")),
    )
