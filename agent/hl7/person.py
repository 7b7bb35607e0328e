"""Patients in HL7 messages, as DICOM writes them: identifiers (CX), names (XPN), birth dates and sex (chapter 3, PID).

What cannot be written in DICOM is taken as not said: nothing is guessed, and nothing on record is emptied.
"""

from collections.abc import Container, Iterable, Iterator
from datetime import date
from typing import Final

from agent.hl7.message import Segment
from agent.hl7.text import NULL
from db.patient_match import Demographics, Identifier

_LO: Final = 64  # longest Patient ID, and longest component group of a name (PS3.5 table 6.2-1)
_DATE: Final = 8
_SEXES: Final = {"M": "M", "F": "F", "O": "O", "A": "O", "N": "O"}  # table 0001; unknown is not said
_LEGAL: Final = ("L", "D", "")  # name types (XPN.7) by rank: legal, display, not said
_GROUPS: Final = ("A", "I", "P")  # name representations (XPN.8): the component groups of PN, in order


def identifiers(segment: Segment, number: int, types: Container[str]) -> tuple[Identifier, ...]:
    """Return the identifiers of a repeating CX field whose type (CX.5) is one of `types` or is not said."""
    found = []
    for repetition in segment.repetitions(number):
        kind = segment.part(repetition, 5).strip().upper()
        patient_id = segment.part(repetition, 1).strip()
        if (kind and kind not in types) or not _can_be_patient_id(patient_id):
            continue
        namespace = _text(segment.part(repetition, 4, 1))
        found.append(Identifier(patient_id, namespace, _text(segment.part(repetition, 4, 2))))
    return tuple(dict.fromkeys(found))


def demographics(pid: Segment) -> Demographics:
    """Return what PID says of a person: PID-5, PID-7, PID-8."""
    return Demographics(
        patient_name=person_name(pid, 5) or None,
        patient_birth_date=_date(pid.value(7)),
        patient_sex=_SEXES.get(pid.value(8).strip().upper()),
    )


def person_name(segment: Segment, number: int) -> str:
    """Return a name as DICOM writes it (PS3.5 section 6.2.1): up to three component groups; "" if there is none."""
    by_group: dict[str, list[tuple[int, str]]] = {}
    for repetition in segment.repetitions(number):
        kind = segment.part(repetition, 7).strip().upper()
        group = segment.part(repetition, 8).strip().upper() or "A"
        name = "^".join(_components(segment, repetition)).rstrip("^")
        if name and group in _GROUPS:
            rank = _LEGAL.index(kind) if kind in _LEGAL else len(_LEGAL)
            by_group.setdefault(group, []).append((rank, name[:_LO].rstrip("^ ")))
    groups = [min(by_group[group], key=lambda ranked: ranked[0])[1] if group in by_group else "" for group in _GROUPS]
    return "=".join(groups).rstrip("=")


def _components(segment: Segment, repetition: str) -> Iterator[str]:
    """Yield family, given, middle name, prefix and suffix: HL7 has the suffix (XPN.4) before the prefix (XPN.5)."""
    for component in (1, 2, 3, 5, 4):
        part = segment.part(repetition, component)
        yield "" if part == NULL else _text(part)


def _text(value: str) -> str:
    """Return a text without what would divide it in DICOM."""
    kept = ("" if letter in "\\^=" or not letter.isprintable() else letter for letter in value)
    return " ".join("".join(kept).split())


def _can_be_patient_id(value: str) -> bool:
    return value != NULL and 0 < len(value) <= _LO and value.isprintable() and "\\" not in value


def _date(value: str) -> str | None:
    """Return a day as DICOM writes it; what is none (00000000, where nobody knows it) is not said."""
    day = value.strip()[:_DATE]
    if len(day) < _DATE or not (day.isascii() and day.isdigit()):
        return None
    try:
        date.fromisoformat(day)
    except ValueError:
        return None
    return day


def first_of(identifiers_: Iterable[Identifier], like: Identifier) -> Identifier | None:
    """Return the identifier of the same assigning authority as another one, else the first; None if there is none."""
    found = list(identifiers_)
    same = [one for one in found if one.authorities & like.authorities or not one.authorities | like.authorities]
    return next(iter(same or found), None)
