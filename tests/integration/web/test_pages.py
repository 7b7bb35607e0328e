"""The pages over real rows: in due-time order, every outcome in words, and nothing of what came over the wire runs."""

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from agent.line.marks import Mark
from db.attributes import InstanceAttributes
from db.breaker import note_fault
from db.database import Database
from db.delivery_attempt import Begun, Ending, begin_attempt, record_failed_attempt
from db.outcome import Outcome
from db.priority import Priority
from db.queue import open_queue
from db.worklist import study_record
from db.worklist_counts import WorklistCounts, worklist_counts

Ledger = Any  # tests/fixtures/served.py
UID = "1.2.826.0.1.3680043.10.1505"
CAVEAT = "AI triage aid - not a diagnosis. Only pneumonia is looked for. 'Not flagged' does not exclude disease."
FORBIDDEN = re.compile(r"\b(normal|clear|healthy|negative|ruled out)\b", re.IGNORECASE)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def texts(page: str) -> list[str]:
    """Return the text of each row of the worklist."""
    rows = re.findall(r"<tr [^>]*data-key=.*?</tr>", page, re.DOTALL)
    return [text(row) for row in rows]


def text(page: str) -> str:
    """Return what is written on a page, on one line."""
    inline = re.sub(r"</?(?:bdi|time|b)\b[^>]*>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", inline)).split())


def test_without_studies_the_page_teaches_how_to_send_one(client: httpx.Client) -> None:
    page = client.get("/").text
    assert "No study has been received yet" in page
    assert "tibabu send FOLDER --to TIBABU@127.0.0.1:11112" in page
    assert "storescu" in page


def test_the_next_study_to_read_is_at_the_top_and_it_says_why(
    client: httpx.Client, ledger: Ledger, now: datetime
) -> None:
    ago = {name: now - timedelta(minutes=minutes) for name, minutes in [("long", 600), ("hour", 60), ("just", 5)]}
    routine = ledger.receive(f"{UID}.1", at=ago["hour"], patient_name="ROUTINE^Rita")
    ledger.receive(f"{UID}.2", at=ago["just"], patient_name="STAT^Sam", order_priority=Priority.HIGH)
    flagged = ledger.receive(f"{UID}.3", at=ago["just"], patient_name="FLAGGED^Fay")
    starving = ledger.receive(f"{UID}.4", at=ago["long"], patient_name="OLD^Otto")
    ledger.score(routine, Outcome.NOT_FLAGGED, probability=0.1, at=ago["hour"])
    ledger.score(flagged, Outcome.FLAGGED, probability=0.91, at=ago["just"])
    ledger.score(starving, Outcome.FAILED, reason="pixel data is truncated", at=ago["long"])
    for instance in (routine, flagged, starving):
        ledger.conclude(instance.study_id, at=now)
    ledger.deliver(f"{UID}.1", at=now)
    page = client.get("/").text
    said = "no patient ID age unknown sex unknown no description CR, 1 object"
    said += " check: no patient ID, no birth date or age, no study date waiting"
    routine_due, long_due = (ago[name] + timedelta(hours=8) for name in ("hour", "long"))
    flagged_due = ago["just"] + timedelta(minutes=30)
    top, second, third, last = texts(page)
    assert top.startswith(f"1 next Routine order OLD, Otto {said} 10 h 00 min received {local(ago['long'])}")
    assert top.endswith(f" overdue 2 h 00 min at {local(long_due)} Failed pixel data is truncated 1 queued")
    assert second.startswith(f"2 High order STAT, Sam {said} 5 min received {local(ago['just'])}")
    assert second.endswith(f" overdue 5 min at {local(ago['just'])} Being analysed not yet")
    assert third.startswith(f"3 Medium AI flagged FLAGGED, Fay {said} 5 min received {local(ago['just'])}")
    assert third.endswith(f" in 24 min at {local(flagged_due)} Flagged probability 0.91 1 queued")
    assert last.startswith(f"4 Routine order ROUTINE, Rita {said} 1 h 00 min received {local(ago['hour'])}")
    assert last.endswith(f" in 6 h 59 min at {local(routine_due)} Not flagged 1 acknowledged")
    counts = page[page.index('id="counts"') : page.index('id="list"')]
    assert re.findall(r"<dd>(.*?)</dd>", counts) == ["4", "1", "2", "2 h 47 min", "10 h 00 min", "4", "ok"]


