"""What goes where: the destinations of the configuration, and the reports that each of them gets."""

from agent import destinations, reports
from agent.config.file import Config
from agent.config.tables import type_of
from agent.destinations import Destination
from agent.destinations.folder import Trial
from agent.line.conclude import NOTE, Route
from agent.reports.document import DICOM


def make_destinations(config: Config) -> dict[str, Destination]:
    """Return the configured destinations by name; for one on trial a folder stands."""
    return {
        settings.name: destinations.load(settings.type).Destination(settings, config.receive.ae_title)
        if settings.test_folder is None
        else Trial(settings.name, settings.test_folder)
        for settings in config.destinations
    }


def routes_of(config: Config) -> tuple[Route, ...]:
    """Return which reports go where."""
    return tuple(
        Route.of(name, reports.load(type_of(name, config.reports)), config.reports.get(name), settings)
        for settings in config.destinations
        for name in settings.reports
        if type_of(name, config.reports) != NOTE
    )


def note_takers_of(config: Config) -> tuple[str, ...]:
    """Return the destinations that get rejection notes: those that take DICOM, and are not told otherwise."""
    return tuple(
        settings.name
        for settings in config.destinations
        if settings.rejection_notes and DICOM in (destinations.load(settings.type).MEDIA_TYPES or {DICOM})
    )
