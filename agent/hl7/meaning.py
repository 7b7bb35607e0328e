"""What each kind of message means: patients corrected and merged (ADT), orders (ORM, OMG, OMI), results (ORU)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from agent.hl7 import answers
from agent.hl7.answers import ACCEPTED, ERROR, REJECTED, Answer
from agent.hl7.message import Message, Segment
from agent.hl7.ordering import Group, groups, named_in
from agent.hl7.person import demographics, first_of, identifiers, person_name
from db.addressed import About
from db.messages import Books
from db.patient_match import Demographics
from db.patients import Corrected
from db.priority import Priority

UPDATES: Final = frozenset({"A08", "A31"})
"""Trigger events that say how a patient is called now."""

MERGES: Final = frozenset({"A18", "A34", "A36", "A40", "A47"})
"""Those by which an identifier (MRG-1) gives way to another (PID-3)."""

ORDERS: Final = frozenset({"ORM", "OMG", "OMI"})
_ASKING: Final = frozenset({"PID", "MRG", "ORC", "OBR"})
_MOST: Final = 300
"""What one message may ask for, which is one transaction: nothing else is written as long as it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeaningSettings:
    """What sites do differently; see the table [hl7] of config.toml."""

    ours: frozenset[str] = frozenset({"TIBABU"})
    """Names under which this agent sends (MSH-3)."""
    identifier_types: frozenset[str] = frozenset({"MR", "PI", "PT"})
    accession_places: tuple[tuple[str, int], ...] = (("IPC", 1), ("OBR", 18), ("ORC", 3))
    high: frozenset[str] = frozenset({"S", "STAT"})
    medium: frozenset[str] = frozenset({"A", "ASAP", "P", "C", "T"})
    completed_orders_are_read: bool = True
    accepts_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """Carries messages out. Patients that cannot be told apart are an error (AE), never a guess."""

    settings: MeaningSettings

    def of(self, message: Message, books: Books) -> Answer:
        """Do what a message asks for; return what became of it."""
        if _asked(message) > _MOST:
            detail = f"expected at most {_MOST} patients and orders in a message. Received: more"
            return Answer(REJECTED, detail, answers.SEQUENCE_ERROR)
        kind = message.header.value(9).strip().upper()
        event = message.header.value(9, 2).strip().upper()
        if kind == "ADT" and event in UPDATES:
            return self._update(message, books)
        if kind == "ADT" and event in MERGES:
            return self._merge(message, books)
        if kind in ORDERS:
            return self._each_order(message, books)
        if (kind, event or "R01") == ("ORU", "R01"):
            return self._results(message, books)
        return self._unknown(kind)

    def _unknown(self, kind: str) -> Answer:
        if self.settings.accepts_unknown:
            return Answer(ACCEPTED, "nothing to do: not a kind of message that is used here")
        known = kind in {"ADT", "ORU"}
        error = answers.UNSUPPORTED_EVENT if known else answers.UNSUPPORTED_TYPE
        return Answer(REJECTED, "expected a kind of message that is used here. Received: another one", error)

    def _update(self, message: Message, books: Books) -> Answer:
        pid = message.first("PID")
        known = () if pid is None else identifiers(pid, 3, self.settings.identifier_types)
        if pid is None or not known:
            return _missing("PID-3")
        return _corrected(books.correction.update_patient(known, demographics(pid)))

    def _merge(self, message: Message, books: Books) -> Answer:
        done = Corrected()
        pairs = _pairs(message)
        if not pairs:
            return _missing("PID and MRG")
        for pid, mrg in pairs:
            surviving = identifiers(pid, 3, self.settings.identifier_types)
            prior = identifiers(mrg, 1, self.settings.identifier_types)
            if not surviving or not prior:
                return _missing("PID-3 and MRG-1")
            before = Demographics(patient_name=person_name(mrg, 7) or None)
            for one in prior:
                target = first_of(surviving, one)
                if target is not None and one not in surviving:
                    done += books.correction.merge_patient(one, before, target, demographics(pid))
        return _corrected(done)

    def _each_order(self, message: Message, books: Books) -> Answer:
        """Take orders; the answer is that of the worst of them."""
        return self._each(message, lambda group, about: self._order(group, about, books))

    def _order(self, group: Group, about: About, books: Books) -> Answer:
        if (group.is_final or group.is_completed) and not group.is_cancelled:
            if group.is_completed and not self.settings.completed_orders_are_read:
                return Answer(ACCEPTED, "nothing to do: a completed order is not taken as read")
            return _taken_off(about, books, "order completed (HL7)")
        done = books.take_order(about, self._priority(group), cancelled=group.is_cancelled)
        if done.is_anothers:
            return Answer(ERROR, "a study that the order names is another patient's", answers.UNKNOWN_KEY)
        return Answer(ACCEPTED, f"order kept; studies on record: {done.studies}, changed: {done.changed}")

    def _priority(self, group: Group) -> Priority:
        told = group.priorities
        if named_in(told, self.settings.high):
            return Priority.HIGH
        return Priority.MEDIUM if named_in(told, self.settings.medium) else Priority.ROUTINE

    def _results(self, message: Message, books: Books) -> Answer:
        """Take what is finally reported off the worklist. What came from this agent itself changes nothing."""
        if message.header.value(3).strip() in self.settings.ours:
            return Answer(ACCEPTED, "nothing to do: a report of this agent itself")
        return self._each(message, lambda group, about: self._result(group, about, books))

    @staticmethod
    def _result(group: Group, about: About, books: Books) -> Answer:
        if not group.is_final:
            return Answer(ACCEPTED, "nothing to do: not a final report")
        return _taken_off(about, books, "final report (HL7)")

    def _each(self, message: Message, one: Callable[[Group, About], Answer]) -> Answer:
        found = []
        for group in groups(message):
            about = self._about(message, group)
            named = about.study_instance_uid or about.accession_number
            found.append(one(group, about) if named else Answer(ACCEPTED, "nothing to do: it names no study"))
        if not found:
            return _missing("ORC or OBR")
        return max(found, key=lambda answer: answer.code != ACCEPTED)

    def _about(self, message: Message, group: Group) -> About:
        pid = message.first("PID")
        return About(
            study_instance_uid=group.study_instance_uid,
            accession_number=group.accession_number(self.settings.accession_places),
            identifiers=() if pid is None else identifiers(pid, 3, self.settings.identifier_types),
            patient_name="" if pid is None else person_name(pid, 5),
        )