def local(at: datetime) -> str:
    """Return a time as the page shows it: of this machine's zone, with the date unless it is today's."""
    here, today = at.astimezone(), datetime.now(UTC).astimezone().date()
    return f"{here:%H:%M}" if here.date() == today else f"{here:%Y-%m-%d %H:%M}"


def test_no_page_says_that_a_study_is_normal_and_each_says_what_the_ai_is(
    client: httpx.Client, ledger: Ledger, now: datetime
) -> None:
    for number, outcome in enumerate(Outcome):
        instance = ledger.receive(f"{UID}.{number}", at=now - timedelta(minutes=5))
        ledger.score(instance, outcome, probability=0.5 if outcome is Outcome.FLAGGED else None, reason="why", at=now)
        ledger.conclude(instance.study_id, at=now)
    ledger.receive(f"{UID}.8", at=now)
    for path in ["/", "/studies/0", *(f"/studies/{UID}.{number}" for number in (0, 1, 2, 3, 8))]:
        page = html.unescape(client.get(path).text)
        assert not FORBIDDEN.search(page)
        assert (
            "AI triage aid - not a diagnosis. Only pneumonia is looked for. 'Not flagged' does not exclude disease."
            in page
        )


def test_a_newer_revision_keeps_the_last_outcome_marked_updating(
    client: httpx.Client, ledger: Ledger, now: datetime
) -> None:
    instance = ledger.receive(f"{UID}.1", at=now - timedelta(minutes=5))
    ledger.score(instance, Outcome.FLAGGED, probability=0.91, at=now - timedelta(minutes=5))
    ledger.conclude(instance.study_id, at=now - timedelta(minutes=4))
    ledger.receive(f"{UID}.1", at=now)
    (row,) = texts(client.get("/").text)
    assert "Flagged probability 0.91 updating: being received" in row
    study = client.get(f"/studies/{UID}.1").text
    assert "Waiting for analysis" in study


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "</td></tr></table><img src=x onerror=alert(1)>",
        "\"><svg onload='alert(1)'>",
        "{{ 7*7 }}{% raw %}",
        "javascript:alert(1)",
        "\u202egnp.exe\u2066 <b>x</b>",
        "&lt;script&gt;",
    ],
)
def test_whatever_stands_in_a_study_is_text(client: httpx.Client, ledger: Ledger, now: datetime, hostile: str) -> None:
    fields = ("patient_name", "patient_id", "patient_age", "patient_sex", "patient_birth_date", "accession_number")
    others = ("study_date", "study_description", "calling_ae_title")
    given = dict.fromkeys((*fields, *others), hostile) | {"attributes": InstanceAttributes(modality=hostile)}
    instance = ledger.receive(f"{UID}.1", at=now, **given)
    ledger.score(instance, Outcome.NOT_ANALYSED, reason=hostile, at=now)
    ledger.conclude(instance.study_id, at=now + timedelta(minutes=1), destinations=(hostile[:32],))
    bare = skeleton(client, ledger, now)
    for path in ("/", f"/studies/{UID}.1"):
        page = client.get(path).text
        assert tags(page) <= bare
        assert not set("\u202e\u2066") & set(page)
        shown = hostile.replace("\u202e", "").replace("\u2066", "")
        assert shown in html.unescape(page)


def skeleton(client: httpx.Client, ledger: Ledger, now: datetime) -> set[str]:
    """Return the tags, with their attributes' names, that the pages of a harmless study are made of."""
    instance = ledger.receive(f"{UID}.2", at=now)
    ledger.score(instance, Outcome.NOT_ANALYSED, reason="why", at=now)
    ledger.conclude(instance.study_id, at=now + timedelta(minutes=1))
    return tags(client.get("/").text) | tags(client.get(f"/studies/{UID}.2").text)


