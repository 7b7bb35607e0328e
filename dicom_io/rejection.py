"""Rejection notes that arrive: Key Object Selection documents that take objects back (PS3.3 C.17.6.2.1, IHE IOCM)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from dicom_io.errors import HeaderError, UidError
from dicom_io.header import read_uid
from dicom_io.scan import Syntax, open_stream, read_elements, read_items

KEY_OBJECT_SELECTION: Final = "1.2.840.10008.5.1.4.1.1.88.59"
QUALITY: Final = "113001"
PATIENT_SAFETY: Final = "113037"
WRONG_WORKLIST_ENTRY: Final = "113038"
RETENTION_EXPIRED: Final = "113039"
TITLES: Final = {
    QUALITY: "Rejected for Quality Reasons",
    PATIENT_SAFETY: "Rejected for Patient Safety Reasons",
    WRONG_WORKLIST_ENTRY: "Incorrect Modality Worklist Entry",
    RETENTION_EXPIRED: "Data Retention Policy Expired",
}
"""Document titles of a rejection note and their meanings (DCM; PS3.16 CID 7010)."""
MOST_REJECTED: Final = 10_000

_BIGGEST_SEQUENCE: Final = 8 << 20
_STUDY, _TITLE, _EVIDENCE = 0x0020000D, 0x0040A043, 0x0040A375
_CODE_VALUE, _SCHEME = 0x00080100, 0x00080102
_SERIES, _INSTANCES, _INSTANCE = 0x00081115, 0x00081199, 0x00081155


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionNote:
    """What a note takes back of its own study: SOP Instance UIDs. `elsewhere` counts what it names of other studies."""

    title: str
    study_instance_uid: str
    rejected: tuple[str, ...]
    elsewhere: int = 0


def read_rejection_note(path: Path) -> RejectionNote | None:
    """Return the rejection note in a Key Object Selection document; None where its title says something else.

    Raises HeaderError where it cannot be read, or names more than `MOST_REJECTED` objects.
    """
    with path.open("rb") as file:
        stream = open_stream(file)
        wanted = frozenset({_STUDY, _TITLE, _EVIDENCE})
        elements = read_elements(stream.source, stream.syntax, wanted, stop=_EVIDENCE + 1, limit=_BIGGEST_SEQUENCE)
    title = _title(elements.values.get(_TITLE, b""), stream.syntax)
    if title not in TITLES:
        return None
    study = _uid(elements.values.get(_STUDY, b""))
    named = list(islice(_named(elements.values.get(_EVIDENCE, b""), stream.syntax), MOST_REJECTED + 1))
    if len(named) > MOST_REJECTED or elements.missed:
        message = f"expected a rejection note of at most {MOST_REJECTED} objects. Received: more"
        raise HeaderError(message)
    rejected = dict.fromkeys(uid for of_study, uid in named if of_study == study)
    elsewhere = sum(of_study != study for of_study, _ in named)
    return RejectionNote(title=title, study_instance_uid=study, rejected=tuple(rejected), elsewhere=elsewhere)


def _title(sequence: bytes, syntax: Syntax) -> str:
    for elements, _ in read_items(sequence, syntax, frozenset({_CODE_VALUE, _SCHEME})):
        scheme, value = (elements.values.get(tag, b"").strip(b"\0 ") for tag in (_SCHEME, _CODE_VALUE))
        return value.decode("ascii", "replace") if scheme == b"DCM" else ""
    return ""


def _named(evidence: bytes, syntax: Syntax) -> Iterator[tuple[str, str]]:
    """Yield Study and SOP Instance UID of each object that the evidence sequence (0040,A375) names."""
    for studies, of_study in read_items(evidence, syntax, frozenset({_STUDY, _SERIES})):
        study = _uid(studies.values.get(_STUDY, b""))
        for series, of_series in read_items(studies.values.get(_SERIES, b""), of_study, frozenset({_INSTANCES})):
            for instances, _ in read_items(series.values.get(_INSTANCES, b""), of_series, frozenset({_INSTANCE})):
                if uid := _uid(instances.values.get(_INSTANCE, b"")):
                    yield study, uid


def _uid(value: bytes) -> str:
    """Return a value that is a UID; "" for any other, which can name nothing that is on record."""
    try:
        return read_uid(value)
    except UidError:
        return ""
