"""What Prometheus is answered: the counts of this host's processes, what stands, and what runs here."""

import platform
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from agent import VERSION
from agent.errors import AgentError
from agent.metrics import definitions
from agent.metrics.joining import is_whole, living
from agent.metrics.standing import StandingCollector, Watched
from db.errors import DatabaseError
from model.card import ModelCard
from model.errors import ModelError

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

BUILD: Final = "tibabu_build_info"
MODEL: Final = "tibabu_model_info"
PROCESSES: Final = "tibabu_processes"
SAYS: Final = {
    BUILD: ("The version that runs here.", ("version", "python")),
    MODEL: (
        "The model of this configuration: its weights' digest and its operating point.",
        ("name", "version", "sha256", "operating_point", "threshold"),
    ),
    PROCESSES: ("Processes of this host that live, by role; 0: there was one.", ("role",)),
}
"""What runs here: each metric with its sentence and its labels."""


@dataclass(frozen=True, slots=True)
class Exposition:
    """Answers one scrape after the other. `folder` is where this host's processes count, None: nowhere."""

    folder: Path | None
    watched: Watched
    card: Callable[[], ModelCard]

    def scrape(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        registry.register(_Here(self.folder, self.card))
        registry.register(StandingCollector(self.watched))
        if self.folder is not None:
            registry.register(_Joined(self.folder))
        return generate_latest(registry)


class _Joined(Collector):
    """The counts of all processes, those that have ended too; and those metrics of which nothing was counted yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        files = [str(file) for file in self._folder.glob("*.db") if is_whole(file)]
        found = {metric.name: metric for metric in MultiProcessCollector.merge(files)}  # type: ignore[no-untyped-call]
        for one in definitions.ALL:
            name = one.name.removesuffix("_total")
            yield found.get(name) or Metric(name, one.says, "histogram" if one.buckets else "counter")


class _Here(Collector):
    """What runs here."""

    def __init__(self, folder: Path | None, card: Callable[[], ModelCard]) -> None:
        self._folder, self._card = folder, card

    def collect(self) -> Iterator[Metric]:
        build = {"version": VERSION, "python": platform.python_version()}
        yield InfoMetricFamily(BUILD.removesuffix("_info"), SAYS[BUILD][0], build)
        model = InfoMetricFamily(MODEL.removesuffix("_info"), SAYS[MODEL][0])
        with suppress(ModelError, AgentError, DatabaseError):  # without a card there is none: /readyz says so
            model.add_metric((), _identity(self._card()))
        yield model
        processes = GaugeMetricFamily(PROCESSES, SAYS[PROCESSES][0], labels=SAYS[PROCESSES][1])
        for role, count in ({} if self._folder is None else living(self._folder)).items():
            processes.add_metric((role,), count)
        yield processes


def _identity(card: ModelCard) -> dict[str, str]:
    return {
        "name": card.name,
        "version": card.version,
        "sha256": card.sha256,
        "operating_point": card.operating_point.name,
        "threshold": f"{card.operating_point.threshold:.6g}",
    }
