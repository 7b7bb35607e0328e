"""Where the roles of one host listen: each at a place of its own, and none of them a destination."""

from collections.abc import Iterable
from itertools import combinations
from typing import Final, NamedTuple

_ANY: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not opened
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Door(NamedTuple):
    """A table of config.toml with the address and the port that its role's processes share; port 0 is a free one."""

    section: str
    host: str
    port: int
    processes: int = 1


def check_doors(doors: Iterable[Door]) -> None:
    """Raise ValueError for two roles on one port, and for processes that share one that nobody knows before it is open.

    Processes of a role share their port (SO_REUSEPORT), so two roles could, and the kernel would deal out the scanner's
    associations to either.
    """
    doors = tuple(doors)
    for one in doors:
        if one.processes > 1 and one.port == 0:
            given = f"{one.section}.processes={one.processes} port=0"
            message = f"expected a fixed port for processes that share it. Received: {given}"
            raise ValueError(message)
    for one, other in combinations(doors, 2):
        if one.port == other.port != 0 and (one.host == other.host or _ANY & {one.host, other.host}):
            given = f"{one.section} and {other.section}, port={one.port}"
            message = f"expected a port of its own for each role. Received: {given}"
            raise ValueError(message)


def check_elsewhere(doors: Iterable[Door], name: str, host: str, port: int) -> None:
    """Raise ValueError for a destination where one of these doors is: what is sent there would count as delivered."""
    for door in doors:
        if port == door.port and (host in _HERE or host == door.host):
            message = f"expected a destination that is not this agent. Received: {name}, port={port} as {door.section}"
            raise ValueError(message)
