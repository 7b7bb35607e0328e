"""What readers' opinions come to: agreement, positive predictive value and missed, each with its interval. And as CSV.

A reader who cannot say is counted, and in none of the shares.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, TextIO

from db.feedback import Also, FeedbackRow, Finding
from db.feedback_counts import FeedbackCount, LabelledImage
from db.outcome import Outcome
from model.drift import wilson

CODED: Final = {
    Finding.PRESENT: "233604007 |Pneumonia|: 52101004 |Present|",
    Finding.ABSENT: "233604007 |Pneumonia|: 2667000 |Absent|",
    Finding.OTHER: "233604007 |Pneumonia|: 2667000 |Absent|",
    Finding.UNSURE: "233604007 |Pneumonia|: 373068000 |Undetermined|",
}
"""A finding in SNOMED CT, with the codes that reports use."""

ALSO: Final = {
    Also.EFFUSION: ("60046008", "Pleural effusion"),
    Also.PNEUMOTHORAX: ("36118008", "Pneumothorax"),
    Also.PNEUMOMEDIASTINUM: ("16838000", "Pneumomediastinum"),
    Also.ATELECTASIS: ("40779009", "Plate-like atelectasis"),
    Also.EDEMA: ("19242006", "Pulmonary edema"),
    Also.NODULE: ("27925004", "Nodule"),
    Also.FOREIGN_BODY: ("19227008", "Foreign body"),
}
"""What else is seen in SNOMED CT, as DICOM has it (PS3.16 CID 645, 3700, 6054, 6102)."""

COLUMNS: Final = (
    *(
        "study_instance_uid",
        "at",
        "person",
        "agrees",
        "finding",
        "finding_coded",
        "reason",
        "finding_text",
        "revision",
        "outcome",
    ),
    *("probability", "threshold", "model_name", "model_version", "model_sha256", "taken_back"),
    *("also", "also_coded"),
)
MANIFEST: Final = ("file", "label", "patient", "finding", "outcome", "modality", "station", "month", "model_version")
_LABELS: Final = {Finding.PRESENT: "PNEUMONIA", Finding.ABSENT: "NORMAL", Finding.OTHER: "NORMAL"}


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % interval (Wilson)."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """From where to where it may lie."""
        return wilson(self.count, self.of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What readers said of some results."""

    name: str
    true_positive: int
    false_positive: int
    missed: int
    true_negative: int
    unsure: int

    @property
    def agreement(self) -> Rate:
        """How many results the readers agree with."""
        right = self.true_positive + self.true_negative
        return Rate(right, right + self.false_positive + self.missed)

    @property
    def predictive_value(self) -> Rate:
        """How many of the flagged are pneumonia to the readers."""
        return Rate(self.true_positive, self.true_positive + self.false_positive)

    @property
    def missed_rate(self) -> Rate:
        """How many of those not flagged are pneumonia to the readers."""
        return Rate(self.missed, self.missed + self.true_negative)


def by_week(counts: Iterable[FeedbackCount]) -> tuple[Figures, ...]:
    """Return the figures of each week in which readers said something, named by its Monday."""
    return _grouped(counts, lambda one: _monday(one.day).isoformat())


def by_model(counts: Iterable[FeedbackCount]) -> tuple[Figures, ...]:
    """Return the figures of each model and version."""
    return _grouped(counts, lambda one: f"{one.model_name} {one.model_version}")


def total(counts: Iterable[FeedbackCount]) -> Figures:
    """Return the figures of all."""
    return _figures("all", list(counts))


def write_opinions(rows: Iterable[FeedbackRow], file: TextIO) -> int:
    """Write opinions as CSV, all that were ever given; return how many. Text that a spreadsheet would run is quoted."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for row in rows:
        made = {"taken_back": row.undone_at is not None, "finding_coded": CODED[row.finding]}
        made |= {"also_coded": "{} |{}|".format(*ALSO[row.also]) if row.also else ""}
        values = {name: getattr(row, name) for name in COLUMNS if name not in made} | made
        writer.writerow([_cell(values[name]) for name in COLUMNS])
        count += 1
    return count


def write_manifest(images: Sequence[LabelledImage], file: TextIO) -> int:
    """Write images with readers' labels as `tibabu evaluate --manifest` reads them; return how many.

    Patients are numbered: the table says which images are of one patient, and not of whom.
    """
    writer = csv.writer(file)
    writer.writerow(MANIFEST)
    numbers: dict[tuple[str, str], int] = {}
    written: set[str] = set()
    for one in images:
        if one.path in written:
            continue
        written.add(one.path)
        number = numbers.setdefault(one.patient, len(numbers) + 1)
        said = (one.finding.value, one.outcome.value, _cell(one.modality), _cell(one.station_name))
        writer.writerow(
            [one.path, _LABELS[one.finding], f"p{number}", *said, f"{one.at:%Y-%m}", _cell(one.model_version)]
        )
    return len(written)


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever a column holds
    text = value.isoformat() if hasattr(value, "isoformat") else "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _grouped(counts: Iterable[FeedbackCount], name_of: Callable[[FeedbackCount], str]) -> tuple[Figures, ...]:
    groups: dict[str, list[FeedbackCount]] = {}
    for one in counts:
        groups.setdefault(name_of(one), []).append(one)
    return tuple(_figures(name, groups[name]) for name in sorted(groups))


def _figures(name: str, counts: list[FeedbackCount]) -> Figures:
    def number(outcome: Outcome, *, ill: bool) -> int:
        findings = {Finding.PRESENT} if ill else {Finding.ABSENT, Finding.OTHER}
        return sum(one.results for one in counts if one.outcome is outcome and one.finding in findings)

    return Figures(
        name=name,
        true_positive=number(Outcome.FLAGGED, ill=True),
        false_positive=number(Outcome.FLAGGED, ill=False),
        missed=number(Outcome.NOT_FLAGGED, ill=True),
        true_negative=number(Outcome.NOT_FLAGGED, ill=False),
        unsure=sum(one.results for one in counts if one.finding is Finding.UNSURE),
    )


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
