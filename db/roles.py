"""What an Instance is to its study."""

from enum import StrEnum


class Role(StrEnum):
    """What an Instance is to its study."""

    CANDIDATE = "candidate"  # to be analysed
    EVIDENCE = "evidence"  # kept, changes nothing
    OWN = "own"  # this agent wrote it; it came back
    PRIOR = "prior"  # fetched for comparison: kept, and makes no work
    UNVERIFIED = "unverified"  # a known SOP Instance UID with other bytes; a worker compares
    DUPLICATE = "duplicate"  # the same content in other bytes
    REMOVED = "removed"  # retention removed it with all that was known of its study: its UIDs and digest are left
    CONFLICT = "conflict"  # another identity or other content under a known UID; a person decides


NO_WORK = (Role.OWN, Role.PRIOR, Role.REMOVED)
"""What is neither on the worklist nor concluded, if nothing else is known of its study."""
