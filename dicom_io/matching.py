"""Attribute matching of queries (PS3.4 C.2.2.2): what a key of a query says, and whether an attribute fulfils it.

Single values, lists of UIDs, wildcards, ranges of dates and times, universal matching. Text matches in its own case,
but names of people in any (C.2.2.2.1). Of several values, in a key or in an attribute, one that matches is enough.
Sequences are not matched.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from dicom_io.errors import MatchingError
from dicom_io.query_keys import KEYS
from dicom_io.wildcards import fits

Value: TypeAlias = str | int | tuple[str, ...]

MAXIMUM_VALUES: Final = 10_000
"""More values in one key are refused."""
MAXIMUM_PATTERNS: Final = 100
"""More values with wildcards, or names, in one key are refused."""
LONGEST_TEXT: Final = 1024
"""Characters of a pattern, and of an attribute that is compared with one; PS3.5 allows 64, and 324 to a name."""

_WILD: Final = frozenset("*?")
_WILDCARD_VRS: Final = frozenset({"AE", "AS", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_NUMBER_VRS: Final = frozenset({"IS", "US"})
_DATE: Final = re.compile(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})")
_TIME: Final = re.compile(r"([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:\.([0-9]{1,6}))?)?)?")
_MOMENT: Final = re.compile(
    r"(?P<whole>[0-9]{4}(?:[0-9]{2}){0,5})(?:(?<=[0-9]{14})\.(?P<fraction>[0-9]{1,6}))?(?P<offset>[+-][01][0-9][0-5][0-9])?"
)
_FIRST_DATE, _LAST_DATE = "00000000", "99999999"
_FIRST_TIME, _LAST_TIME = "000000.000000", "235960.999999"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Single value matching, and list of UID matching."""

    vr: str
    values: tuple[str, ...]

    def fulfilled_by(self, text: str) -> bool:
        """Tell whether an attribute's value is one of these."""
        if self.vr in _NUMBER_VRS:
            return any(_same_number(value, text) for value in self.values)
        return text in self.values


@dataclass(frozen=True, slots=True)
class Pattern:
    """Wildcard matching, and single value matching of names."""

    texts: tuple[str, ...]
    ignores_case: bool

    def fulfilled_by(self, text: str) -> bool:
        """Tell whether an attribute's value has the pattern; of a name one component group is enough (PS3.5 6.2.1)."""
        text = text[:LONGEST_TEXT]
        if not self.ignores_case:
            return any(fits(pattern, text) for pattern in self.texts)
        whole, groups = _name(text), [_name(group) for group in text.split("=")]
        for pattern in self.texts:
            wanted = _name(pattern)
            if fits(wanted, whole) or ("=" not in pattern and any(fits(wanted, group) for group in groups)):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Range:
    """Range matching of dates (YYYYMMDD) or times (HHMMSS.FFFFFF), both limits included.

    A single date or time is a range too: as wide as what it leaves open. `is_single` says so.
    """

    vr: str
    low: str
    high: str
    is_single: bool = False

    def fulfilled_by(self, text: str) -> bool:
        """Tell whether an attribute's value is a date or time within the limits."""
        value = _plain_date(text) if self.vr == "DA" else _plain_time(text, _FIRST_TIME)
        return value is not None and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Moments:
    """Range matching of dates with times (VR DT): from `low` on, and before `high`, each in UTC; None: no limit."""

    low: datetime | None
    high: datetime | None

    def fulfilled_by(self, text: str) -> bool:
        """Tell whether an attribute's value begins within the limits."""
        span = _span(text)
        if span is None:
            return False
        return (self.low is None or span[0] >= self.low) and (self.high is None or span[0] < self.high)


