"""Deny by default: every address of the site is asked as nobody and as somebody of every role."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent import tokens
from agent.web import account_addresses
from agent.web.access import ANYBODY, SCOPES_OF, SIGNED_IN, Role
from agent.web.api.application import BASE
from agent.web.site import ADDRESSES
from db.database import Database

Visit = Callable[..., Any]  # tests/fixtures/people.py
OPEN = {
    *("/healthz", "/readyz", "/sign-in", "/sign-in/code", "/sign-in/new-password", "/sign-in/app", "/sign-out"),
    *("/sign-in/provider", "/sign-in/provider/callback"),
}
"""What everybody may ask for: it tells nothing of patients nor of the site."""
STREAM = "/worklist/live"


def path_of(path: str) -> str:
    """Return an address with its parameters filled."""
    return re.sub(r"{(\w+)[^}]*}", "1", path)


def test_every_address_states_a_scope_that_there_is_and_only_these_state_none() -> None:
    known = {*tokens.SCOPES, SIGNED_IN}
    assert {address.path for address in ADDRESSES if address.needs not in known} == OPEN
    assert {address.needs for address in ADDRESSES if address.path in OPEN} == {ANYBODY}


def test_nobody_is_answered_anywhere_else(sqlite_database: Database, visit: Visit) -> None:
    stranger = visit(sqlite_database)
    wrong = {}
    for address in ADDRESSES:
        if address.path not in OPEN:
            answer = stranger.ask(address.method, path_of(address.path), headers={"Sec-Fetch-Dest": "empty"})
            if answer.status_code not in {401, 429}:
                wrong[f"{address.method} {address.path}"] = answer.status_code
    assert wrong == {}


def test_nobody_is_answered_by_the_api(sqlite_database: Database, visit: Visit) -> None:
    stranger = visit(sqlite_database)
    document = json.loads((Path(__file__).parents[3] / "docs" / "openapi.json").read_text(encoding="utf-8"))
    asked = [(method, path) for path, methods in document["paths"].items() for method in methods]
    assert len(asked) > 10
    answers = {one: stranger.ask(one[0].upper(), f"{BASE}{path_of(one[1])}").status_code for one in asked}
    assert {one: status for one, status in answers.items() if status != 401} == {}


@pytest.mark.parametrize("role", Role)
def test_a_role_is_answered_what_its_scopes_allow_and_nothing_else(
    sqlite_database: Database, visit: Visit, make_person: Any, role: Role
) -> None:
    make_person(sqlite_database, "jane", role)
    browser = visit(sqlite_database, codes_of=frozenset())
    browser.sign_in("jane")
    wrong = {}
    for address in ADDRESSES:
        if address in account_addresses.ADDRESSES and address.needs in {ANYBODY, SIGNED_IN}:
            continue  # they end this very session, or change it
        allowed = address.needs in {ANYBODY, SIGNED_IN} or address.needs in SCOPES_OF[role]
        if allowed and (address.path == STREAM or address.method != "GET"):
            continue  # what is allowed is tested where it is done
        answer = browser.ask(address.method, path_of(address.path))
        if (answer.status_code == 403) == allowed:
            wrong[f"{address.method} {address.path}"] = answer.status_code
    assert wrong == {}


def test_operators_and_admins_see_no_patient() -> None:
    of_patients = {tokens.WORKLIST_READ, tokens.WORKLIST_WRITE, tokens.DICOMWEB_READ, tokens.UPS_READ}
    for role in (Role.OPERATOR, Role.ADMIN, Role.SERVICE):
        assert not SCOPES_OF[role] & of_patients
