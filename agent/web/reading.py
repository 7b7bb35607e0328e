"""The reading of one study as its page shows it: who has it, what may be done, what was done. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from agent.web import people, times, words
from agent.web.access import Person
from db.feedback import Also, Finding
from db.outcome import Outcome
from db.priority import Priority
from db.reading_acts import Kind
from db.reading_record import ActRow, OpinionRow, ReadingRecord
from db.worklist import WorklistRow

FINDINGS: Final = {
    Finding.PRESENT: "Pneumonia",
    Finding.ABSENT: "No pneumonia, nothing else to report",
    Finding.OTHER: "No pneumonia, another finding",
    Finding.UNSURE: "Cannot be said from these images",
}
"""What a reader may see, in words."""

ALSO: Final = {
    Also.NOTHING: "nothing of this list",
    Also.EFFUSION: "Pleural effusion",
    Also.PNEUMOTHORAX: "Pneumothorax",
    Also.PNEUMOMEDIASTINUM: "Pneumomediastinum",
    Also.ATELECTASIS: "Plate-like atelectasis",
    Also.EDEMA: "Pulmonary edema",
    Also.NODULE: "Nodule",
    Also.FOREIGN_BODY: "Foreign body",
}
"""What else a reader may see, in words."""

_AGREES_WITH: Final = {
    Outcome.FLAGGED: (Finding.PRESENT, Finding.UNSURE),
    Outcome.NOT_FLAGGED: (Finding.ABSENT, Finding.OTHER, Finding.UNSURE),
}
_DISAGREES_WITH: Final = {
    Outcome.FLAGGED: (Finding.ABSENT, Finding.OTHER, Finding.UNSURE),
    Outcome.NOT_FLAGGED: (Finding.PRESENT, Finding.UNSURE),
}
_KINDS: Final = {
    Kind.READ: "Marked read",
    Kind.UNREAD: "Put back on the worklist",
    Kind.FEEDBACK: "Opinion of the AI's result",
    Kind.REPORTED: "Reports are to say so",
    Kind.PRIORITY: "Priority",
    Kind.ASSIGNED: "Assigned",
    Kind.NOTE: "Note",
    Kind.RESOLVED: "Whose it is",
    Kind.UNDONE: "Taken back",
}

DONE: Final = {
    "read": "Marked read: the study is off the worklist.",
    "unread": "The study is on the worklist again.",
    "feedback": "Your opinion of the AI's result is on record.",
    "priority": "The priority is changed, and the study has its new place.",
    "assigned": "The study is assigned.",
    "note": "The note is on record.",
    "undone": "Taken back.",
    "open": "You have the study before you.",
    "busy": "Somebody else has the study before them. You may read on, or take it over.",
    "reported": "The reports are made anew: they say that a reader disagrees.",
    "resolved": "Decided. What follows from it happens by itself.",
    "withdrawn": "The result is withdrawn: the reports that were sent are taken back.",
}
"""What a page says of what was just done, by the word in its address, for as long as it is so."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be chosen in a form."""

    value: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActLine:
    """An act in words."""

    id: int
    at: times.Moment
    actor: str
    text: str
    words: str
    undone_by: str
    can_be_undone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpinionLine:
    """What a reader thinks of a result."""

    at: times.Moment
    person: str
    text: str
    finding: str
    reason: str
    finding_text: str
    also: str
    revision: int
    is_undone: bool

    @property
    def seen(self) -> str:
        """What they see beside pneumonia, by the list and in their own words."""
        return "; ".join(part for part in (self.also, self.finding_text) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingPage:
    """The reading of a study in words, and what its forms say they have seen."""

    study_instance_uid: str
    revision: int
    version: int
    may_act: bool
    holder: str
    held_since: times.Moment | None
    is_mine: bool
    holder_is_peer: bool
    assigned_to: str
    is_read: bool
    read: str
    read_at: times.Moment | None
    agree: tuple[Choice, ...]  # empty: there is nothing to agree or disagree with
    disagree: tuple[Choice, ...]
    asks_for_withdrawal: bool  # somebody disagrees with what was reported, and it still stands
    also: tuple[Choice, ...]
    ai_said: str
    priorities: tuple[Choice, ...]
    person_priority: str
    readers: tuple[str, ...]  # whom it may be assigned to; empty: anybody
    conflict: str
    doubt: str
    acts: tuple[ActLine, ...]
    opinions: tuple[OpinionLine, ...]
    done: str

    @property
    def last_undoable(self) -> ActLine | None:
        """What the key u takes back: the last act that can be."""
        return next((act for act in reversed(self.acts) if act.can_be_undone), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of the page: may who asks act, what was just done, and to whom a study may be assigned."""

    may_act: bool
    done: str = ""
    readers: tuple[str, ...] = ()


def reading_page(
    record: ReadingRecord,
    row: WorklistRow,
    person: Person,
    now: datetime,
    asked: Asked,
    zone: tzinfo | None = None,
) -> ReadingPage:
    """Return the reading of a study as `person` sees it at `now`."""
    holder = record.holder.at(now)
    judged = row.outcome if row.outcome in _AGREES_WITH and not row.updating and not record.conflict else None
    opinions = tuple(_opinion(one, zone) for one in record.opinions)
    return ReadingPage(
        study_instance_uid=row.study_instance_uid,
        revision=record.seen.revision,
        version=record.seen.version,
        may_act=asked.may_act,
        holder=people.readable(holder.shown),
        held_since=None if holder.since is None else times.moment(holder.since, now, zone),
        is_mine=holder.is_somebody and holder.name == person.name,
        holder_is_peer=holder.is_peer,
        assigned_to=people.readable(record.assigned_to),
        is_read=record.read_at is not None,
        read=people.readable(record.read_how),
        read_at=None if record.read_at is None else times.moment(record.read_at, now, zone),
        agree=() if judged is None else _choices(_AGREES_WITH[judged]),
        disagree=() if judged is None else _choices(_DISAGREES_WITH[judged]),
        asks_for_withdrawal=_asks_for_withdrawal(record, judged),
        also=tuple(Choice(one.value, text) for one, text in ALSO.items()),
        ai_said=words.outcome(row).text,
        priorities=tuple(
            Choice(one.name, words.priority_name(one)) for one in (Priority.HIGH, Priority.MEDIUM, Priority.ROUTINE)
        ),
        person_priority="" if record.person_priority is None else Priority(record.person_priority).name,
        readers=asked.readers,
        conflict=people.readable(record.conflict),
        doubt=people.readable(record.doubt),
        acts=tuple(_act(one, zone) for one in record.acts),
        opinions=opinions,
        done=_done(asked.done, record, is_mine=holder.is_somebody and holder.name == person.name),
    )


def _done(word: str, record: ReadingRecord, *, is_mine: bool) -> str:
    """Return what was just done, unless it is so no more: the address may be an hour old, or somebody's invention."""
    untrue = {
        "read": record.read_at is None,
        "unread": record.read_at is not None,
        "open": not is_mine,
        "busy": is_mine,
    }
    return "" if untrue.get(word) else DONE.get(word, "")


def _asks_for_withdrawal(record: ReadingRecord, judged: Outcome | None) -> bool:
    """Tell whether the last standing opinion of the current result is that it is wrong."""
    standing = [one for one in record.opinions if not one.is_undone and one.revision == record.seen.revision]
    return judged is not None and bool(standing) and not standing[-1].agrees


def _choices(findings: tuple[Finding, ...]) -> tuple[Choice, ...]:
    return tuple(Choice(one.value, FINDINGS[one]) for one in findings)


def _act(act: ActRow, zone: tzinfo | None) -> ActLine:
    return ActLine(
        id=act.id,
        at=times.exact(act.at, zone),
        actor=people.readable(act.actor),
        text=f"{_KINDS[act.kind]}{_what(act)}",
        words=people.readable(act.words, longest=2000),
        undone_by=people.readable(act.undone_by),
        can_be_undone=act.can_be_undone,
    )


def _what(act: ActRow) -> str:
    """Return what an act came to, as far as its values say it."""
    values = json.loads(act.after)
    match act.kind:
        case Kind.PRIORITY:
            found = values["person_priority"]
            return ": as ordered or flagged" if found is None else f": {words.priority_name(Priority(found))}"
        case Kind.ASSIGNED:
            return f" to {people.readable(values['assigned_to'])}" if values["assigned_to"] else " to nobody"
        case Kind.FEEDBACK:
            seen = [FINDINGS[Finding(values["finding"])]]
            if also := Also(values.get("also", "")):
                seen.append(ALSO[also])
            return f": {_opinion_text(agrees=values['agrees'])}, {', '.join(seen).lower()}"
        case _:
            return ""


def _opinion_text(*, agrees: bool) -> str:
    return "agrees" if agrees else "disagrees"


def _opinion(row: OpinionRow, zone: tzinfo | None) -> OpinionLine:
    return OpinionLine(
        at=times.exact(row.at, zone),
        person=people.readable(row.person),
        text=f"{_opinion_text(agrees=row.agrees)} with the AI",
        finding=FINDINGS[row.finding],
        reason=people.readable(row.reason, longest=2000),
        finding_text=people.readable(row.finding_text, longest=2000),
        also=ALSO[row.also] if row.also else "",
        revision=row.revision,
        is_undone=row.is_undone,
    )
