"""What is poor about an Instance."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns; of what came before nothing is said."""
    for name in ("misread_text", "unknown_class"):
        op.add_column("instance", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False))
