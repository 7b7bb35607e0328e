"""The tables by which studies are found: kept by db.search_index, in the transaction that changes the study."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table

from db.metadata import metadata
from db.search_words import LONGEST

WORD = String(LONGEST).with_variant(String(LONGEST, collation="C"), "postgresql")
"""In the order of code points, so that all that begin alike stand side by side."""

study_word = Table(
    "study_word",
    metadata,
    Column("study_id", ForeignKey("study.id"), primary_key=True),
    Column("word", WORD, primary_key=True),
    Index("ix_study_word_word", "word", "study_id"),
    sqlite_with_rowid=False,
)

new_word = Table(  # a word that no study had before, until db.search_index has taken it apart
    "new_word",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("word", WORD, nullable=False),
)

word_part = Table(  # of each other word that any study has
    "word_part",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("part", WORD, nullable=False),  # one of its endings: what is sought begins one of them
    Column("word", WORD, nullable=False),
    Index("ix_word_part_part", "part", "word"),
)
