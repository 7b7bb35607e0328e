"""What the agent holds, as queries ask for it: the matching of `dicom_io` over the rows of `db`."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from db.archive import Held, find_instances, find_series, find_studies
from db.archive_columns import AnyOf, Between, Criteria, Criterion, Like
from db.database import Database
from dicom_io.matching import Matcher, OneOf, Pattern, Query, Range
from dicom_io.query_keys import Level

_FIND: Final[dict[Level, Callable[[Database, Criteria], Iterator[Held]]]] = {
    Level.STUDY: find_studies,
    Level.SERIES: find_series,
    Level.IMAGE: find_instances,
}
_NUMBERS: Final = frozenset({"IS", "US"})


def find(database: Database, level: Level, query: Query) -> Iterator[Held]:
    """Yield what matches, the newest Studies first.

    Raises db.errors.DatabaseError when the rows cannot be read.
    """
    for held in _FIND[level](database, criteria(query)):
        if query.fulfilled_by(held.attributes):
            yield held


def criteria(query: Query) -> Criteria:
    """Return what SQL can say of the query in advance. It never leaves out what matches."""
    made = {name: _criterion(name, matcher) for name, matcher in query.matchers.items()}
    return {name: criterion for name, criterion in made.items() if criterion is not None}


def _criterion(name: str, matcher: Matcher) -> Criterion | None:
    match matcher:
        case OneOf(vr=vr, values=values):
            return None if vr in _NUMBERS else AnyOf(values)
        case Pattern(texts=(text,)):
            return Like(tuple(part for part in re.split(r"[*?^=\s]", text) if part))
        case Pattern():
            return None
        case Range(vr="DA", low=low, high=high):
            return Between(low, high) if name == "study_date" else None
        case Range():
            return None
