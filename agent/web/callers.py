"""How the site is reached, and from where a request comes: the peer, or whom a trusted proxy says it asks for."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LONGEST_CHAIN: Final = 20


@dataclass(frozen=True, slots=True)
class Reach:
    """How the site is reached: under which names (Host headers without the port), whether over TLS, by which proxies.

    These are believed when they say for whom they ask.
    """

    hosts: frozenset[str] = LOOPBACK_NAMES
    encrypted: bool = False
    proxies: tuple[Network, ...] = ()


def caller(peer: str, forwarded_for: str, trusted: Iterable[Network]) -> str:
    """Return the address of who asks.

    Each proxy appends whom it was asked by to X-Forwarded-For: read from its end, the first address that is no trusted
    proxy is the one that such a proxy saw. What stands before it anybody could have written.
    """
    networks = tuple(trusted)
    address = peer
    for named in reversed(forwarded_for.split(",")[-_LONGEST_CHAIN:]):
        if not _is_in(address, networks) or _parsed(named) is None:
            return address
        address = str(_parsed(named))
    return address


def network_of(address: str) -> str:
    """Return what one party holds of addresses: an IPv4 address, or 64 bits of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))  # noqa: PLR2004


def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    found = _parsed(address)
    return found is not None and any(found in network for network in networks)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
