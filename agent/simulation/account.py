"""The account at the end: what was acknowledged against what is on record, and reports against what the PACS got."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.simulation.ledger import Receipt, Sending, acknowledged
from db.accounting import Standing, recorded, standings
from db.database import Database
from db.delivery_state import DeliveryState
from db.lifecycle import State

DELIVERED = "delivered"
PARKED = "parked"
QUARANTINED = "quarantined"
WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Sent:
    """What the sender saw: attempts by status, and distinct Instances (digests) that were acknowledged."""

    attempts: int
    by_status: dict[str, int]
    by_why: dict[str, int]
    accepted: int
    studies: int


@dataclass(frozen=True, slots=True)
class Received:
    """What the PACS saw: attempts by the status that it answered, and distinct objects that it took."""

    by_status: dict[str, int]
    objects: int


@dataclass(frozen=True, slots=True)
class Account:
    """What became of all that was accepted.

    `fates` counts accepted Instances by what became of their study: delivered (every report of it is acknowledged, and
    is at the PACS if its ledger is known), parked or quarantined (people see it), waiting (work goes on). `lost`: not
    on record. `doubled`: an Instance that counts twice. `not_at_pacs`: reports that are on record as acknowledged, and
    of which the PACS has nothing, or other bytes. `changed_at_pacs`: SOP Instance UIDs that came to it in two forms.
    """

    fates: Mapping[str, int]
    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    not_at_pacs: tuple[str, ...] = ()
    changed_at_pacs: tuple[str, ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether accepted = delivered + accounted for, none doubled, and the PACS has what it acknowledged."""
        return not (self.lost or self.doubled or self.not_at_pacs or self.changed_at_pacs)

    def document(self) -> dict[str, Any]:
        """Return it for --json."""
        wrong = {name: list(getattr(self, name)) for name in ("lost", "doubled", "not_at_pacs", "changed_at_pacs")}
        return {"holds": self.holds, "fates": dict(self.fates), "outcomes": dict(self.outcomes), **wrong}


def sent(lines: Iterable[Sending]) -> Sent:
    """Sum up a sender's ledger."""
    statuses: Counter[str] = Counter()
    whys: Counter[str] = Counter()
    taken: set[str] = set()
    studies: set[str] = set()
    for line in lines:
        answer = line.problem or "no answer" if line.status is None else f"{line.status:04X} {line.problem}".rstrip()
        statuses[answer] += 1
        if line.acknowledged:
            whys[line.why] += 1
            taken.add(line.sha256)
            studies.add(line.study_instance_uid)
    return Sent(statuses.total(), dict(statuses), dict(whys), len(taken), len(studies))


def received(receipts: Iterable[Receipt]) -> Received:
    """Sum up a PACS's ledger."""
    lines = list(receipts)
    return Received(dict(Counter(f"{line.status:04X}" for line in lines)), len(acknowledged(lines)))


def account(
    lines: Iterable[Sending],
    database: Database,
    receipts: Iterable[Receipt] | None = None,
    *,
    destination: str | None = None,
) -> Account:
    """Compare a sender's ledger with an agent's database and, if given, with the ledger of the PACS that it reports to.

    With `receipts` say which `destination` that PACS is, by its name in the agent's configuration.
    """
    study_of = {line.sha256: line.study_instance_uid for line in lines if line.acknowledged}
    studies = list(dict.fromkeys(study_of.values()))
    there = None if receipts is None else acknowledged(receipts)
    on_record: set[str] = set()
    counted: Counter[str] = Counter()
    for one in recorded(database, studies):
        on_record.add(one.sha256)
        counted[one.sop_instance_uid] += one.role.value in {"candidate", "evidence"}
    known = {one.study_instance_uid: one for one in standings(database, studies, destination=destination)}
    not_at_pacs = [
        report.sop_instance_uid
        for one in known.values()
        for report in one.acknowledged
        if there is not None and report.sha256 not in there.get(report.sop_instance_uid, ())
    ]
    present = {digest: uid for digest, uid in study_of.items() if digest in on_record}
    return Account(
        fates=Counter(_fate(known[uid]) for uid in present.values()),
        lost=tuple(sorted(study_of.keys() - on_record)),
        doubled=tuple(sorted(uid for uid, count in counted.items() if count > 1)),
        not_at_pacs=tuple(sorted(not_at_pacs)),
        changed_at_pacs=tuple(sorted(uid for uid, digests in (there or {}).items() if len(digests) > 1)),
        outcomes=Counter("none yet" if one.outcome is None else one.outcome.value for one in known.values()),
    )


def _fate(standing: Standing) -> str:
    if standing.quarantined:
        return QUARANTINED
    if standing.state is State.DELIVERED:
        return DELIVERED
    return PARKED if standing.deliveries.get(DeliveryState.PARKED) else WAITING
