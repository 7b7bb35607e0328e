"""The site's own numbers put to the model at loading: its operating point from the database, its prevalence.

Nothing falls back in silence: an operating point that was activated for other weights than those that load keeps the
model from loading until a person has decided.
"""

from collections.abc import Callable, Iterable, Sequence

import structlog

from agent.errors import InstallationError
from db.operating_point import OperatingPointRecord
from model.card import ModelCard
from model.errors import SitePointError
from model.site import SitePoint, at_operating_point, at_prevalence, read_point

log = structlog.get_logger(__name__)


def adapted(
    card: ModelCard, *, prevalence: float | None = None, active: Iterable[OperatingPointRecord] = ()
) -> ModelCard:
    """Return the card with the site's active operating point and its prevalence, where there are any.

    InstallationError where an operating point is active for a model of this name, but for other weights, or cannot be
    read: validated on this site was something else than what would run now.
    """
    for record in active:
        if record.model_name != card.name:
            continue
        try:
            card = at_operating_point(card, point_of(record))
        except SitePointError as error:
            message = (
                f"{error}. It was activated by {record.activated_by} at {record.activated_at:%Y-%m-%d %H:%M} UTC. "
                "Nothing is analysed until a person decides: validate this model here and activate an operating point "
                "of its own (docs/validation.md), or go back to the model's with `tibabu operating-point deactivate`"
            )
            raise InstallationError(message) from error
    return card if prevalence is None else at_prevalence(card, prevalence)


def point_of(record: OperatingPointRecord) -> SitePoint:
    """Return the operating point of a row; SitePointError if it is unreadable or bound to other weights."""
    point = read_point(record.content)
    if (point.model_name, point.model_sha256) != (record.model_name, record.model_sha256):
        message = f"expected an operating point for sha256={record.model_sha256}. Received: sha256={point.model_sha256}"
        raise SitePointError(message)
    return point


class Watch:
    """Says in the log, again and again, when another operating point is active than the one that was loaded."""

    def __init__(
        self, current: Callable[[], Sequence[OperatingPointRecord]], loaded: Sequence[OperatingPointRecord]
    ) -> None:
        """Take how to ask the database, and what it said when the model was loaded."""
        self._current, self._loaded = current, tuple(record.id for record in loaded)

    def look(self) -> None:
        """Warn if what is active has changed: this process still applies what it loaded."""
        now = tuple(record.id for record in self._current())
        if now != self._loaded:
            log.warning("operating_point_waits_for_restart", loaded=list(self._loaded), active=list(now))
