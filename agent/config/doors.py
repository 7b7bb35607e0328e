"""Where the roles of one host listen: each at a place of its own."""

from collections.abc import Iterator
from itertools import combinations
from typing import Final, NamedTuple

_ANY: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not opened


class Door(NamedTuple):
    """A table of config.toml with the address and port that its role listens on; port 0 is a free one."""

    section: str
    host: str
    port: int


def check_apart(doors: Iterator[Door]) -> None:
    """Raise ValueError for two roles on one port.

    Processes of a role share their port (SO_REUSEPORT), so two roles could, and the kernel would deal out the scanner's
    associations to either.
    """
    for one, other in combinations(doors, 2):
        if one.port == other.port != 0 and (one.host == other.host or _ANY & {one.host, other.host}):
            given = f"{one.section} and {other.section}, port={one.port}"
            message = f"expected a port of its own for each role. Received: {given}"
            raise ValueError(message)
