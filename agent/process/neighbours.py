"""The peers and destinations of the configuration, as the operator's page asks them. Loads what it takes when asked."""

from functools import partial

from agent.config.file import Config
from agent.config.peers import PeerSection
from agent.destinations import DestinationSettings
from agent.errors import DeliveryError
from agent.process.outgoing import make_destinations
from agent.web.neighbours import DESTINATION, PEER, Neighbour
from dicom_io.errors import NetworkError
from dicom_io.peer import Peer, Timeouts

_TIMEOUTS = Timeouts(connection=5, acse=10, dimse=10, network=10)
"""Somebody waits for the answer."""


def neighbours_of(config: Config) -> tuple[Neighbour, ...]:
    """Return whom the agent talks with."""
    peers = (_peer(config, section) for section in config.peers)
    return (*peers, *(_destination(config, settings) for settings in config.destinations))


def _peer(config: Config, section: PeerSection) -> Neighbour:
    listens = section.listens
    return Neighbour(
        kind=PEER,
        name=section.ae_title,
        where="" if listens is None else f"{listens}{'' if listens.tls is None else ' over TLS'}",
        what=", ".join(section.may) or "nothing: its associations are rejected",
        ask=None if listens is None else partial(_echo, listens, config.receive.ae_title),
    )


def _destination(config: Config, settings: DestinationSettings) -> Neighbour:
    on_trial = "" if settings.test_folder is None else ", on trial: nothing is sent"
    return Neighbour(
        kind=DESTINATION,
        name=settings.name,
        where=settings.type,
        what=(", ".join(settings.reports) or "no reports") + on_trial,
        ask=partial(_ping, config, settings.name),
    )


def _echo(peer: Peer, calling_ae_title: str) -> str:
    from dicom_io.scu import echo  # noqa: PLC0415 - the web process loads the network when somebody asks

    try:
        echo(peer, calling_ae_title=calling_ae_title, timeouts=_TIMEOUTS)
    except NetworkError as error:
        return str(error)
    return ""


def _ping(config: Config, name: str) -> str:
    one = config.model_copy(update={"destinations": tuple(d for d in config.destinations if d.name == name)})
    try:
        make_destinations(one)[name].ping()
    except DeliveryError as error:
        return str(error)
    return ""