def tags(page: str) -> set[str]:
    return {re.sub(r'="[^"]*"', "", tag) for tag in re.findall(r"<[^>]*>", page)}


def test_long_lists_have_pages(client: httpx.Client, ledger: Ledger, now: datetime) -> None:
    for number in range(51):
        ledger.receive(f"{UID}.{number}", at=now - timedelta(minutes=60 - number), patient_id=f"P{number}")
    first = client.get("/").text
    assert len(texts(first)) == 50
    assert "1 to 50 of 51" in first
    second = client.get(html.unescape(re.findall(r'rel="next" href="([^"]*)"', first)[0])).text
    assert [row.split()[0] for row in texts(second)] == ["51"]
    assert "P50" in texts(second)[0]
    assert "To the beginning" in second


def test_a_study_page_has_everything_on_record_in_words(client: httpx.Client, ledger: Ledger, now: datetime) -> None:
    said = {"patient_name": "Yamada^Tarou=山田^太郎", "patient_id": "P7", "study_date": "20260301"}
    first = ledger.receive(f"{UID}.1", at=now - timedelta(minutes=9), accession_number="A5", **said)
    lateral = ledger.receive(f"{UID}.1", at=now - timedelta(minutes=9), **said)
    ledger.receive(f"{UID}.1", at=now - timedelta(minutes=9), candidate=False, **said)
    ledger.score(first, Outcome.FLAGGED, probability=0.914, at=now - timedelta(minutes=8))
    ledger.score(lateral, Outcome.NOT_ANALYSED, reason="lateral view", lateral=True, at=now - timedelta(minutes=8))
    ledger.conclude(first.study_id, at=now - timedelta(minutes=7), destinations=("PACS", "RIS"))
    ledger.deliver(f"{UID}.1", at=now - timedelta(minutes=6), parked="RIS")
    page = text(client.get(f"/studies/{UID}.1").text)
    for sentence in (
        "Yamada, Tarou 山田 太郎",
        "Accession number A5",
        "Study date 2026-03-01",
        f"Study Instance UID {UID}.1",
        "Flagged probability 0.91 Suspected pneumonia",
        "AI triage aid for prioritisation only, not a diagnosis.",
        "Lifecycle concluded, revision 1",
        "Not analysed lateral view a lateral view does not count image for analysis",
        "none needed kept, not for analysis",
        "efficientnet_lite0 1.0.0 weights sha256 abab",
        "high sensitivity: flagged from 0.4217",
        "Structured report version 1, of revision 1",
        "PACS acknowledged 1 attempt 0000 Success",
        "RIS parked 1 attempt expected the peer to accept the association. Received: rejected",
        "First object received revision 1, by agent",
        "Priority raised by the AI effective priority MEDIUM",
        "Concluded flagged",
    ):
        assert sentence in page


def test_what_is_poor_about_a_study_stands_on_both_pages_and_a_good_one_has_no_mark(
    client: httpx.Client, ledger: Ledger, now: datetime
) -> None:
    good = {"patient_id": "P1", "patient_name": "Doe^Jane", "patient_age": "004Y", "study_date": "20260301"}
    ledger.receive(f"{UID}.1", at=now, **good)
    ledger.receive(f"{UID}.2", at=now, **(good | {"patient_id": ""}), misread_text=True)
    ledger.receive(f"{UID}.2", at=now, **(good | {"patient_id": ""}), unknown_class=True)
    whole, poor = texts(client.get("/").text)
    words = "check: no patient ID, text may be misspelt, objects of unknown kind"
    assert words in poor
    assert "check" not in whole
    study = text(client.get(f"/studies/{UID}.2").text)
    for mark in (Mark.NO_PATIENT_ID, Mark.MISREAD_TEXT, Mark.UNKNOWN_OBJECTS):
        assert mark.sentence in study
    assert not any(mark.sentence in text(client.get(f"/studies/{UID}.1").text) for mark in Mark)


