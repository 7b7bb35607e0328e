"""Reports in another SOP Class, for a destination that refused the first."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; what is there is in its first form."""
    op.add_column("report", sa.Column("fall_back", sa.Integer(), server_default="0", nullable=False))
