"""What studies are found by: the words of their names and descriptions; and the order in which they were read."""

import sqlalchemy as sa
from alembic import op

from db.search_index import learn_all

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

_WORD = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables and learn the words of all studies on record: of a million in some minutes."""
    op.create_table(
        "study_word",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("word", _WORD, nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_study_word_study_id_study")),
        sa.PrimaryKeyConstraint("study_id", "word", name=op.f("pk_study_word")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "word_part",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("part", _WORD, nullable=False),
        sa.Column("word", _WORD, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_word_part")),
    )
    learn_all(op.get_bind())
    op.create_index("ix_study_word_word", "study_word", ["word", "study_id"])
    op.create_index("ix_word_part_part", "word_part", ["part", "word"])
    _index("ix_study_read", ["read_at", "id"], "read_at IS NOT NULL")
    _index("ix_study_conflict", ["id"], "conflict <> ''")


def _index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "study", columns, sqlite_where=where, postgresql_where=where)
