"""What stands, read from the database at each scrape: the queue, deliveries, disks, drift, what is wrong."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.metrics.definitions import OTHER
from agent.watch.drift import REPORT
from db.database import Database
from db.errors import DatabaseError
from db.figures import OPEN, Figures, figures
from db.queue import KindDepth, Queue
from db.trouble import Standing, standing

_MEGABYTE: Final = 1_000_000

SAYS: Final = {
    "tibabu_database_up": ("1 if the database answered; all that follows is missing where it did not.", ()),
    "tibabu_jobs": (
        "Jobs of the queue, by kind and state: waiting to run now, planned for later, running, parked.",
        ("kind", "state"),
    ),
    "tibabu_oldest_job_seconds": ("For how long the job has waited that could have run first, 0: none.", ("kind",)),
    "tibabu_deliveries": (
        "Deliveries that are not over, of reports and of Instances: queued, stored (to be confirmed), parked.",
        ("destination", "state", "of"),
    ),
    "tibabu_oldest_delivery_seconds": ("How long ago the oldest of them was ordered.", ("destination", "state")),
    "tibabu_studies_open": ("Studies that are not concluded, by state of their lifecycle.", ("state",)),
    "tibabu_studies_undecided": ("Studies in quarantine: a person has to decide whose they are.", ()),
    "tibabu_last_study_timestamp_seconds": ("When the latest study began to arrive.", ()),
    "tibabu_disk_free_bytes": ("Room on the disk of store and database, looked at each minute.", ("place",)),
    "tibabu_disk_low_bytes": ("Below this it is told that there is little room.", ("place",)),
    "tibabu_disk_refused_bytes": ("Below this Instances are refused.", ("place",)),
    "tibabu_triage_on": ("0 while triage is switched off.", ()),
    "tibabu_flag_rate": ("Share of the analysed images of the last day and week that were flagged.", ("span",)),
    "tibabu_expected_flag_rate": ("What the model's card says of that share at this site's prevalence.", ("span",)),
    "tibabu_analysed_images": ("How many images that share is of.", ("span",)),
    "tibabu_backup_timestamp_seconds": ("When the latest whole back-up was begun.", ()),
    "tibabu_trouble_seconds": (
        "For how long something stands wrong, and with what: see `[alerts]` in docs/operations.md.",
        ("trouble", "about"),
    ),
}
"""What is read at a scrape: each metric with its sentence and its labels."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is watched. `patience` has the destinations, and how long each may take to confirm; None: unasked."""

    database: Database
    queue: Queue
    patience: Mapping[str, timedelta | None]
    clock: Callable[[], datetime]


class StandingCollector(Collector):
    """Reads it when it is asked."""

    def __init__(self, watched: Watched) -> None:
        """Take what is watched."""
        self._watched = watched

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        watched, now = self._watched, self._watched.clock()
        made = {name: GaugeMetricFamily(name, says, labels=labels) for name, (says, labels) in SAYS.items()}
        try:
            depth, stands = watched.queue.depth(now), figures(watched.database)
            with watched.database.read() as connection:
                wrong = tuple(standing(connection, watched.patience, now=now))
        except DatabaseError:
            made["tibabu_database_up"].add_metric((), 0)
        else:
            made["tibabu_database_up"].add_metric((), 1)
            _jobs(made, depth, now)
            _deliveries(made, stands, watched.patience, now)
            _system(made, stands)
            _trouble(made, wrong, now)
        yield from made.values()


_Made = Mapping[str, GaugeMetricFamily]


def _jobs(made: _Made, depth: Collection[KindDepth], now: datetime) -> None:
    for one in depth:
        for state in ("waiting", "later", "running", "parked"):
            made["tibabu_jobs"].add_metric((one.kind, state), getattr(one, state))
        waited = 0.0 if one.oldest_run_at is None else (now - one.oldest_run_at).total_seconds()
        made["tibabu_oldest_job_seconds"].add_metric((one.kind,), waited)


def _deliveries(made: _Made, stands: Figures, known: Collection[str], now: datetime) -> None:
    """Add each destination in each state, 0 where there is nothing: what comes and goes makes no good graph."""
    found = {(one.destination, one.state): one for one in stands.deliveries}
    for destination in sorted({*known, *(name for name, _ in found)}):
        for state in OPEN:
            one = found.get((destination, state))
            labels = (destination, state.lower())
            for of in ("reports", "instances"):
                made["tibabu_deliveries"].add_metric((*labels, of), 0 if one is None else getattr(one, of))
            age = 0.0 if one is None else (now - one.oldest_created_at).total_seconds()
            made["tibabu_oldest_delivery_seconds"].add_metric(labels, age)


def _system(made: _Made, stands: Figures) -> None:
    for state, count in stands.studies.items():
        made["tibabu_studies_open"].add_metric((state.lower(),), count)
    made["tibabu_studies_undecided"].add_metric((), stands.undecided)
    for name, at in (
        ("tibabu_last_study_timestamp_seconds", stands.last_received_at),
        ("tibabu_backup_timestamp_seconds", stands.backed_up_at),
    ):
        if at is not None:
            made[name].add_metric((), at.timestamp())
    for disk in stands.disks:
        made["tibabu_disk_free_bytes"].add_metric((disk.place,), disk.free_megabytes * _MEGABYTE)
        made["tibabu_disk_low_bytes"].add_metric((disk.place,), disk.low_megabytes * _MEGABYTE)
        made["tibabu_disk_refused_bytes"].add_metric((disk.place,), disk.refused_megabytes * _MEGABYTE)
    made["tibabu_triage_on"].add_metric((), stands.triage_on)
    for span, content in stands.drift.items():
        report = REPORT.validate_json(content)
        made["tibabu_analysed_images"].add_metric((span,), report.flagged.of)
        made["tibabu_expected_flag_rate"].add_metric((span,), report.expected_flag_rate)
        if report.flagged.of:
            made["tibabu_flag_rate"].add_metric((span,), report.flagged.count / report.flagged.of)


def _trouble(made: _Made, wrong: Collection[Standing], now: datetime) -> None:
    for one in wrong:
        made["tibabu_trouble_seconds"].add_metric(
            (str(one.trouble), one.destination or OTHER), max((now - one.since).total_seconds(), 0.0)
        )
