"""The pages of accounts in a browser: accessible, usable by keyboard, and a password can be seen while it is typed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from agent.web.account_addresses import ADDRESSES
from db.database import Database
from db.schema.accounts import account_session
from db.sessions import end_every_session

NewPage = Callable[..., Page]  # tests/fixtures/chromium.py
PASSWORD = "four quiet herons wade"  # noqa: S105 - of people in tests
NO_PAGES = {"/account/session"} | {one.path for one in ADDRESSES if one.path.startswith("/sign-in")}
"""What answers no page to who has signed in."""
UID = "1.2.826.0.1.3680043.10.1505"
LOOK = "document.dispatchEvent(new Event('visibilitychange'))"

pytestmark = pytest.mark.tools


@pytest.fixture
def home(
    sqlite_database: Database, services: Any, start: Callable[..., str], make_accounts: Any, make_person: Any
) -> str:
    """Serve a site with an admin who has an initial password, and a reader; its URL."""
    make_person(sqlite_database, "root", "admin", "reader", ends_at=datetime.now(UTC) + timedelta(days=1))
    make_person(sqlite_database, "jane", "reader")
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
    for path in sorted(one.path for one in ADDRESSES if one.method == "GET" and one.path not in NO_PAGES):
        page.goto(f"{home}{path.replace('{name}', 'root')}")
        expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_visible()
        accessible(page)
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page).to_have_title("Sign in - Tibabu")


def test_patients_are_gone_from_the_screen_when_the_session_has_ended(
    home: str, sqlite_database: Database, ledger: Any, new_page: NewPage, accessible: Callable[[Page], None]
) -> None:
    """Its reader is told before it ends by itself, and can stay."""
    ledger.receive(f"{UID}.1", at=datetime.now(UTC), patient_name="Doe^Jane")
    page = new_page(f"{home}/", watched=False)  # the refusal is not to the browser's liking
    page.get_by_label("Name").fill("jane")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("tbody")).to_contain_text("Doe, Jane")
    expect(page.locator("#session")).to_be_hidden()
    with sqlite_database.begin() as connection:
        connection.execute(
            update(account_session).values(seen_at=datetime.now(UTC) - timedelta(minutes=28, seconds=30))
        )
    page.reload()
    page.evaluate(LOOK)
    expect(page.locator("#session")).to_be_hidden()  # to open a page is a sign of its reader
    with sqlite_database.begin() as connection:
        connection.execute(
            update(account_session).values(seen_at=datetime.now(UTC) - timedelta(minutes=28, seconds=30))
        )
    page.evaluate(LOOK)
    expect(page.locator("#session")).to_contain_text("You will be signed out in 1 minute")
    accessible(page)
    page.get_by_role("button", name="Stay signed in").click()
    expect(page.locator("#session")).to_be_hidden()
    expect(page.locator("tbody")).to_contain_text("Doe, Jane")
    end_every_session(sqlite_database)
    page.evaluate(LOOK)
    expect(page).to_have_title("Sign in - Tibabu")
    assert "Doe" not in page.content()
