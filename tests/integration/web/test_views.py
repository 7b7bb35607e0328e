"""Views of the worklist, search, and views that people save: each shows what it says, and no address has a name."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, update

from db.attributes import InstanceAttributes
from db.audit_search import AuditQuery, search
from db.audit_terms import EventId
from db.database import Database
from db.outcome import Outcome
from db.priority import Priority
from db.queue import open_queue
from db.reading import record_read
from db.saved_views import MOST, saved_views
from db.schema.domain import study
from db.worklist_view import WORKING, Age, Show, Wanted, counted_view, worklist_view

Ledger = Any  # tests/fixtures/served.py
UID = "1.2.826.0.1.3680043.10.1505"


def keys(page: str) -> list[str]:
    """Return the last number of each row's study."""
    return [uid.rpartition(".")[2] for uid in re.findall(r'data-key="([^"]*)"', page)]


@pytest.fixture
def noon() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def fill(ledger: Ledger, noon: datetime) -> None:
    """Record studies: 1 flagged, 2 high, 3 failed and old, 4 read, 5 in conflict, 6 with a parked report."""
    ago = {number: noon - timedelta(minutes=number) for number in range(1, 7)} | {3: noon - timedelta(days=2)}
    rows = {}
    for number, at in ago.items():
        said = {"order_priority": Priority.HIGH} if number == 2 else {}
        said |= {"calling_ae_title": "ER", "attributes": InstanceAttributes(modality="DX")} if number == 6 else {}
        rows[number] = ledger.receive(f"{UID}.{number}", at=at, patient_name=f"Doe^Number{number}", **said)
    outcomes = {1: Outcome.FLAGGED, 3: Outcome.FAILED, 4: Outcome.NOT_FLAGGED, 6: Outcome.NOT_FLAGGED}
    for number, outcome in outcomes.items():
        ledger.score(rows[number], outcome, probability=0.5, reason="why", at=noon)
        ledger.conclude(rows[number].study_id, at=noon)
    ledger.deliver(f"{UID}.6", at=noon, parked="PACS")
    with ledger.database.begin() as connection:
        record_read(connection, rows[4].study_id, how="report", at=noon)
        connection.execute(update(study).where(study.c.id == rows[5].study_id).values(conflict="conflicting identity"))


def test_each_view_is_of_what_it_says_page_by_page(
    database: Database, make_ledger: Callable[..., Ledger], noon: datetime
) -> None:
    fill(make_ledger(database, open_queue(database)), noon)
    views = {
        "32165": Wanted(),
        "1": Wanted(outcome=Outcome.FLAGGED),
        "3": Wanted(outcome=Outcome.FAILED),
        "25": Wanted(outcome=WORKING),
        "2": Wanted(priority=Priority.HIGH),
        "1 ": Wanted(priority=Priority.MEDIUM),
        "6": Wanted(modality="DX"),
        "6 ": Wanted(sender="ER"),
        "2165": Wanted(age=Age.HOUR),
        "3 ": Wanted(age=Age.OLDER),
        "4": Wanted(show=Show.READ),
        "5": Wanted(show=Show.QUARANTINED),
        "6  ": Wanted(show=Show.UNDELIVERED),
        "": Wanted(assigned_to="ann"),
    }
    for expected, wanted in views.items():
        found, after = "", None
        while True:
            seen = worklist_view(database, wanted, now=noon, limit=2, after=after)
            found += "".join(row.study_instance_uid.rpartition(".")[2] for row in seen.rows)
            if (after := seen.next) is None:
                break
        assert found == expected.strip(), wanted


def test_the_counts_are_of_the_moment_of_the_rows(sqlite_database: Database, ledger: Ledger, noon: datetime) -> None:
    ledger.receive("2.25.1", at=noon)

    def another(*_: object) -> None:
        ledger.receive("2.25.2", at=noon)

    event.listen(sqlite_database.engines[-1], "after_cursor_execute", another, once=True)
    counts, seen = counted_view(sqlite_database, Wanted(), now=noon, limit=10)
    assert counts.studies == len(seen.rows) == 1
    counts, seen = counted_view(sqlite_database, Wanted(), now=noon, limit=10)
    assert counts.studies == len(seen.rows) == 2


