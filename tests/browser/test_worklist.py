"""By keyboard alone: from the list to a study, to a search and back; and what a browser remembers of how it looks."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

Ledger = Any  # tests/fixtures/served.py
UID = "1.2.826.0.1.3680043.10.1505"
FOCUSED = "document.activeElement.closest('[data-key]')?.dataset.key.split('.').pop()"

pytestmark = pytest.mark.tools


@pytest.fixture
def page(url: str, ledger: Ledger, new_page: Callable[..., Page]) -> Page:
    now = datetime.now(UTC)
    for number in range(3):
        ledger.receive(f"{UID}.{number}", at=now - timedelta(minutes=9 - number), patient_name=f"Doe^Jane{number}")
    return new_page(f"{url}/")


def test_keys_lead_to_a_study_and_to_a_search_and_back_to_what_was_found(page: Page, url: str) -> None:
    for key, number in (("j", "0"), ("j", "1"), ("j", "2"), ("j", "2"), ("k", "1")):
        page.keyboard.press(key)
        assert page.evaluate(FOCUSED) == number
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    assert page.locator("#keys").is_hidden()
    page.keyboard.press("/")
    page.keyboard.type("jane2 doe")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/search")
    expect(page.locator("#found [data-key]")).to_have_count(1)
    page.wait_for_load_state("load")  # keys are heard from then on
    page.locator("#main").focus()
    page.keyboard.press("j")
    assert page.evaluate(FOCUSED) == "2"
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/studies/{UID}.2")
    page.go_back()
    expect(page.locator("#found [data-key]")).to_have_count(1)
    assert page.input_value("#typed") == "jane2 doe"
    page.go_back()
    expect(page.locator("#list [data-key]")).to_have_count(3)


def test_it_is_dark_unless_light_is_chosen_and_shows_the_columns_that_are_wanted(page: Page, url: str) -> None:
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(scheme) == "dark"
    page.click("#show-display")
    page.check("input[value=light]")
    page.check("input[value=compact]")
    page.uncheck("input[value=reports]")
    page.uncheck("input[name=keys]")
    page.keyboard.press("Escape")
    page.goto(f"{url}/")
    assert page.evaluate(scheme) == "light"
    assert page.evaluate("document.documentElement.dataset.density") == "compact"
    assert page.locator("td.reports").first.is_hidden()
    assert page.locator("td.when").first.is_visible()
    page.keyboard.press("j")
    assert page.evaluate(FOCUSED) is None


def test_a_filter_is_an_address_of_its_own(page: Page, url: str) -> None:
    page.click("#filters summary")
    page.select_option("select[name=outcome]", "flagged")
    page.wait_for_url(f"{url}/?outcome=flagged")
    expect(page.locator("#list h2")).to_have_text("No study is in this view")
