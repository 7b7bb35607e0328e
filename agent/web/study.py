"""One study as its page shows it: everything on record, in words, oldest first. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from agent.reports.sr import SOP_CLASS_UIDS
from agent.web import people, times, words
from agent.web.listing import ListedStudy, listed
from agent.web.timeline import EventLine, timeline
from db.roles import Role
from db.worklist import StudyRecord
from dicom_io.encapsulated import PDF_CLASS
from dicom_io.structured import SR_CLASSES

Row = Mapping[str, Any]

HANDED_OUT: Final = frozenset({Role.CANDIDATE, Role.EVIDENCE, Role.PRIOR, Role.OWN})
"""The roles of Instances that can be looked at and fetched; the others are kept apart until they are compared."""

LAST_ATTEMPTS: Final = 5
"""So many of a delivery's attempts are shown; `tibabu show` prints all."""


@dataclass(frozen=True, slots=True)
class ObjectLine:
    """An Instance of the study, with the latest outcome where it is an image that was to be analysed.

    `is_report`: it has a content tree to be read; `tells_result`: it is this agent's report of a result.
    """

    sop_instance_uid: str
    role: str
    series: str
    received: times.Moment
    outcome: words.OutcomeWords | None
    lateral: bool
    is_report: bool
    tells_result: bool
    is_pdf: bool
    is_image: bool
    gone: str


@dataclass(frozen=True, slots=True)
class ResultLine:
    """What one revision came to, and by which model."""

    revision: int
    outcome: words.OutcomeWords
    model: str
    sha256: str
    operating_point: str
    concluded: times.Moment


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One report on its way to one destination."""

    destination: str
    state: words.DeliveryWords
    attempts: str
    story: tuple[str, ...]
    reason: str
    confirmation: str
    changed: times.Moment


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A report and its deliveries."""

    text: str
    revision: int
    version: int
    sop_instance_uid: str
    rendered: times.Moment | None
    number: int
    file: str
    deliveries: tuple[DeliveryLine, ...]


@dataclass(frozen=True, slots=True)
class ForwardLine:
    """So many Instances on their way to one destination that stand alike, with the latest change."""

    destination: str
    instances: str
    state: words.DeliveryWords
    reason: str
    changed: times.Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPage:
    """One study in words."""

    row: ListedStudy
    birth_date: str
    accession_number: str
    study_date: str
    calling_ae_title: str
    state: str
    revision: int
    order_priority: str
    ai_priority: str
    person_priority: str
    explanation: tuple[str, ...]
    model: str
    events: tuple[EventLine, ...]
    objects: tuple[ObjectLine, ...]
    results: tuple[ResultLine, ...]
    reports: tuple[ReportLine, ...]
    forwards: tuple[ForwardLine, ...]


def study_page(record: StudyRecord, now: datetime, zone: tzinfo | None = None) -> StudyPage:
    """Return the study's page as things stand at `now`."""
    row = record.study
    shown = listed(row, 0, now, zone)
    return StudyPage(
        row=shown,
        birth_date=people.dicom_date(row.patient_birth_date) or "not given",
        accession_number=people.readable(row.accession_number) or "not given",
        study_date=people.dicom_date(row.study_date) or "not given",
        calling_ae_title=people.readable(row.calling_ae_title) or "not given",
        state=row.state.value.lower(),
        revision=row.revision,
        order_priority=words.priority_name(row.order_priority),
        ai_priority=words.priority_name(row.ai_priority),
        person_priority=words.priority_name(row.person_priority),
        explanation=words.explanation(shown.outcome),
        model=_latest_model(record),
        events=timeline(record, zone),
        objects=_objects(record, zone),
        results=tuple(_result(result, zone) for result in record.results),
        reports=_reports(record, zone),
        forwards=_forwards(record.forwards, zone),
    )


def _latest_model(record: StudyRecord) -> str:
    """Return by which network, and at which operating point, the latest result came about; "" if none was asked."""
    if not record.results or not (latest := record.results[-1])["model_name"]:
        return ""
    name, version = people.readable(latest["model_name"]), people.readable(latest["model_version"])
    point = f'operating point "{people.readable(latest["operating_point"])}"'
    return f"By {name} {version}, {point}: an image is flagged from a probability of {latest['threshold']:.4f}."


