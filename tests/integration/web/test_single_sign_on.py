"""Single sign-on: who is let in by a provider's word, and by no other word; roles follow it."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import select

from agent.config.oidc import OidcSection
from agent.errors import DeliveryError
from agent.web.callers import Reach
from agent.web.oidc import Provider
from agent.web.site import make_site
from db import account_changes
from db.accounts import account_named, accounts
from db.audit import Who
from db.database import Database
from db.schema.audit import audit_event

OpenId = Any  # tests/fixtures/openid.py
Browse = Callable[..., Any]


def utc_now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def browse(
    sqlite_database: Database, services: Any, make_accounts: Any, provider: OpenId, tmp_path: Path, make_visitor: Any
) -> Browse:
    """Return `browse(**settings)`: a new browser at a site whose people sign in at the provider."""
    secret = tmp_path / "secret"
    secret.write_text("what only we two know\n")
    known: dict[str, Any] = {}

    def make(**settings: Any) -> Any:
        section = OidcSection(
            issuer=provider.issuer,
            client_id="tibabu",
            secret_file=secret if settings.pop("secret", True) else None,
            roles={"radiologists": "reader", "it": "admin"},
            tls_ca_file=settings.pop("ca_file", provider.ca_file),
        )
        if not known:
            made = make_accounts(sqlite_database, utc_now, secure=True)
            made.provider = Provider(section, utc_now)
            reach = Reach(encrypted=True)
            known["site"] = make_site(replace(services(sqlite_database), clock=utc_now, accounts=made, reach=reach))
        return make_visitor(known["site"], "https://localhost")

    return make


def sign_in(browser: Any, provider: OpenId, path: str = "/sign-in/provider?next=/") -> Any:
    """Go to the provider and come back."""
    sent = browser.get(path)
    assert sent.headers["location"].startswith(f"{provider.issuer}/authorize?"), sent.text
    return browser.get(provider.authorize(sent.headers["location"]))


def details(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(audit_event.c.detail).order_by(audit_event.c.id)).scalars())


def test_somebody_whom_the_provider_knows_is_let_in_and_has_an_account_from_then_on(
    browse: Browse, provider: OpenId, sqlite_database: Database
) -> None:
    browser = browse()
    assert "Single sign-on" in browser.get("/sign-in").text
    back = sign_in(browser, provider)
    assert (back.status_code, back.headers["location"]) == (303, "/")
    assert browser.get("/").status_code == 200
    (made,) = accounts(sqlite_database)
    assert (made.name, made.display_name, made.roles, made.has_password) == ("jane", "Dr Jane", {"reader"}, False)
    assert provider.asked[0]["redirect_uri"] == "https://localhost/sign-in/provider/callback"
    assert details(sqlite_database)[:2] == [
        "account jane: created at the first single sign-on as reader",
        "signed in by single sign-on",
    ]
    sign_in(browse(), provider)
    assert len(accounts(sqlite_database)) == 1


def test_roles_follow_the_provider_and_older_sessions_end_with_them(
    browse: Browse, provider: OpenId, sqlite_database: Database
) -> None:
    browser = browse()
    sign_in(browser, provider)
    provider.claims["groups"] = "it"
    other = browse()
    sign_in(other, provider)
    assert account_named(sqlite_database, "jane").roles == {"admin"}
    assert browser.get("/").status_code == 303
    assert other.get("/accounts").status_code == 200
    assert "account jane: roles changed by the provider to admin" in details(sqlite_database)


def test_who_has_no_role_at_the_provider_any_more_is_out_everywhere(
    browse: Browse, provider: OpenId, sqlite_database: Database
) -> None:
    browser = browse()
    sign_in(browser, provider)
    assert browser.get("/").status_code == 200
    provider.claims["groups"] = []
    assert sign_in(browse(), provider).status_code == 422
    assert browser.get("/").status_code == 303
    assert account_named(sqlite_database, "jane").roles == frozenset()
    assert "account jane: roles changed by the provider to none" in details(sqlite_database)


@pytest.mark.parametrize("groups", [[], ["all"], None, 7, [["radiologists"]]])
def test_who_is_nothing_here_is_not_let_in(
    browse: Browse, provider: OpenId, sqlite_database: Database, groups: object
) -> None:
    provider.claims["groups"] = groups
    refused = sign_in(browse(), provider)
    assert (refused.status_code, "no account here for you" in refused.text) == (422, True)
    assert accounts(sqlite_database) == ()


def test_nobody_takes_over_an_account_by_its_name_nor_comes_in_once_disabled(
    browse: Browse, provider: OpenId, sqlite_database: Database, make_person: Any
) -> None:
    make_person(sqlite_database, "jane", "admin")
    make_person(sqlite_database, "root", "admin")
    assert sign_in(browse(), provider).status_code == 422
    provider.claims |= {"sub": "43", "preferred_username": "john"}
    assert sign_in(browse(), provider).status_code == 303
    john = account_named(sqlite_database, "john")
    account_changes.disable(sqlite_database, john, who=Who("root"), now=utc_now())
    assert sign_in(browse(), provider).status_code == 422


def test_the_way_back_counts_only_in_the_browser_that_went_and_once(browse: Browse, provider: OpenId) -> None:
    browser, victim = browse(), browse()
    back = provider.authorize(browser.get("/sign-in/provider").headers["location"])
    assert victim.get(back).status_code == 422
    victim.get("/sign-in/provider")
    assert victim.get(back).status_code == 422
    assert browser.get(back).status_code == 303
    assert browser.get(back).status_code == 422
    again = provider.authorize(browser.get("/sign-in/provider").headers["location"])
    assert browser.get(again.replace("iss=https", "iss=http")).status_code == 422


NOW = int(time.time())
WRONG_CLAIMS = [
    {"nonce": "another"},
    {"iss": "https://evil.example"},
    {"aud": "another"},
    {"aud": ["tibabu", "another"]},
    {"aud": ["tibabu", "another"], "azp": "another"},
    {"exp": NOW - 3600},
    {"exp": "soon"},
    {"iat": NOW + 36_000},
    {"nonce": None},
    {"sub": None},
]


@pytest.mark.parametrize("claims", WRONG_CLAIMS)
def test_an_id_token_that_says_anything_wrong_lets_nobody_in(
    browse: Browse, provider: OpenId, sqlite_database: Database, claims: dict[str, object]
) -> None:
    provider.wrong = {"claims": claims}
    assert sign_in(browse(), provider).status_code == 422
    assert accounts(sqlite_database) == ()
    assert details(sqlite_database) == ["single sign-on: not proved"]


@pytest.mark.parametrize("way", ["another key", "the public key as a secret"])
def test_an_id_token_that_the_provider_did_not_sign_lets_nobody_in(browse: Browse, provider: OpenId, way: str) -> None:
    if way == "another key":
        provider.signs_with = RSAKey.generate_key(2048, {"kid": "first"})
    else:
        provider.signs_with = OctKey.import_key(b"x" * 32)
        provider.algorithm = "HS256"
    assert sign_in(browse(), provider).status_code == 422


def test_a_provider_that_changes_its_keys_is_asked_for_them_anew(
    browse: Browse, provider: OpenId, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sign_in(browse(), provider).status_code == 303
    monkeypatch.setattr("agent.web.oidc._PATIENCE", timedelta())
    provider.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    assert sign_in(browse(), provider).status_code == 303


def test_a_provider_that_cannot_be_reached_or_is_another_is_said(
    browse: Browse, tmp_path: Path, make_certificate: Any
) -> None:
    other, _ = make_certificate(tmp_path)
    answer = browse(ca_file=other).get("/sign-in/provider")
    assert (answer.status_code, "cannot be reached just now" in answer.text) == (503, True)


@pytest.mark.parametrize(("methods", "has_secret"), [(["client_secret_post"], True), (["none"], False)])
def test_who_we_are_is_said_to_the_provider_as_it_wants_it(
    browse: Browse, provider: OpenId, methods: list[str], *, has_secret: bool
) -> None:
    """OpenID Connect Core 1.0, section 9."""
    provider.methods = methods
    assert sign_in(browse(secret=has_secret), provider).status_code == 303


def test_a_code_that_the_provider_does_not_take_lets_nobody_in(browse: Browse, provider: OpenId) -> None:
    browser = browse()
    back = provider.authorize(browser.get("/sign-in/provider").headers["location"])
    provider.issued.clear()
    assert browser.get(back).status_code == 422
    assert browser.get("/").status_code == 303


def test_a_configuration_of_another_issuer_is_not_believed(browse: Browse, provider: OpenId) -> None:
    provider.wrong = {"document": {"issuer": "https://evil.example"}}
    assert browse().get("/sign-in/provider").status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"document": {"authorization_endpoint": None}},
        {"document": {"authorization_endpoint": "https://sso.example:none/"}},
        {"keys": {"keys": None}},
    ],
)
def test_a_provider_that_says_nothing_of_use_is_said(
    browse: Browse, provider: OpenId, wrong: dict[str, dict[str, object]]
) -> None:
    provider.wrong = wrong
    assert browse().get("/sign-in/provider").status_code == 422


@pytest.mark.parametrize("at", [1e300, -(10**30), 10**400], ids=["late", "early", "no float"])
def test_a_claim_that_is_null_names_nobody_and_a_time_that_is_none_proves_nothing(
    browse: Browse, provider: OpenId, sqlite_database: Database, at: float
) -> None:
    provider.claims |= {"name": None, "auth_time": at, "groups": ["it"]}
    browser = browse()
    assert sign_in(browser, provider).status_code == 303
    assert account_named(sqlite_database, "jane").display_name == "jane"
    assert browser.get("/accounts/new").status_code == 303  # to prove it first


def test_a_proof_is_as_old_as_the_provider_says(browse: Browse, provider: OpenId) -> None:
    provider.claims["groups"] = ["it"]
    browser = browse()
    sign_in(browser, provider)
    wanted = browser.get("/accounts/new")
    assert wanted.headers["location"] == "/account/confirm?next=/accounts/new"
    confirm = browser.get("/account/confirm?next=/accounts/new").text
    assert 'href="/sign-in/provider?next=/accounts/new&amp;again=1"' in confirm
    sign_in(browser, provider, "/sign-in/provider?next=/accounts/new&again=1")
    assert (provider.asked[-1]["prompt"], provider.asked[-1]["max_age"]) == ("login", "0")
    assert browser.get("/accounts/new").status_code == 303
    provider.claims["auth_time"] = int(time.time())
    sign_in(browser, provider, "/sign-in/provider?next=/accounts/new&again=1")
    assert browser.get("/accounts/new").status_code == 200


def test_a_provider_that_hangs_keeps_no_more_than_a_few_threads_waiting() -> None:
    with ThreadPoolExecutor(12) as threads:
        with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
            issuer = f"http://127.0.0.1:{silent.getsockname()[1]}"
            provider = Provider(OidcSection(issuer=issuer, client_id="tibabu", roles={"it": "admin"}), utc_now)
            asked = [
                threads.submit(provider.address, "secret", "https://localhost/callback", again=False) for _ in range(12)
            ]
            told = as_completed(asked, timeout=60)
            for _ in range(4):
                assert isinstance(next(told).exception(), DeliveryError)
            assert sum(not one.done() for one in asked) == 8
        assert all(isinstance(one.exception(), DeliveryError) for one in asked)
