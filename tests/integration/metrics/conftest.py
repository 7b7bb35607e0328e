"""A site that is watched: a real database, a folder of counts, and who answers for both."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.config.file import Config
from agent.metrics import joining
from agent.metrics.counted import Counts
from agent.process.parts import Parts
from agent.watch.watching import make_check, make_exposition
from agent.web.services import Services, Watch
from db.database import Database
from db.queue import open_queue
from dicom_io.folder_store import FolderStore


@dataclass
class Site:
    """What is watched, by whom, and the counts of this process."""

    config: Config
    parts: Parts
    folder: Path
    counts: Counts

    def watch(self) -> Watch:
        """Return what answers machines."""
        exposition = make_exposition(self.config, self.parts, self.folder)
        return Watch(exposition.scrape, make_check(self.config, self.parts, self.folder).look)


@pytest.fixture
def make_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    """Return `make_site(database, **tables)`: a site on that database, with a configuration that has these tables."""

    def make(database: Database, **tables: Any) -> Site:
        folder = tmp_path / "counts"
        folder.mkdir()
        monkeypatch.setenv(joining.VARIABLE, str(folder))
        store = {"folder": str(tmp_path / "store")}
        config = Config.model_validate({"store": store} | tables)
        parts = Parts(database, open_queue(database), FolderStore(tmp_path / "store"), "installation")
        return Site(config, parts, folder, Counts(folder, "receive", peers=["XRAY1"]))

    return make


@pytest.fixture
def site(make_site: Callable[..., Site], sqlite_database: Database) -> Site:
    """Give a site with one destination."""
    pacs = {"name": "pacs", "type": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": 9}
    return make_site(sqlite_database, destinations=[pacs])


@pytest.fixture
def watched_url(site: Site, services: Callable[[Database], Services], start: Any) -> str:
    """Serve the pages of the site; their URL."""
    found = services(site.parts.database)
    watched = {name: getattr(found, name) for name in Services.__dataclass_fields__} | {"watch": site.watch()}
    url: str = start(site.parts.database, services=lambda _: Services(**watched))
    return url


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)
