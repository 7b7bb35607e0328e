"""`tibabu worklist`, `tibabu show` and `tibabu requeue`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from agent.cli.options import config_option, json_option, print_json, user
from agent.config.file import Config
from agent.errors import AgentError
from agent.line.marks import marks_of
from agent.process.parts import opened, utc_now
from db.audit import Who
from db.commitment import requeue_reports
from db.queue import open_queue
from db.requeue import requeue_deliveries, requeue_study
from db.workitem_events import requeue_events
from db.worklist import StudyRecord, WorklistRow, study_record
from db.worklist import worklist as rows_of


@click.command(short_help="Print the studies in reading order.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many studies.")
@config_option
@json_option
def worklist(limit: int, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print the studies in the order in which they should be read: by the time they are due."""
    with opened(config) as database:
        rows = rows_of(database, limit=limit)
    if as_json:
        print_json([worklist_document(row) for row in rows])
        return
    if not rows:
        click.echo("No study has been received yet.")
    for number, row in enumerate(rows, 1):
        click.echo(worklist_line(number, row, utc_now()))


def worklist_document(row: WorklistRow) -> dict[str, Any]:
    """Return a study as JSON shows it; the outcome says where it stands when there is none yet."""
    return {
        "study_instance_uid": row.study_instance_uid,
        "patient_id": row.patient_id,
        "patient_name": row.patient_name,
        "accession_number": row.accession_number,
        "study_description": row.study_description,
        "modality": row.modality,
        "state": row.state.value,
        "revision": row.revision,
        "outcome": None if row.outcome is None else row.outcome.value,
        "reason": row.reason,
        "probability": row.probability,
        "updating": row.updating,
        "priority": row.priority.name,
        "priorities": {
            "order": row.order_priority.name,
            "ai": None if row.ai_priority is None else row.ai_priority.name,
            "person": None if row.person_priority is None else row.person_priority.name,
        },
        "received_at": row.received_at,
        "due_at": row.due_at,
        "concluded_at": row.concluded_at,
        "read_at": row.read_at,
        "read_how": row.read_how,
        "reader": row.reader_at(utc_now()),
        "instances": row.instances,
        "marks": [mark.name.lower() for mark in marks_of(row)],
        "deliveries": row.deliveries,
        "forwards": row.forwards,
    }


def outcome_text(row: WorklistRow) -> str:
    """Return the study's outcome in words: never blank."""
    if row.outcome is None:
        return {"RECEIVING": "being received", "COMPLETE": "being analysed"}.get(row.state, "not analysed")
    text = row.outcome.value.replace("_", " ")
    text = f"{text} ({row.reason})" if row.reason else text
    return f"{text}, updating" if row.updating else text


def worklist_line(number: int, row: WorklistRow, now: datetime) -> str:
    """Return one study as a line of text."""
    waited = int((now - row.received_at).total_seconds())
    due = int((row.due_at - now).total_seconds()) // 60
    when = f"due in {due} min" if due >= 0 else f"overdue by {-due} min"
    sent = _counts(row.deliveries) or "no reports"
    if row.forwards:
        sent += f"; forwarding: {_counts(row.forwards)}"
    marks = ", ".join(mark.words for mark in marks_of(row))
    return (
        f"{number:>3}  {row.priority.name:<8} {row.patient_name or row.patient_id or 'unidentified':<28.28} "
        f"{row.modality:<3} waiting {waited // 60:>3}:{waited % 60:02d}, {when:<20} {outcome_text(row)}  [{sent}]\n"
        f"     {row.study_instance_uid}{f'  check: {marks}' if marks else ''}"
    )


def _counts(states: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {state.lower()}" for state, n in sorted(states.items()))


@click.command(short_help="Print everything on record about a study.")
@click.argument("study_instance_uid")
@config_option
@json_option
def show(study_instance_uid: str, config: Config, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print everything on record about a study: events, image results, reports, deliveries, forwards."""
    with opened(config) as database:
        record = study_record(database, study_instance_uid)
    if record is None:
        message = f"expected the Study Instance UID of a study on record. Received: {study_instance_uid}"
        raise AgentError(message)
    if as_json:
        print_json(_record_document(record))
        return
    click.echo(worklist_line(1, record.study, utc_now()))
    for mark in marks_of(record.study):
        click.echo(f"     {mark.sentence}")
    for title, rows in _tables(record).items():
        click.echo(f"\n{title}")
        for row in rows:
            click.echo("  " + "  ".join(f"{name}={value}" for name, value in row.items() if value not in {None, ""}))


def _tables(record: StudyRecord) -> dict[str, tuple[dict[str, Any], ...]]:
    return {
        "events": record.events,
        "instances": record.instances,
        "image_results": record.image_results,
        "results": record.results,
        "reports": record.reports,
        "deliveries": record.deliveries,
        "attempts": record.attempts,
        "forwards": record.forwards,
    }


def _record_document(record: StudyRecord) -> dict[str, Any]:
    return {"study": worklist_document(record.study), **_tables(record)}


@click.command(short_help="Analyse or send again.")
@click.argument("study_instance_uid", required=False)
@click.option("--deliveries", is_flag=True, help="Send what is parked again instead of analysing again.")
@click.option("--destination", default="", help="With --deliveries: only those of this destination.")
@click.option("--delivery", type=int, help="Send this parked delivery again: a number of `tibabu deliveries`.")
@click.option("--commitments", is_flag=True, help="Send again the reports of Storage Commitment that nobody took.")
@config_option
@json_option
def requeue(
    *,
    study_instance_uid: str | None,
    deliveries: bool,
    destination: str,
    delivery: int | None,
    commitments: bool,
    config: Config,
    as_json: bool,
) -> None:
    """Analyse a study again as a new revision, or, with --deliveries, send parked reports and Instances again.

    Without a study, --deliveries requeues every parked one, --delivery one. --commitments does so with reports of
    Storage Commitment and events of reading tasks (UPS).
    """
    if commitments and (deliveries or study_instance_uid is not None or destination):
        message = "--commitments stands alone: it sends all their parked reports again"
        raise click.UsageError(message)
    if delivery is not None and (deliveries or commitments or study_instance_uid is not None or destination):
        message = "--delivery stands alone: it sends one delivery again"
        raise click.UsageError(message)
    if delivery is None and not deliveries and not commitments and (study_instance_uid is None or destination):
        message = "name a study to analyse again, or add --deliveries to send again what is parked"
        raise click.UsageError(message)
    with opened(config) as database:
        queue, now = open_queue(database), utc_now()
        if commitments:
            count, events = requeue_reports(database, queue, now=now), requeue_events(database, queue, now=now)
            done = {"requeued_commitments": count, "requeued_events": events}
            text = f"{count} reports of Storage Commitment and {events} events of reading tasks queued again."
        elif study_instance_uid is None or deliveries:
            count = requeue_deliveries(
                database,
                queue,
                now=now,
                who=Who(user()),
                study_instance_uid=study_instance_uid or "",
                destination=destination,
                delivery_id=delivery,
            )
            done, text = {"requeued_deliveries": count}, f"{count} parked deliveries queued again."
        else:
            revision = requeue_study(database, queue, study_instance_uid, actor=user(), now=now)
            done, text = {"revision": revision}, f"The study is analysed again as revision {revision}."
    if as_json:
        print_json(done)
    else:
        click.echo(text)
