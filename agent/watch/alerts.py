"""People are told what stands wrong, once, again while it stands, and when it is over."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from agent.config.alerts import AlertsSection
from agent.destinations import Alert, Alerting, Destination, mapped, patience_of
from agent.errors import DeliveryError
from db.alerts import Claim, Rules, claim_alerts, settle_alert
from db.database import Database
from db.trouble import OF_DESTINATIONS, Standing, Trouble

log = structlog.get_logger(__name__)

SCHEMA = "tibabu-alert-1"


@dataclass(frozen=True, slots=True)
class Alerter:
    """Tells through the destinations of `[alerts]`; of its own trouble none of them is told, only the log."""

    database: Database
    destinations: Mapping[str, Destination]
    settings: AlertsSection
    clock: Callable[[], datetime]

    def look(self) -> None:
        """Tell what is to be told now. A sending that fails is tried again by the next call."""
        failed: set[str] = set()
        for claim in claim_alerts(self.database, self._rules(), now=self.clock()):
            if claim.channel in failed or self.clock() >= claim.claimed_until:
                settle_alert(self.database, claim, told=False, at=self.clock())
            elif not self._tell(claim):
                failed.add(claim.channel)  # its time-outs are not waited for again

    def _rules(self) -> Rules:
        return Rules(
            channels=self.settings.to,
            patience=patience_of(self.destinations),
            after=self.settings.after,
            repeat=self.settings.repeat,
        )

    def _tell(self, claim: Claim) -> bool:
        """Send, and commit how it went; return whether it did."""
        alert = alert_of(claim, at=self.clock())
        facts = {"trouble": claim.trouble, "destination": claim.destination, "says": alert.subject}
        channel = self.destinations.get(claim.channel)
        its_own = claim.trouble in OF_DESTINATIONS and claim.channel == claim.destination
        if its_own or not isinstance(channel, Alerting):
            log.error("alert_not_carried", **facts)
            settle_alert(self.database, claim, told=True, at=self.clock())
            return True
        try:
            with mapped(claim.channel):
                channel.alert(alert)
        except DeliveryError as error:
            log.warning("alert_not_sent", to=claim.channel, reason=str(error), **facts)
            settle_alert(self.database, claim, told=False, maybe=error.sent, at=self.clock())
            return False
        else:
            log.info("alert_sent", to=claim.channel, **facts)
            settle_alert(self.database, claim, told=True, at=self.clock())
            return True


def alert_of(claim: Claim, *, at: datetime) -> Alert:
    """Return the message: counts, names and reasons, and the commands that mend it; nothing of a patient or study."""
    stands, name, of_destination = claim.stands, claim.destination, claim.trouble in OF_DESTINATIONS
    subject = _over(claim.trouble, name) if stands is None else _subject(stands)
    commands = [f"tibabu {command}".format(name) for command in _COMMANDS[claim.trouble]] if stands else []
    lines = [f"{subject}."]
    if stands is not None:
        lines.append(f"Since: {stands.since.isoformat(timespec='seconds')}")
        lines += [f"Status: {stands.status}"] if stands.status else []
        lines += [f"Reason: {stands.reason}"] if stands.reason else []
        lines += ["", f"Look, mend the cause{', and send again' if of_destination else ''}:", *commands]
    data = {
        "trouble": claim.trouble,
        "destination": name if of_destination else "",
        "what": "" if of_destination else name,
        "stands": stands is not None,
        "since": None if stands is None else stands.since.isoformat(),
        "reports": 0 if stands is None else stands.reports,
        "instances": 0 if stands is None else stands.instances,
        "status": "" if stands is None else stands.status,
        "reason": "" if stands is None else stands.reason,
        "sentence": f"{subject}.",
        "commands": commands,
    }
    payload = {"schema": SCHEMA, "type": "alert", "timestamp": at.isoformat(), "data": data}
    return Alert(
        identifier=claim.identifier,
        at=at,
        subject=f"Tibabu: {subject}",
        lines=tuple(lines),
        data=json.dumps(payload, ensure_ascii=False, indent=1).encode(),
    )


_COMMANDS = {
    Trouble.PARKED: (
        "deliveries --state parked --destination {}",
        "requeue --deliveries --destination {}",
    ),
    Trouble.RESTS: ("check", "deliveries --destination {}"),
    Trouble.TO_NOBODY: ("deliveries --destination {}",),
    Trouble.UNCONFIRMED: ("deliveries --state stored --destination {}", "deliveries --state queued --destination {}"),
    Trouble.TICK_FAILS: ("ticks",),
    Trouble.TICK_OVERDUE: ("ticks",),
    Trouble.DISK_LOW: ("ticks", "check"),
    Trouble.FILES_DAMAGED: ("verify",),
    Trouble.TRIAGE_OFF: ("triage",),
    Trouble.DRIFT: ("drift", "triage"),
}


def _subject(stands: Standing) -> str:
    name = stands.destination
    counts = ((stands.reports, "report"), (stands.instances, "image"))
    things = " and ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n)
    return {
        Trouble.PARKED: f"{things} parked for destination {name}",
        Trouble.RESTS: f"destination {name} does not take what it is sent, and nothing is sent there until it answers",
        Trouble.TO_NOBODY: f"{things} waiting for destination {name}, which the configuration does not have",
        Trouble.UNCONFIRMED: f"{things} not confirmed by destination {name}, which said that it stored them",
        Trouble.TICK_FAILS: f"{name}, which is done periodically, fails",
        Trouble.TICK_OVERDUE: f"{name}, which is done periodically, is overdue",
        Trouble.FILES_DAMAGED: f"files in the {name} are damaged or lost",
        Trouble.TRIAGE_OFF: "triage is switched off: no study is raised",
        Trouble.DRIFT: f"what comes in has drifted from what the model was made on ({name})",
        Trouble.DISK_LOW: f"there is little room where the {name} lies",
    }[stands.trouble]


def _over(trouble: Trouble, name: str) -> str:
    return {
        Trouble.PARKED: f"nothing is parked any more for destination {name}",
        Trouble.RESTS: f"destination {name} answers again",
        Trouble.TO_NOBODY: f"nothing waits for destination {name} any more, or the configuration has it again",
        Trouble.UNCONFIRMED: f"no report waits any more for destination {name} to confirm it",
        Trouble.TICK_FAILS: f"{name}, which is done periodically, does not fail any more",
        Trouble.TICK_OVERDUE: f"{name}, which is done periodically, is not overdue any more",
        Trouble.TRIAGE_OFF: "triage is switched on again",
        Trouble.DRIFT: f"what comes in is again what the model was made on ({name})",
        Trouble.FILES_DAMAGED: f"no file in the {name} is damaged or lost any more",
        Trouble.DISK_LOW: f"there is room again where the {name} lies",
    }[trouble]
