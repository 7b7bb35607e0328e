"""Who may do what: the peers that are known, from where they may call, and the verbs open to each.

A peer is known by its AE title and its address together (PS3.15 has no more to offer without TLS): an AE title that is
listed is refused from any other address. Who is not listed is a stranger, and strangers share one set of verbs.
"""

import enum
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from dicom_io.peer import Peer, check_ae_title

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Verb(enum.StrEnum):
    """What a peer may ask for; each is one DIMSE service with this agent as SCP."""

    ECHO = "echo"  # PS3.4 annex A
    STORE = "store"  # PS3.4 annex B
    FIND = "find"  # PS3.4 C.4.1
    MOVE = "move"  # PS3.4 C.4.2
    GET = "get"  # PS3.4 C.4.3
    COMMIT = "commit"  # PS3.4 annex J
    MPPS = "mpps"  # PS3.4 annex F
    UPS_PULL = "ups-pull"  # PS3.4 annex CC: the reading tasks asked for, and reports of what becomes of them
    UPS_CHANGE = "ups-change"  # the same: tasks claimed, updated, completed, cancelled; nothing without ups-pull


MODALITY_VERBS: Final = frozenset({Verb.ECHO, Verb.STORE, Verb.COMMIT, Verb.MPPS})
"""What a modality needs; nothing that reads what the agent holds."""
STRANGER_VERBS: Final = MODALITY_VERBS - {Verb.MPPS}
"""What a peer may do that is not listed: add, and ask whether it is there. A performed step takes images back."""

_NOTHING: Final[frozenset[Verb]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one peer may take up: associations open at once, bytes of an Instance and of a PDU; None: as for others."""

    associations: int | None = None
    instance_bytes: int | None = None
    pdu_bytes: int | None = None

    def over(self, others: "Limits") -> "Limits":
        """Return these limits, with those of `others` where there is none."""
        return Limits(
            associations=others.associations if self.associations is None else self.associations,
            instance_bytes=others.instance_bytes if self.instance_bytes is None else self.instance_bytes,
            pdu_bytes=others.pdu_bytes if self.pdu_bytes is None else self.pdu_bytes,
        )


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPeer:
    """A peer by its AE title.

    `addresses`: from where it may call, empty for anywhere. `listens`: where it can be called itself, if it can.
    `move_destinations`: AE titles of peers to which it may have Instances sent by C-MOVE.
    """

    ae_title: str
    addresses: tuple[Network, ...] = ()
    may: frozenset[Verb] = MODALITY_VERBS
    listens: Peer | None = None
    move_destinations: frozenset[str] = frozenset()
    limits: Limits = NO_LIMITS

    def __post_init__(self) -> None:
        """Raise ValueError for what is no AE title."""
        check_ae_title(self.ae_title)

    def calls_from(self, address: str) -> bool:
        """Tell whether it may call from `address`."""
        return not self.addresses or any(address_of(address) in network for network in self.addresses)


class Door:
    """What each peer may do. Never changes."""

    def __init__(
        self,
        known: Iterable[KnownPeer] = (),
        *,
        anyone_may: Iterable[Verb] = STRANGER_VERBS,
        limits: Limits = NO_LIMITS,
    ) -> None:
        """Open to `known` peers, and to all others for `anyone_may`; `limits` are those of who has none of its own.

        Raises ValueError for an AE title listed twice.
        """
        self._anyone_may = frozenset(anyone_may)
        self._limits = limits
        self._known: dict[str, KnownPeer] = {}
        for peer in known:
            if self._known.setdefault(peer.ae_title.strip(), peer) is not peer:
                message = f"expected each AE title once. Received twice: {peer.ae_title!r}"
                raise ValueError(message)

    def verbs(self, calling_ae_title: str, address: str) -> frozenset[Verb]:
        """Return all that a caller may do; nothing means that its association is rejected."""
        known = self.known(calling_ae_title)
        if known is None:
            return self._anyone_may
        return known.may if known.calls_from(address) else _NOTHING

    def may(self, calling_ae_title: str, address: str, verb: Verb) -> bool:
        """Tell whether a caller may do something."""
        return verb in self.verbs(calling_ae_title, address)

    def known(self, ae_title: str) -> KnownPeer | None:
        """Return what is known of a peer, None of a stranger."""
        return self._known.get(ae_title.strip())

    def limits(self, calling_ae_title: str) -> Limits:
        """Return what a caller may take up."""
        known = self.known(calling_ae_title)
        return self._limits if known is None else known.limits.over(self._limits)

    def group(self, calling_ae_title: str, address: str) -> str:
        """Return whose associations are counted together: a listed peer's, all strangers' from one address."""
        title = calling_ae_title.strip()
        return title if title in self._known else f"@{address}"  # a stranger has as many titles as it likes

    def peer_of(self, ae_title: str) -> Peer | None:
        """Return where a peer listens, for associations that we ask for; None if we are not told."""
        known = self.known(ae_title)
        return None if known is None else known.listens

    def move_destination(self, calling_ae_title: str, address: str, destination: str) -> Peer | None:
        """Return where a C-MOVE of this caller may send to; None where it may not, or nobody knows the place."""
        known = self.known(calling_ae_title)
        is_open = known is not None and destination.strip() in known.move_destinations
        return self.peer_of(destination) if is_open and self.may(calling_ae_title, address, Verb.MOVE) else None


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read a socket's address: without the zone of a link-local one, and IPv4 as such where a socket serves both."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped
