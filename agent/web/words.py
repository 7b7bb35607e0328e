"""What the ledger holds, in words for people. Pure. Nothing here says or suggests that a study is normal or clear."""

from dataclasses import dataclass
from typing import Final

from agent.reports import wording
from agent.web.people import readable
from db.delivery_state import DeliveryState
from db.lifecycle import Event, State
from db.outcome import Outcome
from db.priority import Priority
from db.roles import Role
from db.worklist import WorklistRow

CAVEAT: Final = "AI triage aid - not a diagnosis. Only pneumonia is looked for. 'Not flagged' does not exclude disease."
NO_REASON: Final = "no reason recorded"
PRIOR_ONLY: Final = "fetched for comparison only"

_OUTCOMES = {
    Outcome.FLAGGED: "Flagged",
    Outcome.NOT_FLAGGED: "Not flagged",
    Outcome.NOT_ANALYSED: "Not analysed",
    Outcome.FAILED: "Failed",
}
_PRIORITIES = {Priority.HIGH: "High", Priority.MEDIUM: "Medium", Priority.ROUTINE: "Routine"}
_UNDER_WORK = {State.RECEIVING: "being received", State.COMPLETE: "being analysed"}
_DELIVERIES = {
    DeliveryState.PARKED: "parked",
    DeliveryState.QUEUED: "queued",
    DeliveryState.HELD: "held for the outcome",
    DeliveryState.STORED: "stored, to be confirmed",
    DeliveryState.ACKNOWLEDGED: "acknowledged",
    DeliveryState.TESTED: "on trial: in a folder, not sent",
    DeliveryState.SUPERSEDED: "superseded",
}
_REPORTS = {
    "sr": "Structured report",
    "picture": "Picture with heat map",
    "fhir": "FHIR resources",
    "summary": "Summary in JSON",
}
_ROLES = {
    Role.CANDIDATE: "image for analysis",
    Role.EVIDENCE: "kept, not for analysis",
    Role.OWN: "written by this agent",
    Role.PRIOR: "prior, for comparison",
    Role.UNVERIFIED: "known UID, being compared",
    Role.DUPLICATE: "duplicate",
    Role.CONFLICT: "conflict, a person decides",
}
_EVENTS = {
    "RECEIVED": "First object received",
    "RAISED": "Priority raised by the AI",
    "PERFORMED_STEP": "Said by the modality (MPPS)",
    "IMAGES_WITHDRAWN": "Images withdrawn",
    "RESULT_WITHDRAWN": "Result taken back",
    "ORDERED": "Raised or completed by its order",
    "ORDER_LOWERED": "A lower priority was asked for",
    "ORDER_CANCELLED": "The order was cancelled",
    "IDENTITY_CORRECTED": "Patient corrected",
    "IDENTITY_NOT_CORRECTED": "Patient not corrected",
    "IDENTITY_IN_DOUBT": "Patient in doubt",
    "DELIVERY_REQUEUED": "Parked delivery put back to be sent",
    "READ": "Read: off the worklist",
    "OPENED": "Opened for reading",
    "TAKEN_OVER": "Reading taken over",
    "READER_READ": "Read: off the worklist",
    "READER_UNREAD": "Put back on the worklist",
    "READER_FEEDBACK": "Opinion of the AI's result",
    "READER_REPORTED": "Reports are to say that a reader disagrees",
    "READER_PRIORITY": "Priority changed by a person",
    "READER_ASSIGNED": "Assigned",
    "READER_NOTE": "Note written",
    "READER_RESOLVED": "A person decided whose it is",
    "READER_UNDONE": "Taken back",
    "READING_IN_PROGRESS": "Reading begun (UPS)",
    "READING_COMPLETED": "Reading completed (UPS)",
    "READING_CANCELED": "Reading task cancelled (UPS)",
    Event.CANDIDATE_STORED: "Image for analysis received",
    Event.ENDED: "Study complete",
    Event.CONCLUDED: "Concluded",
    Event.ALL_ACKNOWLEDGED: "All reports acknowledged",
    Event.RESOLVED: "Out of quarantine",
    Event.REQUEUED: "Put back to be analysed again",
    Event.WITHDRAWN: "Result withdrawn",
}


@dataclass(frozen=True, slots=True)
class OutcomeWords:
    """A study's or an image's outcome: its kind (also the name of its symbol), the words, and what is added to them."""

    kind: str
    text: str
    reason: str = ""
    probability: str = ""
    updating: str = ""


@dataclass(frozen=True, slots=True)
class PriorityWords:
    """The effective priority and why it is that."""

    kind: str
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeliveryWords:
    """So many deliveries in one state."""

    kind: str
    text: str


def outcome(row: WorklistRow) -> OutcomeWords:
    """Return a study's outcome: never blank, also while its first revision is worked on.

    An image that is flagged flags its study, whatever the others come to: so much is known before the outcome is.
    What was fetched for comparison only is under nobody's work.
    """
    if row.prior_only:
        return only_prior()
    if row.outcome is None:
        return not_concluded(row.state, is_raised=row.ai_priority is not None)
    return concluded(row.outcome, row.reason, row.probability, being_updated(row.state) if row.updating else "")


def only_prior() -> OutcomeWords:
    """Return what is said of a study of which nothing is to be analysed."""
    return OutcomeWords(Outcome.NOT_ANALYSED, _OUTCOMES[Outcome.NOT_ANALYSED], PRIOR_ONLY)


