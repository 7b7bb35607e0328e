"""What DICOM says of a patient, written for people. Pure; whatever came over the wire becomes a short line of text."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

LONGEST = 200
"""Characters shown of any one value: a hostile or broken one must not push the other studies off the page."""

NO_NAME = "name not given"
NO_ID = "no patient ID"
NO_AGE = "age unknown"
NO_SEX = "sex unknown"

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TAGS = frozenset(map(chr, range(0xE0000, 0xE0080)))
_INVISIBLE = frozenset("\u00ad\u200b\u2060\u2061\u2062\u2063\u2064\ufeff") | _TAGS
"""They show nothing, so that two values look alike; joiners that scripts need (U+200C, U+200D) are not among them."""
_UNSHOWABLE = {"Cc", "Cs"}  # controls; lone surrogates, which UTF-8 cannot carry
_AGE = re.compile(r"([0-9]{3})([DWMY])")
_AGE_UNITS = {"D": ("day", "days"), "W": ("week", "weeks"), "M": ("month", "months"), "Y": ("year", "years")}
_SEXES = {"F": "female", "M": "male", "O": "other sex"}
_MONTHS_COUNTED_UNTIL = 24
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name as people read it: how it sorts and is called, and how it is written in other characters (or "")."""

    shown: str
    other: str = ""


def readable(text: str, longest: int = LONGEST) -> str:
    """Return text as one line: without controls, and without the marks that reorder what stands around it."""
    kept = (
        " " if unicodedata.category(letter) in _UNSHOWABLE else letter
        for letter in text
        if letter not in _BIDI_CONTROLS and letter not in _INVISIBLE
    )
    line = " ".join("".join(kept).split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def person_name(value: str) -> PersonName:
    """Return a person name (PS3.5 section 6.2.1.1) for people: "Adams, Rev. John Robert Quincy, B.A. M.Div.".

    The component groups are alphabetic, ideographic and phonetic. The first that is given is shown; those that remain
    are its other writing. Ideographic names are written without a comma, the family name first.
    """
    alphabetic, ideographic, phonetic = ([*value.split("=", 2), "", "", ""])[:3]
    groups = [_western(alphabetic), _eastern(ideographic), _eastern(phonetic)]
    given = [group for group in groups if group]
    if not given:
        return PersonName(NO_NAME)
    return PersonName(given[0], ", ".join(given[1:]))


def _components(group: str) -> list[str]:
    return [readable(part) for part in ([*group.split("^", 4), "", "", "", "", ""])[:5]]


def _western(group: str) -> str:
    family, given, middle, prefix, suffix = _components(group)
    called = " ".join(part for part in (prefix, given, middle) if part)
    return ", ".join(part for part in (family, called, suffix) if part)


def _eastern(group: str) -> str:
    return " ".join(part for part in _components(group) if part)


def patient_id(value: str) -> str:
    """Return the Patient ID, or that there is none: unidentified trauma patients have none."""
    return readable(value) or NO_ID


def age(patient_age: str, birth_date: str, on: date) -> str:
    """Return the age in words from Patient's Age (VR AS), else from the birth date (VR DA) to the day `on`."""
    if found := _AGE.fullmatch(patient_age.strip()):
        return _counted(int(found[1]), *_AGE_UNITS[found[2]])
    born = day(birth_date)
    if born is None or born > on:
        return NO_AGE
    months = (on.year - born.year) * _MONTHS + on.month - born.month - (on.day < born.day)
    if months < _MONTHS_COUNTED_UNTIL:
        return _counted(months, *_AGE_UNITS["M"])
    return _counted(months // _MONTHS, *_AGE_UNITS["Y"])


def sex(value: str) -> str:
    """Return Patient's Sex (0010,0040) in words."""
    return _SEXES.get(value.strip().upper(), NO_SEX)


def dicom_date(value: str) -> str:
    """Return a date (VR DA) as 2026-03-31; what is no date is shown as it came."""
    found = day(value)
    return readable(value) if found is None else found.isoformat()


def day(value: str) -> date | None:
    """Return the day that a DICOM date (VR DA) names, or None if it names none."""
    digits = value.strip().replace(".", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if re.fullmatch("[0-9]{8}", digits) else None
    except ValueError:
        return None


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
