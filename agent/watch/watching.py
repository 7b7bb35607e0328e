"""What watches this agent, put together: its metrics, and whether it can do its work."""

from pathlib import Path

from agent.config.file import Config
from agent.destinations import patience_of
from agent.line.site import adapted
from agent.metrics.exposition import Exposition
from agent.metrics.joining import living
from agent.metrics.standing import Watched
from agent.process.outgoing import make_destinations
from agent.process.parts import Parts, utc_now
from agent.watch.readiness import ReadinessCheck, Room
from db.operating_point import active_operating_points
from model.card import ModelCard, read_card
from model.zoo import architecture


def card_of(config: Config, parts: Parts) -> ModelCard:
    """Return the card of the model that runs, with the site's operating point and prevalence."""
    card = read_card(architecture(config.model.name).card_path)
    active = active_operating_points(parts.database, config.model.name)
    return adapted(card, prevalence=config.model.prevalence, active=active)


def make_exposition(config: Config, parts: Parts, counts: Path | None) -> Exposition:
    """Return what answers scrapes; the processes of this host count in the folder `counts`, None: nowhere."""
    watched = Watched(parts.database, parts.queue, patience_of(make_destinations(config)), utc_now)
    return Exposition(counts, watched, lambda: card_of(config, parts))


def make_check(config: Config, parts: Parts, counts: Path | None) -> ReadinessCheck:
    """Return what tells whether the agent can do its work."""
    section = config.store
    return ReadinessCheck(
        database=parts.database,
        queue=parts.queue,
        room=Room(
            folder=section.local_folder,
            low_megabytes=section.low_megabytes,
            refused_megabytes=section.minimum_free_megabytes,
        ),
        weights=lambda: _missing(config.model.name),
        living=lambda: {} if counts is None else living(counts),
        clock=utc_now,
    )


def _missing(model: str) -> str:
    """Return what of a model is not there, in words."""
    found = architecture(model)
    there = {"the card": found.card_path.is_file(), "the weights": found.weights_path.is_file()}
    return ", ".join(f"{what} of the model is missing" for what, is_there in there.items() if not is_there)
