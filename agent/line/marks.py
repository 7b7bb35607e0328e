"""What is poor about a study's identity and description. It was accepted all the same; a person should look. Pure."""

from enum import Enum

from db.worklist import WorklistRow
from dicom_io.ages import is_date, years_from_age_string


class Mark(Enum):
    """Something that is poor about a study: in few words, and in a sentence."""

    NO_PATIENT_ID = "no patient ID", "The study comes without a Patient ID."
    NO_NAME = "no patient name", "The study comes without the patient's name."
    NO_AGE = "no birth date or age", "The study comes without a birth date or an age that can be read."
    NO_STUDY_DATE = "no study date", "The study comes without a study date that can be read."
    MISREAD_TEXT = (
        "text may be misspelt",
        "Some text is not valid in the character set that its object declares: names may be misspelt here.",
    )
    UNKNOWN_OBJECTS = (
        "objects of unknown kind",
        "Some objects are of a private or unknown SOP Class: they are kept, and are not analysed.",
    )
    IN_DOUBT = (
        "patient in doubt",
        "Two patients may have this Patient ID: the events say what left that open, and nothing of it was taken.",
    )

    def __init__(self, words: str, sentence: str) -> None:
        """Take what is said of it."""
        self.words = words
        self.sentence = sentence


def marks_of(row: WorklistRow) -> tuple[Mark, ...]:
    """Return what is poor about a study, by what is on record of it; nothing for almost all."""
    is_so = {
        Mark.NO_PATIENT_ID: not row.patient_id,
        Mark.NO_NAME: not row.patient_name.strip("^= "),
        Mark.NO_AGE: years_from_age_string(row.patient_age) is None and not is_date(row.patient_birth_date),
        Mark.NO_STUDY_DATE: not is_date(row.study_date),
        Mark.MISREAD_TEXT: row.misread_text,
        Mark.UNKNOWN_OBJECTS: row.unknown_class,
        Mark.IN_DOUBT: bool(row.doubt),
    }
    return tuple(mark for mark in Mark if is_so[mark])
