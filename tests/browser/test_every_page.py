"""Every address of the site that is a page: axe finds nothing serious in it, and it complains of nothing."""

import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page

from agent.web import account_addresses
from agent.web.decoding import Decoding
from agent.web.services import Services
from agent.web.site import ADDRESSES
from db.database import open_database
from db.outcome import Outcome
from db.priority import Allowances
from db.queue import open_queue
from dicom_io.decoding import DecoderSettings
from dicom_io.folder_store import FolderStore
from model.heat_map import to_png

Ledger = Any  # tests/fixtures/served.py
UID = "1.2.826.0.1.3680043.10.1505"
VALUES = {
    "study_instance_uid": f"{UID}.1",
    "sop_instance_uid": f"{UID}.1.2",
    "frame": "1",
    "report": "1",
    "name": "small_cnn",
}
"""What a path's parameters are here. A new one needs its value."""
OF_REPORT = {**VALUES, "sop_instance_uid": f"{UID}.1.1"}

OF_ACCOUNTS = {*account_addresses.ADDRESSES}
"""These pages want somebody who signs in: tests/browser/test_pages_of_accounts.py."""
OF_OTHER_OBJECTS = {"/studies/{study_instance_uid}/instances/{sop_instance_uid}/pdf"}
"""No pages; what they answer is held in tests/integration/web/test_study_objects.py."""
OF_MACHINES = {"/metrics", "/readyz"}
"""No pages, and nothing watches this site; what they answer is held in tests/integration/metrics."""
ASKED = {one.path for one in set(ADDRESSES) - OF_ACCOUNTS if one.method == "GET"}
PATHS = sorted(ASKED - OF_OTHER_OBJECTS - OF_MACHINES)
OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules by which axe looks at colours: nothing else is another in another theme."""

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def home(
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    make_ledger: Callable[..., Any],
    make_servers: Callable[..., Any],
    sr_file: Callable[..., bytes],
) -> Iterator[str]:
    """Serve a study of each outcome to all of these tests; the URL of the site."""
    folder = tmp_path_factory.mktemp("every_page")
    shutil.copy(sqlite_template, folder / "tibabu.db")
    database = open_database(f"sqlite:///{folder / 'tibabu.db'}")
    ledger: Ledger = make_ledger(database, open_queue(database))
    ledger.store = folder / "store"
    at = datetime.now(UTC) - timedelta(hours=9)
    plain = {"candidate": False, "is_image": False, "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.34"}
    ledger.receive(f"{UID}.1", at=at, file=sr_file(), patient_name="Doe^Jane", patient_id="P1", **plain)
    for number, outcome in enumerate(Outcome, 1):
        instance = ledger.receive(f"{UID}.{number}", at=at, patient_name="Doe^Jane", patient_id="P1")
        warm = to_png(np.full((156, 156), 200, np.uint8)) if outcome is Outcome.FLAGGED else None
        ledger.score(instance, outcome, probability=0.93, reason="burned-in text", at=at, heat_map=warm)
        ledger.conclude(instance.study_id, at=at + timedelta(minutes=1), destinations=("PACS", "RIS"))
        ledger.deliver(f"{UID}.{number}", at=at + timedelta(minutes=2), parked="RIS")
    with Decoding(DecoderSettings()) as decoding:
        services = Services(
            database=database,
            queue=ledger.queue,
            store=FolderStore(folder / "store"),
            clock=lambda: datetime.now(UTC),
            allowances=Allowances(),
            decoding=decoding,
        )
        servers = make_servers(lambda _: services)
        yield servers(database)
        servers.stop()
    database.dispose()


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_accessible_and_complains_of_nothing(
    home: str, new_page: Callable[..., Page], accessible: Callable[..., None], path: str
) -> None:
    values = OF_REPORT if path.endswith("/instances/{sop_instance_uid}/report") else VALUES
    address = home + re.sub(r"{(\w+)[^}]*}", lambda found: values[found[1]], path)
    with httpx.stream("GET", address, timeout=60, trust_env=False) as answer:  # a stream of events has no end
        assert answer.status_code == 200
        if not answer.headers["content-type"].startswith("text/html") or not answer.read().startswith(b"<!doctype"):
            return  # no page, or a part of one
    page = new_page(address)
    accessible(page)
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    accessible(page, *OF_COLOURS)
