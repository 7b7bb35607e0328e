"""The machine: its clock, how many files may be open, and the ports that the agent listens on."""

import ctypes
import errno
import os
import re
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.config.doors import Door
from agent.doctor.finding import Finding, Patient, Remedy, Severity

CLOCK_NOT_KEPT: Final = Remedy(
    code="clock-not-kept",
    severity=Severity.WARNING,
    why="No time server keeps this clock: studies close early or late, certificates fail, and nobody can tell later "
    "what happened first.",
    commands=("timedatectl set-ntp true",),
    words="In a container or a virtual machine its host's clock counts: have it kept there.",
)
FEW_FILES: Final = Remedy(
    code="few-open-files",
    severity=Severity.WARNING,
    why="Each association takes files that are open: without them new ones are refused under load.",
    commands=("systemctl edit tibabu",),
    keys=("receive.maximum_associations",),
    words="Write LimitNOFILE={wanted} below [Service], or allow fewer associations.",
)
PORT_TAKEN: Final = Remedy(
    code="port-taken",
    severity=Severity.ERROR,
    why="Another program listens there: the role ends at its start, and nobody reaches this agent.",
    commands=("ss -ltnp sport = :{port}",),
    keys=("{section}.port",),
)
PORT_PRIVILEGED: Final = Remedy(
    code="port-privileged",
    severity=Severity.ERROR,
    why="Low ports need a right that this account does not have: the role ends at its start.",
    commands=("systemctl edit tibabu",),
    keys=("{section}.port",),
    words="Write AmbientCapabilities=CAP_NET_BIND_SERVICE below [Service], or choose a higher port.",
)
ADDRESS_ELSEWHERE: Final = Remedy(
    code="address-elsewhere",
    severity=Severity.ERROR,
    why="This machine does not have the address on which the role is to listen: it ends at its start.",
    commands=("ip -brief address",),
    keys=("{section}.host",),
)
CANNOT_LOOK: Final = Remedy(
    code="cannot-look",
    severity=Severity.ERROR,
    why="What this account cannot read, nobody has looked at; if it is the agent's account, the agent cannot either.",
    commands=("sudo -u tibabu tibabu check{config}",),
)

_NOT_KEPT: Final = 5  # TIME_ERROR of adjtimex(2): nothing keeps the clock
_TIMEX_BYTES: Final = 512  # more than any struct timex has; all zero, it only asks
_LISTENS: Final = "0A"
_OURS: Final = re.compile(rb"(^|[\0/])(-m\0agent|tibabu)\0(.*\0)?run\0")
_FIRST_FREE: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def kernel_clock() -> int:
    """Return how the kernel keeps its clock (adjtimex(2)); -1 where it does not say."""
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))


def look_at_clock(patient: Patient, *, ask: Callable[[], int] = kernel_clock) -> Iterator[Finding]:
    """Look whether a time server keeps the clock."""
    if (state := ask()) == _NOT_KEPT:
        detail = "expected a clock that a time server keeps. Received: the kernel says that nothing does"
        yield patient.ill("clock", CLOCK_NOT_KEPT, detail)
    else:
        yield patient.fit("clock", "kept by a time server" if state >= 0 else "this system does not say who keeps it")


def look_at_files(patient: Patient, *, running: Callable[[], Iterator[int]] | None = None) -> Iterator[Finding]:
    """Look how many files a process may have open: the limit of a running agent's, else of this one's."""
    wanted = max(1024, 4 * patient.config.receive.maximum_associations)
    pid = next((running or _agents)(), None)
    limit, whose = _limit(pid), "this shell" if pid is None else f"the running agent, process {pid}"
    if limit < wanted:
        detail = f"expected {wanted} files that a process may have open. Received: {limit}, of {whose}"
        yield patient.ill("open files", FEW_FILES, detail, wanted=wanted)
    else:
        yield patient.fit("open files", f"{limit} may be open, of {whose}")


def look_at_ports(patient: Patient) -> Iterator[Finding]:
    """Look at each port whether it can be listened on. Nothing is opened or connected to."""
    for door in patient.config.doors:
        yield _door(patient, door)


def _door(patient: Patient, door: Door) -> Finding:
    check, place = f"port {door.section}", f"{door.host}:{door.port}"
    facts = {"section": door.section, "port": door.port}
    try:
        family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
        with socket.socket(family) as trial:
            trial.bind((door.host, 0))
    except OSError as error:
        reason = errno.errorcode.get(error.errno or 0, type(error).__name__)
        detail = f"expected an address of this machine. Received: {door.host} ({reason})"
        return patient.ill(check, ADDRESS_ELSEWHERE, detail, **facts)
    if door.port and (listener := _listener(door.port)) is not None:
        name, ours = _holder(*listener)
        if ours:
            return patient.fit(check, f"{place}, served by {name}")
        return patient.ill(check, PORT_TAKEN, f"expected {place} to be free or ours. Received: it is {name}'s", **facts)
    first = _first_free_port()
    if 0 < door.port < first and not _may_listen_low():
        detail = f"expected a port that this account may open. Received: {door.port}"
        return patient.ill(check, PORT_PRIVILEGED, detail, **facts)
    return patient.fit(check, f"{place}, nobody listens there now" if door.port else f"{place}: a free one is picked")


def _listener(port: int) -> tuple[str, int] | None:
    """Return the inode of the socket that listens on a port of this machine, and whose it is."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    return fields[9], int(fields[7])
    return None


def _holder(inode: str, account: int) -> tuple[str, bool]:
    """Return who has a socket, in words, and whether that is an agent.

    A container sees the sockets of its host's network, and no processes but its own: each role may be in one.
    """
    for pid in _processes():
        with suppress(OSError):
            if any(link.readlink().name == f"socket:[{inode}]" for link in (pid / "fd").iterdir()):
                command = (pid / "cmdline").read_bytes()
                name = (pid / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"process {pid.name} ({name})", _OURS.search(command) is not None
    if account == os.geteuid():
        return "a process of this account, which cannot be seen from here: in another container", True
    return "a process of another account", False


def _agents() -> Iterator[int]:
    """Yield the processes of running agents that this account may see."""
    for pid in _processes():
        with suppress(OSError):
            if _OURS.search((pid / "cmdline").read_bytes()):
                yield int(pid.name)


def _processes() -> Iterator[Path]:
    return (path for path in Path("/proc").iterdir() if path.name.isdecimal())


def _limit(pid: int | None) -> int:
    return resource.prlimit(pid or 0, resource.RLIMIT_NOFILE)[0]


def _first_free_port() -> int:
    try:
        return int(_FIRST_FREE.read_text(encoding="ascii"))
    except OSError:
        return 1024


def _may_listen_low() -> bool:
    """Tell whether this process has CAP_NET_BIND_SERVICE, the tenth capability."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    return effective is None or bool(int(effective[1], 16) >> 10 & 1)
