"""What every test has: the shared data, free ports, and waiting without sleeping. Real parts are in tests/fixtures."""

import functools
import gc
import itertools
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

REAL_PARTS = "chest chromium collector commands databases object_stores openid people served snippets".split()  # noqa: SIM905
UNIT = Path(__file__).parent / "unit"
PATIENCE = 300.0  # seconds: nothing is said of how fast machines are that have much else to do
SHARED = Path(__file__).parents[2] / "shared"
MEMORY = Path("/dev/shm")  # noqa: S108 - each run of pytest makes a folder of its own in it
ENOUGH = 6 << 30  # bytes of memory to spare: a run of everything writes less than two
TOOLS = ("storescu", "dsrdump", "Orthanc", "strace", "chromium", "pdftotext", "haproxy", "systemd-analyze", "promtool")


def _absent() -> dict[str, str]:
    """Return the markers whose tests cannot run on this machine, each with what is missing. In CI nothing may be."""
    if os.environ.get("CI"):
        return {}
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    absent = {"tools": f"{', '.join(missing)} not on PATH"} if missing else {}
    if os.geteuid() or not list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")):
        absent["chaos"] = "not root, or no libfaketime"
    if not os.environ.get("TIBABU_OHIF"):
        absent["viewer"] = "TIBABU_OHIF does not say where a distribution of OHIF lies"
    if not os.environ.get("TIBABU_FHIR"):
        absent["validators"] = "TIBABU_FHIR does not say where validators of FHIR lie"
    return absent if SHARED.is_dir() else absent | {"shared": f"no folder {SHARED}"}


def _places(config: pytest.Config) -> list[Path]:
    """Return the files and folders whose tests are asked for."""
    return [Path(argument.partition("::")[0]).absolute() for argument in config.args]


def _only_units(config: pytest.Config) -> bool:
    return all(UNIT in (place, *place.parents) for place in _places(config))


def pytest_configure(config: pytest.Config) -> None:
    """Load tests/fixtures where tests are run that need a real part: what these stand on takes a second to load.

    Unit tests need none, and who only hands tests out to other processes (xdist) runs none.
    """
    gc.disable()  # until everything is collected
    _write_to_memory()
    for name in () if _only_units(config) or config.getoption("dist") != "no" else REAL_PARTS:
        config.pluginmanager.import_plugin(name)


def _write_to_memory() -> None:
    """Let temporary files be in memory where there is much: a third of the tests' processor time was the disk's.

    What the disk is asked to do, and in which order, is the same there. TMPDIR, where it is set, is obeyed.
    """
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        facts = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        spare = int(facts["MemAvailable"].split()[0]) << 10
        if min(spare, shutil.disk_usage(MEMORY).free) > ENOUGH:
            os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Give the memory back, unless somebody will want to see what a failed test has left."""
    written = session.config._tmp_path_factory._basetemp  # type: ignore[attr-defined]
    if exitstatus == 0 and written is not None and MEMORY in written.parents:
        shutil.rmtree(written, ignore_errors=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage before the first test, nor ever again among what is there by then.

    That is half a gigabyte that stays, and looking through it again and again took two thirds of collecting. What the
    tests themselves add is much, too, and lives long: it is looked through less often than a small program's.
    """
    collected = yield
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()
    return collected


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return 0, none of xdist's: one file is run in one process, more by copies of the process that has loaded them."""
    places = _places(config)
    if len(places) > 1 or not places[0].is_file():
        config.pluginmanager.import_plugin("forked")
    return 0


def pytest_report_header() -> list[str]:
    """Say what is left out, and why: such tests are deselected, not skipped."""
    return [f"left out: tests marked '{marker}' ({why})" for marker, why in _absent().items()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that this machine cannot run."""
    absent = _absent()
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in absent)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the project's shared data folder; tests that use it are marked `shared`."""
    return SHARED


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], object]], None]:
    """Return `eventually(predicate)`: waits until the predicate is true, or fails the test."""

    def wait_for(predicate: Callable[[], object]) -> None:
        deadline, pause = time.monotonic() + PATIENCE, 0.02
        while not predicate():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {PATIENCE:g} s: {getattr(predicate, '__doc__', None) or predicate}")
            threading.Event().wait(pause)
            pause = min(0.1, 1.3 * pause)  # asking takes the processor from what is waited for

    return wait_for


@functools.cache
def _candidates(process: int) -> Iterator[int]:
    """Give ports below those that the kernel lends to outgoing connections, each process of the suite others first."""
    below = range(10_240, 32_000)
    first = process * 5_003 % len(below)
    return itertools.cycle([*below[first:], *below[:first]])


def _free_port() -> int:
    """Return a port that nothing listens on and that no connection can be given before its server starts."""
    for port in itertools.islice(_candidates(os.getpid()), 21_000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    pytest.fail("expected a free port")


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return `free_port()`: a port that nothing listens on, for what must be known before its process starts."""
    return _free_port
