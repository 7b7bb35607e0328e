"""Values of DICOM as FHIR has them: dates, times, names, identifiers. What is no valid value is left out."""

import re
from datetime import date, datetime, tzinfo
from typing import Final

from agent.fhir.terms import URI, Json

_DATE: Final = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME: Final = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.\d{1,6})?")
_GENDERS: Final = {"M": "male", "F": "female", "O": "other"}
_GROUPS: Final = ("ABC", "IDE", "SYL")
"""The component groups of a name by their order (PS3.5 section 6.2.1), as ISO 21090 calls them."""
_REPRESENTATION: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"


def day(text: str) -> str:
    """Return a DICOM date (VR DA) as a FHIR date, "" where it is none."""
    if (match := _DATE.fullmatch(text.strip())) is None:
        return ""
    try:
        return date(*(int(part) for part in match.groups())).isoformat()
    except ValueError:
        return ""


def moment(date_text: str, time_text: str, zone: tzinfo) -> str:
    """Return a DICOM date and time (VR DA, TM) as a FHIR dateTime: to the second in its zone, or the day alone."""
    if not (begun := day(date_text)) or (match := _TIME.fullmatch(time_text.strip())) is None:
        return begun
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        found = datetime.fromisoformat(begun).replace(hour=hours, minute=minutes, second=seconds, tzinfo=zone)
    except ValueError:
        return begun
    return found.isoformat()


def plain(text: str) -> str:
    """Return text without control characters and surplus spaces (R4, datatypes.html#string); "" if none is left."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def uri_identifier(urn: str) -> Json:
    """Return an identifier that is itself a URI."""
    return {"system": URI, "value": urn}


def gender(sex: str) -> str:
    """Return Patient's Sex (0010,0040) as administrative gender, "unknown" where it says none."""
    return _GENDERS.get(sex.strip().upper(), "unknown")


def names(person: str) -> list[Json]:
    """Return a DICOM person name (VR PN) as a HumanName for each component group that it has."""
    found = []
    for group, representation in zip(person.split("="), _GROUPS, strict=False):
        family, given, middle, prefix, suffix = [plain(part) for part in (group.split("^") + [""] * 5)[:5]]
        text = " ".join(filter(None, (prefix, given, middle, family, suffix)))
        if not text:
            continue
        name: Json = {"text": text, "family": family, "given": [one for one in (given, middle) if one]}
        name |= {"prefix": [prefix] if prefix else [], "suffix": [suffix] if suffix else []}
        extension = {"url": _REPRESENTATION, "valueCode": representation}
        kept = {key: value for key, value in name.items() if value}
        found.append(kept if representation == "ABC" else {"extension": [extension], **kept})
    return found
