"""The audit: every Instance that was answered 0x0000 is found again, whatever the product says of itself.

accepted: an Instance (SOP Instance UID and digest) that its sender was told 0x0000 for, at least once.
delivered: its file lies in the store unchanged, the PACS has those very bytes, and of its study's last result the PACS
has every report, byte for byte what is on record.
accounted for: its file lies in the store unchanged, and a person sees why it or its reports are not at the PACS: its
study is quarantined, a delivery is parked with its reason, or it is the duplicate, in another transfer syntax, of one
that is delivered.
lost: neither. doubled: what `Doubled` counts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evidence import Ledger, Row, Sent, stored_digest

_QUARANTINED, _PARKED, _DUPLICATE = "quarantined", "parked", "duplicate"
_ACCOUNTED = frozenset({_QUARANTINED, _PARKED, _DUPLICATE})


@dataclass
class Doubled:
    """What stands twice and must not."""

    rows: int = 0  # the same bytes on record more than once under their UID
    bytes_under_one_uid: int = 0  # SOP Instance UIDs under which the PACS was given different bytes
    unknown_at_pacs: int = 0  # objects at the PACS that are neither received Instances nor reports on record
    conclusions: int = 0  # revisions of a study that were concluded more than once
    reports: int = 0  # reports of one kind beyond the first, of one result, at the PACS

    @property
    def total(self) -> int:
        """All of it."""
        return sum(vars(self).values())


@dataclass
class Audit:
    """What was found. `outcomes` says of every accepted Instance what its own analysis came to."""

    accepted: int = 0
    delivered: int = 0
    accounted: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    doubled: Doubled = field(default_factory=Doubled)
    never_accepted: int = 0
    studies: int = 0
    repeated_at_pacs: int = 0  # the same bytes under the same UID once more: a repetition, which doubles nothing

    @property
    def holds(self) -> bool:
        """Tell whether accepted = delivered + accounted for, 0 lost, 0 doubled."""
        found = self.delivered + self.accounted.total()
        return self.accepted == found and not self.lost and not self.doubled.total


def audit(ledger: Ledger, store: Path, sent: Mapping[Sent, bool], pacs: Mapping[str, Counter[str]]) -> Audit:
    """Compare what was accepted with all that is there. `sent` says of each Instance whether it was accepted."""
    found = Audit(studies=len(ledger.studies), never_accepted=sum(not taken for taken in sent.values()))
    rows: dict[Sent, list[Row]] = defaultdict(list)
    for row in ledger.instances:
        rows[Sent(row["sop_instance_uid"], stored_digest(store, row))].append(row)
    for one in (one for one, taken in sent.items() if taken):
        found.accepted += 1
        kept = rows.get(one, [])
        found.doubled.rows += max(0, len(kept) - 1)
        fate = _fate(ledger, store, kept[0], one, pacs) if kept else "no row whose file holds these bytes"
        _count(found, one, fate)
        if kept:
            found.outcomes[_outcome(ledger, kept[0])] += 1
    _count_doubled(found, ledger, pacs)
    found.repeated_at_pacs = sum(digests.total() - len(digests) for digests in pacs.values())
    return found


def _count(found: Audit, one: Sent, fate: str) -> None:
    if not fate:
        found.delivered += 1
    elif fate in _ACCOUNTED:
        found.accounted[fate] += 1
    else:
        found.lost.append(f"{one.sop_instance_uid}: {fate}")


def _fate(ledger: Ledger, store: Path, row: Row, one: Sent, pacs: Mapping[str, Counter[str]]) -> str:
    """Return "" for a delivered Instance, else why it is not: an accounted kind, or how it is lost."""
    study = ledger.studies[row["study_id"]]
    if study["conflict"]:
        return _QUARANTINED
    if row["role"] == "duplicate":
        return _duplicate(ledger, store, row, pacs)
    here = _held(ledger.of_instances.get(row["id"], []), arrived=one.sha256 in pacs.get(one.sop_instance_uid, ()))
    return here or _reports(ledger, store, row, pacs)


def _duplicate(ledger: Ledger, store: Path, row: Row, pacs: Mapping[str, Counter[str]]) -> str:
    """Return what a duplicate is by what became of the one that it repeats."""
    for first in ledger.instances:
        if first["sop_instance_uid"] == row["sop_instance_uid"] and first["role"] in {"candidate", "evidence"}:
            fate = _fate(ledger, store, first, Sent(first["sop_instance_uid"], first["sha256"]), pacs)
            return fate or _DUPLICATE
    return "the duplicate of nothing"


def _held(deliveries: Iterable[Row], *, arrived: bool) -> str:
    if arrived:
        return ""
    states = {row["state"]: row["reason"] for row in deliveries}
    if states.get("PARKED"):
        return _PARKED
    return f"not at the PACS, and not parked: {sorted(states)}"


def _reports(ledger: Ledger, store: Path, row: Row, pacs: Mapping[str, Counter[str]]) -> str:
    state, result = ledger.studies[row["study_id"]]["state"], ledger.last_result(row["study_id"])
    if result is None or not result["outcome"]:
        return f"its study has no result: {state}"
    if (row["analysis_revision"] or 0) > result["revision"]:
        return f"the last result is older than it: {state}"
    reports = ledger.reports.get(result["id"], [])
    if not reports:
        return "its study's last result has no report"
    for report in reports:
        arrived = stored_digest(store, report) in pacs.get(report["sop_instance_uid"] or "", ())
        if trouble := _held(ledger.of_reports.get(report["id"], []), arrived=arrived):
            return f"report {report['kind']} {trouble}" if trouble != _PARKED else trouble
    return ""


def _outcome(ledger: Ledger, row: Row) -> str:
    """Return what an Instance's analysis came to, with its reason where it is none."""
    if row["role"] != "candidate":
        return f"no candidate ({row['role']})"
    last: Any = max(ledger.images.get(row["id"], ()), key=lambda image: image["revision"], default=None)
    if last is None:
        return "no image result"
    return f"{last['outcome']} ({last['reason']})" if last["reason"] else str(last["outcome"])


def _count_doubled(found: Audit, ledger: Ledger, pacs: Mapping[str, Counter[str]]) -> None:
    reports = [report for group in ledger.reports.values() for report in group]
    known = {report["sop_instance_uid"] for report in reports} | {row["sop_instance_uid"] for row in ledger.instances}
    kinds = Counter((report["result_id"], report["kind"]) for report in reports if report["sop_instance_uid"] in pacs)
    found.doubled.bytes_under_one_uid = sum(len(digests) > 1 for digests in pacs.values())
    found.doubled.unknown_at_pacs = sum(uid not in known for uid in pacs)
    found.doubled.conclusions = sum(row["n"] > 1 for row in ledger.conclusions)
    found.doubled.reports = sum(count - 1 for count in kinds.values())
