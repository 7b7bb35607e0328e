"""A unit test opens no socket and no database, starts no process and loads no network: one that does fails.

What holds of any input is tried with a few at the desk, others in each run; in CI with as many as Hypothesis would.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from threading import get_ident
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

BARRED: Final = frozenset({"socket.bind", "socket.connect", "sqlite3.connect", "subprocess.Popen"})
NETWORKS: Final = frozenset({"tensorflow", "openvino"})
AT_THE_DESK: Final = 20  # examples
_running: Final[list[int]] = []

settings.register_profile(
    "units",
    settings.default,
    max_examples=100 if os.environ.get("CI") else AT_THE_DESK,
    deadline=None,  # a busy machine is no fault of what is tested
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],  # files are written anew
)
settings.load_profile("units")


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse, of what Python tells its auditors (PEP 578), what no unit is."""
    if get_ident() in _running and (
        event in BARRED or (event == "import" and str(arguments[0]).partition(".")[0] in NETWORKS)
    ):
        msg = f"expected a unit test. Received: {event}={arguments[:2]!r}; it belongs to tests/integration"
        raise RuntimeError(msg)


sys.addaudithook(_watch)


@contextmanager
def _watched() -> Generator[None, None, None]:
    _running.append(get_ident())  # not its neighbours: servers that tests of other folders share may go on
    try:
        yield
    finally:
        _running.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    """Watch while a test of this folder is made ready. What is cleared away after it may be of another folder."""
    with _watched():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Watch while it runs."""
    with _watched():
        yield
