"""The worklist as its page shows it: rows, counts and pages. Pure."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from agent.marks import Mark, marks_of
from agent.web import people, times, words
from db.breaker import Rest
from db.worklist import MOST, WorklistCounts, WorklistRow

PER_PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedStudy:
    """A row of the worklist in words."""

    position: int
    study_instance_uid: str
    name: people.PersonName
    patient_id: str
    age: str
    sex: str
    description: str
    modality: str
    instances: str
    priority: words.PriorityWords
    outcome: words.OutcomeWords
    received: times.Moment
    waiting: str
    due: times.Due
    due_at: times.Moment
    deliveries: tuple[words.DeliveryWords, ...]
    forwards: tuple[words.DeliveryWords, ...]
    marks: tuple[Mark, ...]
    reader: str
    assigned_to: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands at the head of the page."""

    studies: int
    flagged: int
    overdue: int
    oldest: str
    more: str  # "+" where there are more studies than are counted


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of the worklist is shown; pages count from 1."""

    page: int
    pages: int

    @property
    def offset(self) -> int:
        """How many studies come before this page."""
        return (self.page - 1) * PER_PAGE


def listed(row: WorklistRow, position: int, now: datetime, zone: tzinfo | None = None) -> ListedStudy:
    """Return a study of the worklist in words, as things stand at `now`."""
    return ListedStudy(
        position=position,
        study_instance_uid=row.study_instance_uid,
        name=people.person_name(row.patient_name),
        patient_id=people.patient_id(row.patient_id),
        # At the study, as the gate counts it: an image may be sent years after it was taken.
        age=people.age(row.patient_age, row.patient_birth_date, people.day(row.study_date) or row.received_at.date()),
        sex=people.sex(row.patient_sex),
        description=people.readable(row.study_description) or "no description",
        modality=people.readable(row.modality, longest=16) or "no modality",
        instances=f"{row.instances} object{'' if row.instances == 1 else 's'}",
        priority=words.priority(row),
        outcome=words.outcome(row),
        received=times.moment(row.received_at, now, zone),
        waiting=times.duration(now - row.received_at),
        due=times.due(row.due_at, now),
        due_at=times.moment(row.due_at, now, zone),
        deliveries=words.deliveries(row),
        forwards=words.forwards(row),
        marks=marks_of(row),
        reader=people.readable(row.reader_at(now)),
        assigned_to=people.readable(row.assigned_to),
    )


@dataclass(frozen=True, slots=True)
class RestingDestination:
    """A destination to which nothing is sent, since when and why."""

    destination: str
    since: times.Moment
    reason: str


def resting(rest: Rest, zone: tzinfo | None = None) -> RestingDestination:
    """Return a destination that rests in words."""
    since = times.exact(rest.opened_at or rest.updated_at, zone)
    return RestingDestination(people.readable(rest.destination), since, people.readable(rest.reason))


def summary(counts: WorklistCounts, now: datetime) -> Summary:
    """Return the counts for the head of the page."""
    oldest = "none" if counts.oldest_received_at is None else times.duration(now - counts.oldest_received_at)
    more = "+" if counts.studies >= MOST else ""
    return Summary(counts.studies, counts.flagged, counts.overdue, oldest, more)


def paging(asked: str, studies: int) -> Paging:
    """Return the page that was asked for, or the nearest one that there is."""
    pages = max(1, -(-studies // PER_PAGE))
    page = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < len("1000000000") else 1
    return Paging(min(max(page, 1), pages), pages)
