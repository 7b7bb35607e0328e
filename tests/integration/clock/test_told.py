"""What stands wrong with the agent itself is seen: on the page, by `tibabu ticks`, and by who is to be told."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from agent.cli.commands import tibabu
from agent.config.alerts import AlertsSection
from agent.destinations import folder
from agent.watch.alerts import Alerter
from agent.watch.disk import Watermark
from agent.web.services import Services
from agent.web.site import make_site
from db.database import Database
from db.priority import Allowances
from db.queue import open_queue
from db.ticks import record, take_over
from dicom_io.folder_store import FolderStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def page(database: Database, tmp_path: Path) -> Callable[..., str]:
    """Return `page(path, now)`: what the site shows."""

    def services(clock: Callable[[], datetime]) -> Services:
        return Services(
            database=database,
            queue=open_queue(database),
            store=FolderStore(tmp_path / "store"),
            clock=clock,
            allowances=Allowances(),
            zone=UTC,
        )

    def get(path: str, now: datetime) -> str:
        return asyncio.run(ask(httpx.ASGITransport(make_site(services(lambda: now))), path))

    async def ask(site: httpx.ASGITransport, path: str) -> str:
        async with httpx.AsyncClient(transport=site, base_url="http://localhost") as client:
            return (await client.get(path)).text

    return get


@pytest.fixture
def told(database: Database, tmp_path: Path) -> Callable[[datetime], list[tuple[str, str, bool]]]:
    """Return `told(now)`: what people are told at that time."""
    ops = folder.Destination(folder.Settings(name="ops", type="folder", folder=tmp_path / "ops"), "")
    read: set[Path] = set()

    def look(now: datetime) -> list[tuple[str, str, bool]]:
        Alerter(database, {"ops": ops}, AlertsSection(to=("ops",)), lambda: now).look()
        new = sorted(set((tmp_path / "ops").glob("*.json")) - read)
        read.update(new)
        said = [json.loads(file.read_bytes())["data"] for file in new]
        return sorted((data["trouble"], data["what"], data["stands"]) for data in said)

    return look


def test_a_tick_that_fails_and_one_that_is_overdue_are_seen_told_and_over(
    database: Database, page: Callable[..., str], told: Callable[[datetime], list[tuple[str, str, bool]]]
) -> None:
    close, scrub = take_over(database, {"close": (0.5, 600), "scrub": (3600, 600)}, process="host:1", now=NOW)
    later = NOW + 10 * MINUTE
    record(database, [scrub.begun(NOW).failed(NOW, 1.0, "OSError at agent.keeping.scrub:7")])
    assert "What is done periodically is overdue: close" in page("/", later)
    assert "What is done periodically is failing: scrub" in page("/", later)
    system = page("/system", later)
    assert all(
        said in system for said in ("OSError at agent.keeping.scrub:7", "1 in a row, 1 in all", "host:1", "overdue")
    )
    with capture_logs():
        assert told(later) == [("tick_fails", "scrub", True), ("tick_overdue", "close", True)]
        assert told(later) == []
        record(database, [one.begun(later).done(later, 0.1) for one in (close, scrub)])
        assert told(later) == [("tick_fails", "scrub", False), ("tick_overdue", "close", False)]
    assert "periodically is" not in page("/", later)


def test_a_disk_that_becomes_low_is_told_before_instances_are_refused_and_when_there_is_room_again(
    database: Database,
    tmp_path: Path,
    page: Callable[..., str],
    told: Callable[[datetime], list[tuple[str, str, bool]]],
) -> None:
    places = {"store": tmp_path / "not" / "yet" / "made", "database": tmp_path}

    def look(low: int, refused: int) -> list[str]:
        with capture_logs() as events:
            Watermark(database, places, low, refused, lambda: NOW).look()
        return [f"{event['event']} {event['place']}" for event in events]

    assert look(low=0, refused=0) == []
    assert look(low=10**9, refused=1) == ["disk_low store", "disk_low database"]
    assert look(low=10**9, refused=1) == []
    assert "below 1 MB new images are refused" in page("/", NOW)
    with capture_logs():
        assert told(NOW + 10 * MINUTE) == [("disk_low", "database", True), ("disk_low", "store", True)]
    assert look(low=10**9, refused=10**9) == ["disk_full store"]
    assert "so that new images are refused" in page("/system", NOW)
    assert look(low=0, refused=0) == ["disk_has_room store", "disk_has_room database"]
    with capture_logs():
        assert told(NOW + 10 * MINUTE) == [("disk_low", "database", False), ("disk_low", "store", False)]
    assert "Little room" not in page("/", NOW)


def test_the_command_prints_each_tick_and_fails_while_one_does(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.toml").write_text('[database]\nurl = "sqlite:///tibabu.db"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    now = datetime.now(UTC)
    (tick,) = take_over(sqlite_database, {"scrub": (3600, 600)}, process="host:1", now=now)
    record(sqlite_database, [tick.begun(now).done(now, 2.0)])
    said = CliRunner().invoke(tibabu, ["ticks"])
    assert said.exit_code == 0
    assert said.stdout.startswith("scrub      ok       every 3600 s, last ")
    assert "took 2.000 s" in said.stdout
    record(sqlite_database, [tick.begun(now).failed(now, 2.0, "OSError at agent.keeping.scrub:7")])
    document = CliRunner().invoke(tibabu, ["ticks", "--json"])
    assert document.exit_code == 1
    (found,) = json.loads(document.stdout)["ticks"]
    assert (found["health"], found["failures_in_a_row"], found["error"]) == (
        "failing",
        1,
        "OSError at agent.keeping.scrub:7",
    )
