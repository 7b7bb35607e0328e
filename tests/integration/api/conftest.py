"""The API over real rows, of every outcome, with deliveries that were acknowledged and that are parked.

All tests of a file share one site and its studies: none changes what another looks at.
"""

import shutil
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.requests import Request

from agent.config.file import Config
from agent.config.shown import described
from agent.tokens import SCOPES, digest, new_token
from agent.web.access import Person
from agent.web.neighbours import Neighbour
from agent.web.services import Services
from db.database import Database, open_database
from db.outcome import Outcome
from db.priority import Allowances
from db.queue import open_queue
from db.tokens import active_token, create_token
from dicom_io.folder_store import FolderStore
from model.heat_map import to_png

NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # is trusted: httpx reads the authorities for each client, 25 ms
SILENT = "it does not answer"
UID = "1.2.826.0.1.3680043.10.1505"


@dataclass(frozen=True)
class Site:
    """A served site, the studies on its worklist (the first to be due first), and the names of its tokens."""

    url: str
    database: Database
    studies: tuple[str, ...]
    names: list[str]
    store: Path

    def token(self, *scopes: str) -> str:
        """Make a token with these scopes."""
        made = new_token()
        self.names.append(f"program-{len(self.names)}")
        create_token(self.database, self.names[-1], sha256=made.sha256, scopes=scopes, by="test", now=datetime.now(UTC))
        return made.secret

    def client(self, *scopes: str) -> httpx.Client:
        """Return a client of a program that may do what these scopes allow, whose paths start at the API."""
        headers = {"Authorization": f"Bearer {self.token(*scopes)}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60, trust_env=False, verify=NOBODY)


@pytest.fixture(scope="module")
def site(
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    make_ledger: Callable[..., Any],
    make_servers: Callable[..., Any],
) -> Iterator[Site]:
    """Serve a study of each outcome, and one that is still being received; who asks bears a token."""
    folder = tmp_path_factory.mktemp("api")
    shutil.copy(sqlite_template, folder / "tibabu.db")
    database = open_database(f"sqlite:///{folder / 'tibabu.db'}")

    def identify(request: Request) -> Person | None:
        record = active_token(database, digest(request.headers.get("authorization", "")[7:]) or "")
        return None if record is None else Person(f"token:{record.name}", record.name, record.scopes)

    services = Services(
        database=database,
        queue=open_queue(database),
        store=FolderStore(folder / "store"),
        clock=lambda: datetime.now(UTC),
        allowances=Allowances(),
        identify=identify,
        configuration=described(
            Config.model_validate({"database": {"url": "postgresql://tibabu:geheim@db.example/t"}})
        ),
        neighbours=(
            Neighbour(kind="peer", name="CT-1", where="CT-1@10.0.0.5:104", what="a scanner", ask=lambda: SILENT),
        ),
    )
    ledger = make_ledger(database, services.queue)
    ledger.store = folder / "store"
    at = datetime.now(UTC) - timedelta(hours=9)
    uids = tuple(f"{UID}.{number}" for number in range(5))
    for number, outcome in enumerate(Outcome):
        began = at + timedelta(seconds=number)
        instance = ledger.receive(uids[number], at=began, patient_name="Doe^Jane", patient_id=f"P{number}")
        warm = to_png(np.full((156, 156), 200, np.uint8)) if outcome is Outcome.FLAGGED else None
        ledger.score(instance, outcome, probability=0.93, reason="burned-in text", at=began, heat_map=warm)
        ledger.conclude(instance.study_id, at=began + timedelta(minutes=1), destinations=("PACS", "RIS"))
        ledger.deliver(uids[number], at=began + timedelta(minutes=2), parked="RIS")
    ledger.receive(uids[4], at=at + timedelta(seconds=10))
    servers = make_servers(lambda _: services)
    yield Site(servers(database), database, uids, [], folder / "store")
    servers.stop()
    database.dispose()


@pytest.fixture(scope="module")
def api(site: Site) -> Iterator[httpx.Client]:
    """Give a client that may do everything."""
    with site.client(*SCOPES) as found:
        yield found


@pytest.fixture(scope="module")
def studies(site: Site) -> tuple[str, ...]:
    """Return the studies on the worklist, the first to be due first: one of each outcome, one being received."""
    return site.studies
