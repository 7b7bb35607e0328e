"""The table [[peers]] of config.toml: who may do what, and where it listens itself."""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from agent.config.section import AeTitle, Section
from agent.config.tls import CalledOverTls
from db.priority import Standing, ordered
from dicom_io.door import MODALITY_VERBS, NO_LIMITS, STRANGER_VERBS, Door, KnownPeer, Limits, Verb
from dicom_io.peer import Peer

DEFAULT_VERBS = tuple(verb for verb in Verb if verb in MODALITY_VERBS)
STRANGERS_DEFAULT = tuple(verb for verb in Verb if verb in STRANGER_VERBS)


def _check_network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        message = f"expected an address, or a network without host bits. Received: {error}"
        raise ValueError(message) from None
    return value


NetworkText = Annotated[str, AfterValidator(_check_network)]


def _check_not_all(value: str) -> str:
    if ipaddress.ip_network(value).prefixlen == 0:
        message = f"expected the addresses of those in front: from all others, anybody's word counts. Received: {value}"
        raise ValueError(message)
    return value


ProxyText = Annotated[NetworkText, AfterValidator(_check_not_all)]
"""Addresses whose word on who calls is believed."""


class PeerSection(CalledOverTls, Section):
    """A peer by its AE title: from where it may call, what it may do, where it listens."""

    ae_title: AeTitle = Field(
        examples=["XRAY1"], description="Its AE title; it is refused from any address that is not listed."
    )
    addresses: tuple[NetworkText, ...] = Field(
        default=(), description="Addresses and networks from which it may call, as 10.0.0.5 or 10.0.0.0/24; empty: any."
    )
    may: tuple[Verb, ...] = Field(
        default=DEFAULT_VERBS,
        description="What it may ask for: echo, store, find, move, get, commit, mpps, ups-pull, ups-change. Empty: its "
        "associations are rejected.",
    )
    host: str | None = Field(
        default=None, min_length=1, examples=["10.0.0.5"], description="Where it listens, if it does: name or address."
    )
    port: int | None = Field(default=None, ge=1, le=65535, examples=[104], description="The port it listens on.")
    move_destinations: tuple[AeTitle, ...] = Field(
        default=(), description="AE titles of peers, with host and port, to which it may send by C-MOVE."
    )

    analysis: Literal["high", "medium", "routine"] | None = Field(
        default=None,
        examples=["high"],
        description="Priority that its studies have at least in the agent's own work (analysis, reports), whatever "
        "their images say of their order; the reading worklist does not go by it.",
    )
    studies_per_hour: int | None = Field(
        default=None, ge=1, examples=[2000], description="Its pace; unset: as [priority] says."
    )
    maximum_associations: int | None = Field(
        default=None, ge=1, examples=[8], description="Its associations open at once; unset: as [receive] says."
    )
    maximum_pdu_bytes: int | None = Field(
        default=None, ge=4096, le=1048576, examples=[16384], description="Largest PDU that it is told it may send."
    )
    maximum_instance_megabytes: int | None = Field(
        default=None, ge=1, examples=[500], description="Its larger Instances are refused."
    )

    @model_validator(mode="after")
    def _place_is_whole(self) -> Self:
        if (self.host is None) != (self.port is None):
            message = f"expected host and port, or neither. Received: host={self.host} port={self.port}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _who_changes_tasks_sees_them(self) -> Self:
        if Verb.UPS_CHANGE in self.may and Verb.UPS_PULL not in self.may:
            message = "expected ups-pull beside ups-change. Received: may without it"
            raise ValueError(message)
        return self

    @property
    def limits(self) -> Limits:
        """What it may take up."""
        megabytes = self.maximum_instance_megabytes
        return Limits(
            associations=self.maximum_associations,
            instance_bytes=None if megabytes is None else megabytes * 1_000_000,
            pdu_bytes=self.maximum_pdu_bytes,
        )

    @property
    def listens(self) -> Peer | None:
        """Where it can be called."""
        if self.host is None or self.port is None:
            return None
        return Peer(self.ae_title, self.host, self.port, self.client_tls)


def standings(peers: tuple[PeerSection, ...], studies_per_hour: int) -> dict[str, Standing]:
    """Return what the peers' studies stand for in the agent's own work, by AE title; a pace that is unset is given."""
    return {
        peer.ae_title: Standing(
            at_least=ordered(peer.analysis or ""), studies_per_hour=peer.studies_per_hour or studies_per_hour
        )
        for peer in peers
    }


def check_peers(peers: tuple[PeerSection, ...]) -> tuple[PeerSection, ...]:
    """Return `peers` if each AE title stands there once and every move destination can be called; else ValueError."""
    titles = [peer.ae_title for peer in peers]
    if twice := {title for title in titles if titles.count(title) > 1}:
        message = f"expected each AE title once; one peer may have several addresses. Received twice: {_list(twice)}"
        raise ValueError(message)
    callable_titles = {peer.ae_title for peer in peers if peer.listens is not None}
    named = {title for peer in peers for title in peer.move_destinations}
    if unknown := named - callable_titles:
        message = f"expected move_destinations among the peers with host and port. Received: {_list(unknown)}"
        raise ValueError(message)
    return peers


def make_door(peers: tuple[PeerSection, ...], anyone_may: tuple[Verb, ...], limits: Limits = NO_LIMITS) -> Door:
    """Return what the SCP is to allow."""
    known = (
        KnownPeer(
            ae_title=peer.ae_title,
            addresses=tuple(ipaddress.ip_network(address) for address in peer.addresses),
            may=frozenset(peer.may),
            listens=peer.listens,
            move_destinations=frozenset(peer.move_destinations),
            limits=peer.limits,
        )
        for peer in peers
    )
    return Door(known, anyone_may=anyone_may, limits=limits)


def _list(titles: set[str]) -> str:
    return ", ".join(sorted(titles))
