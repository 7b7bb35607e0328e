"""Hosts for a measurement: this machine itself, or network namespaces with addresses of their own on one bridge."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

BRIDGE, NETWORK = "tibabu-scale", "10.77.0"
_PREFIX = "tibabu-scale-"


@dataclass(frozen=True, slots=True)
class Host:
    """Where processes run, by which address others reach them, and what their command lines begin with."""

    name: str
    address: str
    enter: tuple[str, ...] = ()


LOCAL = Host("local", "127.0.0.1")


@contextmanager
def namespaces(*names: str) -> Iterator[dict[str, Host]]:
    """Make a network namespace for each name, joined by veth pairs on a bridge without a way out; for a block.

    The bridge's own address is `server`: what runs outside, as PostgreSQL does, is reached there. Needs root.
    """
    with ExitStack() as stack:
        _ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(_ip, "link", "del", BRIDGE)
        _ip("addr", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        hosts = {"server": Host("server", f"{NETWORK}.1")}
        for number, name in enumerate(names, 10):
            hosts[name] = _namespace(stack, name, number)
        yield hosts


def _namespace(stack: ExitStack, name: str, number: int) -> Host:
    space, outside = f"{_PREFIX}{name}", f"tsv{number}"
    _ip("netns", "add", space)
    stack.callback(_ip, "netns", "del", space)
    _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space)
    _ip("link", "set", outside, "master", BRIDGE, "up")
    address = f"{NETWORK}.{number}"
    for words in (
        ("addr", "add", f"{address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        ("link", "set", "lo", "up"),
    ):
        _ip("-n", space, *words)
    return Host(name, address, ("ip", "netns", "exec", space))


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)  # noqa: S603 - words of this file