def test_pages_show_views_and_read_studies_say_so(client: httpx.Client, ledger: Ledger, noon: datetime) -> None:
    fill(ledger, noon)
    assert keys(client.get("/?outcome=flagged").text) == ["1"]
    read = client.get("/?show=read").text
    assert keys(read) == ["4"]
    assert "Read" in re.findall(r'aria-current="page">([^<]*)<', read)
    assert "report" in read
    assert keys(client.get("/?show=undelivered").text) == ["6"]
    assert "No study is in this view" in client.get("/?modality=MG").text


def test_search_comes_in_a_body_and_finds_read_studies_too(
    client: httpx.Client, ledger: Ledger, noon: datetime
) -> None:
    fill(ledger, noon)
    host = {"origin": str(client.base_url).rstrip("/")}
    assert "Search all studies" in client.get("/search").text
    found = client.post("/search", data={"typed": "doe"}, headers=host)
    assert keys(found.text) == ["6", "5", "4", "3", "2", "1"]
    assert found.headers["cache-control"] == "no-store"
    assert keys(client.post("/search", data={"typed": "number4"}, headers=host).text) == ["4"]
    assert "Nothing found" in client.post("/search", data={"typed": "nobody"}, headers=host).text
    assert keys(client.get("/search?typed=doe").text) == []
    links = re.findall(r'(?:href|src|action)="([^"]*)"', found.text)
    assert not any("doe" in html.unescape(link).lower() for link in links)


def test_more_than_a_page_is_found_page_by_page(client: httpx.Client, ledger: Ledger, noon: datetime) -> None:
    for number in range(51):
        ledger.receive(f"{UID}.{number}", at=noon, patient_name="Doe^Jane")
    host = {"origin": str(client.base_url).rstrip("/")}
    first = client.post("/search", data={"typed": "jane"}, headers=host).text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', first))
    assert keys(client.post("/search", data=hidden, headers=host).text) == ["0"]


def test_a_view_is_saved_without_anything_of_a_patient_and_forgotten(client: httpx.Client, ledger: Ledger) -> None:
    host = {"origin": str(client.base_url).rstrip("/")}
    saved = client.post(
        "/worklist/views", data={"name": " Night\n CR ", "query": "modality=CR&patient=DOE&n=5"}, headers=host
    )
    assert (saved.status_code, saved.headers["location"]) == (303, "/?modality=CR")
    (view,) = saved_views(ledger.database, "local")
    assert (view.name, view.query) == ("Night CR", "modality=CR")
    assert saved_views(ledger.database, "ann") == ()
    page = client.get("/?modality=CR").text
    assert "Forget the view <bdi>Night CR</bdi>" in page
    assert client.post("/worklist/views", data={"name": " ", "query": ""}, headers=host).status_code == 400
    client.post(f"/worklist/views/{view.id}/forget", headers=host)
    assert saved_views(ledger.database, "local") == ()
    said = [row.event.detail for row in search(ledger.database, AuditQuery(event=EventId.QUERY)).rows]
    assert said[0] == "view of the worklist forgotten: modality=CR"
    assert "view of the worklist saved: modality=CR" in said
    assert client.post("/worklist/views/x/forget", headers=host).status_code == 303
    answers = [
        client.post("/worklist/views", data={"name": f"V{number}", "query": "mine=1"}, headers=host).status_code
        for number in range(MOST + 1)
    ]
    assert answers == [303] * MOST + [409]


def test_a_row_without_a_picture_has_one_that_says_so(client: httpx.Client) -> None:
    answer = client.get(f"/worklist/pictures/{UID}.1")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
