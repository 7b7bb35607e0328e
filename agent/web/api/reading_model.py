"""The reading of a study as the API tells it, and what readers say of it."""

from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import Field

from agent.web.api.model import Line, Model, Moment
from agent.web.api.study_model import PriorityName
from db import reading_marks
from db.causes import Cause
from db.feedback import Also, Finding
from db.outcome import Outcome
from db.priority import Priority
from db.reading_acts import Kind
from db.reading_record import ReadingRecord

Words: TypeAlias = Annotated[str, Field(max_length=reading_marks.LONGEST, pattern=r"^[^\x00]*$")]


class HolderTold(Model):
    """Who has the study before them."""

    name: str = Field(examples=["reader1"])
    shown: str = Field(description="As people call them.")
    since: Moment | None
    until: Moment | None = Field(description="Unless they say again that they have; null: a peer's task has no end.")
    is_peer: bool = Field(description="Whether it is a peer that has claimed its reading task (UPS).")


class ActTold(Model):
    """What a reader did."""

    id: int
    at: Moment
    actor: str
    kind: Kind
    revision: int
    words: str
    undone_by: str = Field(description="Who took it back, or empty.")
    can_be_undone: bool


class OpinionTold(Model):
    """What a reader thinks of one revision's result."""

    at: Moment
    person: str
    agrees: bool
    finding: Finding = Field(description="What the reader sees, with regard to pneumonia.")
    reason: str
    finding_text: str
    also: Also = Field(description="What else the reader sees, of a list that has codes, or empty.")
    revision: int
    is_undone: bool


class ReadingTold(Model):
    """The reading of a study."""

    holder: HolderTold | None = Field(description="Null: nobody has it before them.")
    assigned_to: str = Field(description="Whose it is to read, or empty.")
    read_at: Moment | None
    read_how: str
    priority: PriorityName | None = Field(description="A person's; null: the order's and the AI's count.")
    conflict: str = Field(description="Why a person has to say whose it is, or empty.")
    acts: tuple[ActTold, ...] = Field(description="Oldest first.")
    opinions: tuple[OpinionTold, ...] = Field(description="Oldest first.")


class Done(Model):
    """An act that is on record."""

    act: int = Field(description="Its number, by which it can be taken back.")


class Take(Model):
    """How the study is taken up."""

    take_over: bool = Field(default=False, description="Also of somebody else who has it.")


class Lock(Model):
    """Who has the study before them now."""

    mine: bool = Field(description="Whether it is who asked.")
    holder: HolderTold


class Reason(Model):
    """Why."""

    reason: Words = ""


class OpinionGiven(Model):
    """What a reader thinks of the AI's current result."""

    agrees: bool
    finding: Finding = Field(
        description="present: pneumonia. absent: nothing. other: no pneumonia, something else. unsure: cannot be said."
    )
    reason: Words = Field("", description="Needed to disagree, unless unsure.")
    finding_text: Words = ""
    also: Also = Field(Also.NOTHING, description="What else is seen, of a list that has codes; empty: nothing of it.")


class PriorityGiven(Model):
    """A person's priority."""

    priority: PriorityName | None = Field(description="Null: the order's and the AI's count again.")
    reason: Words = Field(examples=["dyspnoea"])


class Assignment(Model):
    """Whose the study is to read."""

    person: Line = Field(description="The name of a reader's account; empty: nobody's in particular.")


class NoteGiven(Model):
    """A note."""

    note: Words = Field(examples=["Called the ward."])


class Undo(Model):
    """What is taken back."""

    act: int = Field(ge=1, le=2_000_000_000)


class Withdrawal(Model):
    """Why a result is taken back."""

    cause: Cause = Field(description="Why, as the rejection notes say it (PS3.16 CID 7010).")
    note: Line = Field("", description="A person's own words.", examples=["no infiltrate"])


class Withdrawn(Model):
    """A result that was taken back."""

    revision: int = Field(description="Whose result it was.")
    outcome: Outcome = Field(description="What it was.")
    images: int = Field(ge=0, description="How many images count no more with it.")


def told_reading(record: ReadingRecord, now: datetime) -> ReadingTold:
    """Return the reading of a study as it stands at `now`."""
    holder, priority = record.holder.at(now), record.person_priority
    return ReadingTold.model_validate(
        {
            "holder": HolderTold.model_validate(holder) if holder.is_somebody else None,
            "assigned_to": record.assigned_to,
            "read_at": record.read_at,
            "read_how": record.read_how,
            "priority": None if priority is None else Priority(priority).name.lower(),
            "conflict": record.conflict,
            "acts": tuple(ActTold.model_validate(act) for act in record.acts),
            "opinions": tuple(OpinionTold.model_validate(one) for one in record.opinions),
        }
    )
