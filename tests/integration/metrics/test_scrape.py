"""What Prometheus is told is what the database says and what was counted, and nothing of a patient."""

import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.config.metrics import MetricsSection
from agent.metrics.listener import Answers, serve
from agent.metrics.text import rows
from agent.tokens import SYSTEM_READ, WORKLIST_READ, new_token
from agent.watch.readiness import Readiness, ReadinessCheck, Room
from agent.watch.watching import make_check, make_exposition
from agent.web.services import Services, Watch
from db.audit import Who
from db.database import Database
from db.disks import Disk, record_disks
from db.figures import figures
from db.outcome import Outcome
from db.queue import open_queue
from db.tokens import create_token
from db.triage import switch_off

_THREADS = 40  # of a site: those of anyio

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    """Return each sample of a scrape by its name and labels."""
    families = text_string_to_metric_families(text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_every_metric_is_told_by_the_pages_and_no_other(watched_url: str) -> None:
    text = httpx.get(f"{watched_url}/metrics", timeout=60, trust_env=False).raise_for_status().text
    told = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP tibabu_")}
    assert told == {name for name, *_ in rows()}


def test_what_stands_is_told(site: Any, watched_url: str, make_ledger: Any) -> None:
    database, now = site.parts.database, datetime.now(UTC)
    ledger = make_ledger(database, site.parts.queue)
    early = now - timedelta(minutes=10)
    image = ledger.receive("2.25.1", at=early)
    ledger.score(image, Outcome.FLAGGED, at=early, probability=0.9)
    ledger.conclude(image.study_id, at=early + timedelta(minutes=5), destinations=("pacs",))
    ledger.deliver("2.25.1", at=now - timedelta(minutes=4), parked="pacs")
    ledger.receive("2.25.2", at=now - timedelta(seconds=90), patient_name="Doe^Jane")
    record_disks(
        database,
        (
            Disk(
                place="store",
                free_megabytes=3000,
                low_megabytes=2000,
                refused_megabytes=500,
                low_since=None,
                looked_at=now,
            ),
        ),
    )
    site.counts.note(None, "", {"event": "hl7_message", "answer": "AA", "level": "info"})
    text = httpx.get(f"{watched_url}/metrics", timeout=60, trust_env=False).text
    found = samples(text)
    assert "Doe" not in text
    assert "2.25" not in text
    expected: Samples = {
        ("tibabu_database_up", ()): 1,
        ("tibabu_deliveries", (("destination", "pacs"), ("of", "reports"), ("state", "parked"))): 1,
        ("tibabu_deliveries", (("destination", "pacs"), ("of", "reports"), ("state", "queued"))): 0,
        ("tibabu_studies_open", (("state", "receiving"),)): 1,
        ("tibabu_jobs", (("kind", "score"), ("state", "waiting"))): 2,  # the ledger scored without its job
        ("tibabu_disk_free_bytes", (("place", "store"),)): 3e9,
        ("tibabu_triage_on", ()): 1,
        ("tibabu_processes", (("role", "receive"),)): 1,
        ("tibabu_hl7_messages_total", (("answer", "AA"),)): 1,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert found["tibabu_trouble_seconds", (("about", "pacs"), ("trouble", "parked"))] >= 240
    assert found["tibabu_oldest_job_seconds", (("kind", "score"),)] >= 600
    assert found["tibabu_last_study_timestamp_seconds", ()] == pytest.approx((now - timedelta(seconds=90)).timestamp())
    (model,) = (dict(labels) for name, labels in found if name == "tibabu_model_info")
    assert model["name"] == site.config.model.name
    assert len(model["sha256"]) == 64


def test_torn_counts_of_a_process_that_is_gone_and_locks_that_cannot_be_read_keep_nobody_from_asking(
    site: Any, watched_url: str
) -> None:
    (site.folder / "counter_gone-0.db").write_bytes(struct.pack("i4x", 5000).ljust(1 << 18, b"\0"))
    (site.folder / "work-9.lock").symlink_to(site.folder / "absent")
    for path in ("metrics", "readyz"):
        assert httpx.get(f"{watched_url}/{path}", timeout=60, trust_env=False).status_code == 200


def test_a_database_that_is_away_is_told_and_what_was_counted_too(site: Any, watched_url: str) -> None:
    with site.parts.database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE tick")
    found = samples(httpx.get(f"{watched_url}/metrics", timeout=60, trust_env=False).raise_for_status().text)
    assert found["tibabu_database_up", ()] == 0
    assert found["tibabu_result_seconds_count", ()] == 0
    assert not [name for name, _ in found if name == "tibabu_jobs"]


def test_both_databases_give_the_same_figures(database: Database, make_ledger: Any) -> None:
    ledger, at = make_ledger(database, open_queue(database)), datetime(2026, 1, 1, 12, tzinfo=UTC)
    for number in (1, 2):
        image = ledger.receive(f"2.25.{number}", at=at + timedelta(seconds=number))
    ledger.score(image, Outcome.NOT_FLAGGED, at=at, probability=0.1)
    ledger.conclude(image.study_id, at=at + timedelta(minutes=1), destinations=("A", "B"))
    found = figures(database)
    assert [(one.destination, one.state, one.reports, one.instances) for one in found.deliveries] == [
        ("A", "QUEUED", 1, 0),
        ("B", "QUEUED", 1, 0),
    ]
    assert found.deliveries[0].oldest_created_at == at + timedelta(minutes=1)
    assert found.studies == {"RECEIVING": 0, "COMPLETE": 1}
    assert found.last_received_at == at + timedelta(seconds=2)
    assert (found.undecided, found.triage_on, found.backed_up_at) == (0, True, None)


def test_the_agent_is_ready_and_degraded_is_not_down(site: Any, now: datetime) -> None:
    def asked() -> tuple[int, dict[str, Any]]:
        found = make_check(site.config, site.parts, site.folder).look()
        document: dict[str, Any] = found.document()
        return found.status, {name: part["status"] for name, part in document["parts"].items()}

    names = ["database", "model", "triage", "destinations", "clock", "store", "processes"]
    assert asked() == (200, dict.fromkeys(names, "ready"))
    switch_off(site.parts.database, reason="drift", who=Who("test"), now=now)
    (site.folder / "work-0.lock").touch()
    assert asked() == (200, dict.fromkeys(names, "ready") | {"triage": "degraded", "processes": "degraded"})
    (site.folder / "receive-1.lock").touch()  # of two receivers one is enough
    assert asked()[0] == 200
    with site.parts.database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE tick")
    assert asked() == (503, {"database": "down", "store": "ready", "processes": "degraded"})


def test_a_model_that_does_not_load_and_an_image_that_waits_too_long_degrade_the_agent_and_say_why(
    sqlite_database: Database, make_ledger: Any, tmp_path: Path
) -> None:
    queue, said, late, noon = open_queue(sqlite_database), "", timedelta(), datetime(2026, 1, 1, 12, tzinfo=UTC)
    make_ledger(sqlite_database, queue).receive("2.25.1", at=noon)
    check = ReadinessCheck(
        database=sqlite_database,
        queue=queue,
        room=Room(folder=tmp_path, refused_megabytes=0, low_megabytes=0),
        weights=lambda: said,
        living=dict[str, int],
        clock=lambda: noon + late,
    )

    def model() -> str:
        check._until = 0.0
        (part,) = (one for one in check.look().parts if one.name == "model")
        return f"{part.condition}: {part.says}"

    assert model() == "ready: "
    late = timedelta(hours=1)
    assert model() == "degraded: an image has waited for 3600 s"
    said = "damaged"
    assert model() == "degraded: damaged"


def test_where_no_process_is_on_record_it_is_unknown_whether_they_live(site: Any) -> None:
    for lock in site.folder.glob("*.lock"):
        lock.unlink()
    found = make_check(site.config, site.parts, site.folder).look()
    assert (found.status, found.document()["status"], found.parts[-1].condition) == (200, "unknown", "unknown")


def test_while_one_looks_and_gets_no_answer_nobody_else_waits(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looking, answered = threading.Event(), threading.Event()

    def weights() -> str:
        looking.set()
        assert answered.wait(60)
        return ""

    monkeypatch.setattr("agent.watch.readiness._FRESH", 0.0)
    check = replace(make_check(site.config, site.parts, site.folder), weights=weights)
    with ThreadPoolExecutor() as threads:
        for known in (503, 200):  # nothing yet, and what the first one saw
            looking.clear()
            answered.clear()
            first = threads.submit(check.look)
            assert looking.wait(60)
            other = threads.submit(check.look)
            try:
                assert other.result(60).status == known
            finally:
                answered.set()
            assert first.result(60).status == 200


def test_two_who_ask_after_a_long_while_at_the_same_moment_are_told_the_same(site: Any) -> None:
    looking, answered = threading.Event(), threading.Event()

    def weights() -> str:
        looking.set()
        assert answered.wait(60)
        return ""

    check = replace(make_check(site.config, site.parts, site.folder), weights=weights)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(check.look)
        assert looking.wait(60)
        other = threads.submit(check.look)
        assert not wait([other], 0.2).done, "the other waits for what the first one sees"
        answered.set()
        assert [one.result(60).status for one in (first, other)] == [200, 200]


def test_a_site_whose_threads_are_all_busy_still_says_that_it_lives(
    site: Any, services: Callable[[Database], Services], start: Any
) -> None:
    asked, answered = threading.Semaphore(0), threading.Event()
    ready = site.watch().look()

    def look() -> Readiness:
        asked.release()
        assert answered.wait(60)
        return ready

    watch = Watch(lambda: b"", look)
    url = start(site.parts.database, services=lambda database: replace(services(database), watch=watch))
    with ThreadPoolExecutor(_THREADS) as threads:
        busy = [threads.submit(httpx.get, f"{url}/readyz", trust_env=False, timeout=60) for _ in range(_THREADS)]
        try:
            assert all(asked.acquire(timeout=60) for _ in busy)
            assert httpx.get(f"{url}/healthz", timeout=60, trust_env=False).json() == {"status": "alive"}
        finally:
            answered.set()
        assert {one.result(60).status_code for one in busy} == {200}


def test_the_agent_is_down_without_a_receiver_or_without_room(make_site: Any, sqlite_database: Database) -> None:
    store = {"minimum_free_megabytes": 10**9, "folder": "store"}
    site = make_site(sqlite_database, store=store)
    (site.folder / "receive-0.lock").unlink()
    (site.folder / "receive-0.lock").touch()
    found = make_check(site.config, site.parts, site.folder).look()
    down = {part.name for part in found.parts if part.condition == "down"}
    assert (found.status, down) == (503, {"store", "processes"})


@pytest.fixture
def listener(site: Any) -> Any:
    """Serve [metrics] with tokens for this test; its address."""
    stop, serving, urls = threading.Event(), threading.Event(), list[str]()

    def ready(url: str) -> None:
        urls.append(url)
        serving.set()

    answers = Answers(
        exposition=make_exposition(site.config, site.parts, site.folder),
        check=make_check(site.config, site.parts, site.folder),
        database=site.parts.database,
    )
    section = MetricsSection(port=0, token=True)
    thread = threading.Thread(target=serve, args=(answers, section), kwargs={"stop": stop, "ready": ready})
    thread.start()
    assert serving.wait(60)
    yield urls[0]
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def test_a_host_without_pages_answers_who_holds_a_token_that_may(site: Any, listener: str, now: datetime) -> None:
    def ask(scope: str) -> int:
        token = new_token()
        create_token(
            site.parts.database, scope.replace(":", "-"), sha256=token.sha256, scopes=[scope], by="test", now=now
        )
        return httpx.get(
            listener, headers={"Authorization": f"Bearer {token.secret}"}, timeout=60, trust_env=False
        ).status_code

    assert [ask(SYSTEM_READ), ask(WORKLIST_READ)] == [200, 403]
    with httpx.Client(timeout=60, trust_env=False) as stranger:
        assert stranger.get(listener).status_code == 401
        assert stranger.get(listener, headers={"Authorization": f"Bearer {new_token().secret}"}).status_code == 401
        assert stranger.get(listener.replace("/metrics", "/healthz")).json() == {"status": "alive"}
        assert stranger.get(listener.replace("/metrics", "/readyz")).json()["status"] == "ready"


def test_an_address_that_others_reach_wants_a_token() -> None:
    with pytest.raises(ValueError, match="expected token = true"):
        MetricsSection(port=9464, host="0.0.0.0")  # noqa: S104 - that is the point
    assert MetricsSection(port=9464, host="0.0.0.0", token=True).token  # noqa: S104
