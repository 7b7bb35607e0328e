"""To which group an image belongs by its header: age band, sex, view, manufacturer; and why it was declined."""

import re
from typing import Final

from dicom_io.header import Header

UNKNOWN: Final = "unknown"
_AGE_BANDS: Final = ((1.0, "under 1 year"), (3.0, "1 to 2 years"), (6.0, "3 to 5 years"), (18.0, "6 to 17 years"))
_OLDEST: Final = "18 years and older"
AGE_BANDS: Final = (*(name for _, name in _AGE_BANDS), _OLDEST, UNKNOWN)
"""In the order of age."""
_SEXES: Final = {"M": "male", "F": "female", "O": "other"}
_CODE: Final = re.compile(r"[A-Z0-9 ]{1,16}")  # Code String (PS3.5 section 6.2)
_LONGEST: Final = 64
_PIXELS: Final = "pixels: "


def age_band(years: float) -> str:
    """Return the band of an age in years."""
    return next((name for below, name in _AGE_BANDS if years < below), _OLDEST)


def age_of(header: Header) -> str:
    """Return the band of the patient's age."""
    return UNKNOWN if header.age_years is None else age_band(header.age_years)


def sex_of(header: Header) -> str:
    """Return Patient's Sex (0010,0040) in a word."""
    return _SEXES.get(header.patient_sex.upper(), UNKNOWN)


def view_of(header: Header) -> str:
    """Return View Position (0018,5101), else Patient Position (0018,5100), as a code."""
    view = (header.view_position or header.patient_position).upper()
    return view if _CODE.fullmatch(view) else UNKNOWN


def manufacturer_of(header: Header) -> str:
    """Return Manufacturer (0008,0070), shortened."""
    return header.manufacturer.strip()[:_LONGEST] or UNKNOWN


def decline_group(reason: str) -> str:
    """Return what kind of reason it is: "age outside the validated range" for each age that is."""
    if reason.startswith(_PIXELS):
        return reason[:_LONGEST]
    if re.match(r"age .* is outside", reason):
        return "age outside the validated range"
    return re.split(r"[:,]", reason, maxsplit=1)[0].strip()[:_LONGEST] or UNKNOWN
