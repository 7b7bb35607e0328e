"""Studies that were fetched as priors, of which nothing else has come."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; what is there is no prior."""
    op.add_column("study", sa.Column("prior_only", sa.Boolean(), server_default=sa.text("false"), nullable=False))
