"""What a receiver's status or failure reason means for what it was sent: C-STORE and STOW-RS use the same numbers."""

from typing import Final

from dicom_io.statuses import CANNOT_UNDERSTAND, DATA_SET_DOES_NOT_MATCH, SOP_CLASS_NOT_SUPPORTED

_A_HUNDRED: Final = 0x100
_A_THOUSAND: Final = 0x1000

PARKED_AT_ONCE: Final = frozenset(
    {
        SOP_CLASS_NOT_SUPPORTED,
        *range(DATA_SET_DOES_NOT_MATCH, DATA_SET_DOES_NOT_MATCH + _A_HUNDRED),
        *range(CANNOT_UNDERSTAND, CANNOT_UNDERSTAND + _A_THOUSAND),
    }
)
"""Statuses after which the same bytes have no better luck: SOP Class not supported, the data set does not match its SOP
Class, cannot understand. Everything else that is no success (A7xx out of resources, 0110 processing failure, ...) may
pass: the delivery is tried again (PS3.4 table B.2-1; failure reasons of STOW-RS: PS3.18 table I.2-2)."""
