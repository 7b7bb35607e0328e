"""What groups an image belongs to: by its header, its file name, and the columns of the table."""

import re
from collections.abc import Mapping
from typing import Final

from agent.evaluation.entries import Entry
from dicom_io.header import Header

AGE, SEX, VIEW, MANUFACTURER, PATHOGEN = "age band", "sex", "view", "manufacturer", "pathogen"
UNKNOWN: Final = "unknown"
_AGE_BANDS: Final = ((1.0, "under 1 year"), (3.0, "1 to 2 years"), (6.0, "3 to 5 years"), (18.0, "6 to 17 years"))
_OLDEST: Final = "18 years and older"
_SEXES: Final = {"M": "male", "F": "female", "O": "other"}
_PATHOGEN: Final = re.compile(r"(?:^|[_\- ])(bacteria|virus)(?:l|s)?(?=[_\-. ]|$)", re.IGNORECASE)
_CODE: Final = re.compile(r"[A-Z0-9 ]{1,16}")  # Code String (PS3.5 section 6.2)
_NAME_LENGTH: Final = 64


def traits(entry: Entry, header: Header | None) -> dict[str, str]:
    """Return the group of an image in each division; a column of the table counts before the header."""
    found = _of_header(header) if header is not None else {}
    if entry.label == 1 and (match := _PATHOGEN.search(entry.path.name)):
        found[PATHOGEN] = match[1].lower()
    return found | dict(_of_columns(entry.columns))


def _of_header(header: Header) -> dict[str, str]:
    view = (header.view_position or header.patient_position).upper()
    return {
        AGE: UNKNOWN if header.age_years is None else age_band(header.age_years),
        SEX: _SEXES.get(header.patient_sex.upper(), UNKNOWN),
        VIEW: view if _CODE.fullmatch(view) else UNKNOWN,
        MANUFACTURER: header.manufacturer.strip()[:_NAME_LENGTH] or UNKNOWN,
    }


def _of_columns(columns: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name, value in columns.items():
        if name in {"age", "age_years"}:
            found[AGE] = _band_of(value)
        else:
            found[name] = value[:_NAME_LENGTH] or UNKNOWN
    return found


def _band_of(value: str) -> str:
    try:
        years = float(value)
    except ValueError:
        return UNKNOWN
    return age_band(years) if 0.0 <= years < 150.0 else UNKNOWN  # noqa: PLR2004 (nobody is older)


def age_band(years: float) -> str:
    """Return the band of an age in years."""
    return next((name for below, name in _AGE_BANDS if years < below), _OLDEST)
