"""The pages keep themselves up to date without moving, fit their screen, and run nothing but their own."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from db.database import Database
from db.outcome import Outcome
from db.priority import Priority
from db.reading import record_read
from db.schema.domain import study
from db.ticks import record, take_over

Ledger = Any  # tests/fixtures/served.py
NewPage = Callable[..., Page]
Eventually = Callable[..., None]
UID = "1.2.826.0.1.3680043.10.1505"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
LOOK = "document.dispatchEvent(new Event('visibilitychange'))"
ROWS = "[...document.querySelectorAll('[data-key]')].map((row) => row.dataset.key)"

pytestmark = pytest.mark.tools


def fill(ledger: Ledger, now: datetime, count: int) -> None:
    """Receive `count` routine studies, the one of the highest number at the top."""
    for number in range(count):
        ledger.receive(f"{UID}.{number}", at=now - timedelta(minutes=10 + number), patient_id=f"P{number}")


def test_the_page_of_a_hostile_study_is_its_text_and_the_script_of_the_page_runs(
    url: str, new_page: NewPage, ledger: Ledger
) -> None:
    now = datetime.now(UTC)
    instance = ledger.receive(f"{UID}.1", at=now, patient_name=HOSTILE, study_description=HOSTILE)
    ledger.score(instance, Outcome.FLAGGED, probability=0.93, at=now)
    ledger.conclude(instance.study_id, at=now + timedelta(seconds=5))
    page = new_page(f"{url}/")
    assert page.title() == "1 flagged, 0 overdue - Tibabu"
    assert "<img src=x onerror=" in page.inner_text("#list")
    assert "AI flagged" in page.inner_text("#list")
    assert "0.93" in page.inner_text("#list")
    assert page.evaluate("document.documentElement.style.getPropertyValue('--head')")
    assert page.inner_text("#stale") == ""


def test_a_new_study_appears_in_its_place_and_what_is_looked_at_does_not_move(
    url: str, new_page: NewPage, ledger: Ledger, eventually: Eventually
) -> None:
    now = datetime.now(UTC)
    fill(ledger, now, 40)
    page = new_page(f"{url}/")
    page.evaluate(f"window.same = true; document.querySelector(\"[data-key='{UID}.20'] a\").focus(); undefined")
    place = f"document.querySelector(\"[data-key='{UID}.20']\").getBoundingClientRect().top"
    page.evaluate(f"window.scrollTo(0, 500), {place}")
    before = page.evaluate(place)
    ledger.receive(f"{UID}.99", at=now, patient_name="STAT^Sam", order_priority=Priority.HIGH)

    def shown() -> bool:
        page.evaluate(LOOK)
        return bool(page.evaluate(ROWS)[0] == f"{UID}.99")

    eventually(shown)
    assert len(page.evaluate(ROWS)) == 41
    assert page.evaluate(place) == pytest.approx(before, abs=1)
    assert page.evaluate("document.activeElement.closest('[data-key]')?.dataset.key") == f"{UID}.20"

    def counted() -> bool:
        page.evaluate(LOOK)  # rows and counts are read one after the other: the next look sees what came between
        return bool(page.evaluate("document.querySelector('#counts dd').textContent") == "41")

    eventually(counted)
    assert page.evaluate("window.same")


def test_the_first_study_takes_the_place_of_the_lesson_how_to_send_one(
    url: str, new_page: NewPage, ledger: Ledger, eventually: Eventually
) -> None:
    page = new_page(f"{url}/")
    assert page.evaluate("document.querySelector('.empty h2').textContent") == "No study has been received yet"
    ledger.receive(f"{UID}.1", at=datetime.now(UTC), patient_name="DOE^John")

    def shown() -> bool:
        page.evaluate(LOOK)
        return bool(page.evaluate(ROWS) == [f"{UID}.1"])

    eventually(shown)
    assert page.evaluate("document.querySelector('.empty')") is None


def test_a_study_page_follows_its_study(url: str, new_page: NewPage, ledger: Ledger, eventually: Eventually) -> None:
    now = datetime.now(UTC)
    instance = ledger.receive(f"{UID}.1", at=now)
    page = new_page(f"{url}/studies/{UID}.1")
    outcome = "document.querySelector('.headline .outcome').textContent.trim()"
    assert page.evaluate(outcome) == "Being received"
    ledger.score(instance, Outcome.FAILED, reason="pixel data is truncated", at=now)
    ledger.conclude(instance.study_id, at=now + timedelta(seconds=5))

    def shown() -> bool:
        page.evaluate(LOOK)
        return bool(page.evaluate(outcome) == "Failed")

    eventually(shown)


def test_a_flagged_study_comes_by_itself_and_what_the_pointer_is_on_stays_under_it(
    url: str, new_page: NewPage, ledger: Ledger, eventually: Eventually
) -> None:
    now = datetime.now(UTC)
    fill(ledger, now, 3)
    page = new_page(f"{url}/")
    place = f"document.querySelector(\"[data-key='{UID}.1']\").getBoundingClientRect()"
    x, y = page.evaluate(f"[{place}.left + 200, {place}.top + 10]")
    page.mouse.move(x, y)
    under = f"document.elementFromPoint({x}, {y}).closest('[data-key]').dataset.key"
    assert page.evaluate(under) == f"{UID}.1"
    ledger.score(ledger.receive(f"{UID}.99", at=now), Outcome.FLAGGED, probability=0.9, at=now)
    eventually(lambda: page.evaluate(ROWS)[0] == f"{UID}.99")
    assert page.evaluate(under) == f"{UID}.1"
    expect(page.locator("#news")).to_contain_text("1 new above, 1 flagged")


def test_a_row_that_leaves_stays_crossed_out_as_long_as_it_is_focused(
    url: str, new_page: NewPage, ledger: Ledger, eventually: Eventually
) -> None:
    fill(ledger, datetime.now(UTC), 2)
    page = new_page(f"{url}/")
    page.focus(f"[data-key='{UID}.1'] a")
    with ledger.database.begin() as connection:
        study_id = connection.execute(select(study.c.id).where(study.c.study_instance_uid == f"{UID}.1")).scalar_one()
        record_read(connection, study_id, how="final report (HL7)", at=datetime.now(UTC))
    left = "[...document.querySelectorAll('[data-key].left')].map((row) => row.dataset.key)"
    eventually(lambda: page.evaluate(left) == [f"{UID}.1"])
    assert page.evaluate("document.activeElement.closest('[data-key]').dataset.key") == f"{UID}.1"


def test_a_page_without_a_server_says_that_it_is_not_live_and_lives_again_with_it(
    start: Any,
    sqlite_database: Database,
    new_page: NewPage,
    complaints: list[str],
    ledger: Ledger,
    eventually: Eventually,
) -> None:
    fill(ledger, datetime.now(UTC), 1)
    url = start(sqlite_database)
    page = new_page(f"{url}/")
    stale = "document.getElementById('stale').textContent"
    assert page.evaluate(stale) == ""
    start.stop()
    page.evaluate("const now = Date.now; window.late = 30000; Date.now = () => now() + window.late; undefined")

    def said() -> bool:
        page.evaluate(LOOK)
        return bool(page.evaluate(stale) == "Not live: the server does not answer")

    eventually(said)
    assert page.evaluate(ROWS) == [f"{UID}.0"]
    start(sqlite_database, port=int(url.rpartition(":")[2]))

    def back() -> bool:
        page.evaluate(LOOK)
        return bool(page.evaluate(stale) == "")

    eventually(back)
    assert all("net::ERR_" in complaint for complaint in complaints)
    complaints.clear()


def test_it_fits_its_screen_whatever_is_in_it(url: str, new_page: NewPage, ledger: Ledger) -> None:
    now = datetime.now(UTC)
    long = "W" * 64
    instance = ledger.receive(
        f"{UID}.1", at=now, patient_name=f"{long}^{long}={long}", patient_id=long, study_description=long
    )
    ledger.score(instance, Outcome.FAILED, reason=long * 3, at=now)
    ledger.conclude(instance.study_id, at=now + timedelta(seconds=5), destinations=("W" * 32,))
    fill(ledger, now, 2)
    (tick,) = take_over(ledger.database, {long[:32]: (60, 600)}, process=long, now=now)
    record(ledger.database, [tick.begun(now).failed(now, 1.0, f"{long} at {long}:1")])
    page = new_page(url)
    for path in ("/", "/system", f"/studies/{UID}.1"):
        page.goto(f"{url}{path}")
        for width, scheme in ((320, "dark"), (390, "light"), (1024, "dark"), (1366, "light")):
            page.set_viewport_size({"width": width, "height": 768})
            page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == scheme
            assert len(page.screenshot()) > 5000
