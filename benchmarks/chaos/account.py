"""What a run found, as a document: for a file, a test and a row of the table in docs/reliability.md."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from audit import Audit
from product import Host

from agent.simulation.ledger import Sending

_SEVERE = frozenset({"error", "critical"})
_SHOWN = 20


def document(found: Audit, lines: Sequence[Sending], done: Mapping[str, int], hosts: Sequence[Host]) -> dict[str, Any]:
    """Return the count, and what it was reached under."""
    outcomes: Counter[str] = Counter()
    for outcome, count in found.outcomes.items():
        outcomes[re.sub(r"\bage \d+ years", "age", outcome)] += count
    answers = Counter("none" if line.status is None else f"{line.status:04X}" for line in lines)
    whys = Counter(line.why for line in lines if line.acknowledged)
    return {
        "holds": found.holds and not found.never_accepted,
        "accepted": found.accepted,
        "delivered": found.delivered,
        "accounted for": dict(found.accounted),
        "lost": len(found.lost),
        "the first lost": found.lost[:_SHOWN],
        "doubled": vars(found.doubled),
        "studies": found.studies,
        "never accepted": found.never_accepted,
        "outcomes of accepted Instances": dict(outcomes.most_common()),
        "attempts to send": len(lines),
        "answers to senders": dict(answers),
        "accepted as": dict(whys),
        "the same bytes again at the PACS": found.repeated_at_pacs,
        "befell": dict(sorted(done.items())),
        "errors in the logs": _errors(hosts),
    }


def _errors(hosts: Sequence[Host]) -> dict[str, int]:
    """Count what the product's log says of level error, and what is no line of it."""
    found: Counter[str] = Counter()
    for host in hosts:
        for line in host.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.startswith("{"):
                found["no line of the log"] += 1
                continue
            event = json.loads(line) if line.endswith("}") else {"level": "error", "event": "a line that was cut off"}
            if event["level"] in _SEVERE:
                found[" ".join(filter(None, (event["event"], event.get("error"), event.get("tick"))))] += 1
    return dict(found.most_common())
