"""The pages of accounts in a browser: accessible, usable by keyboard, and a password can be seen while it is typed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect

from agent.web.account_addresses import ADDRESSES
from db.database import Database

NewPage = Callable[..., Page]  # tests/fixtures/chromium.py
PASSWORD = "four quiet herons wade"  # noqa: S105 - of people in tests

pytestmark = pytest.mark.tools


@pytest.fixture
def home(
    sqlite_database: Database, services: Any, start: Callable[..., str], make_accounts: Any, make_person: Any
) -> str:
    """Serve a site with an admin who has an initial password; its URL."""
    make_person(sqlite_database, "root", "admin", "reader", ends_at=datetime.now(UTC) + timedelta(days=1))
    made = services(sqlite_database)
    made = replace(made, accounts=make_accounts(sqlite_database, made.clock))
    return start(sqlite_database, services=lambda _: made)


def test_an_admin_signs_in_for_the_first_time_and_sees_every_page_of_accounts(
    home: str, new_page: NewPage, accessible: Callable[[Page], None]
) -> None:
    page = new_page(f"{home}/accounts", watched=False)  # refusals are not to the browser's liking
    expect(page).to_have_title("Sign in - Tibabu")
    accessible(page)
    page.keyboard.press("Tab")
    page.get_by_label("Name").fill("root")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong")
    accessible(page)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Show the password").check()
    assert page.get_by_label("Password", exact=True).get_attribute("type") == "text"
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_title("Choose a password - Tibabu")
    accessible(page)
    page.get_by_label("New password", exact=True).fill("seven grey owls argue")
    page.keyboard.press("Enter")
    expect(page).to_have_title("Set up an authenticator app - Tibabu")
    accessible(page)
    secret = page.locator("section code").inner_text().replace(" ", "")
    page.get_by_role("textbox", name="Code").fill(pyotp.TOTP(secret).now())
    page.keyboard.press("Enter")
    expect(page).to_have_title("Recovery codes - Tibabu")
    accessible(page)
    for path in sorted(one.path for one in ADDRESSES if one.method == "GET" and not one.path.startswith("/sign-in")):
        page.goto(f"{home}{path.replace('{name}', 'root')}")
        expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
        accessible(page)
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page).to_have_title("Sign in - Tibabu")