def test_the_files_of_the_page_come_from_the_package(client: httpx.Client) -> None:
    page = client.get("/").text
    needed = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    scripts = {f"/static/{name}.js" for name in ("display", "live", "search", "worklist")}
    assert needed == scripts | {"/static/icon.svg", "/static/tibabu.css", "/static/worklist.css"}
    for path in needed:
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        assert client.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert not re.findall(r'(?:src|href)="(?!/|#)', page)
    assert not re.findall(r"<script(?! src=)|<style|\sstyle=|\son\w+=", page)


def test_the_pages_are_the_same_on_postgresql(
    start: Callable[..., str], postgresql_database: Database, make_ledger: Callable[..., Ledger], now: datetime
) -> None:
    ledger = make_ledger(postgresql_database, open_queue(postgresql_database))
    instance = ledger.receive(f"{UID}.1", at=now - timedelta(minutes=5), patient_name="DOE^John")
    ledger.score(instance, Outcome.FLAGGED, probability=0.91, at=now - timedelta(minutes=5))
    ledger.conclude(instance.study_id, at=now - timedelta(minutes=4))
    ledger.deliver(f"{UID}.1", at=now - timedelta(minutes=3))
    with httpx.Client(base_url=start(postgresql_database), timeout=60, trust_env=False) as client:
        (row,) = texts(client.get("/").text)
        study = text(client.get(f"/studies/{UID}.1").text)
    assert row.startswith("1 next Medium AI flagged DOE, John")
    assert row.endswith("Flagged probability 0.91 1 acknowledged")
    assert "Lifecycle delivered, revision 1" in study
    assert "PACS acknowledged 1 attempt 0000 Success" in study


def test_the_counts_are_those_of_the_worklist(database: Database, make_ledger: Callable[..., Ledger]) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert worklist_counts(database, now=now) == WorklistCounts(
        studies=0, flagged=0, overdue=0, oldest_received_at=None
    )
    ledger = make_ledger(database, open_queue(database))
    oldest = now - timedelta(hours=9)
    instance = ledger.receive(f"{UID}.1", at=oldest)
    ledger.receive(f"{UID}.2", at=now)
    ledger.score(instance, Outcome.FLAGGED, probability=0.9, at=now)
    ledger.conclude(instance.study_id, at=now)
    ledger.receive(f"{UID}.9", at=oldest - timedelta(hours=1), device_uids=("2.25.99",))
    assert worklist_counts(database, now=now) == WorklistCounts(
        studies=2,
        flagged=1,
        overdue=1,
        oldest_received_at=oldest,
        mean_received_at=now - timedelta(hours=4, minutes=30),
        modalities=("CR",),
        senders=("CR-ROOM-1",),
    )


def test_a_destination_that_rests_and_what_was_tried_are_seen(client: httpx.Client, ledger: Any, now: datetime) -> None:
    at = now - timedelta(minutes=5)
    note_fault(ledger.database, "PACS", reason="no answer", limit=1, probe_in=timedelta(minutes=1), at=at)
    instance = ledger.receive(f"{UID}.1", at=at)
    ledger.score(instance, Outcome.FLAGGED, at=at)
    ledger.close(now)
    ledger.conclude(instance.study_id, at=now, destinations=("PACS",))
    record = study_record(ledger.database, f"{UID}.1")
    assert record is not None
    delivery = record.deliveries[0]
    begun = begin_attempt(ledger.database, delivery["id"], sha256="", at=now)
    assert isinstance(begun, Begun)
    record_failed_attempt(
        ledger.database,
        delivery["id"],
        attempt_id=begun.attempt_id,
        reason="no room",
        parked=False,
        at=now,
        ending=Ending.REFUSED,
        status="A700",
    )
    begin_attempt(ledger.database, delivery["id"], sha256="", at=now)
    assert "Nothing is sent to PACS since" in text(client.get("/").text)
    assert "PACS queued 2 attempts 1: refused A700 2: on its way no room" in text(client.get(f"/studies/{UID}.1").text)
