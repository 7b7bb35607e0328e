"""What is no unit is told so, see conftest.py: these are the ones that may try."""

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable

import pytest


def with_socket(do: str, port: int) -> None:
    with socket.socket() as opened:
        getattr(opened, do)(("127.0.0.1", port))


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: with_socket("bind", 0),
        lambda: with_socket("connect", 9),
        lambda: sqlite3.connect(":memory:"),
        lambda: subprocess.run(["true"], check=True),  # noqa: S607 - it never runs
        lambda: __import__("tensorflow"),
    ],
    ids=["a server", "a connection", "a database", "a process", "a network"],
)
def test_a_unit_test_has_no_real_parts(attempt: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)  # a test of another folder may have loaded it
    with pytest.raises(RuntimeError, match="expected a unit test"):
        attempt()
