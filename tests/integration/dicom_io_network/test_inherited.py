"""A listening socket that outlives the processes that accept from it, as systemd passes them."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from dicom_io import inherited


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Hold a listening socket as systemd would, and give its port."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", "1")
        monkeypatch.setattr(inherited, "FIRST", holder.fileno())
        yield holder.getsockname()[1]


def test_who_calls_while_nobody_accepts_waits_and_is_served_by_the_next(
    passed: int, start_scp: Any, raw_peer: Any, sample: Any, status: Any
) -> None:
    """A host alone is restarted so without refusing its scanners: the kernel keeps them until somebody is back."""
    first = start_scp(port=passed)
    before = raw_peer(first)
    before.associate()
    before.release()
    first.stop(5)
    waiting = raw_peer(first)
    start_scp(port=passed)
    waiting.associate()
    assert status(waiting.store(sample().dataset)) == 0x0000
    waiting.release()


def test_several_accept_from_it_and_none_is_held_up_by_what_another_has_taken(
    passed: int, start_scp: Any, raw_peer: Any
) -> None:
    scps = [start_scp(port=passed) for _ in range(3)]
    for _ in range(20):
        peer = raw_peer(scps[0])
        peer.associate()
        peer.release()
    for scp in scps:
        scp.stop(5)


@pytest.mark.parametrize(("name", "value"), [("LISTEN_PID", "1"), ("LISTEN_FDS", "0")])
def test_what_was_passed_to_another_process_or_is_of_another_port_is_none_of_ours(
    passed: int, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    found = inherited.inherited_socket(passed)
    assert found is not None
    found.close()
    assert inherited.inherited_socket(1) is None
    monkeypatch.setenv(name, value)
    assert inherited.inherited_socket(passed) is None
