"""At which threshold an image was judged: a result speaks for one operating point."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of images judged before it is not known."""
    op.add_column("image_result", sa.Column("threshold", sa.Float(), nullable=True))
