"""`tibabu verify` finds every difference between rows and files, and takes nothing for one that is none."""

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from agent.cli.commands import tibabu
from agent.keeping.reconcile import Reconciler, Reconciliation
from db.database import Database
from db.queue.job_table import job
from db.schema.domain import instance

HOURS_AGO = 7200


@pytest.fixture
def verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return `verify(site, *options)`: the exit status and the document."""
    monkeypatch.setattr("agent.keeping.reconcile.IN_FLIGHT", 0.0)

    def run(site: Any, *options: str) -> tuple[int, dict[str, Any]]:
        url = site.database.url.render_as_string(hide_password=False)
        config = tmp_path / "config.toml"
        config.write_text(f'[database]\nurl = "{url}"\n[store]\nfolder = "{site.config.store.folder}"\n')
        done = CliRunner().invoke(tibabu, ["verify", "--json", "--config", str(config), *options])
        return done.exit_code, json.loads(done.stdout)

    return run


def put_orphan(site: Any, data: bytes, *, old: bool = True) -> str:
    path = site.store.put(data).path
    when = time.time() - (HOURS_AGO if old else 0)
    os.utime(site.store.path(path), (when, when))
    return str(path)


def test_where_everything_fits_it_says_so_with_status_0(
    database: Database, site_of: Callable[..., Any], verify: Callable[..., Any]
) -> None:
    site = site_of(database)
    site.delivered(images=4)
    young = put_orphan(site, b"being received", old=False)
    status, said = verify(site, "--digests")
    assert (status, said["files"], said["digests"], said["young"], said["misfits"]) == (0, 6, 5, 1, [])
    assert young in site.files()


def test_every_kind_of_difference_is_told_with_status_1(
    database: Database, site_of: Callable[..., Any], verify: Callable[..., Any]
) -> None:
    site = site_of(database)
    site.delivered(images=6)
    with database.read() as connection:
        paths = [row.path for row in connection.execute(instance.select())]
    lost, longer, changed = random.Random(1).sample(paths, 3)  # noqa: S311 - which does not matter
    site.store.path(lost).unlink()
    site.store.path(longer).write_bytes(b"x")
    data = bytearray(site.store.path(changed).read_bytes())
    data[-1] ^= 1
    site.store.path(changed).write_bytes(data)
    orphan = put_orphan(site, b"nobody's")
    status, said = verify(site)
    assert (status, said["digests"]) == (1, 0)
    wrong = {"row without file": lost, "wrong size": longer, "file without row": orphan}
    assert {one["fault"]: one["path"] for one in said["misfits"]} == wrong
    assert {tuple(one["studies"]) for one in said["misfits"]} == {("1.2.3",), ()}
    status, said = verify(site, "--digests")
    assert {one["fault"]: one["path"] for one in said["misfits"]} == wrong | {"wrong digest": changed}
    assert said["faults"] == dict.fromkeys([*wrong, "wrong digest"], 1)


def test_orphans_are_collected_and_not_lost(
    sqlite_database: Database, site_of: Callable[..., Any], verify: Callable[..., Any], tmp_path: Path
) -> None:
    site = site_of(sqlite_database)
    site.delivered()
    orphan = put_orphan(site, b"nobody's")
    status, said = verify(site, "--collect", str(tmp_path / "side"))
    assert (status, [one["path"] for one in said["misfits"]]) == (0, [orphan])
    assert [path.read_bytes() for path in (tmp_path / "side").iterdir()] == [b"nobody's"]
    assert site.files() == site.rows()
    assert verify(site)[1]["misfits"] == []


@pytest.mark.parametrize("begins_at", [0, 1 << 63, (1 << 64) - 1])
def test_a_sample_reads_as_many_files_as_it_says_wherever_it_begins(
    sqlite_database: Database,
    site_of: Callable[..., Any],
    verify: Callable[..., Any],
    begins_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = site_of(sqlite_database)
    site.delivered(images=20)
    monkeypatch.setattr(random, "getrandbits", lambda _bits: begins_at)
    status, said = verify(site, "--sample", "3")
    assert (status, said["digests"]) == (0, 3)


def test_rows_of_what_was_removed_need_no_file(
    sqlite_database: Database, site_of: Callable[..., Any], verify: Callable[..., Any]
) -> None:
    site = site_of(sqlite_database)
    recorded = site.receive()
    site.receive()
    with sqlite_database.begin() as connection:
        which = instance.c.id == recorded.instance_id
        path = connection.execute(instance.select().where(which)).one().path
        connection.execute(update(instance).where(which).values(removed_at=site.now))
    site.store.delete(path)
    assert verify(site)[0] == 0


def test_what_is_recorded_after_its_file_was_collected_gets_it_back(
    sqlite_database: Database, site_of: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.keeping.reconcile.IN_FLIGHT", 0.0)
    site = site_of(sqlite_database)
    recorded = site.receive()
    with sqlite_database.begin() as connection:
        row = connection.execute(instance.delete().where(instance.c.id == recorded.instance_id).returning(instance))
        values = dict(row.mappings().one())
        connection.execute(job.delete())
    os.utime(site.store.path(values["path"]), (0, 0))
    comparing = Reconciler(sqlite_database, site.store, site.clock).compare(
        Reconciliation(), reads=lambda _: False, collect=tmp_path / "side"
    )
    assert next(comparing).collected
    assert site.files() == set()
    with sqlite_database.begin() as connection:  # by a receiver that had stored the same file anew right before
        connection.execute(instance.insert().values(values))
    assert list(comparing) == []
    assert site.files() == site.rows() == {values["path"]}
