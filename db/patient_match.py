"""Whose studies a message speaks of: Patient ID with its assigning authority. Pure, so that it can be tested.

Two patients with one ID must never be mixed. Where both sides name the authority it decides. Where one leaves it out,
the ID alone decides only if nothing on record contradicts: no other authority has that ID, all studies under it speak
of one person, and that person shares the name or the birth date with the message.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = Any
"""A row of `study`, or whatever has its attributes of identity."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A Patient ID with its assigning authority (HL7 CX.1 and CX.4): a name of it, a universal ID, or both."""

    patient_id: str
    namespace: str = ""
    universal_id: str = ""

    @property
    def authorities(self) -> frozenset[str]:
        """What Issuer of Patient ID (0010,0021) may say for it."""
        return frozenset({self.namespace, self.universal_id} - {""})

    @property
    def issuer(self) -> str:
        """What Issuer of Patient ID is to say for it."""
        return self.namespace or self.universal_id

    def is_of(self, patient_id: str, issuer: str, home: str = "") -> bool:
        """Tell whether it may be that Patient ID: an authority that one side leaves out does not contradict."""
        own, theirs = self.authorities or frozenset({home} - {""}), issuer or home
        return self.patient_id == patient_id and (not own or not theirs or theirs in own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demographics:
    """What a message says of a person, as DICOM writes it; None where it says nothing, "" where it says: unknown."""

    patient_name: str | None = None
    patient_birth_date: str | None = None
    patient_sex: str | None = None

    def items(self) -> dict[str, str]:
        """Return what is said, by the columns' names."""
        pairs = {name: getattr(self, name) for name in ("patient_name", "patient_birth_date", "patient_sex")}
        return {name: value for name, value in pairs.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Matched:
    """The studies under an ID: those of the patient, and those of which nobody can tell."""

    sure: tuple[Row, ...]
    doubtful: tuple[Row, ...]


def match(identifier: Identifier, rows: Sequence[Row], persons: Sequence[Demographics], *, home: str = "") -> Matched:
    """Return which of the studies `rows` are the patient's: all studies on record under that Patient ID.

    `persons` is what the message says of the patient, now and before. `home` is the authority of whatever names none.
    """
    own = identifier.authorities or frozenset({home} - {""})
    sure: list[Row] = []
    bare: list[Row] = []  # neither side names an authority: the ID is all there is
    half: list[Row] = []  # one side names one
    others = False
    for row in rows:
        issuer = row.issuer_of_patient_id or home
        if issuer and own:
            if issuer in own:
                sure.append(row)
            others = others or issuer not in own
        else:
            (half if issuer or own else bare).append(row)
    unclear = [*bare, *half]
    several = len({row.issuer_of_patient_id for row in half} - {""}) > 1
    if others or several or not _one_person([*sure, *unclear]):
        return Matched(tuple(sure), tuple(unclear))
    told = [row for row in half if any(agree(person, row) for person in persons)]
    return Matched((*sure, *bare, *told), tuple(row for row in half if row not in told))


def _one_person(rows: Sequence[Row]) -> bool:
    return all(agree(one, other) for index, one in enumerate(rows) for other in rows[:index])


def agree(one: Row | Demographics, other: Row | Demographics) -> bool:
    """Tell whether both may be one person: the same name or birth date, or neither is known of both."""
    names = [one.patient_name or "", other.patient_name or ""]
    dates = [one.patient_birth_date or "", other.patient_birth_date or ""]
    if all(dates) and dates[0] == dates[1]:
        return True
    if all(names) and _called(names[0]) & _called(names[1]):
        return True
    return not all(names) and not all(dates)


def _called(name: str) -> set[tuple[str, ...]]:
    """Return family and given name of each component group (PS3.5 section 6.2.1) for comparison."""
    groups = (group.split("^")[:2] for group in name.split("="))
    folded = (tuple(" ".join(part.casefold().split()) for part in group) for group in groups)
    return {(*group, "")[:2] for group in folded if any(group)}


def same_name(one: str, other: str) -> bool:
    """Tell whether two names are one: but for case, blanks and empty components, or in any of the component groups."""
    return bool(_groups(one) & _groups(other)) or not (_groups(one) or _groups(other))


def _groups(name: str) -> set[str]:
    groups = ("^".join(" ".join(part.casefold().split()) for part in group.split("^")) for group in name.split("="))
    return {group.rstrip("^") for group in groups} - {""}


def speaks_of(identifiers: Iterable[Identifier], patient_name: str, row: Row, *, home: str = "") -> bool:
    """Tell whether an order or a report for a patient may be about the study `row`; without an ID the name decides."""
    given = [one for one in identifiers if one.patient_id]
    if not given and not row.patient_id:
        return same_name(patient_name, row.patient_name)
    return any(one.is_of(row.patient_id, row.issuer_of_patient_id, home) for one in given)


def told_apart(
    identifiers: Iterable[Identifier], patient_name: str, rows: Sequence[Row], *, home: str = ""
) -> list[Row]:
    """Return which studies of those that a message may be about surely are: all, if they are of one person.

    Else those whose authority it names, and of the others those under its patient's name if one authority issued them.
    """
    issuers = {row.issuer_of_patient_id or home for row in rows} - {""}
    if len(issuers) <= 1 and _one_person(rows):
        return list(rows)
    given = [one for one in identifiers if one.patient_id]
    sure = [row for row in rows if any(_is_named(one, row, home) for one in given)]
    unclear = [row for row in rows if row not in sure]
    named = [row for row in unclear if patient_name and same_name(patient_name, row.patient_name)]
    one_issuer = len({row.issuer_of_patient_id or home for row in named} - {""}) <= 1
    return [row for row in rows if row in sure or (one_issuer and row in named)]


def _is_named(identifier: Identifier, row: Row, home: str) -> bool:
    """Tell whether both sides name the same authority of the same ID."""
    own, theirs = identifier.authorities or frozenset({home} - {""}), row.issuer_of_patient_id or home
    return identifier.patient_id == row.patient_id and theirs in own


def packed(identifiers: Iterable[Identifier]) -> str:
    """Return identifiers as text, to be kept with an order."""
    return json.dumps([(one.patient_id, one.namespace, one.universal_id) for one in identifiers], ensure_ascii=False)


def unpacked(text: str) -> tuple[Identifier, ...]:
    """Return the identifiers that were kept."""
    return tuple(Identifier(*one) for one in json.loads(text))
