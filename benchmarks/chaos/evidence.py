"""What the audit rests on: the sender's ledger, the database asked past the product, the files read back, the PACS."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.simulation.ledger import Receipt, Sending

Row = Mapping[str, Any]
Ask = Callable[[str], Sequence[Row]]

STUDIES = "SELECT id, study_instance_uid, state, revision, outcome, reason, conflict FROM study"
INSTANCES = "SELECT id, study_id, sop_instance_uid, sha256, path, role, analysis_revision FROM instance"
RESULTS = "SELECT id, study_id, revision, outcome, reason FROM result"
IMAGES = "SELECT instance_id, revision, outcome, reason FROM image_result"
REPORTS = "SELECT id, result_id, kind, version, sop_instance_uid, sha256, path FROM report"
DELIVERIES = "SELECT id, report_id, instance_id, state, reason FROM delivery"
CONCLUSIONS = "SELECT study_id, revision, count(*) AS n FROM study_event WHERE event = 'CONCLUDED' GROUP BY 1, 2"


@dataclass(frozen=True, slots=True)
class Sent:
    """An Instance that was sent: its UID, and the digest of the file that a store makes of it."""

    sop_instance_uid: str
    sha256: str


@dataclass(frozen=True)
class Ledger:
    """The rows of the database, by what they belong to."""

    studies: Mapping[int, Row]
    instances: Sequence[Row]
    results: Mapping[int, list[Row]]  # by study
    images: Mapping[int, list[Row]]  # by instance
    reports: Mapping[int, list[Row]]  # by result
    of_reports: Mapping[int, list[Row]]  # deliveries by report
    of_instances: Mapping[int, list[Row]]  # deliveries by instance
    conclusions: Sequence[Row]

    def last_result(self, study_id: int) -> Row | None:
        """Return the result of a study's highest revision."""
        return max(self.results.get(study_id, ()), key=lambda row: row["revision"], default=None)


def read_ledger(ask: Ask) -> Ledger:
    """Read all that is on record."""
    deliveries = ask(DELIVERIES)
    return Ledger(
        studies={row["id"]: row for row in ask(STUDIES)},
        instances=ask(INSTANCES),
        results=_by("study_id", ask(RESULTS)),
        images=_by("instance_id", ask(IMAGES)),
        reports=_by("result_id", ask(REPORTS)),
        of_reports=_by("report_id", deliveries),
        of_instances=_by("instance_id", deliveries),
        conclusions=ask(CONCLUSIONS),
    )


def _by(column: str, rows: Iterable[Row]) -> Mapping[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row[column] is not None:
            found[row[column]].append(row)
    return found


def stored_digest(store: Path, row: Row) -> str:
    """Return the digest of a file as it lies on the disk, "" where none lies there."""
    if row["path"] is None:  # a report that was never rendered
        return ""
    try:
        return hashlib.sha256((store / row["path"]).read_bytes()).hexdigest()
    except OSError:
        return ""


def taken(lines: Iterable[Sending]) -> dict[Sent, bool]:
    """Return what was sent, and whether it was ever answered with success."""
    found: dict[Sent, bool] = {}
    for line in lines:
        one = Sent(line.sop_instance_uid, line.sha256)
        found[one] = found.get(one, False) or line.acknowledged
    return found


def at_pacs(lines: Iterable[Receipt]) -> Mapping[str, Counter[str]]:
    """Return how often each digest arrived under each UID and was said to be stored."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for line in lines:
        if line.acknowledged:
            found[line.sop_instance_uid][line.sha256] += 1
    return found
