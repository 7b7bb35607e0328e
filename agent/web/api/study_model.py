"""A study as the API tells it: patient, priority, outcome and where its reports are. Never blank, never "clear"."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from agent.line.marks import marks_of
from agent.web import words
from agent.web.api.model import Model, Moment, Uid
from db.outcome import Outcome
from db.priority import Priority
from db.worklist import WorklistRow

AID = "AI triage aid for prioritisation only, not a diagnosis: `not_flagged` does not exclude disease."
PriorityName = Literal["high", "medium", "routine"]


class Patient(Model):
    """Who it is, as the objects say (PS3.3 C.7.1.1); empty where they do not."""

    patient_id: str = Field(description="Patient ID (0010,0020).", examples=["P-4711"])
    patient_name: str = Field(description="Patient's Name (0010,0010), a PN as in PS3.5 6.2.", examples=["Doe^Jane"])
    patient_birth_date: str = Field(description="Patient's Birth Date (0010,0030), a DA.", examples=["20220131"])
    patient_sex: str = Field(description="Patient's Sex (0010,0040): M, F, O or empty.", examples=["F"])
    patient_age: str = Field(description="Patient's Age (0010,1010) at the study, an AS.", examples=["004Y"])


class OutcomeTold(Model):
    """What the AI made of a study, an image or one revision. Triage aid, not a diagnosis; always with its reason."""

    kind: Literal["flagged", "not_flagged", "not_analysed", "failed", "working"] = Field(
        description=f"`working`: there is no outcome yet. {AID}"
    )
    reason: str = Field(
        min_length=1,
        description="Why: why it was not analysed or failed, or what the outcome means.",
        examples=["lateral view"],
    )
    probability: float | None = Field(
        description="The calibrated probability of pneumonia, of what is flagged; else null.", examples=[0.93]
    )
    updating: bool = Field(description="Whether a newer revision is being worked on than the one that this speaks of.")


class PriorityTold(Model):
    """How urgent reading is: the effective priority, why, and the three that it is made of."""

    effective: PriorityName
    reason: str = Field(examples=["AI flagged"])
    order: PriorityName = Field(description="As ordered.")
    ai: PriorityName | None = Field(description="The AI's, of the current result; it only ever raises.")
    person: PriorityName | None = Field(description="A person's, which counts before the others.")


class Study(Model):
    """A study as it stands."""

    study_instance_uid: Uid
    patient: Patient
    accession_number: str
    study_date: str = Field(description="Study Date (0008,0020), a DA.", examples=["20260301"])
    study_description: str
    modality: str = Field(examples=["CR"])
    calling_ae_title: str = Field(description="Who sent it first.", examples=["CR-ROOM-1"])
    instances: int = Field(ge=0, description="How many objects of it were received.")
    state: Literal["RECEIVING", "COMPLETE", "CONCLUDED", "DELIVERED"]
    revision: int = Field(ge=1, description="Counts how often it was analysed anew.")
    outcome: OutcomeTold
    priority: PriorityTold
    received_at: Moment
    due_at: Moment = Field(description="When it should be read: the worklist is in this order.")
    concluded_at: Moment | None
    read_at: Moment | None = Field(description="When it left the worklist; null: it is on it.")
    read_how: str | None = Field(description="How it became known that it is read.")
    reader: str = Field(description="Who is reading it now, or empty.")
    marks: tuple[str, ...] = Field(description="What is poor about its identity or description.")
    deliveries: dict[str, int] = Field(description="Of its reports: how many in each state, of the current result.")
    forwards: dict[str, int] = Field(description="Of its objects in router mode: how many in each state.")


def told_study(row: WorklistRow, now: datetime) -> Study:
    """Return a study's row as the API tells it at `now`."""
    return Study(
        **{name: getattr(row, name) for name in _AS_STORED},
        reader=row.reader_at(now),
        patient=Patient.model_validate(row),
        outcome=told_outcome(words.outcome(row), row.probability, updating=row.updating),
        priority=told_priority(row),
        marks=tuple(mark.words for mark in marks_of(row)),
    )


def told_outcome(found: words.OutcomeWords, probability: float | None, *, updating: bool = False) -> OutcomeTold:
    """Return an outcome with its reason; the probability of what is flagged."""
    return OutcomeTold.model_validate(
        {
            "kind": found.kind,
            "reason": found.reason or words.explanation(found)[0],
            "probability": probability if found.kind == Outcome.FLAGGED else None,
            "updating": updating,
        }
    )


def told_priority(row: WorklistRow) -> PriorityTold:
    """Return the effective priority, why it is that, and what it is made of."""
    return PriorityTold.model_validate(
        {
            "effective": row.priority.name.lower(),
            "reason": words.priority(row).reason,
            "order": row.order_priority.name.lower(),
            "ai": _name(row.ai_priority),
            "person": _name(row.person_priority),
        }
    )


def _name(value: Priority | None) -> str | None:
    return None if value is None else value.name.lower()


_AS_STORED = (
    "study_instance_uid",
    "accession_number",
    "study_date",
    "study_description",
    "modality",
    "calling_ae_title",
    "instances",
    "state",
    "revision",
    "received_at",
    "due_at",
    "concluded_at",
    "read_at",
    "read_how",
    "deliveries",
    "forwards",
)
