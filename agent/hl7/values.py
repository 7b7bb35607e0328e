"""Values of DICOM as HL7 v2.5.1 writes them: names, times, identifiers (chapter 2A; IHE RAD TF-2 appendix B)."""

import re
from datetime import date, datetime, time, tzinfo
from typing import Final

from agent.hl7.message import Component, Repetition

_DATE: Final = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")
_TIME: Final = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(\.\d{1,6})?)?)?")
_UID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*))+")
_GROUPS: Final = ("A", "I", "P")
"""Name Representation Code, table 0465: alphabetic, ideographic, phonetic."""
_LENGTHS: Final = (50, 30, 30, 20, 20)
"""Of family name, given name, further names, suffix and prefix (2A.89); a DICOM name has 64 for all of a group."""
_FRACTION: Final = 4


def person_name(name: str, *, cut: bool = False) -> list[Repetition]:
    """Return a DICOM name (PS3.5 6.2.1) as XPN: a repetition for each of its groups, marked where there are several.

    With `cut` no part is longer than v2.5.1 has it.
    """
    return [(*parts, "", "", group) for group, parts in _groups(name, cut=cut)]


def person(name: str, *, cut: bool = False) -> list[Repetition]:
    """Return a DICOM name as XCN, a person without a known identifier."""
    return [("", *parts, *[""] * 8, group) for group, parts in _groups(name, cut=cut)]


def time_stamp(day: str, time_of_day: str, zone: tzinfo) -> str:
    """Return a date (DA) and time (TM) as TS, as exact as they are, with the offset that `zone` has then.

    What is no date gives "", what is no time a date alone: nothing is made up.
    """
    found = _DATE.fullmatch(day.strip())
    try:
        on = date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        on = None
    if on is None:
        return ""
    parts = _TIME.fullmatch(time_of_day.strip())
    digits = [part for part in parts.groups() if part] if parts else []
    try:
        at = _clock(digits)
    except ValueError:
        at = None
    if at is None:
        return f"{on:%Y%m%d}"
    digits[3:] = [part[: _FRACTION + 1] for part in digits[3:]]
    return f"{on:%Y%m%d}{''.join(digits)}{_offset(datetime.combine(on, at, zone))}"


def moment(at: datetime, zone: tzinfo) -> str:
    """Return a moment as TS, to the second, in the time of `zone`."""
    local = at.astimezone(zone)
    return f"{local:%Y%m%d%H%M%S}{_offset(local)}"


def authority(name: str) -> Component:
    """Return who assigned an identifier as HD: an object identifier where the name is one, else a namespace."""
    return ("", name, "ISO") if _UID.fullmatch(name) else name


def _clock(digits: list[str]) -> time | None:
    hour, minute, second = (int(part) for part in [*digits[:3], "0", "0", "0"][:3])
    return time(hour, minute, second) if digits else None


def _groups(name: str, *, cut: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Return each group of a name that is there: its code; family, given, middle, suffix and prefix as HL7 has them."""
    found = [(code, group) for code, group in zip(_GROUPS, name.split("="), strict=False) if group.strip("^ ")]
    several = len(found) > 1
    return [(code if several or code != "A" else "", _parts(group, cut=cut)) for code, group in found]


def _parts(group: str, *, cut: bool) -> tuple[str, ...]:
    parts = [part.strip() for part in group.split("^")] + [""] * len(_LENGTHS)
    family, given, middle, prefix, suffix = parts[: len(_LENGTHS)]
    whole = (family, given, middle, suffix, prefix)
    return tuple(part[:length] for part, length in zip(whole, _LENGTHS, strict=True)) if cut else whole


def _offset(at: datetime) -> str:
    return at.strftime("%z")[:5]
