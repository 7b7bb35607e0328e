"""What is not there, may not be done or cannot be made just now is a plain page that says so."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from db.database import Database

Ledger = Any  # tests/fixtures/served.py
UID = "1.2.826.0.1.3680043.10.1505"


@pytest.mark.parametrize(
    "path",
    [
        "/studies/1.2.3",
        "/studies/../../etc/passwd",
        "/studies/%2e%2e%2f%2e%2e%2fetc",
        "/studies/" + "1" * 65,
        "/studies/1.2.3%00",
        "/?modality=C%00R",
        "/accounts/%00",
        "/studies/1.2.3'--",
        "/studies/",
        "/studies",
        "/nothing",
        "/favicon.ico",
        "/static/",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static/none.css",
    ],
)
def test_what_there_is_not_is_a_friendly_page(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "To the worklist" in answer.text
    assert "import" not in answer.text


def test_the_page_is_only_read(client: httpx.Client) -> None:
    assert client.head("/").status_code == 200
    assert client.head("/").content == b""
    assert client.post("/").status_code == 403
    assert client.post("/", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 405
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert "set-cookie" not in client.get("/").headers


def test_a_page_that_cannot_be_made_says_no_more_than_that(client: httpx.Client, ledger: Ledger) -> None:
    ledger.receive(f"{UID}.1", at=datetime.now(UTC), patient_name="DOE^John")
    with ledger.database.begin() as connection:
        connection.exec_driver_sql("UPDATE study SET outcome = 'clear'")
    with structlog.testing.capture_logs() as logged:
        answer = client.get("/")
    assert answer.status_code == 500
    assert "This page could not be made. The reason is in the agent&#39;s log." in answer.text
    assert "ValueError" not in answer.text
    assert "DOE" not in answer.text
    assert [(line["event"], line["page"]) for line in logged] == [("web_page_failed", "show_worklist")]


def test_a_database_that_is_gone_is_a_page_that_says_so_and_the_page_comes_back_with_it(
    client: httpx.Client, sqlite_database: Database
) -> None:
    file = sqlite_database.url.database
    assert file is not None
    sqlite_database.dispose()
    folder = file.rpartition("/")[0]
    Path(folder).rename(f"{folder}-away")
    for path in ("/", "/studies/1.2.3"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "The database cannot be reached just now. Nothing is lost" in answer.text
        assert "Traceback" not in answer.text
    assert client.get("/healthz").status_code == 200
    Path(f"{folder}-away").rename(folder)
    assert client.get("/").status_code == 200


def test_a_database_that_was_never_migrated_says_what_to_do(
    start: Callable[..., str], empty_database: Database
) -> None:
    answer = httpx.get(start(empty_database), timeout=60, trust_env=False)
    assert answer.status_code == 503
    assert "tibabu migrate" in answer.text
