"""What studies are found by, kept true: whoever changes a study's name or description calls this, as the last thing.

Last, because on PostgreSQL a lock is taken here that who removes words waits for: nothing is waited for with it. A word
that no study has any more is forgotten with the study that had it last, for it may be somebody's name.

A word that no study had before is noted, no more: its endings belong to as many places of a large index as it has
letters, and an image waits for its commit. They are written a moment later, those of several words together
(`take_apart`); meanwhile each new word is looked at by whoever searches.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ARRAY, Connection, Table, and_, bindparam, delete, exists, func, insert, select, text
from sqlalchemy.dialects import sqlite

from db.database import Database
from db.prepared import Prepared
from db.schema.domain import study
from db.schema.search import new_word, study_word, word_part
from db.search_words import parts_of, words_of

SEARCHED: Final = ("patient_name", "study_description")
"""The columns of a study whose words it is found by."""

_HAS: Final = Prepared(sqlite.insert(study_word).on_conflict_do_nothing())
_HAD: Final = Prepared(select(study_word.c.study_id).where(study_word.c.word == bindparam("sought")).limit(1))
_NEW: Final = Prepared(insert(new_word))

_WORDS_AT_ONCE: Final = 100
_STUDIES_AT_ONCE: Final = 1000
_LOCK: Final = "hashtextextended('words', 0)"
_TOGETHER: Final = text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")
_ALONE: Final = text(f"SELECT pg_advisory_xact_lock({_LOCK})")
_AT_ONCE: Final = text(
    'WITH given AS (SELECT unnest(CAST(:words AS text[])) COLLATE "C" AS word), '
    "had AS (INSERT INTO study_word (study_id, word) SELECT :which, word FROM given ON CONFLICT DO NOTHING) "
    "INSERT INTO new_word (word) "
    "SELECT word FROM given WHERE NOT EXISTS (SELECT 1 FROM study_word WHERE study_word.word = given.word)"
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
        if not _HAD.rows(connection, {"sought": word}):
            _NEW.run(connection, {"word": word})
        _HAS.run(connection, {"study_id": study_id, "word": word})


def learn_anew(connection: Connection, study_id: int) -> None:
    """Let a study be found by what its row says now, and no longer by what it said."""
    row = connection.execute(select(*(study.c[name] for name in SEARCHED)).where(study.c.id == study_id)).one()
    before = set(connection.scalars(select(study_word.c.word).where(study_word.c.study_id == study_id)))
    if gone := sorted(before.difference(words_of(*row))):
        _forget(connection, study_id, gone)
    learn(connection, study_id, *row)


def take_apart(database: Database) -> None:
    """Let new words be found by index. Safe to run twice, anywhere, and to miss: search is slower then."""
    with database.read() as connection:
        waiting = connection.execute(select(func.count()).select_from(new_word)).scalar_one()
    for _ in range(0, waiting, _WORDS_AT_ONCE):
        with database.begin_lightly() as connection:
            _take_apart(connection)


def _take_apart(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_TOGETHER)  # who forgets a word waits, and then removes what was written here
    # An agent of the version before takes words apart itself, and forgets them without looking here
    is_apart = exists().where(word_part.c.part == new_word.c.word, word_part.c.word == new_word.c.word)
    is_needed = exists().where(study_word.c.word == new_word.c.word)
    oldest = select(new_word, and_(is_needed, ~is_apart).label("counts")).order_by(new_word.c.id).limit(_WORDS_AT_ONCE)
    noted = connection.execute(oldest).all()
    ours = delete(new_word).where(new_word.c.id.in_([one.id for one in noted])).returning(new_word.c.id)
    ids = set(connection.scalars(ours))  # and not those that another one takes at this moment
    words = {one.word for one in noted if one.counts and one.id in ids}
    if rows := sorted((part, word) for word in words for part in parts_of(word)):  # in order, side by side in the index
        _insert(connection, word_part, "part", "word", rows)


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


def _insert(connection: Connection, table: Table, one: str, other: str, rows: Sequence[tuple[object, str]]) -> None:
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
            connection.execute(delete(new_word).where(new_word.c.word == word))
