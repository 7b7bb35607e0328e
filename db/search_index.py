"""What studies are found by, kept true: whoever changes a study's name or description calls this, as the last thing.

Last, because on PostgreSQL a lock is taken here that who removes words waits for: nothing is waited for with it. A word
that no study has any more is forgotten with the study that had it last, for it may be somebody's name.
"""

from typing import Final

from sqlalchemy import ARRAY, Connection, Table, bindparam, delete, func, insert, select, text
from sqlalchemy.dialects import sqlite

from db.prepared import Prepared
from db.schema.domain import study
from db.schema.search import study_word, word_part
from db.search_words import parts_of, words_of

SEARCHED: Final = ("patient_name", "study_description")
"""The columns of a study whose words it is found by."""

_HAS: Final = Prepared(sqlite.insert(study_word).on_conflict_do_nothing())
_KNOWN: Final = Prepared(
    select(word_part.c.id).where(word_part.c.part == bindparam("whole"), word_part.c.word == bindparam("word"))
)
_PART: Final = Prepared(insert(word_part))

_STUDIES_AT_ONCE: Final = 1000
_LOCK: Final = "hashtextextended('words', 0)"
_TOGETHER: Final = text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")
_ALONE: Final = text(f"SELECT pg_advisory_xact_lock({_LOCK})")
_AT_ONCE: Final = text(
    'WITH given AS (SELECT unnest(CAST(:words AS text[])) COLLATE "C" AS word), '
    "had AS (INSERT INTO study_word (study_id, word) SELECT :which, word FROM given ON CONFLICT DO NOTHING) "
    "INSERT INTO word_part (part, word) "
    "SELECT substr(given.word, start), given.word FROM given, generate_series(1, length(given.word)) AS start "
    "WHERE NOT EXISTS (SELECT 1 FROM word_part WHERE part = given.word AND word_part.word = given.word)"
)


def learn(connection: Connection, study_id: int, *texts: str) -> None:
    """Let a study be found by the words of its texts, too: all of it if it is new."""
    words = words_of(*texts)
    if not words:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_TOGETHER)
        connection.execute(_AT_ONCE, {"which": study_id, "words": list(words)})
        return
    for word in words:
        _HAS.run(connection, {"study_id": study_id, "word": word})
        if not _KNOWN.rows(connection, {"whole": word, "word": word}):
            for part in parts_of(word):
                _PART.run(connection, {"part": part, "word": word})


def learn_anew(connection: Connection, study_id: int) -> None:
    """Let a study be found by what its row says now, and no longer by what it said."""
    row = connection.execute(select(*(study.c[name] for name in SEARCHED)).where(study.c.id == study_id)).one()
    before = set(connection.scalars(select(study_word.c.word).where(study_word.c.study_id == study_id)))
    if gone := sorted(before.difference(words_of(*row))):
        _forget(connection, study_id, gone)
    learn(connection, study_id, *row)


def learn_all(connection: Connection) -> None:
    """Let all studies be found that were on record before there were words; it takes some minutes for a million."""
    known: set[str] = set()
    last = 0
    query = select(study.c.id, *(study.c[name] for name in SEARCHED)).order_by(study.c.id).limit(_STUDIES_AT_ONCE)
    while rows := connection.execute(query.where(study.c.id > last)).all():
        last = rows[-1].id
        found = {row.id: words_of(*row[1:]) for row in rows}
        new = sorted({word for words in found.values() for word in words} - known)
        known.update(new)
        if new:
            _insert(connection, word_part, "part", "word", [(part, word) for word in new for part in parts_of(word)])
        if of_studies := [(number, word) for number, words in found.items() for word in words]:
            _insert(connection, study_word, "study_id", "word", of_studies)


def _insert(connection: Connection, table: Table, one: str, other: str, rows: list[tuple[object, str]]) -> None:
    if connection.dialect.name == "postgresql":  # in one statement: each row as one would take ten times as long
        columns = [
            func.unnest(bindparam(name, [row[place] for row in rows], ARRAY(table.c[name].type)))
            for place, name in enumerate((one, other))
        ]
        connection.execute(insert(table).from_select([one, other], select(*columns)))
        return
    connection.execute(insert(table), [{one: row[0], other: row[1]} for row in rows])


def _forget(connection: Connection, study_id: int, words: list[str]) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_ALONE)  # whoever was learning one of the words has committed that it is still needed
    connection.execute(delete(study_word).where(study_word.c.study_id == study_id, study_word.c.word.in_(words)))
    for word in words:
        if connection.execute(select(study_word.c.word).where(study_word.c.word == word).limit(1)).first() is None:
            parts = word_part.c.part.in_(parts_of(word))
            connection.execute(delete(word_part).where(parts, word_part.c.word == word))
