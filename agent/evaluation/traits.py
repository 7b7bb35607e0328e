"""What groups an image belongs to: by its header, its file name, and the columns of the table."""

import re
from collections.abc import Mapping
from typing import Final

from agent.evaluation.entries import Entry
from agent.watch.traits import UNKNOWN, age_band, age_of, manufacturer_of, sex_of, view_of
from dicom_io.header import Header

AGE, SEX, VIEW, MANUFACTURER, PATHOGEN = "age band", "sex", "view", "manufacturer", "pathogen"
_PATHOGEN: Final = re.compile(r"(?:^|[_\- ])(bacteria|virus)(?:l|s)?(?=[_\-. ]|$)", re.IGNORECASE)
_NAME_LENGTH: Final = 64


def traits(entry: Entry, header: Header | None) -> dict[str, str]:
    """Return the group of an image in each division; a column of the table counts before the header."""
    found = _of_header(header) if header is not None else {}
    if entry.label == 1 and (match := _PATHOGEN.search(entry.path.name)):
        found[PATHOGEN] = match[1].lower()
    return found | dict(_of_columns(entry.columns))


def _of_header(header: Header) -> dict[str, str]:
    return {
        AGE: age_of(header),
        SEX: sex_of(header),
        VIEW: view_of(header),
        MANUFACTURER: manufacturer_of(header),
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
