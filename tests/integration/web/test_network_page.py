"""The page of the network asks real peers over loopback, says what they answered, and lists who was here."""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from agent.config.file import Config
from agent.process.neighbours import neighbours_of
from agent.web.services import Services
from db.association_log import EndedAssociation, ended_associations, note_ended, open_associations
from db.audit_search import AuditQuery, search
from db.database import Database

Ledger = Any  # tests/fixtures/served.py
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDED = EndedAssociation(
    association_id="ab" * 16,
    calling_ae_title="CR-ROOM-1",
    peer_address="10.0.0.5",
    opened_at=NOW,
    closed_at=NOW + timedelta(seconds=2),
    how="aborted",
    stored=3,
    refused=1,
    bytes=12_000_000,
    trouble="",
)


@pytest.fixture(scope="module")
def listening() -> Iterator[int]:
    """Let a peer answer C-ECHO; the port."""
    entity = AE("XRAY1")
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture
def site(
    sqlite_database: Database,
    start: Callable[..., str],
    services: Callable[[Database], Services],
    listening: int,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> Iterator[httpx.Client]:
    config = Config.model_validate(
        {
            "peers": [
                {"ae_title": "XRAY1", "host": "127.0.0.1", "port": listening},
                {"ae_title": "GONE", "host": "127.0.0.1", "port": free_port()},
                {"ae_title": "CALLS"},
            ],
            "destinations": [{"name": "out", "type": "folder", "folder": str(tmp_path / "out"), "reports": ["sr"]}],
        }
    )
    url = start(
        sqlite_database, services=lambda database: replace(services(database), neighbours=neighbours_of(config))
    )
    with httpx.Client(base_url=url, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60, trust_env=False) as client:
        yield client


def text(page: str) -> str:
    inline = re.sub(r"</?(?:bdi|time|b|strong)\b[^>]*>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", inline)).split())


def test_a_peer_is_asked_and_the_page_says_what_it_answered(site: httpx.Client, sqlite_database: Database) -> None:
    shown = text(site.get("/system/network").text)
    assert re.search(r"XRAY1 XRAY1@127\.0\.0\.1:\d+ echo, store", shown)
    assert "CALLS not known: it only calls" in shown
    answered = site.post("/system/network/ask", data={"kind": "peer", "name": "XRAY1"})
    assert answered.headers["location"] == "/system/network?done=answers"
    silent = site.post("/system/network/ask", data={"kind": "peer", "name": "GONE"})
    assert silent.headers["location"] == "/system/network?done=silent"
    shown = text(site.get("/system/network").text)
    assert re.search(r"answers, after \d+\.\d\d s", shown)
    assert "GONE@127.0.0.1" in shown
    assert "expected" in shown
    said = [(row.event.counterpart, int(row.event.outcome)) for row in search(sqlite_database, AuditQuery()).rows]
    assert ("XRAY1", 0) in said
    assert ("GONE", 4) in said


def test_a_destination_is_pinged(site: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done = site.post("/system/network/ask", data={"kind": "destination", "name": "out"})
    assert done.headers["location"] == "/system/network?done=answers"


@pytest.mark.parametrize("form", [{"kind": "peer", "name": "CALLS"}, {"kind": "peer", "name": "1.2.3.4"}, {}])
def test_nobody_else_can_be_asked(site: httpx.Client, form: dict[str, str]) -> None:
    assert site.post("/system/network/ask", data=form).status_code == 404


def test_associations_that_ended_are_listed_the_latest_first_and_only_so_many_are_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.association_log.KEPT", 20)
    for number in range(100):
        note_ended(database, replace(ENDED, association_id=f"{number:032x}"))
    listed = ended_associations(database, limit=5_000)
    assert listed[0].association_id == f"{99:032x}"
    assert len(listed) == 20


def test_associations_are_shown_with_what_they_brought(site: httpx.Client, ledger: Ledger) -> None:
    note_ended(ledger.database, ENDED)
    ledger.receive("1.2.3", at=datetime.now(UTC), association_id="cd" * 16, patient_name="SECRET^Sally")
    (still,) = open_associations(ledger.database)
    assert (still.association_id, still.calling_ae_title, still.studies) == ("cd" * 16, "CR-ROOM-1", 1)
    page = site.get("/system/network").text
    shown = text(page)
    assert "CR-ROOM-1 - " in shown
    assert "open 1 study so far" in shown
    assert "CR-ROOM-1 10.0.0.5" in shown
    assert "aborted 3 stored, 1 refused, 12.0 MB" in shown
    assert "SECRET" not in page
