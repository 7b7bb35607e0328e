"""What a receiver's status or failure reason means for what it was sent: C-STORE and STOW-RS use the same numbers."""

from typing import Final

DUPLICATE: Final = 0x0111
"""Duplicate SOP Instance (PS3.7 C.5.7): the receiver has an object of that UID, ours if we have sent it before."""

PARKED_AT_ONCE: Final = frozenset({0x0122, 0xA900, *range(0xA901, 0xAA00), *range(0xC000, 0xD000)})
"""Statuses after which the same bytes have no better luck: SOP Class not supported, the data set does not match its SOP
Class, cannot understand. Everything else that is no success (A7xx out of resources, 0110 processing failure, ...) may
pass: the delivery is tried again (PS3.4 table B.2-1; failure reasons of STOW-RS: PS3.18 table I.2-2)."""
