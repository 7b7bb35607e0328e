"""Studies that wait for a person to say whose they are: an index that holds no others."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_UNDECIDED = sa.text("conflict <> '' OR doubt <> ''")


def upgrade() -> None:
    """Create the index."""
    op.create_index(
        "ix_study_undecided", "study", ["due_at", "id"], sqlite_where=_UNDECIDED, postgresql_where=_UNDECIDED
    )
