"""What is said beside the status of a C-STORE that failed (PS3.7 C.4.2, C.5): static words, nothing of the dataset."""

from typing import Final

from dicom_io.statuses import (
    CANNOT_UNDERSTAND,
    DATA_SET_DOES_NOT_MATCH,
    NOT_AUTHORISED,
    OUT_OF_RESOURCES,
    SOP_CLASS_NOT_SUPPORTED,
    TOO_LARGE,
    UNEXPECTED,
)

COMMENTS: Final = {
    SOP_CLASS_NOT_SUPPORTED: "No C-STORE under this presentation context",
    NOT_AUTHORISED: "This peer may not store",
    OUT_OF_RESOURCES: "Cannot be stored now, send again later",
    TOO_LARGE: "Larger than is taken",
    DATA_SET_DOES_NOT_MATCH: "The request names another Instance than its data set",
    CANNOT_UNDERSTAND: "The data set cannot be read or has no valid UIDs",
    UNEXPECTED: "Unexpected condition, see the log",
}
"""Error Comment (0000,0902) by status: LO, at most 64 characters."""

_OFFENDING: Final = {DATA_SET_DOES_NOT_MATCH: (0x00080018, 0x00080016)}
"""Offending Element (0000,0901) by status: SOP Instance UID and SOP Class UID."""


def said_of(status: int) -> tuple[str, tuple[int, ...]]:
    """Return the Error Comment and the Offending Elements that go with a status, "" and () if there are none."""
    return COMMENTS.get(status, ""), _OFFENDING.get(status, ())
