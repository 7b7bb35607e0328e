"""The worklist as its page shows it: rows, counts and pages. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from agent.line.marks import Mark, marks_of
from agent.web import people, times, words
from db.breaker import Rest
from db.kinds import SCORE
from db.queue import KindDepth
from db.worklist import WorklistRow
from db.worklist_counts import MOST, WorklistCounts

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
    read: times.Moment | None
    read_how: str
    prior_only: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands at the head of the page."""

    studies: int
    flagged: int
    overdue: int
    oldest: str
    mean: str
    more: str  # "+" where there are more studies than are counted


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
        read=None if row.read_at is None else times.moment(row.read_at, now, zone),
        read_how=people.readable(row.read_how or ""),
        prior_only=row.prior_only,
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

    def since(at: datetime | None) -> str:
        return "none" if at is None else times.duration(now - at)

    more = "+" if counts.studies >= MOST else ""
    longest, mean = since(counts.oldest_received_at), since(counts.mean_received_at)
    return Summary(counts.studies, counts.flagged, counts.overdue, longest, mean, more)


def waiting_for_analysis(depths: Iterable[KindDepth]) -> int:
    """Return how many images wait to be analysed, or are being."""
    return sum(one.waiting + one.later + one.running for one in depths if one.kind == SCORE)
