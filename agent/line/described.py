"""From a header to the columns that queries ask for: between `dicom_io` and `db`."""

import re
from dataclasses import fields

from db.attributes import InstanceAttributes
from dicom_io.header import Header

_WITH_DOTS = re.compile(r"[0-9]{4}\.[0-9]{2}\.[0-9]{2}")
_LISTS = frozenset({"image_type"})
_AS_THEY_ARE = tuple(field.name for field in fields(InstanceAttributes) if field.name not in _LISTS)


def plain_date(value: str) -> str:
    """Return a date as YYYYMMDD where it has the dots of ACR-NEMA (PS3.5 table 6.2-1), else as it is."""
    return value.replace(".", "") if _WITH_DOTS.fullmatch(value) else value


def instance_attributes(header: Header) -> InstanceAttributes:
    """Return what queries about the Instance and its Series ask for."""
    return InstanceAttributes(
        **{name: getattr(header, name) for name in _AS_THEY_ARE}, image_type="\\".join(header.image_type)
    )
