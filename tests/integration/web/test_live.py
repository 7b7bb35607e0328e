"""Whoever listens is told the version of what is shown; a part is given only to who may see the worklist."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from agent.web.services import Services
from db.database import Database

Ledger = Any  # tests/integration/web/conftest.py
UID = "1.2.826.0.1.3680043.10.1505"


def told(lines: Iterator[str]) -> dict[str, str]:
    """Return the next event."""
    return dict(json.loads(next(line for line in lines if line.startswith("data:"))[5:]))


def test_a_commit_is_told_and_the_version_told_is_that_of_the_part(client: httpx.Client, ledger: Ledger) -> None:
    with client.stream("GET", "/worklist/live?page=1") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        lines = stream.iter_lines()
        first = told(lines)
        ledger.receive(f"{UID}.1", at=datetime.now(UTC), patient_name="DOE^John")
        second = told(lines)
        assert second["version"] != first["version"]
        part = client.get("/worklist/part", params={"page": "1", "wanted": second["version"]})
    assert part.headers["x-version"] == second["version"]
    assert part.headers["content-encoding"] == "gzip"
    assert part.headers["cache-control"] == "no-store"
    assert "DOE, John" in part.text
    plain = client.get("/worklist/part", params={"page": "1"}, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == part.text


@pytest.fixture
def nobody(services: Callable[[Database], Services]) -> Callable[[Database], Services]:
    return lambda database: replace(services(database), identify=lambda _request: None)


@pytest.mark.parametrize("path", ["/", "/worklist/part", "/worklist/live"])
def test_nobody_in_particular_is_told_nothing(
    nobody: Callable[[Database], Services], sqlite_database: Database, start: Any, path: str
) -> None:
    url = start(sqlite_database, services=nobody)
    assert httpx.get(f"{url}{path}", timeout=60, trust_env=False).status_code == 401
