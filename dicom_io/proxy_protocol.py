"""The PROXY protocol, versions 1 and 2: a load balancer says before the first byte of DICOM or TLS who really calls.

https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt. A header is believed from balancers that are listed, and
must come from them: whoever else sends one is taken by its word as a peer that talks no DICOM. Exactly the header is
read from the connection, so that nothing behind it passes through here.
"""

import ipaddress
import re
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, NoReturn

from dicom_io.door import Network, address_of
from dicom_io.errors import ProxyHeaderError

HEADER_SECONDS: Final = 5.0
"""A balancer sends its header at once, in one segment (section 2)."""

_START_1: Final = b"PROXY "
_START_2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_SHORTEST_1: Final = len(b"PROXY UNKNOWN\r\n")
_LONGEST_1: Final = 107  # section 2.1, with its end of line
_HEAD_2: Final = struct.Struct(">12sBBH")
_LONGEST_REST_2: Final = 2048  # addresses and extensions; section 2.2 asks for 520 in all at least

_LINE_1: Final = re.compile(
    rb"PROXY (?:UNKNOWN(?: [ -~]*)?|(TCP[46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4}))\r\n"
)
_LOCAL, _PROXY = 0x20, 0x21  # version 2 and the command
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_ADDRESS_BYTES: Final = {_TCP4: 4, _TCP6: 16}
_INSTANT: Final = 0.001  # seconds: 0 would ask for no waiting at all
_MOST_PORTS: Final = 65535


class Balancers:
    """The load balancers whose headers are believed. Never changes."""

    def __init__(self, networks: tuple[Network, ...] = ()) -> None:
        """Believe who calls from these networks."""
        self._networks = networks

    def __contains__(self, address: str) -> bool:
        """Tell whether a balancer has this address."""
        return bool(self._networks) and any(address_of(address) in network for network in self._networks)


def read_header(connection: socket.socket, seconds: float) -> str | None:
    """Return the address from which the peer calls, None where the balancer itself does (section 2: LOCAL, UNKNOWN).

    Raises EOFError when the connection ends before its first byte, as a check of whether we listen does, and
    ProxyHeaderError for anything but a header, within `seconds`. The connection's time-out is another one afterwards.
    """
    deadline = time.monotonic() + seconds
    start = _read(connection, _SHORTEST_1, deadline, _may_become_a_header)
    if start.startswith(_START_1):
        return _address_1(start + _rest_of_line(connection, start, deadline))
    head = start + _read(connection, _HEAD_2.size - len(start), deadline)
    _, command, family, length = _HEAD_2.unpack(head)
    if length > _LONGEST_REST_2:
        _refuse(f"one of {length} bytes")
    return _address_2(command, family, _read(connection, length, deadline))


def _may_become_a_header(data: bytes) -> bool:
    return any(data[: len(start)] == start[: len(data)] for start in (_START_1, _START_2))


def _read(
    connection: socket.socket, size: int, deadline: float, is_fine: Callable[[bytes], bool] = lambda _: True
) -> bytes:
    data = b""
    while len(data) < size:
        part = _receive(connection, size - len(data), deadline)
        if not part and not data:
            raise EOFError
        data += part
        if not part or not is_fine(data):
            _refuse("something else" if part else "half of one")
    return data


def _rest_of_line(connection: socket.socket, start: bytes, deadline: float) -> bytes:
    """Read to the end of a line, and not a byte further: what follows is another protocol's."""
    rest = b""
    while not (start + rest).endswith(b"\n"):
        left = _LONGEST_1 - len(start) - len(rest)
        seen = _receive(connection, left, deadline, socket.MSG_PEEK) if left else b""
        if not seen:
            _refuse("a line without an end")
        rest += connection.recv(seen.find(b"\n") + 1 or len(seen))
    return rest


def _receive(connection: socket.socket, size: int, deadline: float, flags: int = 0) -> bytes:
    try:
        connection.settimeout(max(_INSTANT, deadline - time.monotonic()))
        return connection.recv(size, flags)
    except TimeoutError:
        _refuse("none in time")
    except OSError:  # a check of whether we listen is often reset
        return b""


def _address_1(line: bytes) -> str | None:
    found = _LINE_1.fullmatch(line)
    if found is None:
        _refuse("a line that is none")
    family, source, destination, *ports = found.groups()
    if family is None:
        return None
    kind = ipaddress.IPv4Address if family == b"TCP4" else ipaddress.IPv6Address
    try:
        address, _ = kind(source.decode()), kind(destination.decode())
    except ValueError:
        _refuse("no addresses of its family")
    if any(int(port) > _MOST_PORTS for port in ports):
        _refuse("no ports")
    return str(address)


def _address_2(command: int, family: int, rest: bytes) -> str | None:
    if command not in (_LOCAL, _PROXY):
        _refuse(f"version and command {command:#04x}")
    if command == _LOCAL or family == _UNSPECIFIED:
        return None
    size = _ADDRESS_BYTES.get(family)
    if size is None:
        _refuse(f"address family {family:#04x}")
    if len(rest) < 2 * size + 4:  # two addresses and two ports; extensions may follow
        _refuse("too few bytes for its addresses")
    return str(ipaddress.ip_address(rest[:size]))


def _refuse(received: str) -> NoReturn:
    message = f"expected a PROXY header from a balancer. Received: {received}"
    raise ProxyHeaderError(message)