def _objects(record: StudyRecord, zone: tzinfo | None) -> tuple[ObjectLine, ...]:
    latest = latest_results(record.image_results)
    return tuple(
        ObjectLine(
            sop_instance_uid=instance["sop_instance_uid"],
            role=words.role(instance["role"]),
            series=", ".join(
                part for part in map(people.readable, (instance["modality"], instance["series_description"])) if part
            ),
            received=times.exact(instance["received_at"], zone),
            outcome=image_outcome(instance, latest.get(instance["id"])),
            lateral=bool(latest.get(instance["id"], {}).get("is_lateral")),
            is_report=instance["sop_class_uid"].startswith(SR_CLASSES),
            tells_result=instance["role"] == Role.OWN and instance["sop_class_uid"] in SOP_CLASS_UIDS,
            is_pdf=instance["sop_class_uid"] == PDF_CLASS,
            is_image=bool(instance["is_image"]),
            gone=_gone(instance),
        )
        for instance in record.instances
    )


def _gone(instance: Row) -> str:
    """Return why an Instance cannot be had; "" if it can."""
    if instance["removed_at"] is not None:
        return "removed by retention"
    return "" if Role(instance["role"]) in HANDED_OUT else "kept apart"


def latest_results(image_results: Sequence[Row]) -> dict[int, Row]:
    """Return the latest result of each image, by the row of its Instance."""
    return {found["instance_id"]: found for found in sorted(image_results, key=lambda row: row["revision"])}


def image_outcome(instance: Row, found: Row | None) -> words.OutcomeWords | None:
    """Return an image's outcome as things stand; None where none is needed."""
    if instance["withdrawn"] is not None:
        return words.concluded("not_analysed", instance["withdrawn"], None, "")
    needed = instance["analysis_revision"]
    if found is None:
        return None if needed is None else words.OutcomeWords("working", "Waiting for analysis")
    updating = "updating" if needed is not None and found["revision"] < needed else ""
    return words.concluded(found["outcome"], found["reason"], found["probability"], updating)


def _result(result: Row, zone: tzinfo | None) -> ResultLine:
    return ResultLine(
        revision=result["revision"],
        outcome=words.concluded(result["outcome"], result["reason"], result["probability"]),
        model=f"{people.readable(result['model_name'])} {people.readable(result['model_version'])}",
        sha256=result["model_sha256"],
        operating_point=f"{people.readable(result['operating_point'])}: flagged from {result['threshold']:.4f}",
        concluded=times.exact(result["concluded_at"], zone),
    )


def _reports(record: StudyRecord, zone: tzinfo | None) -> tuple[ReportLine, ...]:
    revisions = {result["id"]: result["revision"] for result in record.results}
    return tuple(
        ReportLine(
            text=words.report(report["kind"]),
            revision=revisions[report["result_id"]],
            version=report["version"],
            sop_instance_uid=report["sop_instance_uid"] or "",
            number=report["id"],
            file=report_file(report),
            rendered=None if report["rendered_at"] is None else times.exact(report["rendered_at"], zone),
            deliveries=_deliveries(
                [row for row in record.deliveries if row["report_id"] == report["id"]], record, zone
            ),
        )
        for report in record.reports
    )


_ENDINGS: Final = {"application/dicom": "dcm", "application/pdf": "pdf", "application/hl7-v2": "hl7"}


def report_file(report: Row) -> str:
    """Return what the file of a rendered report is called, or "" where it cannot be had."""
    if not report["path"]:
        return ""
    ending = _ENDINGS.get(report["media_type"], "json" if report["media_type"].endswith("json") else "bin")
    kind = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in report["kind"])
    return f"{kind}-{report['id']}.{ending}"


def _deliveries(rows: Sequence[Row], record: StudyRecord, zone: tzinfo | None) -> tuple[DeliveryLine, ...]:
    return tuple(
        DeliveryLine(
            destination=people.readable(row["destination"]),
            state=words.delivery_state(row["state"]),
            attempts="1 attempt" if row["attempts"] == 1 else f"{row['attempts']} attempts",
            story=tuple(_attempt(one) for one in record.attempts if one["delivery_id"] == row["id"])[-LAST_ATTEMPTS:],
            reason=people.readable(row["reason"]),
            confirmation=people.readable(row["confirmation"]),
            changed=times.exact(row["updated_at"], zone),
        )
        for row in rows
    )


def _attempt(row: Row) -> str:
    """Return how one attempt went, in a few words."""
    how = row["ending"] or "on its way"
    return f"{row['number']}: {how} {people.readable(row['status'])}".rstrip()


def _forwards(rows: Sequence[Row], zone: tzinfo | None) -> tuple[ForwardLine, ...]:
    """Return the forwards, those that stand alike as one line."""
    alike: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((row["destination"], row["state"], row["reason"]), []).append(row)
    return tuple(
        ForwardLine(
            destination=people.readable(destination),
            instances=f"{len(found)} object{'' if len(found) == 1 else 's'}",
            state=words.delivery_state(state),
            reason=people.readable(reason),
            changed=times.exact(max(row["updated_at"] for row in found), zone),
        )
        for (destination, state, reason), found in sorted(alike.items())
    )
