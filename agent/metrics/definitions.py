"""What is counted of what happens: each metric with its sentence, its labels and, of a histogram, its buckets."""

from dataclasses import dataclass
from typing import Final

from db.outcome import Outcome

OTHER: Final = "other"
"""The label of whoever is not listed, and of whatever there is too much of."""

_STAGES: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_RESULTS: Final = (1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800, 3600)
_PROBABILITIES: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1)


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter, or a histogram where it has buckets.

    `known` are labels that are told from the start, at 0: Prometheus sees no increase in a series that begins at 1.
    """

    name: str
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    known: tuple[tuple[str, ...], ...] = ()


ASSOCIATIONS: Final = Counted(
    "tibabu_associations_total",
    "Associations, and requests of STOW-RS, that ended, by how: released, aborted, rejected. AE titles that no "
    '[[peers]] lists are "other", and so are tokens.',
    ("calling_ae_title", "how"),
)
INSTANCES: Final = Counted(
    "tibabu_instances_total",
    "Instances that came, by what was answered: stored or refused. Counted when their association ends.",
    ("calling_ae_title", "how"),
)
BYTES: Final = Counted("tibabu_received_bytes_total", "Bytes of the Instances that were stored.", ("calling_ae_title",))
REFUSED: Final = Counted(
    "tibabu_instances_refused_total",
    "Instances refused, by C-STORE status: A700 is the agent's own.",
    ("status",),
    known=(("A700",), ("A701",), ("A900",), ("C000",)),
)
IN_VAIN: Final = Counted(
    "tibabu_connections_in_vain_total", "Connections without an association, and rejected ones, as the log tells them."
)
STAGES: Final = Counted(
    "tibabu_stage_seconds",
    "How long a stage took. Of a study's revision: receive (first to last Instance), complete (from there until it "
    "was found complete), conclude (from there to its result). Of an image: wait (received, until its analysis began), "
    "score (its analysis). Of a report: deliver (ordered, until its receiver had it).",
    ("stage",),
    _STAGES,
    known=tuple((stage,) for stage in ("receive", "wait", "score", "complete", "conclude", "deliver")),
)
RESULTS: Final = Counted(
    "tibabu_result_seconds",
    "From a revision's first Instance to its result.",
    (),
    _RESULTS,
)
IMAGES: Final = Counted(
    "tibabu_images_total",
    "Images that have their result, by outcome.",
    ("outcome",),
    known=tuple((outcome,) for outcome in Outcome),
)
DECLINED: Final = Counted(
    "tibabu_images_declined_total", "Images that were not analysed, by the kind of reason.", ("reason",)
)
PROBABILITIES: Final = Counted(
    "tibabu_image_probability", "Calibrated probability of the images that were analysed.", (), _PROBABILITIES
)
STUDIES: Final = Counted(
    "tibabu_studies_total",
    "Results of studies, by outcome, and by how it came about: concluded, withdrawn, amended.",
    ("how", "outcome"),
    known=tuple(("concluded", outcome) for outcome in Outcome),
)
DELIVERIES: Final = Counted(
    "tibabu_delivery_attempts_total",
    "Attempts to deliver a report, by how they ended: acknowledged, stored, failed, parked, tested, falls back.",
    ("destination", "how"),
)
FORWARDED: Final = Counted(
    "tibabu_instances_forwarded_total",
    "Instances sent on, by how that ended: acknowledged, failed, parked.",
    ("destination", "how"),
)
MESSAGES: Final = Counted(
    "tibabu_hl7_messages_total",
    "HL7 messages answered, by answer: AA, AE, AR.",
    ("answer",),
    known=(("AA",), ("AE",), ("AR",)),
)
REQUESTS: Final = Counted(
    "tibabu_dicomweb_requests_total", "Requests to DICOMweb, by route and status.", ("route", "status")
)
PROCESSES: Final = Counted(
    "tibabu_process_ends_total",
    "Processes that ended by themselves, by how: died, recycled, killed.",
    ("role", "how"),
    known=tuple((role, "died") for role in ("receive", "work", "deliver", "clock", "web")),
)
EVENTS: Final = Counted(
    "tibabu_log_events_total", "Warnings and errors, by the event that the log tells.", ("event", "level")
)

ALL: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Counted))