def not_concluded(state: State, *, is_raised: bool) -> OutcomeWords:
    """Return what is known of a study that has no outcome yet."""
    if (working := _UNDER_WORK.get(state)) is None:
        return OutcomeWords(Outcome.NOT_ANALYSED, _OUTCOMES[Outcome.NOT_ANALYSED], "no result on record")
    if is_raised:
        return OutcomeWords(Outcome.FLAGGED, _OUTCOMES[Outcome.FLAGGED], updating=f"so far: {working}")
    return OutcomeWords("working", working.capitalize())


def being_updated(state: State) -> str:
    """Return what is added to an outcome where a newer revision is worked on."""
    return f"updating: {_UNDER_WORK.get(state, 'under work')}"


def concluded(outcome: str, reason: str, probability: float | None, updating: str = "") -> OutcomeWords:
    """Return the outcome of an image or of one revision: a reason unless analysed, a probability only if flagged."""
    found = Outcome(outcome)
    analysed = found in {Outcome.FLAGGED, Outcome.NOT_FLAGGED}
    shown = probability is not None and found is Outcome.FLAGGED
    return OutcomeWords(
        kind=found.value,
        text=_OUTCOMES[found],
        reason="" if analysed else (readable(reason) or NO_REASON),
        probability=wording.probability(probability) if shown and probability is not None else "",
        updating=updating,
    )


def priority(row: WorklistRow) -> PriorityWords:
    """Return the effective priority with its reason: a person, the AI, or the order."""
    return PriorityWords(row.priority.name.lower(), _PRIORITIES[row.priority], _why(row))


def _why(row: WorklistRow) -> str:
    if row.person_priority is not None:
        return "set by a person"
    if row.ai_priority is None or row.ai_priority < row.order_priority:
        return "order"
    ai = _what_the_ai_did(row)
    return f"order; {ai}" if row.ai_priority == row.order_priority else ai


def _what_the_ai_did(row: WorklistRow) -> str:
    if row.outcome is None or row.updating:
        return "AI flagged an image"
    return "AI flagged" if row.outcome is Outcome.FLAGGED else "AI flagged earlier"


def priority_name(value: Priority | None) -> str:
    """Return one of the three priorities that are kept apart."""
    return "not set" if value is None else _PRIORITIES[value]


def deliveries(row: WorklistRow) -> tuple[DeliveryWords, ...]:
    """Return how many deliveries stand where, those that need a person first; never empty."""
    found = tuple(
        DeliveryWords(_kind(state), f"{row.deliveries[state]} {word}")
        for state, word in _DELIVERIES.items()
        if row.deliveries.get(state)
    )
    if found:
        return found
    waiting = row.state in _UNDER_WORK
    return (DeliveryWords("none", "not yet" if waiting else "none to send"),)


def forwards(row: WorklistRow) -> tuple[DeliveryWords, ...]:
    """Return how many forwards of Instances stand where, those that need a person first; empty without router mode."""
    return tuple(
        DeliveryWords(_kind(state), f"{row.forwards[state]} forwarding: {word}")
        for state, word in _DELIVERIES.items()
        if row.forwards.get(state)
    )


def _kind(state: str) -> str:
    """Return which symbol a delivery's state has."""
    alike = {
        DeliveryState.HELD: DeliveryState.QUEUED,
        DeliveryState.STORED: DeliveryState.QUEUED,
        DeliveryState.TESTED: DeliveryState.SUPERSEDED,
    }
    return alike.get(state, state).lower()


def delivery_state(state: str) -> DeliveryWords:
    """Return where one delivery stands."""
    return DeliveryWords(_kind(state), _DELIVERIES.get(state, state.lower()))


def report(kind: str) -> str:
    """Return what a report is; a type that is not known here goes by its own name."""
    return _REPORTS.get(kind, readable(kind))


def role(value: str) -> str:
    """Return what an Instance is to its study."""
    return _ROLES.get(Role(value), value)


def event(name: str) -> str:
    """Return what happened to a study."""
    return _EVENTS.get(name, readable(name.replace("_", " ").capitalize()))


def event_detail(name: str, detail: str) -> str:
    """Return what an audit row adds; a conclusion's outcome is put in the words used everywhere else."""
    if name in {Event.CONCLUDED, Event.WITHDRAWN}:
        found, _, reason = detail.partition(": ")
        if found in set(Outcome):
            text = _OUTCOMES[Outcome(found)].lower()
            return f"{text} ({readable(reason)})" if reason else text
    return readable(detail)


def explanation(found: OutcomeWords) -> tuple[str, ...]:
    """Return what a study's outcome means and what it does not mean, in sentences."""
    match found.kind:
        case Outcome.FLAGGED:
            first = "Suspected pneumonia: at least one image is at or above the network's operating point."
        case Outcome.NOT_FLAGGED:
            first = "The network flagged none of the images that it analysed."
        case Outcome.NOT_ANALYSED:
            return ("No assessment by AI: nothing is said about the presence or absence of disease.",)
        case Outcome.FAILED:
            return ("The analysis failed: nothing is said about the presence or absence of disease.",)
        case _:
            return ("There is no outcome yet; this page brings it up to date by itself.",)
    limits = wording.NO_OTHER_RULE_OUT if found.kind == Outcome.FLAGGED else wording.NO_RULE_OUT
    return first, wording.AID, f"{wording.SCOPE} {limits}"