Matcher: TypeAlias = OneOf | Pattern | Range | Moments


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: matchers by the attribute's PS3.6 keyword in snake_case. All have to be fulfilled.

    `combined`: ranges of Study Date and Study Time are one range of moments (C.2.2.2.5, if negotiated).
    """

    matchers: Mapping[str, Matcher]
    combined: bool = False

    def fulfilled_by(self, attributes: Mapping[str, Value]) -> bool:
        """Tell whether what is described by `attributes` matches."""
        rest = dict(self.matchers)
        days, times = rest.get("study_date"), rest.get("study_time")
        if self.combined and isinstance(days, Range) and isinstance(times, Range):
            del rest["study_date"], rest["study_time"]
            day, time = _plain_date(str(attributes["study_date"])), str(attributes["study_time"])
            moment = (day, _plain_time(time, _FIRST_TIME) or _FIRST_TIME)
            if day is None or not (days.low, times.low) <= moment <= (days.high, times.high):
                return False
        return all(_fulfils(attributes.get(name, ""), matcher) for name, matcher in rest.items())


def make_query(values: Mapping[str, str], *, combined: bool = False) -> Query:
    """Return the query of keys with `values` as in an Identifier; an empty one matches everything (C.2.2.2.3).

    Attributes that KEYS does not name are left out. Raises MatchingError for a value that cannot be one.
    """
    made = {name: make_matcher(name, KEYS[name].vr, value) for name, value in values.items() if name in KEYS}
    return Query({name: matcher for name, matcher in made.items() if matcher is not None}, combined)


def make_matcher(name: str, vr: str, value: str) -> Matcher | None:
    """Return what fulfils one key of a query, None where everything does (PS3.4 C.2.2.2). Raises MatchingError."""
    parts = tuple(part for part in (part.strip(" \0") for part in value.split("\\")) if part)
    if len(parts) > MAXIMUM_VALUES:
        message = f"expected at most {MAXIMUM_VALUES} values in a key. Received: {name}={len(parts)} values"
        raise MatchingError(message)
    if any("\0" in part for part in parts):
        message = f"expected text without control characters. Received: {name} with some"
        raise MatchingError(message)
    if vr in ("DA", "TM"):
        return _range(name, vr, parts)
    if vr == "DT":
        return _moments(name, parts)
    has_wildcards = vr in _WILDCARD_VRS and any(_WILD & set(part) for part in parts)
    if not parts or (has_wildcards and any(not part.strip("*") for part in parts)):
        return None
    if has_wildcards or vr == "PN":
        longest = max(map(len, parts))
        if len(parts) > MAXIMUM_PATTERNS or longest > LONGEST_TEXT:
            message = (
                f"expected at most {MAXIMUM_PATTERNS} patterns of {LONGEST_TEXT} characters in a key. "
                f"Received: {name}={len(parts)} values, length={longest}"
            )
            raise MatchingError(message)
        return Pattern(parts, vr == "PN")
    return OneOf(vr, parts)


def _range(name: str, vr: str, parts: tuple[str, ...]) -> Range | None:
    if not parts:
        return None
    text, limits = parts[0], (_FIRST_DATE, _LAST_DATE) if vr == "DA" else (_FIRST_TIME, _LAST_TIME)
    low_text, dash, high_text = text.partition("-")
    low_text, high_text = low_text.strip(), high_text.strip() if dash else low_text.strip()
    low = _limit(vr, low_text, limits[0], first=True)
    high = _limit(vr, high_text, limits[1], first=False)
    if len(parts) > 1 or low is None or high is None or not (low_text or high_text):
        message = f"expected {name} to be {vr}, or a range of two with a hyphen. Received: length={len(text)}"
        raise MatchingError(message)
    return Range(vr, low, high, is_single=not dash)


def _moments(name: str, parts: tuple[str, ...]) -> Moments | None:
    """Return a range of moments; where no offset stands, times are UTC (this agent writes its own with an offset)."""
    if not parts:
        return None
    text = parts[0]
    if len(parts) == 1:
        if (span := _span(text)) is not None:
            return Moments(*span)
        for place in (place for place, letter in enumerate(text) if letter == "-"):
            low, high = text[:place].strip(), text[place + 1 :].strip()
            spans = [_span(limit) if limit else (None, None) for limit in (low, high)]
            if (low or high) and spans[0] is not None and spans[1] is not None:
                return Moments(spans[0][0], spans[1][1])
    message = f"expected {name} to be DT, or a range of two with a hyphen. Received: length={len(text)}"
    raise MatchingError(message)


def _span(text: str) -> tuple[datetime, datetime] | None:
    """Return the first moment of a DT (PS3.5 6.2) and the first one after it, as wide as what it leaves open."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    whole, fraction, offset = match["whole"], match["fraction"] or "", match["offset"] or "+0000"
    try:
        start = datetime.strptime(f"{whole}{'00000101000000'[len(whole) :]}{offset}", "%Y%m%d%H%M%S%z")
        start = start.replace(microsecond=int(fraction.ljust(6, "0") or 0))
        return start.astimezone(UTC), _behind(start, len(whole), len(fraction)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _behind(start: datetime, digits: int, of_fraction: int) -> datetime:
    """Return the first moment after what so many digits leave open."""
    if digits < len("YYYYMM"):
        return start.replace(year=start.year + 1)
    if digits < len("YYYYMMDD"):
        return (start + timedelta(days=31)).replace(day=1)
    width = {8: timedelta(days=1), 10: timedelta(hours=1), 12: timedelta(minutes=1)}.get(digits)
    return start + (width or timedelta(microseconds=10 ** (6 - of_fraction)))


def _limit(vr: str, text: str, default: str, *, first: bool) -> str | None:
    if not text:
        return default
    return _plain_date(text) if vr == "DA" else _plain_time(text, _FIRST_TIME if first else "235959.999999")


def _plain_date(text: str) -> str | None:
    """Return a date as YYYYMMDD, also one with dots (PS3.5 table 6.2-1); None for anything else."""
    match = _DATE.fullmatch(text)
    return None if match is None else "".join(match.groups())


def _plain_time(text: str, rest: str) -> str | None:
    """Return a time as HHMMSS.FFFFFF, what it leaves open taken from `rest`; None for what is no time."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    whole = "".join(part for part in match.groups()[:3] if part)
    known = whole + (f".{match[4]}" if match[4] else "")
    return known + rest[len(known) :]


def _fulfils(value: Value, matcher: Matcher) -> bool:
    values = value if isinstance(value, tuple) else str(value).split("\\")
    return any(matcher.fulfilled_by(one) for one in values)


def _name(text: str) -> str:
    """Return a name, or a pattern of one, as it is compared: in small letters, without empty components at its end."""
    groups = [group.strip().rstrip("^ ") for group in text.lower().split("=")]
    return "=".join(groups).rstrip("=")


def _same_number(value: str, text: str) -> bool:
    try:
        return int(value) == int(text)
    except ValueError:
        return value == text
