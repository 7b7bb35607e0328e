"""The switch on its page: thrown with a reason, seen at the head of every page, and undone."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from db.outcome import Outcome
from db.schema.domain import study
from db.triage import TRIAGE_OFF, triage_off
from db.worklist import worklist_row

Ledger = Any  # tests/integration/web/conftest.py


@pytest.fixture
def site(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60, trust_env=False) as found:
        yield found


def text(page: str) -> str:
    inline = re.sub(r"</?(?:bdi|time|b|strong)\b[^>]*>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", inline)).split())


def test_while_triage_is_off_every_page_says_so_with_who_and_why(site: httpx.Client, ledger: Ledger) -> None:
    pages = ("/", "/system", "/system/queue", "/system/deliveries", "/system/triage", "/no-such-page")
    assert not any("switched off since" in text(site.get(page).text) for page in pages)
    done = site.post("/system/triage", data={"to": "off", "reason": "new <b>detector</b>"})
    assert (done.status_code, done.headers["location"]) == (303, "/system/triage?done=off")
    for page in pages:
        shown = text(site.get(page).text)
        assert "Triage is switched off since" in shown
        assert ", by local: new <b>detector</b>. No study is raised" in shown
    off = triage_off(ledger.database)
    assert off is not None
    assert (off.off_by, off.off_reason) == ("local", "new <b>detector</b>")
    site.post("/system/triage", data={"to": "on", "reason": "validated"})
    assert "switched off since" not in text(site.get("/").text)
    assert "new <b>detector</b>" in text(site.get("/system/triage").text)


def test_it_is_not_thrown_without_a_reason_nor_twice(site: httpx.Client, ledger: Ledger) -> None:
    assert site.post("/system/triage", data={"to": "off", "reason": "  "}).status_code == 400
    assert site.post("/system/triage", data={"to": "sideways", "reason": "x"}).status_code == 400
    assert triage_off(ledger.database) is None
    site.post("/system/triage", data={"to": "off", "reason": "first"})
    again = site.post("/system/triage", data={"to": "off", "reason": "second"})
    assert again.headers["location"] == "/system/triage?done=switched_already"
    off = triage_off(ledger.database)
    assert off is not None
    assert off.off_reason == "first"


def test_whoever_switches_it_on_has_analysed_again_what_was_not_with_the_same_press(
    site: httpx.Client, ledger: Ledger
) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    instance = ledger.receive("2.25.1", at=at)
    ledger.score(instance, Outcome.FAILED, at=at)
    ledger.conclude(instance.study_id, at=at + timedelta(minutes=1))
    with ledger.database.begin() as connection:
        connection.execute(update(study).values(outcome=Outcome.NOT_ANALYSED, reason=TRIAGE_OFF))
    site.post("/system/triage", data={"to": "off", "reason": "new detector"})
    shown = text(site.get("/system/triage").text)
    assert "Analyse again what nobody has read (1)" in shown
    assert "new images of studies that had been flagged before" in shown
    done = site.post("/system/triage", data={"to": "on", "reason": "validated", "again": "yes"})
    assert done.headers["location"] == "/system/triage?done=on_again&n=1"
    assert "switched on again, and 1 study analysed again" in text(site.get(done.headers["location"]).text)
    row = worklist_row(ledger.database, "2.25.1")
    assert row is not None
    assert row.updating
