"""What the web says to the audit trail of who looks at what."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from agent.audit.lately import AGAIN, Memory
from agent.web.access import Person
from agent.web.site import make_site
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId, EventOutcome
from db.database import Database

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
READER = Person("ada", "Ada", frozenset({"worklist:read"}))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(sqlite_database: Database, services: Callable[[Database], Any], clock: Clock) -> Starlette:
    return make_site(replace(services(sqlite_database), clock=clock, identify=lambda _request: READER))


@pytest.fixture
def get(site: Starlette) -> Callable[[str], int]:
    """Return `get(path)`: asks for a page from 10.0.0.7; the status of the answer."""

    async def ask(path: str) -> int:
        transport = httpx.ASGITransport(site, client=("10.0.0.7", 40000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get(path)).status_code

    return lambda path: asyncio.run(ask(path))


def test_a_page_that_stays_open_is_one_view_of_a_patient_until_five_minutes_have_gone(
    get: Callable[[str], int], sqlite_database: Database, ledger: Any, clock: Clock
) -> None:
    ledger.receive("2.25.1", at=NOW, patient_id="P1")
    for _ in range(3):
        assert get("/studies/2.25.1") == 200
        clock.now += timedelta(seconds=5)
    query = AuditQuery(event=EventId.INSTANCES_ACCESSED)
    (row,) = search(sqlite_database, query).rows
    assert (row.event.who.name, row.event.who.source, row.event.at) == ("ada", "10.0.0.7", NOW)
    assert (row.event.study_instance_uid, row.event.patient_id) == ("2.25.1", "P1")
    clock.now = NOW + AGAIN
    get("/studies/2.25.1")
    assert len(search(sqlite_database, query).rows) == 2


def test_the_worklist_is_noted_as_a_list_and_an_unknown_study_as_nothing(
    get: Callable[[str], int], sqlite_database: Database
) -> None:
    assert get("/") == 200
    assert get("/studies/2.25.404") == 404
    (row,) = search(sqlite_database, AuditQuery()).rows
    assert (row.event.event, row.event.detail) == (EventId.QUERY, "worklist")


def test_what_an_account_does_not_allow_is_noted_once_with_the_page_and_no_value(
    get: Callable[[str], int], sqlite_database: Database
) -> None:
    assert get("/system?about=P1") == get("/system?about=P2") == 403
    (row,) = search(sqlite_database, AuditQuery(failures=True)).rows
    assert (row.event.event, row.event.outcome) == (EventId.SECURITY_ALERT, EventOutcome.MINOR_FAILURE)
    assert row.event.detail == "GET /system"


def test_the_memory_of_views_is_bounded_and_forgets_what_could_not_be_written() -> None:
    memory = Memory()
    assert memory.is_new("first", NOW)
    assert not memory.is_new("first", NOW)
    memory.forget("first")
    assert memory.is_new("first", NOW)
    for number in range(10_000):
        memory.is_new(number, NOW)
    assert memory.is_new("first", NOW)
