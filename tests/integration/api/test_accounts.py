"""Accounts are made and changed by the API as on their pages: initial passwords are shown once, and audited."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.tokens import ACCOUNTS_WRITE, new_token
from agent.web.services import Services
from db.account_changes import create
from db.accounts import NewAccount, account_for_sign_in
from db.audit import THE_AGENT
from db.audit_search import AuditQuery, search
from db.database import Database
from db.priority import Allowances
from db.queue import open_queue
from db.sessions import NewSession, Stage, begin_session
from db.tokens import create_token
from dicom_io.folder_store import FolderStore


@pytest.fixture
def known(sqlite_database: Database, make_accounts: Callable[..., Any]) -> Any:
    """Give the accounts of the site."""
    return make_accounts(sqlite_database, lambda: datetime.now(UTC))


@pytest.fixture
def admin(
    sqlite_database: Database, tmp_path: Path, known: Any, make_servers: Callable[..., Any]
) -> Iterator[httpx.Client]:
    """Serve a site with accounts, and give a client of a program that may change them."""
    services = Services(
        database=sqlite_database,
        queue=open_queue(sqlite_database),
        store=FolderStore(tmp_path / "store"),
        clock=lambda: datetime.now(UTC),
        allowances=Allowances(),
        accounts=known,
    )
    servers, made = make_servers(lambda _: services), new_token()
    create_token(
        sqlite_database, "keeper", sha256=made.sha256, scopes=[ACCOUNTS_WRITE], by="test", now=datetime.now(UTC)
    )
    headers = {"Authorization": f"Bearer {made.secret}"}
    with httpx.Client(
        base_url=f"{servers(sqlite_database)}/api/v1", headers=headers, timeout=60, trust_env=False
    ) as found:
        yield found
    servers.stop()


def test_an_account_is_made_with_a_password_that_is_shown_once(
    sqlite_database: Database, known: Any, admin: httpx.Client
) -> None:
    wanted = {"name": "jo", "display_name": "Jo Reader", "roles": ["reader"]}
    made = admin.post("/accounts", json=wanted)
    assert made.status_code == 201
    password = made.json()["initial_password"]
    found = account_for_sign_in(sqlite_database, "jo")
    assert found is not None
    record, secrets = found
    assert known.settings.hasher.verify(secrets.password_hash, password)
    assert record.password_ends_at is not None
    assert record.password_ends_at > datetime.now(UTC) + timedelta(days=2)
    assert password not in admin.get("/accounts").text
    assert admin.post("/accounts", json=wanted).status_code == 409
    assert admin.post("/accounts", json={"name": "ann", "roles": []}).status_code == 422
    program = admin.post("/accounts", json={"name": "viewer", "roles": ["service"]}).json()
    assert (program["initial_password"], program["account"]["roles"]) == (None, ["service"])
    audited = search(sqlite_database, AuditQuery(person="token:keeper")).rows
    assert sum("created as" in one.event.detail for one in audited) == 2


def test_somebody_gets_a_new_password_is_signed_out_and_let_try_again(
    sqlite_database: Database, known: Any, admin: httpx.Client
) -> None:
    new = NewAccount(name="jo", display_name="Jo", roles={"reader"})
    record = create(sqlite_database, new, who=THE_AGENT, now=datetime.now(UTC))

    def sign_in(digest: str) -> None:
        opened = NewSession(
            account_id=record.id, sha256=digest, stage=Stage.OPEN, how="password", address="10.0.0.9", browser="x"
        )
        with sqlite_database.begin() as connection:
            begin_session(connection, opened, now=datetime.now(UTC))

    sign_in("1" * 64)
    assert [one["address"] for one in admin.get("/accounts/jo/sessions").json()["items"]] == ["10.0.0.9"]
    assert admin.delete("/accounts/jo/sessions").status_code == 204
    assert admin.get("/accounts/jo/sessions").json() == {"items": []}
    sign_in("2" * 64)
    password = admin.post("/accounts/jo/reset").json()["initial_password"]
    found = account_for_sign_in(sqlite_database, "jo")
    assert found is not None
    assert known.settings.hasher.verify(found[1].password_hash, password)
    assert admin.get("/accounts/jo/sessions").json() == {"items": []}
    assert admin.post("/accounts/jo/unlock").json()["paused_until"] is None
    assert admin.delete("/accounts/jo/app").json()["has_codes"] is False
    for method, path in (("POST", "reset"), ("POST", "unlock"), ("DELETE", "app"), ("DELETE", "sessions")):
        assert admin.request(method, f"/accounts/nobody/{path}").status_code == 404, path
