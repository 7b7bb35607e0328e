"""Search: the studies that have what a person typed, the newest first, read or not. Reads only, by index.

Each word of what was typed has to be a part of a word of the patient's name or of the description, without accents and
case, in any order; or to be the whole Patient ID, Accession Number or Study Instance UID, as it stands there.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    and_,
    exists,
    false,
    func,
    or_,
    select,
    true,
    union_all,
)

from db.database import Database
from db.schema.domain import study
from db.schema.search import new_word, study_word, word_part
from db.search_words import behind, longest_first, sought
from db.worklist import WorklistRow, described

FEW: Final = 50_000
"""Of a word that more studies have, these are not gathered: the newest studies are asked whether they have it."""

LONGEST: Final = 200
"""Characters of what is typed that are looked at."""

_RARE: Final = 1000
_EXACT: Final = 1000
_AS_THEY_STAND: Final = (study.c.patient_id, study.c.accession_number, study.c.study_instance_uid)


@dataclass(frozen=True, slots=True)
class Found:
    """Studies that have it, the newest first; and behind which row there may be more, None if there are none."""

    rows: tuple[WorklistRow, ...]
    before: int | None


def search_studies(database: Database, typed: str, *, limit: int = 50, before: int | None = None) -> Found:
    """Return the studies that have what was typed, those that came before the row `before` if that is given."""
    with database.read() as connection:
        query = select(study).where(_has(connection, typed[:LONGEST]), study.c.removed_at.is_(None))
        if before is not None:
            query = query.where(study.c.id < before)
        rows = connection.execute(query.order_by(study.c.id.desc()).limit(limit + 1)).all()
        shown = rows[:limit]
        return Found(described(connection, shown), shown[-1].id if len(rows) > limit else None)


def narrowed(connection: Connection, texts: tuple[str, ...]) -> ColumnElement[bool] | None:
    """Return a condition that all studies fulfil whose name has all `texts` in it; None if it would not help.

    It leaves out none that has them, whatever its accents and case.
    """
    parts = longest_first(part for one in texts for part in sought(one))
    rarest = _rarest(connection, parts)
    return study.c.id.in_(_with(rarest)) if rarest else None


def _has(connection: Connection, typed: str) -> ColumnElement[bool]:
    pieces = typed.split()
    if not pieces:
        return false()
    found = and_(true(), *each) if (each := _each(connection, pieces)) else false()
    whole = _exactly(connection, typed.strip()) if len(pieces) > 1 else []
    return study.c.id.in_(union_all(select(study.c.id).where(found), _these(whole))) if whole else found


def _each(connection: Connection, pieces: list[str]) -> list[ColumnElement[bool]]:
    """Return what has to hold for each piece. The rarest word gathers the studies; of these the others are asked."""
    parts = {piece: sought(piece) for piece in pieces}
    rarest = _rarest(connection, longest_first({part for of_piece in parts.values() for part in of_piece}))
    conditions: list[ColumnElement[bool]] = []
    for piece in pieces:
        exact, others = _exactly(connection, piece), [part for part in parts[piece] if part != rarest]
        if rarest in parts[piece]:
            gathered: Select[Any] | CompoundSelect[Any] = _with(rarest, *others)
            conditions.append(study.c.id.in_(union_all(gathered, _these(exact)) if exact else gathered))
        elif parts[piece] or exact:  # else it is a dash, say: of no word, and nothing is sought by it
            words = [and_(*(_is_asked(study.c.id, part) for part in others))] if others else []
            conditions.append(or_(false(), *words, *([study.c.id.in_(exact)] if exact else [])))
    return conditions


def _rarest(connection: Connection, parts: list[str]) -> str:
    """Return the part that the fewest words of studies have, or the first that is rare; "" if all are frequent."""
    fewest, found = FEW, ""
    for part in parts:
        if (number := _number(connection, part)) < fewest:
            fewest, found = number, part
        if fewest < _RARE:
            break
    return found


def _exactly(connection: Connection, text: str) -> list[int]:
    """Return the studies that have it, as it stands, as their ID, accession number or UID."""
    queries = (
        select(study.c.id).where(column.in_([text, text.upper()])).order_by(study.c.id.desc()).limit(_EXACT)
        for column in _AS_THEY_STAND
    )
    return sorted({found for query in queries for found in connection.scalars(query)})


def _these(ids: list[int]) -> Select[Any]:
    return select(study.c.id).where(study.c.id.in_(ids))


def _with(part: str, *others: str) -> Select[Any]:
    """Return the studies with a word of which `part` is a part, row by row; of these, those that have the others."""
    words = union_all(
        select(word_part.c.word).where(word_part.c.part >= part, word_part.c.part < behind(part)),
        select(new_word.c.word).where(new_word.c.word.contains(part, autoescape=True)),
    )
    asked = (_is_asked(study_word.c.study_id, other) for other in others)
    return select(study_word.c.study_id).where(study_word.c.word.in_(words), *asked)


def _is_asked(study_id: ColumnElement[int], part: str) -> ColumnElement[bool]:
    """Return the condition that a study has such a word, to be asked of one study after another."""
    own = study_word.alias()
    return exists().where(own.c.study_id == study_id, own.c.word.contains(part, autoescape=True))


def _number(connection: Connection, part: str) -> int:
    """Return how many words of studies have it, or that there are `FEW` or more, as of every single letter."""
    if len(part) == 1 and part.isascii():
        return FEW
    return connection.execute(select(func.count()).select_from(_with(part).limit(FEW).subquery())).scalar_one()
