"""What else a reader sees, by a code of a short list."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nobody has said anything so yet."""
    op.add_column("feedback", sa.Column("also", sa.String(length=24), server_default=sa.text("''"), nullable=False))
