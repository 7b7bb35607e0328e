"""Which of the objects that a performed procedure step names are radiographs."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; nothing is missed of steps that were on record before."""
    op.add_column(
        "performed_step_instance",
        sa.Column("is_radiograph", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
