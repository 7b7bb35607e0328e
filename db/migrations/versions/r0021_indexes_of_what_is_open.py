"""Indexes of what is open, and in the order in which it is asked for: nothing that is asked often reads it all."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_POSTGRESQL = {
    "ix_study_unread": "NOT prior_only AND read_at IS NULL",
    "ix_study_withdrawing": "withdrawing",
    "ix_study_amending": "amending IS NOT NULL",
}
_SQLITE = _POSTGRESQL | {
    "ix_study_unread": "prior_only = 0 AND read_at IS NULL",
    "ix_study_withdrawing": "withdrawing = 1",
}


def upgrade() -> None:
    """Create them: a second or two with a million studies, in which PostgreSQL lets nobody write to the table."""
    for name, condition in _POSTGRESQL.items():
        op.create_index(
            name,
            "study",
            ["due_at", "id"] if name == "ix_study_unread" else ["id"],
            sqlite_where=sa.text(_SQLITE[name]),
            postgresql_where=sa.text(condition),
        )
    op.drop_index("ix_study_study_date", "study")
    op.create_index("ix_study_study_date", "study", ["study_date", "id"])
    op.drop_index("ix_delivery_state", "delivery")
    op.create_index("ix_delivery_state", "delivery", ["state", "updated_at"])
