"""What an Instance is to its study."""

from enum import StrEnum


class Role(StrEnum):
    """What an Instance is to its study."""

    CANDIDATE = "candidate"  # to be analysed
    EVIDENCE = "evidence"  # kept, changes nothing
    OWN = "own"  # this agent wrote it; it came back
    UNVERIFIED = "unverified"  # a known SOP Instance UID with other bytes; a worker compares
    DUPLICATE = "duplicate"  # the same content in other bytes
    CONFLICT = "conflict"  # another identity or other content under a known UID; a person decides
