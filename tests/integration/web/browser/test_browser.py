"""In a real browser: the page keeps itself up to date without moving, fits its screen, and runs nothing but its own."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from db.database import Database
from db.outcome import Outcome
from db.priority import Priority
from db.ticks import record, take_over

Browser = Any  # tests/integration/conftest.py
Ledger = Any  # tests/integration/web/conftest.py
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
    url: str, ledger: Ledger, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    instance = ledger.receive(f"{UID}.1", at=now, patient_name=HOSTILE, study_description=HOSTILE)
    ledger.score(instance, Outcome.FLAGGED, probability=0.93, at=now)
    ledger.conclude(instance.study_id, at=now + timedelta(seconds=5))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    quiet = ["--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'dump'}"]
    dom = subprocess.run(  # noqa: S603 - a fixed command
        ["/usr/bin/chromium", *options, *quiet, "--window-size=1366,768", "--dump-dom", f"{url}/"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "<title>1 flagged, 0 overdue - Tibabu</title>" in dom
    assert "&lt;img src=x onerror=" in dom
    assert '<html lang="en" style="--head: ' in dom
    assert "AI flagged" in dom
    assert "0.93" in dom
    assert "Not live" not in dom


def test_a_new_study_appears_in_its_place_and_what_is_looked_at_does_not_move(
    url: str, browser: Browser, ledger: Ledger, eventually: Eventually
) -> None:
    now = datetime.now(UTC)
    fill(ledger, now, 40)
    browser.open(f"{url}/")
    browser.value(f"window.same = true; document.querySelector(\"[data-key='{UID}.20'] a\").focus(); undefined")
    place = f"document.querySelector(\"[data-key='{UID}.20']\").getBoundingClientRect().top"
    browser.value(f"window.scrollTo(0, 500), {place}")
    before = browser.value(place)
    ledger.receive(f"{UID}.99", at=now, patient_name="STAT^Sam", order_priority=Priority.HIGH)

    def shown() -> bool:
        browser.value(LOOK)
        return bool(browser.value(ROWS)[0] == f"{UID}.99")

    eventually(shown)
    assert len(browser.value(ROWS)) == 41
    assert browser.value(place) == pytest.approx(before, abs=1)
    assert browser.value("document.activeElement.closest('[data-key]')?.dataset.key") == f"{UID}.20"
    assert browser.value("document.querySelector('#counts dd').textContent") == "41"
    assert browser.value("window.same")
    assert browser.complaints() == []


def test_the_first_study_takes_the_place_of_the_lesson_how_to_send_one(
    url: str, browser: Browser, ledger: Ledger, eventually: Eventually
) -> None:
    browser.open(f"{url}/")
    assert browser.value("document.querySelector('.empty h2').textContent") == "No study has been received yet"
    ledger.receive(f"{UID}.1", at=datetime.now(UTC), patient_name="DOE^John")

    def shown() -> bool:
        browser.value(LOOK)
        return bool(browser.value(ROWS) == [f"{UID}.1"])

    eventually(shown)
    assert browser.value("document.querySelector('.empty')") is None


def test_a_study_page_follows_its_study(url: str, browser: Browser, ledger: Ledger, eventually: Eventually) -> None:
    now = datetime.now(UTC)
    instance = ledger.receive(f"{UID}.1", at=now)
    browser.open(f"{url}/studies/{UID}.1")
    outcome = "document.querySelector('.headline .outcome').textContent.trim()"
    assert browser.value(outcome) == "Being received"
    ledger.score(instance, Outcome.FAILED, reason="pixel data is truncated", at=now)
    ledger.conclude(instance.study_id, at=now + timedelta(seconds=5))

    def shown() -> bool:
        browser.value(LOOK)
        return bool(browser.value(outcome) == "Failed")

    eventually(shown)
    assert browser.complaints() == []


def test_a_list_is_not_changed_under_a_pointer_that_moves(url: str, browser: Browser, ledger: Ledger) -> None:
    now = datetime.now(UTC)
    fill(ledger, now, 3)
    browser.open(f"{url}/")
    browser.value("window.asked = 0; XMLHttpRequest.prototype.send = () => { window.asked += 1; }; undefined")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=300, y=150)
    browser.value(LOOK)
    assert browser.value("window.asked") == 0
    browser.value("const now = Date.now; Date.now = () => now() + 1500; undefined")
    browser.value(LOOK)
    assert browser.value("window.asked") == 1


def test_a_page_without_a_server_says_that_it_is_not_live(
    start: Callable[..., str], sqlite_database: Database, browser: Browser, ledger: Ledger, eventually: Eventually
) -> None:
    fill(ledger, datetime.now(UTC), 1)
    browser.open(f"{start(sqlite_database)}/")
    stale = "document.getElementById('stale').textContent"
    assert browser.value(stale) == ""
    file = Path(sqlite_database.url.database or "")
    sqlite_database.dispose()
    away = file.parent.rename(file.parent.with_name("away"))
    browser.value("const now = Date.now; window.late = 30000; Date.now = () => now() + window.late; undefined")

    def said() -> bool:
        browser.value(LOOK)
        return bool(browser.value(stale) == "Not live: the server does not answer")

    eventually(said)
    assert browser.value(ROWS) == [f"{UID}.0"]
    away.rename(file.parent)

    def back() -> bool:
        browser.value(LOOK)
        return bool(browser.value(stale) == "")

    eventually(back)


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (390, "light"), (1024, "dark"), (1366, "light")])
def test_it_fits_its_screen_whatever_is_in_it(
    url: str, browser: Browser, ledger: Ledger, tmp_path: Path, width: int, scheme: str
) -> None:
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
    for path in ("/", "/system", f"/studies/{UID}.1"):
        browser.open(f"{url}{path}", width=width, scheme=scheme)
        assert browser.value("document.documentElement.scrollWidth") <= width
        assert browser.value("matchMedia('(prefers-color-scheme: light)').matches") is (scheme == "light")
        assert browser.complaints() == []
    browser.picture(tmp_path / "study.png")
    assert (tmp_path / "study.png").stat().st_size > 5000
    assert httpx.get(url, trust_env=False).status_code == 200
