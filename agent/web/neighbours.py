"""Whom this agent talks with: peers and destinations that can be asked whether they are there. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from agent.web import times
from agent.web.people import readable
from db.association_log import EndedAssociation, OpenAssociation
from db.neighbours import Asked

PEER: Final = "peer"
DESTINATION: Final = "destination"
_MEGA: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A peer or a destination of the configuration. `ask` returns why it does not answer, "" if it does.

    `ask` is None where nobody knows where it listens.
    """

    kind: str
    name: str
    where: str
    what: str
    ask: Callable[[], str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNeighbour:
    """One of them with how it answered last."""

    kind: str
    name: str
    where: str
    what: str
    can_ask: bool
    symbol: str
    said: str
    at: times.Moment | None
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAssociation:
    """An association in words."""

    peer: str
    address: str
    since: times.Moment
    lasted: str
    symbol: str
    how: str
    brought: str
    trouble: str


def shown(one: Neighbour, asked: Asked | None, zone: tzinfo | None) -> ShownNeighbour:
    """Return a neighbour with how it answered last."""
    if asked is None:
        symbol, said = "none", "not asked yet"
    elif asked.answers:
        symbol, said = "acknowledged", f"answers, after {asked.seconds:.2f} s"
    else:
        symbol, said = "parked", readable(asked.reason)
    return ShownNeighbour(
        kind=one.kind,
        name=one.name,
        where=readable(one.where),
        what=readable(one.what),
        can_ask=one.ask is not None,
        symbol=symbol,
        said=said,
        at=None if asked is None else times.exact(asked.at, zone),
        by="" if asked is None else readable(asked.person),
    )


def shown_open(one: OpenAssociation, now: datetime, zone: tzinfo | None) -> ShownAssociation:
    """Return an association that is open."""
    return ShownAssociation(
        peer=readable(one.calling_ae_title),
        address="",
        since=times.exact(one.since, zone),
        lasted=times.duration(now - one.since),
        symbol="working",
        how="open",
        brought=f"{one.studies} {'study' if one.studies == 1 else 'studies'} so far",
        trouble="",
    )


def shown_ended(one: EndedAssociation, zone: tzinfo | None) -> ShownAssociation:
    """Return an association that has ended."""
    refused = f", {one.refused} refused" if one.refused else ""
    return ShownAssociation(
        peer=readable(one.calling_ae_title),
        address=readable(one.peer_address),
        since=times.exact(one.opened_at, zone),
        lasted=f"{(one.closed_at - one.opened_at).total_seconds():.1f} s",
        symbol="acknowledged" if one.how == "released" and not one.refused else "parked",
        how=one.how,
        brought=f"{one.stored} stored{refused}, {one.bytes / _MEGA:.1f} MB",
        trouble=readable(one.trouble),
    )
