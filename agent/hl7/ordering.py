"""Orders and results in HL7 messages: what each is about, how urgent it is, how it stands (chapters 4 and 7).

Groups are found by their segments alone, so that ORM, OMG, OMI and ORU are read alike, whatever their version: an
order begins with its ORC, or with another OBR.
"""

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.hl7.message import Message, Segment
from agent.hl7.text import NULL

_UID: Final = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)*")
_STUDY: Final = "113014"  # DCM: DICOM Study; OBX-3 of the Study Instance UID among results
_CANCELLED: Final = frozenset({"CA", "OC", "CR", "DC", "OD", "DR"})  # ORC-1, table 0119
_ENDED: Final = frozenset({"CA", "DC"})  # ORC-5, table 0038
_FINAL: Final = frozenset({"F", "C"})  # OBR-25, table 0123
_LONGEST: Final = 64  # of an accession number: SH has 16 characters, but longer ones are in use


@dataclass(frozen=True, slots=True)
class Group:
    """The segments of one order or result, the first of each name; OBX are all kept."""

    segments: dict[str, Segment] = field(default_factory=dict)
    observations: list[Segment] = field(default_factory=list)

    def value(self, name: str, number: int, component: int = 1) -> str:
        """Return a value of a segment; "" where there is none."""
        segment = self.segments.get(name)
        return "" if segment is None else segment.value(number, component).strip()

    @property
    def study_instance_uid(self) -> str:
        """Where messages carry it: IPC-3, ZDS-1, or a result that says so; "" if it can be none."""
        told = [self.value("IPC", 3), self.value("ZDS", 1)]
        told += [one.value(5).strip() for one in self.observations if one.value(3).strip() == _STUDY]
        return next((uid for uid in told if _UID.fullmatch(uid)), "")

    def accession_number(self, places: Sequence[tuple[str, int]]) -> str:
        """Return the first that there is in the `places`, which a site says."""
        return next((value for name, number in places if (value := _short(self.value(name, number)))), "")

    @property
    def priorities(self) -> frozenset[str]:
        """What is said of its priority: TQ1-9, OBR-27.6, ORC-7.6, OBR-5."""
        told = (self.value("TQ1", 9), self.value("OBR", 27, 6), self.value("ORC", 7, 6), self.value("OBR", 5))
        return frozenset(value.upper() for value in told) - {""}

    @property
    def is_cancelled(self) -> bool:
        """Whether the order ended without a result (ORC-1, or its status ORC-5)."""
        return self.value("ORC", 1).upper() in _CANCELLED or self.value("ORC", 5).upper() in _ENDED

    @property
    def is_completed(self) -> bool:
        """Whether a change of its status (ORC-1 SC) says that it is completed (ORC-5 CM)."""
        return (self.value("ORC", 1).upper(), self.value("ORC", 5).upper()) == ("SC", "CM")

    @property
    def is_final(self) -> bool:
        """Whether its result is final, or the correction of one that was (OBR-25)."""
        return self.value("OBR", 25).upper() in _FINAL


def groups(message: Message) -> Iterator[Group]:
    """Yield each order or result of a message."""
    common: Segment | None = None  # an ORC that several OBR share
    group: Group | None = None
    for segment in message.segments:
        starts = segment.name == "ORC" or (segment.name == "OBR" and (group is None or "OBR" in group.segments))
        if starts:
            if group is not None:
                yield group
            common = segment if segment.name == "ORC" else common
            group = Group({} if common is None else {"ORC": common})
        if group is None:
            continue
        if segment.name == "OBX":
            group.observations.append(segment)
        else:
            group.segments.setdefault(segment.name, segment)
    if group is not None:
        yield group


def named_in(told: frozenset[str], terms: Container[str]) -> bool:
    """Tell whether any of the priorities told is one of `terms`."""
    return any(one in terms for one in told)


def _short(value: str) -> str:
    """Return what can be an Accession Number, "" for anything else."""
    usable = value != NULL and len(value) <= _LONGEST and value.isprintable() and "\\" not in value
    return value if usable else ""
