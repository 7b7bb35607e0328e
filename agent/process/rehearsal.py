"""What the roles will make of a new configuration is made here once: it is refused before any of them starts anew."""

from collections.abc import Collection, Iterator
from typing import Any

from agent.config.file import Config
from agent.config.tls import TlsTrust
from agent.errors import AgentError
from agent.process.outgoing import make_destinations, routes_of
from agent.process.reload import Change
from dicom_io.errors import DicomIoError, TlsError
from dicom_io.tls import client_context


def unusable(config: Config, found: Collection[Change]) -> Iterator[str]:
    """Yield what no role could start with, of what has changed, each with its key; nothing is called for it."""
    changed = {change.table for change in found}
    if changed & {"destinations", "reports"}:
        for one in config.destinations:
            yield from _makes(f"destinations[{one.name}]", config.model_copy(update={"destinations": (one,)}))
    for key, settings in _called(config):
        if any(change.key.startswith(key) for change in found) and isinstance(settings, TlsTrust):
            try:
                client_context(settings.trust)
            except TlsError as error:
                yield f"{key}: {error}"


def _makes(key: str, config: Config) -> Iterator[str]:
    """Make one destination and what it gets."""
    try:
        make_destinations(config)
        routes_of(config)
    except (AgentError, DicomIoError, OSError, TypeError, ValueError) as error:
        yield f"{key}: expected what can be made. Received: {type(error).__name__}: {error}"


def _called(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield whom the agent calls, by their keys in the configuration."""
    for one in config.destinations:
        yield f"destinations[{one.name}]", one
    for peer in config.peers:
        yield f"peers[{peer.ae_title}]", peer
    yield "orders", config.orders
    yield "audit", config.audit
