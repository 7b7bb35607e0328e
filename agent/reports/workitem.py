"""The reading task of a study as a Unified Procedure Step (PS3.3 B.26, PS3.4 table CC.2.5-3), in the DICOM JSON Model.

One source for all doors: what is sent to a worklist manager (UPS Push), listed to who asks (UPS Pull, UPS-RS), and told
to who watches. The label is neutral unless the study was flagged; the priority is the one that counts.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from agent.reports.document import FLAGGED, Document, ReportSettings, StudyResult
from agent.reports.evidence import gather
from agent.reports.identity import derived_uid
from agent.reports.wording import AID

MEDIA_TYPE: Final = "application/dicom+json"
SOP_CLASS_UIDS: Final[tuple[str, ...]] = ()
UPS_PUSH: Final = "1.2.840.10008.5.1.4.34.6.1"
"""The SOP Class of every workitem, whichever service it is asked by (PS3.4 CC.3.1)."""

FLAGGED_LABEL: Final = "Read: AI-flagged suspected pneumonia"
LABEL: Final = "Read: imaging study"
WORKLIST: Final = "Tibabu reading worklist"
SCHEDULED, CANCELED = "SCHEDULED", "CANCELED"
REPLACED: Final = "Another task takes its place"
_INTERPRETATION: Final = ("110005", "DCM", "Interpretation")

STATE: Final = "00741000"
REASON: Final = "00741238"
PROGRESS: Final = "00741002"
SOP_INSTANCE_UID: Final = "00080018"
Model = dict[str, Any]


class Settings(ReportSettings):
    """How the reading task is made for a worklist manager."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a reading task says: whose study, how urgent, what is to be read.

    `inputs`: SOP Class, SOP Instance and Series Instance UID of each Instance. `priority` is a term of PS3.3 C.30.2.
    """

    sop_instance_uid: str
    state: str = SCHEDULED
    is_flagged: bool
    priority: str
    received_at: datetime
    due_at: datetime | None
    modified_at: datetime
    study_instance_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    accession_number: str
    study_description: str
    inputs: tuple[tuple[str, str, str], ...]
    replaces: str = ""
    retrieve_ae_title: str = ""


def applies(outcome: str) -> bool:  # noqa: ARG001 - part of the contract
    """Every concluded study is to be read: flagged, not flagged, not analysed and failed alike."""
    return True


def render(result: StudyResult, settings: Settings) -> Document:  # noqa: ARG001 - part of the contract
    """Return the task, or that it is cancelled, after what is said of the one that it replaces.

    The identifier is its UID, and /VERSION of the report.
    """
    facts = result.study
    uid = facts.reading_task_uid or derived_uid("reading task", result.installation, result.study_instance_uid)
    if facts.reading_task_cancelled:
        model = cancellation(uid, facts.reading_task_cancelled)
    else:
        references = gather(result).references
        model = workitem(
            Task(
                sop_instance_uid=uid,
                is_flagged=result.outcome == FLAGGED,
                priority=facts.priority,
                received_at=facts.received_at,
                due_at=facts.due_at,
                modified_at=result.concluded_at,
                study_instance_uid=result.study_instance_uid,
                patient_id=facts.patient_id,
                issuer_of_patient_id=facts.issuer_of_patient_id,
                patient_name=facts.patient_name,
                patient_birth_date=facts.patient_birth_date,
                patient_sex=facts.patient_sex,
                accession_number=facts.accession_number,
                study_description=facts.study_description,
                inputs=tuple((one.sop_class_uid, one.sop_instance_uid, one.series_instance_uid) for one in references),
                replaces=facts.reading_tasks_before[-1] if facts.reading_tasks_before else "",
            )
        )
    models = [cancellation(before, REPLACED) for before in facts.reading_tasks_before]  # some may never have arrived
    return Document(
        media_type=MEDIA_TYPE,
        data=json.dumps([*models, model], ensure_ascii=False).encode(),
        identifier="/".join(filter(None, (uid, str(result.version), result.variant))),
    )


def workitem(task: Task) -> Model:
    """Return the attributes of a task: those of an N-CREATE, and the state."""
    scheduled = {
        "00404005": _text("DT", moment(task.received_at)),  # Scheduled Procedure Step Start DateTime
        "00404010": _text("DT", moment(task.modified_at)),  # Scheduled Procedure Step Modification DateTime
        "00404011": _text("DT", "" if task.due_at is None else moment(task.due_at)),  # Expected Completion DateTime
        "00404018": _items(_code(*_INTERPRETATION)),  # Scheduled Workitem Code Sequence
        "00404021": _items(*_inputs(task)),  # Input Information Sequence
        "00404025": _items(),  # Scheduled Station Name Code Sequence
        "00404026": _items(),  # Scheduled Station Class Code Sequence
        "00404027": _items(),  # Scheduled Station Geographic Location Code Sequence
        "00404041": _text("CS", "READY"),  # Input Readiness State
        "00400400": _text("LT", AID),  # Comments on the Scheduled Procedure Step
        "00741200": _text("CS", task.priority),  # Scheduled Procedure Step Priority
        "00741202": _text("LO", WORKLIST),  # Worklist Label
        "00741204": _text("LO", FLAGGED_LABEL if task.is_flagged else LABEL),  # Procedure Step Label
        "00741210": _items(),  # Scheduled Processing Parameters Sequence
    }
    found = {**_identity(task), **scheduled, **_relationship(task)}
    return dict(sorted(found.items()))


def cancellation(sop_instance_uid: str, reason: str) -> Model:
    """Return what is said of a task that is no longer to be done."""
    return {
        SOP_INSTANCE_UID: _text("UI", sop_instance_uid),
        STATE: _text("CS", CANCELED),
        REASON: _text("LT", reason),
    }


def moment(when: datetime) -> str:
    """Return a time as VR DT has it, with its offset from UTC (PS3.5 6.2)."""
    return when.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")


def progress(*, ended_at: datetime, reason: str) -> Model:
    """Return the Procedure Step Progress Information of a task that this agent cancelled (PS3.4 CC.2.5.1.1)."""
    return _items({"00404052": _text("DT", moment(ended_at)), REASON: _text("LT", reason)})


def _identity(task: Task) -> Model:
    return {
        "00080005": _text("CS", "ISO_IR 192"),
        "00080016": _text("UI", UPS_PUSH),
        SOP_INSTANCE_UID: _text("UI", task.sop_instance_uid),
        "00080201": _text("SH", "+0000"),  # Timezone Offset From UTC
        "00100010": _name(task.patient_name),
        "00100020": _text("LO", task.patient_id),
        "00100021": _text("LO", task.issuer_of_patient_id),
        "00100030": _text("DA", task.patient_birth_date),
        "00100040": _text("CS", task.patient_sex),
        "0020000D": _text("UI", task.study_instance_uid),
        STATE: _text("CS", task.state),
    }


def _relationship(task: Task) -> Model:
    """Return the UPS Relationship Module (PS3.3 C.30.4) and what is empty as long as nobody reads."""
    request = {
        "00080050": _text("SH", task.accession_number),
        "00080051": _items(),  # Issuer of Accession Number Sequence
        "0020000D": _text("UI", task.study_instance_uid),
        "00321060": _text("LO", task.study_description),  # Requested Procedure Description
        "00321064": _items(),  # Requested Procedure Code Sequence
        "00401001": _text("SH", ""),  # Requested Procedure ID
    }
    replaced = {"00081150": _text("UI", UPS_PUSH), "00081155": _text("UI", task.replaces)}
    return {
        "00081080": _text("LO", ""),  # Admitting Diagnoses Description
        "00081084": _items(),  # Admitting Diagnoses Code Sequence
        "00101002": _items(),  # Other Patient IDs Sequence
        "00102000": _text("LO", ""),  # Medical Alerts
        "001021C0": {"vr": "US"},  # Pregnancy Status
        "00380010": _text("LO", ""),  # Admission ID
        "00380014": _items(),  # Issuer of Admission ID Sequence
        "00380050": _text("LO", ""),  # Special Needs
        "0040A370": _items(request),  # Referenced Request Sequence
        "00741002": _items(),  # Procedure Step Progress Information Sequence
        "00741216": _items(),  # Unified Procedure Step Performed Procedure Sequence
        **({"00741224": _items(replaced)} if task.replaces else {}),  # Replaced Procedure Step Sequence
    }


def _inputs(task: Task) -> Iterable[Model]:
    """Yield an item for each Series to be read (PS3.3 table 10-3)."""
    series: dict[str, list[Model]] = {}
    for sop_class, sop_instance, series_uid in task.inputs:
        reference = {"00081150": _text("UI", sop_class), "00081155": _text("UI", sop_instance)}
        series.setdefault(series_uid, []).append(reference)
    for uid, references in series.items():
        item = {
            "00081199": _items(*references),  # Referenced SOP Sequence
            "0020000D": _text("UI", task.study_instance_uid),
            "0020000E": _text("UI", uid),
            "0040E020": _text("CS", "DICOM"),  # Type of Instances
        }
        if task.retrieve_ae_title:
            item["0040E021"] = _items({"00080054": _text("AE", task.retrieve_ae_title)})  # DICOM Retrieval Sequence
        yield item


def _text(vr: str, value: str) -> Model:
    return {"vr": vr, "Value": [value]} if value else {"vr": vr}


def _name(text: str) -> Model:
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False)
    value = {kind: group for kind, group in groups if group}
    return {"vr": "PN", "Value": [value]} if value else {"vr": "PN"}


def _items(*items: Mapping[str, Any]) -> Model:
    return {"vr": "SQ", "Value": [dict(sorted(item.items())) for item in items]} if items else {"vr": "SQ"}


def _code(value: str, scheme: str, meaning: str) -> Model:
    return {"00080100": _text("SH", value), "00080102": _text("SH", scheme), "00080104": _text("LO", meaning)}
