"""The operator's pages of the queue and of deliveries, over real rows of either engine's queue."""

import html
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from db.breaker import BreakerState, note_fault, rest_of
from db.database import Database
from db.delivery_list import open_deliveries, parked_deliveries
from db.job_subjects import studies_of_jobs
from db.outcome import Outcome
from db.queue import Job, Park, Queue, open_queue
from db.worklist import study_record

Ledger = Any  # tests/integration/web/conftest.py
UID = "1.2.826.0.1.3680043.10.1505"
PATIENT = "SECRET^Sally"


@pytest.fixture
def kept(database: Database, make_ledger: Callable[[Database, Queue], Ledger]) -> Ledger:
    """Give a ledger on either engine in which the report of one study is parked for the RIS."""
    ledger = make_ledger(database, open_queue(database))
    now = datetime.now(UTC)
    found = ledger.receive(f"{UID}.1", at=now - timedelta(minutes=5), patient_name=PATIENT)
    ledger.score(found, Outcome.FLAGGED, probability=0.9, at=now)
    ledger.conclude(found.study_id, at=now, destinations=("PACS", "RIS"))
    ledger.deliver(f"{UID}.1", at=now, parked="RIS")
    return ledger


@pytest.fixture
def site(kept: Ledger, start: Callable[..., str]) -> Iterator[httpx.Client]:
    """Serve it; changes come from the site's own pages."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=start(kept.database), headers=headers, timeout=60, trust_env=False) as client:
        yield client


def text(page: str) -> str:
    """Return what is written on a page, on one line."""
    inline = re.sub(r"</?(?:bdi|time|b)\b[^>]*>", "", page)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", inline)).split())


def park(ledger: Ledger, kind: str) -> None:
    """Let the job of this kind run once and be parked."""
    stop = threading.Event()

    def handle(_job: Job) -> Park:
        stop.set()
        return Park("the peer <b>refuses</b> it")

    ledger.queue.run({kind: handle}, stop=stop, concurrency=1)


def test_a_parked_job_says_why_and_of_which_study_and_runs_again_when_a_person_says_so(
    site: httpx.Client, kept: Ledger
) -> None:
    park(kept, "score")
    (parked,) = kept.queue.parked()
    page = site.get("/system/queue").text
    assert f"score {UID}.1 the peer <b>refuses</b> it 1 " in text(page)
    assert "SECRET" not in page
    done = site.post("/system/queue/retry", data={"kind": "score", "key": parked.key})
    assert (done.status_code, done.headers["location"]) == (303, "/system/queue?done=retried")
    assert kept.queue.parked() == ()
    assert "The job runs again." in site.get(done.headers["location"]).text
    again = site.post("/system/queue/retry", data={"kind": "score", "key": parked.key})
    assert again.headers["location"] == "/system/queue?done=gone"


def test_a_parked_delivery_is_put_back_and_its_study_s_trail_says_by_whom(site: httpx.Client, kept: Ledger) -> None:
    (parked,) = parked_deliveries(kept.database)
    page = site.get("/system/deliveries").text
    assert f"RIS Structured report, version 1 {UID}.1 expected the peer to accept the association." in text(page)
    assert "1 report parked" in text(page)
    assert "SECRET" not in page
    done = site.post("/system/deliveries/requeue", data={"delivery": str(parked.id)})
    assert done.headers["location"] == "/system/deliveries?done=requeued&n=1"
    assert "1 delivery put back to be sent." in site.get(done.headers["location"]).text
    assert parked_deliveries(kept.database) == ()
    (event,) = [
        (row["event"], row["actor"], row["detail"])
        for row in study_record(kept.database, f"{UID}.1").events
        if row["event"] == "DELIVERY_REQUEUED"
    ]
    assert event == ("DELIVERY_REQUEUED", "local", "to RIS")
    again = site.post("/system/deliveries/requeue", data={"destination": "RIS"})
    assert again.headers["location"] == "/system/deliveries?done=gone"


def test_all_parked_of_one_destination_are_put_back_and_of_no_other(site: httpx.Client, kept: Ledger) -> None:
    assert "gone" in site.post("/system/deliveries/requeue", data={"destination": "PACS"}).headers["location"]
    assert "gone" in site.post("/system/deliveries/requeue", data={}).headers["location"]
    assert "gone" in site.post("/system/deliveries/requeue", data={"delivery": "9" * 40}).headers["location"]
    assert len(parked_deliveries(kept.database, destination="RIS")) == 1
    assert "n=1" in site.post("/system/deliveries/requeue", data={"destination": "RIS"}).headers["location"]


def test_a_destination_that_rests_is_asked_at_once_when_a_person_says_so(site: httpx.Client, kept: Ledger) -> None:
    now = datetime.now(UTC)
    site.post("/system/deliveries/requeue", data={"destination": "RIS"})
    note_fault(kept.database, "RIS", reason="refused", limit=1, probe_in=timedelta(hours=2), at=now)
    assert "RIS rests since" in text(site.get("/system/deliveries").text)
    done = site.post("/system/deliveries/now", data={"destination": "RIS"})
    assert done.headers["location"] == "/system/deliveries?done=tried&n=1"
    rest = rest_of(kept.database, "RIS")
    assert rest is not None
    assert (rest.state, rest.probe_at is not None and rest.probe_at < now + timedelta(minutes=1)) == (
        BreakerState.OPEN,
        True,
    )


def test_what_is_under_way_is_counted_by_destination_and_state(kept: Ledger) -> None:
    found = [(one.destination, one.state, one.reports, one.instances) for one in open_deliveries(kept.database)]
    assert found == [("RIS", "PARKED", 1, 0)]


def test_each_kind_of_job_is_traced_to_its_study(kept: Ledger) -> None:
    (parked,) = parked_deliveries(kept.database)
    jobs = [("score", "1"), ("conclude", "1"), ("deliver:RIS", str(parked.id)), ("forward:PACS", "1")]
    assert studies_of_jobs(kept.database, jobs) == dict.fromkeys(jobs, f"{UID}.1")
    assert studies_of_jobs(kept.database, [("score", "77"), ("score", "x"), ("ups-event:A", "A")]) == {}
