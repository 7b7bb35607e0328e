"""What is said beside the status of a C-STORE that failed (PS3.7 C.4.2, C.5): static words, nothing of the dataset."""

from typing import Final

from pydicom.dataset import Dataset

COMMENTS: Final = {
    0x0122: "No C-STORE under this presentation context",
    0x0124: "This peer may not store",
    0xA700: "Cannot be stored now, send again later",
    0xA701: "Larger than is taken",
    0xA900: "The request names another Instance than its data set",
    0xC000: "The data set cannot be read or has no valid UIDs",
    0xC0FF: "Unexpected condition, see the log",
}
"""Error Comment (0000,0902) by status: LO, at most 64 characters."""

_OFFENDING: Final = {0xA900: (0x00080018, 0x00080016)}
"""Offending Element (0000,0901) by status: SOP Instance UID and SOP Class UID."""


def commented(status: int) -> Dataset | int:
    """Return a status with what there is to say of it, in the form that pynetdicom takes; success as it is."""
    if status not in COMMENTS:
        return status
    said = Dataset()
    said.Status = status
    said.ErrorComment = COMMENTS[status]
    if status in _OFFENDING:
        said.OffendingElement = list(_OFFENDING[status])
    return said
