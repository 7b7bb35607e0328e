"""Why a result or an image is taken back, and by whom: words that are kept. Standard library only."""

from enum import StrEnum


class Cause(StrEnum):
    """Why: the titles of rejection notes (PS3.16 CID 7010), as far as they say that something was wrong."""

    QUALITY = "quality"
    SAFETY = "safety"
    WORKLIST_ENTRY = "worklist-entry"


class How(StrEnum):
    """Who says that an image counts no more."""

    MODALITY = "modality"  # its performed procedure step was discontinued
    REJECTED = "rejected"  # a rejection note names it
    RESULT = "result"  # the result that it led to was withdrawn; the image may be analysed again


REASONS = {
    Cause.QUALITY: "withdrawn: rejected for quality reasons",
    Cause.SAFETY: "withdrawn: rejected for patient safety reasons",
    Cause.WORKLIST_ENTRY: "withdrawn: incorrect worklist entry selected",
}
"""The reason as it is shown, by cause."""

CORRECTED = "replaced: the identity of the patient was corrected"
"""Why what names the patient as before a correction is taken back: the result itself stands."""


def reason_of(cause: Cause, note: str = "") -> str:
    """Return the reason to show; `note` is a person's own words."""
    return f"{REASONS[cause]} ({note})" if note else REASONS[cause]


def cause_of(reason: str) -> Cause:
    """Return the cause of a withdrawal by a modality: anything but a wrong worklist entry is a matter of quality."""
    return Cause.WORKLIST_ENTRY if reason == REASONS[Cause.WORKLIST_ENTRY] else Cause.QUALITY
