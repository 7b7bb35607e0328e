"""What a search asks (PS3.18 8.3.4): attributes to match, which results, and how many.

A parameter that is an attribute of DICOM must be one that is matched here: left out in silence, it would bring the
Studies of other patients. Parameters that are none are left alone.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from agent.dicomweb.problems import ProblemError
from dicom_io.errors import MatchingError
from dicom_io.keywords import snake_keyword
from dicom_io.matching import Query, make_query
from dicom_io.query_keys import KEYS

MOST: Final = 1000
"""More results are not given at once."""

_BY_TAG: Final = {key.tag: name for name, key in KEYS.items()}
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_CONTROLS: Final = frozenset(
    {"limit", "offset", "includefield", "fuzzymatching", "accept", "charset", "emptyvaluematching"}
)
_MAX_DIGITS: Final = 9

FUZZY_IGNORED: Final = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
NOT_MATCHED: Final = "expected attributes that are matched here. Received: {}"
TWICE: Final = "expected each attribute once. Received: {} twice"
NO_NUMBER: Final = "expected {} to be a whole number from 0 on. Received: another"


@dataclass(frozen=True, slots=True)
class Question:
    """A search: what has to match, and which of the results are wanted."""

    query: Query
    limit: int
    offset: int
    fuzzy: bool


def question(parameters: Iterable[tuple[str, str]], within: Mapping[str, str]) -> Question:
    """Return what is asked; `within` are the UIDs of the address, which count whatever the parameters say.

    ProblemError, 400, for what cannot be understood or is not matched.
    """
    controls: dict[str, str] = {}
    values: dict[str, str] = {}
    for name, value in parameters:
        if name in _CONTROLS:
            controls[name] = value
        elif (key := _key(name)) is not None:
            if key in values:
                raise ProblemError(400, TWICE.format(key))
            values[key] = value.replace(",", "\\") if KEYS[key].vr == "UI" else value
    for key, uid in within.items():
        if values.get(key, uid) != uid:
            raise ProblemError(400, f"expected {key} as in the address. Received: another")
    try:
        query = make_query({**values, **within})
    except MatchingError as error:
        raise ProblemError(400, str(error)) from None
    limit = min(_number(controls, "limit", MOST), MOST)
    return Question(query, limit, _number(controls, "offset", 0), controls.get("fuzzymatching", "").lower() == "true")


def _key(name: str) -> str | None:
    """Return the attribute that a parameter names by keyword or tag; None for a parameter that names none."""
    if _TAG.fullmatch(name):
        key = _BY_TAG.get(int(name, 16))
    else:
        keyword = snake_keyword(name)
        if keyword is None:
            return None
        key = keyword if keyword in KEYS else None
    if key is None:
        raise ProblemError(400, NOT_MATCHED.format(name))
    return key


def _number(controls: Mapping[str, str], name: str, default: int) -> int:
    text = controls.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ProblemError(400, NO_NUMBER.format(name))
    return int(text)
