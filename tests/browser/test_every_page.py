"""Every address of the site that is a page: axe finds nothing serious in it, and it complains of nothing."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page

from agent.web import account_addresses
from agent.web.site import ADDRESSES
from db.outcome import Outcome
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
PATHS = sorted({one.path for one in set(ADDRESSES) - OF_ACCOUNTS if one.method == "GET"} - OF_OTHER_OBJECTS)

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_accessible_and_complains_of_nothing(
    url: str,
    client: httpx.Client,
    ledger: Ledger,
    new_page: Callable[..., Page],
    accessible: Callable[..., None],
    sr_file: Callable[..., bytes],
    path: str,
) -> None:
    at = datetime.now(UTC) - timedelta(hours=9)
    plain = {"candidate": False, "is_image": False, "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.34"}
    ledger.receive(f"{UID}.1", at=at, file=sr_file(), patient_name="Doe^Jane", patient_id="P1", **plain)
    for number, outcome in enumerate(Outcome, 1):
        instance = ledger.receive(f"{UID}.{number}", at=at, patient_name="Doe^Jane", patient_id="P1")
        warm = to_png(np.full((156, 156), 200, np.uint8)) if outcome is Outcome.FLAGGED else None
        ledger.score(instance, outcome, probability=0.93, reason="burned-in text", at=at, heat_map=warm)
        ledger.conclude(instance.study_id, at=at + timedelta(minutes=1), destinations=("PACS", "RIS"))
        ledger.deliver(f"{UID}.{number}", at=at + timedelta(minutes=2), parked="RIS")
    values = OF_REPORT if path.endswith("/instances/{sop_instance_uid}/report") else VALUES
    address = re.sub(r"{(\w+)[^}]*}", lambda found: values[found[1]], path)
    with client.stream("GET", address) as answer:  # a stream of events has no end
        assert answer.status_code == 200
        if not answer.headers["content-type"].startswith("text/html") or not answer.read().startswith(b"<!doctype"):
            return  # no page, or a part of one
    page = new_page(f"{url}{address}")
    accessible(page)
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    accessible(page)
