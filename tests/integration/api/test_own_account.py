"""Who is signed in changes their own password and app, and ends their sessions, by the API as on their page."""

from collections.abc import Callable
from typing import Any

import pyotp
import pytest

from db.accounts import account_named
from db.audit_search import AuditQuery, search
from db.database import Database

PASSWORD = "four quiet herons wade"  # noqa: S105 - of people in tests
OTHER = "seven grey owls argue"
API = "/api/v1/account"


@pytest.fixture
def jane(sqlite_database: Database, visit: Callable[..., Any], make_person: Callable[..., Any]) -> Any:
    """Give the browser of a reader who has just signed in."""
    make_person(sqlite_database, "jane")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    return browser


def test_a_password_is_changed_by_who_knows_the_present_one(
    sqlite_database: Database, jane: Any, visit: Callable[..., Any]
) -> None:
    other = visit(sqlite_database)
    other.sign_in("jane")
    wrong = jane.ask("PUT", f"{API}/password", json={"present": "guess", "password": OTHER})
    assert (wrong.status_code, wrong.json()["detail"]) == (422, "The password is wrong.")
    before = jane.cookies["tibabu"]
    weak = jane.ask("PUT", f"{API}/password", json={"present": PASSWORD, "password": "short"})
    assert (weak.status_code, "at least 15" in weak.json()["detail"]) == (422, True)
    assert jane.cookies["tibabu"] != before  # they have proved who they are
    assert jane.ask("PUT", f"{API}/password", json={"present": PASSWORD, "password": OTHER}).status_code == 204
    assert jane.get(API).json()["account"]["name"] == "jane"
    assert other.get(API).status_code == 401
    assert visit(sqlite_database).sign_in("jane", OTHER).status_code == 303
    said = [row.event.detail for row in search(sqlite_database, AuditQuery(person="jane")).rows]
    assert "account jane: password chosen" in said


def test_an_app_is_set_up_by_its_first_code_and_removed_after_a_fresh_proof(
    sqlite_database: Database, jane: Any, hand: Any
) -> None:
    hand.pass_by(minutes=11)
    assert jane.post(f"{API}/app").status_code == 403
    assert jane.post(f"{API}/proof", json={"password": PASSWORD}).status_code == 204
    offered = jane.post(f"{API}/app").json()
    assert offered["uri"].startswith("otpauth://totp/")
    assert jane.post(f"{API}/app").json() == offered, "who asks twice has one app"
    assert jane.ask("PUT", f"{API}/app", json={"code": "nothing"}).status_code == 422
    made = jane.ask("PUT", f"{API}/app", json={"code": pyotp.TOTP(offered["secret"]).at(hand.now)})
    assert len(set(made.json()["recovery_codes"])) == 10
    told = jane.get(API).json()
    assert (told["account"]["has_codes"], told["recovery_codes_left"]) == (True, 10)
    assert offered["secret"] not in jane.get(API).text
    short = {"present": PASSWORD, "password": "vk7 qwmz"}
    assert jane.ask("PUT", f"{API}/password", json=short).status_code == 204
    alone = jane.ask("DELETE", f"{API}/app")
    assert (alone.status_code, "too short to stand alone" in alone.json()["detail"]) == (409, True)
    jane.ask("PUT", f"{API}/password", json={"present": "vk7 qwmz", "password": PASSWORD})
    assert jane.ask("DELETE", f"{API}/app").status_code == 204
    assert not account_named(sqlite_database, "jane").has_codes
    assert jane.get(API).status_code == 401


def test_an_app_that_the_roles_need_is_not_removed(
    sqlite_database: Database, visit: Callable[..., Any], make_person: Callable[..., Any], hand: Any
) -> None:
    make_person(sqlite_database, "root", "admin")
    root = visit(sqlite_database, codes_of=frozenset())
    root.sign_in("root")
    offered = root.post(f"{API}/app").json()
    root.ask("PUT", f"{API}/app", json={"code": pyotp.TOTP(offered["secret"]).at(hand.now)})
    strict = visit(sqlite_database)  # of a site that asks admins for codes
    strict.cookies = root.cookies
    refused = strict.ask("DELETE", f"{API}/app")
    assert (refused.status_code, "need the codes" in refused.json()["detail"]) == (409, True)
    page = strict.post("/account/app/remove")
    assert (page.status_code, "need the codes" in page.text) == (409, True)
    assert account_named(sqlite_database, "root").has_codes


def test_sessions_are_listed_and_ended_and_nobody_elses(
    sqlite_database: Database, jane: Any, visit: Callable[..., Any], make_person: Callable[..., Any], hand: Any
) -> None:
    make_person(sqlite_database, "john")
    john, second, third = (visit(sqlite_database) for _ in range(3))
    john.sign_in("john")
    hand.pass_by(minutes=1)
    for one in (second, third):
        one.sign_in("jane")
    listed = jane.get(f"{API}/sessions").json()["items"]
    assert sorted(one["is_this"] for one in listed) == [False, False, True]
    (johns,) = john.get(f"{API}/sessions").json()["items"]
    assert jane.ask("DELETE", f"{API}/sessions/{johns['id']}").status_code == 404
    (own,) = [one["id"] for one in second.get(f"{API}/sessions").json()["items"] if one["is_this"]]
    assert jane.ask("DELETE", f"{API}/sessions/{own}").status_code == 204
    assert (second.get(API).status_code, third.get(API).status_code) == (401, 200)
    assert jane.ask("DELETE", f"{API}/sessions").status_code == 204
    assert [one.get(API).status_code for one in (jane, third, john)] == [200, 401, 200]


def test_a_study_is_assigned_to_readers_only(
    sqlite_database: Database, jane: Any, ledger: Any, make_person: Callable[..., Any], hand: Any
) -> None:
    make_person(sqlite_database, "op", "operator")
    ledger.receive("2.25.1", at=hand.now)
    path = "/api/v1/studies/2.25.1/reading/assignment"
    for name, status in (("op", 409), ("nobody here", 409), ("jane", 200), ("", 200)):
        given = jane.post(path, json={"person": name}, headers={"If-Match": "*"})
        assert given.status_code == status, name
