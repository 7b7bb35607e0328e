"""The pages of accounts: admins change others, everybody their own, and only after proving again who they are."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pyotp
import pytest
from sqlalchemy import select

from db import account_changes
from db.accounts import Codes, account_named, accounts, set_codes
from db.audit import Who
from db.database import Database
from db.schema.audit import audit_event

Visit = Callable[..., Any]  # tests/fixtures/people.py
MakePerson = Callable[..., Any]
Hand = Any
PASSWORD = "four quiet herons wade"  # noqa: S105 - of people in tests
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - as above


@pytest.fixture
def admin(sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand) -> Any:
    """Give the browser of an admin who has just signed in."""
    made = make_person(sqlite_database, "root", "admin")
    with sqlite_database.begin() as connection:
        set_codes(connection, made.id, Codes(SECRET, 0, ("a" * 64,)))
    browser = visit(sqlite_database)
    browser.sign_in("root")
    assert browser.post("/sign-in/code", data={"code": pyotp.TOTP(SECRET).at(hand.now)}).status_code == 303
    return browser


def details(database: Database) -> list[str]:
    """Return what the audit trail says, in order."""
    with database.read() as connection:
        return list(connection.execute(select(audit_event.c.detail).order_by(audit_event.c.id)).scalars())


def test_an_admin_makes_an_account_whose_person_chooses_the_password(
    admin: Any, sqlite_database: Database, visit: Visit
) -> None:
    form = {"name": "Jane", "display_name": "<b>Dr Jane</b>", "role": ["reader", "operator"]}
    made = admin.post("/accounts/new", data=form)
    assert made.status_code == 200
    assert "&lt;b&gt;Dr Jane&lt;/b&gt;" in made.text
    found = re.search(r"<code>((?:\w{5}-){3}\w{5})</code>", made.text)
    assert found is not None
    assert account_named(sqlite_database, "jane").roles == {"reader", "operator"}
    assert visit(sqlite_database).sign_in("jane", found[1]).headers["location"].startswith("/sign-in/new-password")
    listed = admin.get("/accounts").text
    assert "initial password" in listed
    assert found[1] not in listed
    assert "account jane: created as operator reader" in details(sqlite_database)


@pytest.mark.parametrize(
    ("name", "roles"), [*((name, ["reader"]) for name in ("two words", "root", "local", "Unknown", "agent")), ("x", [])]
)
def test_an_account_without_a_name_of_its_own_or_a_role_is_not_made(
    admin: Any, sqlite_database: Database, name: str, roles: list[str]
) -> None:
    assert admin.post("/accounts/new", data={"name": name, "role": roles}).status_code == 422
    assert [one.name for one in accounts(sqlite_database)] == ["root"]


def test_changes_of_an_account_take_effect_and_are_on_record(
    admin: Any, sqlite_database: Database, make_person: MakePerson, visit: Visit
) -> None:
    make_person(sqlite_database, "jane")
    jane = visit(sqlite_database)
    jane.sign_in("jane")
    assert "End all sessions" in admin.get("/accounts/jane").text
    assert admin.post("/accounts/jane/roles", data={"role": ["operator"]}).status_code == 303
    assert jane.get("/").status_code == 303
    jane.sign_in("jane")
    assert jane.get("/").status_code == 403
    assert jane.get("/system").status_code == 200
    admin.post("/accounts/jane/disable")
    assert jane.get("/system").status_code == 303
    assert jane.sign_in("jane").status_code == 422
    assert re.search(r"<td[^>]*>\s*disabled\s*<", admin.get("/accounts").text)
    none = admin.post("/accounts/jane/roles", data={})
    assert (none.status_code, account_named(sqlite_database, "jane").roles) == (409, {"operator"})
    admin.post("/accounts/jane/enable")
    assert "Give a new initial password" in admin.get("/accounts/jane").text
    assert admin.post("/accounts/jane/reset").status_code == 200
    assert jane.sign_in("jane").status_code == 422
    said = "roles changed from reader to operator", "disabled", "enabled", "given an initial password"
    assert [f"account jane: {one}" for one in said] == [one for one in details(sqlite_database) if "jane:" in one][1:]


def test_an_admin_lets_somebody_try_again_at_once(
    admin: Any, sqlite_database: Database, make_person: MakePerson, visit: Visit
) -> None:
    make_person(sqlite_database, "jane")
    browser = visit(sqlite_database, "192.0.2.1")
    for _ in range(10):
        browser.sign_in("jane", "guess")
    assert browser.sign_in("jane").status_code == 429
    assert "locked out where it is not known" in admin.get("/accounts").text
    admin.post("/accounts/jane/unlock")
    assert browser.sign_in("jane").status_code == 303


@pytest.mark.parametrize(("what", "form"), [("disable", {}), ("roles", {"role": ["reader"]})])
def test_the_last_admin_stays_one(admin: Any, sqlite_database: Database, what: str, form: dict[str, list[str]]) -> None:
    answer = admin.post(f"/accounts/root/{what}", data=form)
    assert answer.status_code == 409
    assert "another enabled account of the role admin" in answer.text
    assert account_named(sqlite_database, "root").roles == {"admin"}


def test_what_is_dangerous_asks_for_a_proof_that_is_fresh(admin: Any, sqlite_database: Database, hand: Hand) -> None:
    hand.pass_by(minutes=11)
    asked = admin.get("/accounts/new")
    assert asked.headers["location"] == "/account/confirm?next=/accounts/new"
    assert admin.post("/accounts/new", data={"name": "jane", "role": ["reader"]}).status_code == 303
    assert admin.post("/accounts/root/reset").status_code == 303
    for path in ("/account/app/remove", "/account/sessions/end", "/tokens", "/tokens/revoke"):
        assert admin.post(path, data={"name": "ris"}).headers["location"].startswith("/account/confirm?next="), path
    assert [one.name for one in accounts(sqlite_database)] == ["root"]
    assert admin.post("/account/confirm", data={"password": "guess"}).status_code == 422
    before = admin.cookies["tibabu"]
    confirmed = admin.post("/account/confirm", data={"password": PASSWORD, "next": "/accounts/new"})
    assert confirmed.headers["location"] == "/accounts/new"
    assert admin.cookies["tibabu"] != before
    assert admin.get("/accounts/new").status_code == 200


def test_passwords_are_guessed_no_faster_in_a_session(admin: Any) -> None:
    statuses = [admin.post("/account/confirm", data={"password": "guess"}).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]


def test_somebody_changes_their_password_and_is_signed_out_everywhere_else(
    sqlite_database: Database, visit: Visit, make_person: MakePerson
) -> None:
    make_person(sqlite_database, "jane")
    here, there = visit(sqlite_database), visit(sqlite_database)
    for browser in (here, there):
        browser.sign_in("jane")
    wrong = here.post("/account/password", data={"present": "guess", "password": "seven grey owls argue"})
    assert (wrong.status_code, "The password is wrong" in wrong.text) == (422, True)
    assert there.get("/").status_code == 200
    changed = here.post("/account/password", data={"present": PASSWORD, "password": "seven grey owls argue"})
    assert changed.status_code == 303
    assert here.get("/account").status_code == 200
    assert there.get("/").status_code == 303
    assert visit(sqlite_database).sign_in("jane", "seven grey owls argue ").status_code == 422
    assert visit(sqlite_database).sign_in("jane", "seven grey owls argue").status_code == 303


def test_somebody_sees_where_they_are_signed_in_and_signs_out_there(
    sqlite_database: Database, visit: Visit, make_person: MakePerson
) -> None:
    for name in ("jane", "john"):
        make_person(sqlite_database, name)
    here, there, other = visit(sqlite_database), visit(sqlite_database, "10.0.0.8"), visit(sqlite_database)
    here.sign_in("jane")
    there.sign_in("jane")
    other.sign_in("john")
    page = here.get("/account").text
    assert "10.0.0.8" in page
    (number,) = re.findall(r'name="session" value="(\d+)"', page)
    other.post("/account/sessions/end", data={"session": number})
    assert there.get("/").status_code == 200
    here.post("/account/sessions/end", data={"session": number})
    assert there.get("/").status_code == 303
    there.sign_in("jane")
    here.post("/account/sessions/end")
    assert (there.get("/").status_code, here.get("/").status_code) == (303, 200)


def test_somebody_sets_up_an_app_and_a_short_password_does_not_stand_alone(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, hand: Hand
) -> None:
    make_person(sqlite_database, "jane")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    found = re.search(r"<code>([A-Z2-7 ]+)</code>", browser.get("/account/app").text)
    assert found is not None
    secret = found[1].replace(" ", "")
    assert browser.post("/account/app", data={"code": "000000"}).status_code == 422
    assert browser.post("/account/app", data={"code": pyotp.TOTP(secret).at(hand.now)}).status_code == 200
    common = browser.post("/account/password", data={"present": PASSWORD, "password": "12345678"})
    assert (common.status_code, "among the first" in common.text) == (422, True)
    assert browser.post("/account/password", data={"present": PASSWORD, "password": "vk7 qwmz"}).status_code == 303
    refused = browser.post("/account/app/remove")
    assert (refused.status_code, "too short to stand alone" in refused.text) == (409, True)
    browser.post("/account/password", data={"present": "vk7 qwmz", "password": PASSWORD})
    assert browser.post("/account/app/remove").headers["location"] == "/sign-in"
    assert browser.sign_in("jane").headers["location"] == "/"


def test_who_may_not_change_accounts_sees_none(
    sqlite_database: Database, visit: Visit, make_person: MakePerson
) -> None:
    make_person(sqlite_database, "jane", "reader", "operator", "technologist", "service")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    assert browser.get("/accounts").status_code == 403
    assert browser.post("/accounts/jane/roles", data={"role": ["admin"]}).status_code == 403
    assert 'href="/accounts"' not in browser.get("/").text
    assert account_named(sqlite_database, "jane").roles == {"reader", "operator", "technologist", "service"}


def test_without_accounts_there_are_no_such_pages(client: httpx.Client) -> None:
    for path in ("/sign-in", "/account", "/accounts"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "There are no accounts here" in answer.text


def test_an_account_on_record_of_a_later_role_may_do_nothing_by_it(
    sqlite_database: Database, visit: Visit, make_person: MakePerson
) -> None:
    make_person(sqlite_database, "jane", "emperor")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    assert browser.get("/").status_code == 403
    assert browser.get("/account").status_code == 200


def test_of_two_admins_one_stays(database: Database, make_person: MakePerson, hand: Hand) -> None:
    one, other = make_person(database, "one", "admin"), make_person(database, "other", "admin")
    account_changes.disable(database, one, who=Who("other"), now=hand())
    with pytest.raises(Exception, match="another enabled account"):
        account_changes.disable(database, other, who=Who("one"), now=hand())
    account_changes.change_roles(database, other, ("admin", "reader"), who=Who("one"), now=hand())
    assert account_named(database, "other").roles == {"admin", "reader"}


def test_a_program_gets_a_token_that_is_shown_once_and_ends_with_its_account(
    admin: Any, sqlite_database: Database, visit: Visit
) -> None:
    made = admin.post("/accounts/new", data={"name": "ris", "role": ["service"]})
    assert made.headers["location"] == "/tokens"
    assert "none: nobody signs in" in admin.get("/accounts").text
    form = {"name": "ris-1", "account": "ris", "scope": ["system:read", "everything"]}
    page = admin.post("/tokens", data=form)
    found = re.search(r"tibabu_[\w-]{43}", page.text)
    assert found is not None
    assert "ris-1" in admin.get("/tokens").text
    assert found[0] not in admin.get("/tokens").text
    program = visit(sqlite_database)
    bearing = {"Authorization": f"Bearer {found[0]}", "Sec-Fetch-Site": "cross-site"}
    assert program.get("/system", headers=bearing).status_code == 200
    assert program.get("/", headers=bearing).status_code == 403
    assert program.post("/accounts/root/disable", headers=bearing).status_code == 403
    assert program.get("/account", headers=bearing).status_code == 404
    admin.post("/accounts/ris/roles", data={"role": "reader"})
    assert program.get("/system", headers=bearing).status_code == 303  # it is no program's account any more
    admin.post("/accounts/ris/roles", data={"role": "service"})
    assert program.get("/system", headers=bearing).status_code == 200
    admin.post("/accounts/ris/disable")
    assert program.get("/system", headers=bearing).status_code == 303
    said = "token ris-1 made: system:read", "account ris: disabled"
    assert set(said) <= set(details(sqlite_database))


def test_a_token_without_a_scope_or_of_a_person_is_not_made_and_one_that_is_revoked_opens_nothing(
    admin: Any, sqlite_database: Database, make_person: MakePerson
) -> None:
    make_person(sqlite_database, "jane")
    assert admin.post("/tokens", data={"name": "one"}).status_code == 422
    refused = admin.post("/tokens", data={"name": "one", "account": "jane", "scope": "system:read"})
    assert (refused.status_code, "an enabled account of the role service" in refused.text) == (422, True)
    assert admin.post("/tokens", data={"name": "one", "scope": "system:read"}).status_code == 200
    assert admin.post("/tokens/revoke", data={"name": "one"}).status_code == 303
    assert admin.post("/tokens/revoke", data={"name": "one"}).status_code == 409
    assert "token one revoked" in details(sqlite_database)


def test_a_token_bears_no_cookie_with_it(admin: Any) -> None:
    bearing = {"Authorization": "Bearer nothing", "Sec-Fetch-Site": "cross-site"}
    assert admin.post("/accounts/root/disable", headers=bearing).status_code == 401
    assert admin.get("/accounts").status_code == 200


def test_a_study_is_assigned_to_accounts_of_readers_only(
    sqlite_database: Database, visit: Visit, make_person: MakePerson, ledger: Any, hand: Hand
) -> None:
    ledger.receive("2.25.1", at=hand.now)
    make_person(sqlite_database, "ada", "reader")
    make_person(sqlite_database, "olga", "operator")
    browser = visit(sqlite_database)
    browser.sign_in("ada")
    page = browser.get("/studies/2.25.1").text
    assert '<option value="ada">' in page
    assert '<option value="olga">' not in page
    seen = dict(re.findall(r'type="hidden" name="(revision|version)" value="(\d+)"', page))
    assert browser.post("/studies/2.25.1/reading/assign", data=seen | {"person": "olga"}).status_code == 422
    assert browser.post("/studies/2.25.1/reading/assign", data=seen | {"person": "ada"}).status_code == 303
