"""A patient's age at the time of a study, in years, from what a header says."""

import re
from datetime import date

_AGE = re.compile(r"([0-9]{1,3})([DWMY])")
_DATE = re.compile(r"([0-9]{4})\.?([0-9]{2})\.?([0-9]{2})")  # with dots: ACR-NEMA, still accepted (PS3.5 table 6.2-1)
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
_OLDEST_YEARS = 130


def years_from_age_string(value: str) -> float | None:
    """Return the years of an Age String such as "004Y", "018M", "006W" or "003D" (PS3.5 table 6.2-1), else None.

    A number without its unit is None: "6" may be years or months. So is what no patient reaches, such as "999Y".
    """
    match = _AGE.fullmatch(value)
    if match is None:
        return None
    return _plausible(int(match[1]) / _PER_YEAR[match[2]])


def years_between(birth: str, day: str) -> float | None:
    """Return the years from one DICOM date to another, counted by anniversaries, or None if either is no date."""
    born, then = _date(birth), _date(day)
    if born is None or then is None:
        return None
    days_since_birthday = (then - _anniversary(born, then.year)).days  # below 0 if this year's is still to come
    return _plausible(then.year - born.year + days_since_birthday / 366)


def is_date(value: str) -> bool:
    """Tell whether the value names a day (VR DA, PS3.5 table 6.2-1)."""
    return _date(value) is not None


def _date(value: str) -> date | None:
    match = _DATE.fullmatch(value)
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def _anniversary(born: date, year: int) -> date:
    """Return the birthday in `year`; who was born on 29 February has it on 1 March of other years."""
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def _plausible(years: float) -> float | None:
    return years if 0 <= years <= _OLDEST_YEARS else None
