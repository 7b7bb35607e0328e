"""A unit test opens no socket and no database, starts no process and loads no network: one that does fails."""

import sys
from collections.abc import Generator
from pathlib import Path
from threading import get_ident
from typing import Final

import pytest

HERE: Final = Path(__file__).parent
BARRED: Final = frozenset({"socket.bind", "socket.connect", "sqlite3.connect", "subprocess.Popen"})
NETWORKS: Final = frozenset({"tensorflow", "openvino"})
_running: Final[list[int]] = []


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse, of what Python tells its auditors (PEP 578), what no unit is."""
    if get_ident() in _running and (
        event in BARRED or (event == "import" and str(arguments[0]).partition(".")[0] in NETWORKS)
    ):
        msg = f"expected a unit test. Received: {event}={arguments[:2]!r}; it belongs to tests/integration"
        raise RuntimeError(msg)


sys.addaudithook(_watch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch while a test of this folder is made ready, runs and is cleared away."""
    if item.path.is_relative_to(HERE):  # pytest asks this for every test of a run
        _running.append(get_ident())  # a server that tests of other folders share may go on in its threads
    try:
        return (yield)
    finally:
        _running.clear()
