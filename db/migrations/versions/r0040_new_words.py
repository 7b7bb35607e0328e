"""Words of studies that no study had before, until they are taken apart: behind the image that brought them."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_WORD = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table, empty: all words on record are taken apart."""
    op.create_table(
        "new_word",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("word", _WORD, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_new_word")),
    )
