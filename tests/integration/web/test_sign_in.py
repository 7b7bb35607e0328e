"""Signing in: by password, then by code; guessing is slowed, nobody is locked out for ever, and sessions end."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from agent.web.passwords import MOST_WAITING
from db import account_changes
from db.accounts import account_named
from db.audit import Who
from db.database import Database
from db.schema.accounts import account, account_session, known_browser
from db.schema.audit import audit_event
from db.sessions import end_every_session

Visit = Callable[..., Any]  # tests/fixtures/people.py
MakePerson = Callable[..., Any]
Hand = Any
PASSWORD = "four quiet herons wade"  # noqa: S105 - of people in tests
ADMIN = Who("admin")


def trail(database: Database) -> list[tuple[str, str, str, int]]:
    """Return who did what about sign-ins, in order."""
    row = audit_event.c
    query = select(row.person, row.type, row.detail, row.outcome).where(row.person != "test").order_by(row.id)
    with database.read() as connection:
        return [tuple(found) for found in connection.execute(query)]


def test_nobody_sees_a_page_unless_they_have_signed_in_and_then_it_is_the_one_they_wanted(
    database: Database, visit: Visit, make_person: MakePerson
) -> None:
    make_person(database, "jane", display_name="Dr Jane")
    browser = visit(database)
    asked = browser.get("/studies/1.2.3?of=DOE")
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=/studies/1.2.3")
    form = browser.get("/sign-in?next=/studies/1.2.3")
    assert 'name="next" value="/studies/1.2.3"' in form.text
    entered = browser.sign_in(" Jane ", next="/")
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    page = browser.get("/")
    assert page.status_code == 200
    assert "Dr Jane" in page.text
    assert browser.get("/sign-in").headers["location"] == "/"
    assert trail(database)[0] == ("jane", "login", "signed in by password", 0)
    left = browser.post("/sign-out")
    assert (left.headers["location"], left.headers["clear-site-data"]) == ("/sign-in", '"cache", "storage"')
    assert browser.get("/").status_code == 303
    assert trail(database)[-1] == ("jane", "logout", "signed out", 0)


def test_a_script_that_asks_without_a_session_is_told_so_and_not_sent_on(
    sqlite_database: Database, visit: Visit
) -> None:
    assert visit(sqlite_database).get("/", headers={"Sec-Fetch-Dest": "empty"}).status_code == 401
    assert visit(sqlite_database).get("/healthz").status_code == 200
    assert visit(sqlite_database).get("/static/tibabu.css").status_code == 200


@pytest.mark.parametrize(
    "going", ["//evil.example", "https://evil.example/", "/\\evil.example", "/x?y=1", "javascript:"]
)
def test_a_sign_in_leads_to_no_other_site(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, going: str
) -> None:
    make_person(sqlite_database, "jane")
    assert visit(sqlite_database).sign_in("jane", next=going).headers["location"] == "/"


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(
    sqlite_database: Database, visit: Visit, make_person: MakePerson
) -> None:
    make_person(sqlite_database, "jane")
    entered = visit(sqlite_database, secure=True).sign_in("jane")
    session, browser = entered.headers.get_list("set-cookie")
    assert re.fullmatch(r"__Host-tibabu=[\w-]{43}; HttpOnly; Path=/; SameSite=lax; Secure", session)
    assert re.fullmatch(
        r"__Host-tibabu-browser=[\w-]{43}; HttpOnly; Max-Age=\d+; Path=/; SameSite=lax; Secure", browser
    )
    assert entered.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


def test_what_a_browser_holds_is_nowhere_on_record(
    sqlite_database: Database, visit: Visit, make_person: MakePerson
) -> None:
    make_person(sqlite_database, "jane")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    held = set(browser.cookies.values())
    with sqlite_database.read() as connection:
        kept = {
            str(value)
            for table in (account, account_session, known_browser)
            for row in connection.execute(select(table))
            for value in row
        }
    assert len(held) == 2
    assert not held & kept
    assert not any(PASSWORD in value for value in kept)


@pytest.mark.parametrize("name", ["jane", "nobody", "gone", "tool", "' OR 1=1 --", ""])
def test_a_refusal_says_nothing_of_which_accounts_there_are(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand, name: str
) -> None:
    for one in ("jane", "gone"):
        make_person(sqlite_database, one)
    account_changes.disable(sqlite_database, account_named(sqlite_database, "gone"), who=ADMIN, now=hand())
    browser = visit(sqlite_database)
    wrong = "wrong horse battery" if name == "jane" else PASSWORD
    answers = [browser.sign_in(name, wrong) for _ in range(11)]
    assert {answer.status_code for answer in answers[:10]} == {422}
    assert answers[10].status_code == 429
    assert all("The name or the password is wrong, or the account cannot be used." in one.text for one in answers[:10])
    assert "Try again in 30 seconds" in answers[10].text
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert trail(sqlite_database)[-1][2] == "wrong name or password; locked out for 30 s"
    assert {row[0] for row in trail(sqlite_database)} <= {"admin", "unknown", name}


def test_guessing_is_slowed_more_and_more_but_never_ends_for_good(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(sqlite_database, "jane")
    guesser = visit(sqlite_database, "192.0.2.1")
    for _ in range(10):
        guesser.sign_in("jane", "guess")
    for seconds in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        hand.pass_by(seconds=seconds - 1)
        assert guesser.sign_in("jane").status_code == 429
        hand.pass_by(seconds=1)
        assert guesser.sign_in("jane", "guess").status_code == 422
    hand.pass_by(hours=1)
    assert guesser.sign_in("jane").status_code == 303


def test_guessing_elsewhere_does_not_lock_out_a_browser_that_is_known(
    database: Database, visit: Visit, make_person: MakePerson
) -> None:
    make_person(database, "jane")
    own = visit(database)
    own.sign_in("jane")
    own.post("/sign-out")
    guesser = visit(database, "192.0.2.1")
    for _ in range(10):
        guesser.sign_in("jane", "guess")
    assert visit(database, "192.0.2.9").sign_in("jane").status_code == 429
    assert own.sign_in("jane").status_code == 303


def test_one_address_that_tries_many_names_is_slowed(
    sqlite_database: Database, visit: Visit, make_person: MakePerson
) -> None:
    make_person(sqlite_database, "jane")
    guesser = visit(sqlite_database, "2001:db8::1")
    assert [guesser.sign_in(f"name{number}", "guess").status_code for number in range(51)] == [422] * 50 + [429]
    assert visit(sqlite_database, "2001:db8::ffff").sign_in("jane").status_code == 429
    assert visit(sqlite_database, "2001:db8:0:1::1").sign_in("jane").status_code == 303


def test_a_session_ends_when_nothing_is_done_and_what_a_page_asks_by_itself_is_nothing(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(sqlite_database, "jane")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    for _ in range(3):
        hand.pass_by(minutes=20)
        assert browser.get("/").status_code == 200
    hand.pass_by(minutes=20)
    for dest, address in (("empty", "/"), ("image", "/worklist/pictures/1.2.3")):
        assert browser.get(address, headers={"Sec-Fetch-Dest": dest}).status_code == 200
    assert browser.post("/studies/1.2.3/reading/keep").status_code == 200
    hand.pass_by(minutes=11)
    assert browser.get("/").status_code == 303


def test_a_session_ends_at_the_end_of_a_shift_whatever_is_done(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(sqlite_database, "jane")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    for _ in range(24):
        hand.pass_by(minutes=29)
        assert browser.get("/").status_code == 200
    hand.pass_by(minutes=24)
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize("change", ["disable", "change_roles", "reset_password", "end_all"])
def test_a_session_ends_at_once_when_its_account_is_changed(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand, change: str
) -> None:
    jane = make_person(sqlite_database, "jane")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    arguments = {"change_roles": (["operator"],), "reset_password": ("hash",)}.get(change, ())
    more = {"ends_at": hand()} if change == "reset_password" else {}
    getattr(account_changes, change)(sqlite_database, jane, *arguments, who=ADMIN, now=hand(), **more)
    assert browser.get("/").status_code == 303
    assert trail(sqlite_database)[-1][0] == "admin"


def test_a_restored_database_brings_no_session_back(database: Database, visit: Visit, make_person: MakePerson) -> None:
    make_person(database, "jane")
    browser = visit(database)
    browser.sign_in("jane")
    end_every_session(database)
    assert browser.get("/").status_code == 303


def test_an_initial_password_opens_nothing_but_the_choice_of_another(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(sqlite_database, "jane", ends_at=hand.now.replace(day=4))
    browser = visit(sqlite_database)
    assert browser.sign_in("jane", next="/system").headers["location"] == "/sign-in/new-password?next=/system"
    assert browser.get("/").status_code == 303
    assert "Choose a password" in browser.get("/sign-in/new-password").text
    for password, said in [
        (PASSWORD, "another password than"),
        ("short", "at least 15"),
        ("password" * 2, "among the first"),
    ]:
        answer = browser.post("/sign-in/new-password", data={"password": password})
        assert answer.status_code == 422
        assert said in answer.text
    before = browser.cookies["tibabu"]
    chosen = browser.post("/sign-in/new-password", data={"password": "seven grey owls argue", "next": "/"})
    assert chosen.headers["location"] == "/"
    assert browser.cookies["tibabu"] != before
    assert browser.get("/").status_code == 200
    assert visit(sqlite_database).sign_in("jane").status_code == 422
    assert [row[2] for row in trail(sqlite_database)][:2] == ["account jane: password chosen", "signed in by password"]


def test_an_initial_password_that_nobody_used_in_time_opens_nothing(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(sqlite_database, "jane", ends_at=hand.now.replace(day=4))
    hand.pass_by(days=3)
    assert visit(sqlite_database).sign_in("jane").status_code == 422


def enrol(browser: Any, hand: Hand) -> tuple[str, list[str]]:
    """Set up an app; return its secret and the recovery codes."""
    page = browser.get("/sign-in/app")
    found = re.search(r"type this in: <code>([A-Z2-7 ]+)</code>", page.text)
    assert found is not None
    secret = found[1].replace(" ", "")
    done = browser.post("/sign-in/app", data={"code": pyotp.TOTP(secret).at(hand.now)})
    assert done.status_code == 200
    return secret, re.findall(r"<code>((?:\w{4}-){5}\w{4})</code>", done.text)


def test_an_admin_sets_up_an_app_first_and_is_asked_for_its_code_from_then_on(
    database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(database, "root", "admin")
    browser = visit(database)
    assert browser.sign_in("root", next="/system").headers["location"] == "/sign-in/app?next=/system"
    assert browser.get("/system").status_code == 303
    secret, recovery = enrol(browser, hand)
    assert len(set(recovery)) == 10
    assert browser.get("/system").status_code == 200
    other = visit(database)
    assert other.sign_in("root").headers["location"] == "/sign-in/code?next=/"
    assert other.get("/system").status_code == 303
    used = other.post("/sign-in/code", data={"code": pyotp.TOTP(secret).at(hand.now)})
    assert used.status_code == 422
    hand.pass_by(seconds=30)
    assert other.post("/sign-in/code", data={"code": pyotp.TOTP(secret).at(hand.now)}).headers["location"] == "/"
    assert other.get("/system").status_code == 200
    assert trail(database)[-1][2] == "signed in by code"


def test_a_recovery_code_lets_somebody_in_once(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(sqlite_database, "root", "admin")
    browser = visit(sqlite_database)
    browser.sign_in("root")
    _, recovery = enrol(browser, hand)
    for status in (303, 422):
        other = visit(sqlite_database)
        other.sign_in("root")
        assert other.post("/sign-in/code", data={"code": recovery[0].upper()}).status_code == status


def test_codes_are_guessed_no_faster_than_passwords(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(sqlite_database, "root", "admin")
    browser = visit(sqlite_database)
    browser.sign_in("root")
    enrol(browser, hand)
    guesser = visit(sqlite_database, "192.0.2.1")
    guesser.sign_in("root")
    statuses = [guesser.post("/sign-in/code", data={"code": f"{number:06}"}).status_code for number in range(10)]
    assert statuses == [422] * 9 + [429]
    assert guesser.sign_in("root").status_code == 429


def test_guessers_do_not_keep_the_threads_of_the_site(
    sqlite_database: Database, visit: Visit, make_person: MakePerson
) -> None:
    make_person(sqlite_database, "jane")
    browser = visit(sqlite_database)
    with ExitStack() as others:
        for _ in range(MOST_WAITING):
            others.enter_context(browser.site.state.services.accounts.settings.hasher.place())
        refused = browser.sign_in("jane")
        assert (refused.status_code, "at this moment" in refused.text) == (429, True)
    assert browser.sign_in("jane").status_code == 303


def test_a_page_is_told_how_long_its_session_lasts_and_asking_does_not_prolong_it(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(sqlite_database, "jane")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    script = {"Accept": "*/*"}  # of a browser that does not say what it asks for

    def told(method: str) -> dict[str, Any]:
        return dict(browser.ask(method, "/account/session", headers=script).json())

    assert told("GET") == {"name": "jane", "left": 1800, "warn": False, "can_stay": True}
    hand.pass_by(minutes=29)
    assert told("GET") == {"name": "jane", "left": 60, "warn": True, "can_stay": True}
    assert told("POST") == {"name": "jane", "left": 1800, "warn": False, "can_stay": True}
    for _ in range(24):
        hand.pass_by(minutes=28)
        told("POST")
    hand.pass_by(minutes=18)
    assert told("POST") == {"name": "jane", "left": 60, "warn": True, "can_stay": False}  # twelve hours are over then
    hand.pass_by(minutes=1)
    assert browser.get("/account/session", headers=script).status_code == 401
