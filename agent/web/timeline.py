"""What happened to a study, oldest first: events, when images were scored, when reports arrived. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo

from agent.web import people, times, words
from db.outcome import Outcome
from db.worklist import StudyRecord


@dataclass(frozen=True, slots=True)
class EventLine:
    """Something that happened to the study, and who or what did it."""

    at: times.Moment
    text: str
    detail: str
    revision: int
    actor: str


def timeline(record: StudyRecord, zone: tzinfo | None) -> tuple[EventLine, ...]:
    """Return the lines in the order in which it happened."""
    lines = sorted((*_events(record, zone), *_scored(record, zone), *_delivered(record, zone)), key=lambda one: one[0])
    return tuple(line for _, line in lines)


def _events(record: StudyRecord, zone: tzinfo | None) -> Iterator[tuple[datetime, EventLine]]:
    for event in record.events:
        yield (
            event["at"],
            EventLine(
                at=times.exact(event["at"], zone),
                text=words.event(event["event"]),
                detail=words.event_detail(event["event"], event["detail"]),
                revision=event["revision"],
                actor=people.readable(event["actor"]),
            ),
        )


def _scored(record: StudyRecord, zone: tzinfo | None) -> Iterator[tuple[datetime, EventLine]]:
    uids = {instance["id"]: instance["sop_instance_uid"] for instance in record.instances}
    for found in record.image_results:
        outcome = words.concluded(Outcome(found["outcome"]), found["reason"], found["probability"])
        said = f"{outcome.text.lower()} ({outcome.reason})" if outcome.reason else outcome.text.lower()
        yield (
            found["finished_at"],
            EventLine(
                at=times.exact(found["finished_at"], zone),
                text="Image looked at by the AI",
                detail=f"{said}, {uids.get(found['instance_id'], '')}",
                revision=found["revision"],
                actor="agent",
            ),
        )


def _delivered(record: StudyRecord, zone: tzinfo | None) -> Iterator[tuple[datetime, EventLine]]:
    revisions = {result["id"]: result["revision"] for result in record.results}
    reports = {report["id"]: report for report in record.reports}
    for delivery in record.deliveries:
        report = reports[delivery["report_id"]]
        if delivery["acknowledged_at"] is not None:
            yield (
                delivery["acknowledged_at"],
                EventLine(
                    at=times.exact(delivery["acknowledged_at"], zone),
                    text="Report delivered",
                    detail=f"{words.report(report['kind'])} to {people.readable(delivery['destination'])}",
                    revision=revisions[report["result_id"]],
                    actor="agent",
                ),
            )