def _taken_off(about: About, books: Books, how: str) -> Answer:
    found = books.take_off(about, how=how)
    if found.is_anothers:
        return Answer(ERROR, "the study that is named is another patient's", answers.UNKNOWN_KEY)
    if found.doubtful:
        detail = f"{found.doubtful} studies left on the list: two patients may have this ID and accession number"
        return Answer(ERROR, detail, answers.DUPLICATE_KEY)
    kept = sum(1 for row in found.studies if row.conflict)
    return Answer(ACCEPTED, f"read; studies on record: {len(found.studies)}, in quarantine and kept: {kept}")


def _asked(message: Message) -> int:
    """Count what a message names: patients by each of their identifiers, orders and results."""
    asking = [segment for segment in message.segments if segment.name in _ASKING]
    named = {"PID": 3, "MRG": 1}
    return sum(max(1, len(one.repetitions(named[one.name])) if one.name in named else 1) for one in asking)


def _pairs(message: Message) -> list[tuple[Segment, Segment]]:
    """Return each surviving patient (PID) with the prior one (MRG): A40 may carry several."""
    pairs = []
    pid: Segment | None = None
    for segment in message.segments:
        if segment.name == "PID":
            pid = segment
        elif segment.name == "MRG" and pid is not None:
            pairs.append((pid, segment))
    return pairs


def _corrected(done: Corrected) -> Answer:
    counts: Mapping[str, int] = {
        "matched": done.matched,
        "corrected": done.corrected,
        "reported anew": done.amended,
        "in quarantine and left": done.quarantined,
    }
    told = ", ".join(f"{name}: {count}" for name, count in counts.items())
    if not done.doubtful:
        return Answer(ACCEPTED, f"studies {told}")
    detail = f"{done.doubtful} studies left as they are: two patients may have this ID. Other studies {told}"
    return Answer(ERROR, detail, answers.DUPLICATE_KEY)


def _missing(what: str) -> Answer:
    return Answer(ERROR, f"expected {what}. Received: none", answers.FIELD_MISSING)
