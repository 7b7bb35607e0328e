"""What goes into a report and what comes out: plain values, checked when they are made.

A report is rendered from a `StudyResult` and its module's settings alone, never from the clock or the database: the
same result gives the same bytes.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from agent.errors import AgentError

FLAGGED: Final = "flagged"
NOT_FLAGGED: Final = "not_flagged"
NOT_ANALYSED: Final = "not_analysed"
FAILED: Final = "failed"
OUTCOMES: Final = (FLAGGED, NOT_FLAGGED, NOT_ANALYSED, FAILED)
"""Of a study and of an image alike. Never blank, never "clear"."""
DICOM: Final = "application/dicom"
"""Media type of a DICOM object (PS3.18 section 8.7.3.1)."""

_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")


class ReportError(AgentError):
    """A report cannot be rendered from what the store holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """Which network spoke, and at which operating point: a change of any of these is another device to the world."""

    name: str
    version: str
    sha256: str
    operating_point_name: str
    threshold: float
    """Probability at and above which an image is flagged."""
    preprocessing: str = ""
    manufacturer: str = "Tibabu"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOutcome:
    """What came of one candidate image. Only an analysed image can carry a probability or a heat map."""

    sop_instance_uid: str
    sop_class_uid: str
    path: Path | None
    """The Instance's file in the store; None where retention has removed it: its result stands, and is told."""
    outcome: str
    reason: str = ""
    probability: float | None = None
    heat_map: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    """Heat map, uint8 [h, w] over the whole image, 255 where it is strongest."""

    def __post_init__(self) -> None:
        """Refuse a probability where nothing was analysed, and a flag without one."""
        _check_outcome(self.outcome)
        _check_probability(self.outcome, self.probability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """The report of an earlier version that this one replaces (PS3.3 C.17.2, Predecessor Documents Sequence)."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentObject:
    """A DICOM object of ours that a destination may have."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    is_image: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFacts:
    """Whose study it is and what was asked for, as the database holds it: text in Unicode, "" where nothing is known.

    Attributes are PS3.6 keywords in snake_case. Reports that are DICOM take them over from the images, byte for byte,
    but for those that were `corrected`.
    """

    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    """As DICOM writes it: components by ^, groups by = (PS3.5 section 6.2.1)."""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    study_id: str = ""
    modality: str = ""
    referring_physician_name: str = ""
    calling_ae_title: str = ""
    received_at: datetime
    order_priority: str = "LOW"
    """What the order asks for: HIGH, MEDIUM or LOW (PS3.3 C.30.2, (0074,1200))."""
    priority: str = "LOW"
    """The one that counts, by the same terms: never below the order's unless a person lowered it."""
    corrected: frozenset[str] = frozenset()
    """Names of the attributes here that an admission message or an order changed after the images had come."""
    due_at: datetime | None = None
    """When it should have been read, by that priority."""
    reading_task_uid: str = ""
    """The SOP Instance UID of its reading task (agent.reports.workitem)."""
    reading_task_cancelled: str = ""
    """Why that is no longer to be done; "" as long as it is."""
    reading_tasks_before: tuple[str, ...] = ()
    """Those of the study that came before it and are no longer to be done, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """The concluded outcome of one revision of a study: everything a report may say."""

    study_instance_uid: str
    revision: int
    outcome: str
    reason: str = ""
    probability: float | None = None
    """The flagged image's highest."""
    model: ModelIdentity
    """Which one looks at the images, whether or not it was asked about one of these."""
    analysed_at: datetime
    """Start of the analysis."""
    concluded_at: datetime
    images: tuple[ImageOutcome, ...]
    """The candidates for analysis, in the order of the study."""
    evidence: tuple[Path, ...]
    """Every image Instance of the study; where it has none, any Instance of it."""
    version: int = 1
    """Of the report; counts from 1."""
    installation: str
    """A UUID as text, made once per installation."""
    software_version: str
    predecessors: tuple[Predecessor, ...] = ()
    study: StudyFacts
    explanation: Predecessor | None = None
    """The Parametric Map of this very result, where every destination of the report gets it too."""
    variant: str = ""
    """The report's name in the configuration where that is not its type: part of its UIDs, for its bytes differ."""
    fall_back: int = 0
    """How many forms of the report its destination refused: see `ReportSettings.fall_backs`."""
    withdrawal: str = ""
    """Why earlier results were taken back with this one: a rejection note's title code (CID 7010); "" if none were."""
    withdrawal_reason: str = ""
    reader_finding: str = ""
    """What a reader sees who disagrees and lets reports say so (db.feedback.Finding); "" for nothing to say."""
    rejected: tuple[SentObject, ...] = ()
    """Of a rejection note: what it takes back."""

    def __post_init__(self) -> None:
        """Refuse naive times, and results that contradict themselves."""
        _check_outcome(self.outcome)
        for name in ("analysed_at", "concluded_at"):
            moment: datetime = getattr(self, name)
            if moment.utcoffset() is None:
                message = f"expected an aware datetime. Received: {name}={moment.isoformat()}"
                raise ValueError(message)
        flagged = any(image.outcome == FLAGGED for image in self.images)
        if flagged != (self.outcome == FLAGGED):
            message = f"expected a study to be flagged exactly when an image is. Received: outcome={self.outcome}"
            raise ValueError(message)

    @property
    def withdrawn(self) -> bool:
        """Whether it takes back what was said before: its reason says so (db/performed.py)."""
        return self.outcome == NOT_ANALYSED and self.reason.startswith("withdrawn: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A rendered report, ready to be stored and sent as it is."""

    media_type: str
    data: bytes = field(repr=False)
    identifier: str
    """What names it to its receivers: its SOP Instance UID, its message control ID, its Bundle's identifier."""
    sop_class_uid: str = ""
    """Of a DICOM object; "" of anything else."""
    series_instance_uid: str = ""

    @property
    def sha256(self) -> str:
        """The digest of the bytes: the same identifier always means the same digest."""
        return sha256(self.data).hexdigest()


def strongest(result: StudyResult) -> ImageOutcome:
    """Return the image that a report shows: the flagged one with the highest probability."""
    flagged = [image for image in result.images if image.outcome == FLAGGED]
    if not flagged:
        message = f"expected a flagged study. Received: outcome={result.outcome}"
        raise ReportError(message)
    return max(flagged, key=lambda image: image.probability or 0)


class Code(BaseModel):
    """A coded concept (PS3.3 section 8.8)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str = Field(min_length=1, max_length=16, description="Code Value.")
    scheme: str = Field(min_length=1, max_length=16, description="Coding Scheme Designator.")
    meaning: str = Field(min_length=1, max_length=64, description="Code Meaning.")


class ReportSettings(BaseModel):
    """What every report can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(
        default="",
        description="What it is: the name of a module in agent.reports; empty: the table's own name. A table of "
        "another name, with a type, is a second report of that type, for destinations that name it.",
    )
    outcomes: tuple[Literal["flagged", "not_flagged", "not_analysed", "failed"], ...] = Field(
        default=OUTCOMES, description="Of studies with which outcomes it is made, where there can be one."
    )
    timezone: str = Field(
        default="UTC",
        description="Zone of the times in the report where the images do not say theirs: an IANA name or +HHMM.",
    )

    @property
    def fall_backs(self) -> int:
        """How many other forms the report has, for a destination that takes none of the first one's kind."""
        return 0

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        zone(value)
        return value


class DicomReportSettings(ReportSettings):
    """What every report in DICOM can be told."""

    equipment_purpose: Code = Field(
        default=Code(value="109102", scheme="DCM", meaning="Processing Equipment"),
        description="Purpose of Reference of the algorithm in the Contributing Equipment Sequence (PS3.16 CID 7005).",
    )


def zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name, "UTC" or a fixed offset like +0530; ValueError for anything else."""
    if name == "UTC":
        return UTC
    if match := _OFFSET.fullmatch(name):
        sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"expected an IANA time zone or an offset like +0530. Received: timezone={name}"
        raise ValueError(message) from None


def _check_outcome(outcome: str) -> None:
    if outcome not in OUTCOMES:
        message = f"expected one of {', '.join(OUTCOMES)}. Received: outcome={outcome}"
        raise ValueError(message)


def _check_probability(outcome: str, probability: float | None) -> None:
    if probability is None:
        if outcome == FLAGGED:
            message = "expected the probability of a flagged image. Received: probability=None"
            raise ValueError(message)
        return
    if outcome in (NOT_ANALYSED, FAILED):
        message = f"expected no probability of an image that is {outcome}. Received: probability={probability}"
        raise ValueError(message)
    if not 0 <= probability <= 1:
        message = f"expected a probability from 0 to 1. Received: probability={probability}"
        raise ValueError(message)
