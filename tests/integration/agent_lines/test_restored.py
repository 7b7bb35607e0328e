"""An agent on a restored back-up goes on: what was delivered since is delivered again, the same under the same UIDs."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydicom import Dataset

from agent.backup import BackupMaker
from agent.restore import restore
from db.database import Database, open_database
from db.worklist import worklist_row
from dicom_io.folder_store import FolderStore


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_after_a_restore_what_was_delivered_since_the_back_up_arrives_again_and_is_the_same(
    database: Database,
    start: Callable[..., Any],
    radiograph: Callable[..., Dataset],
    pacs: Any,
    eventually: Callable[..., None],
    tmp_path: Path,
) -> None:
    pacs.answer = lambda _: 0xA700
    agent = start()
    image = radiograph(200)
    agent.send(image)
    eventually(pacs.reports)
    before = BackupMaker(database, FolderStore(tmp_path / "store"), "i", lambda: datetime.now(UTC))
    before.make(tmp_path / "backup")
    pacs.answer = lambda _: 0x0000
    eventually(lambda: agent.is_in(image, "DELIVERED"))
    seen = len(pacs.received_instances)

    elsewhere = open_database(f"sqlite:///{tmp_path / 'elsewhere' / 'tibabu.db'}")
    restored = restore(tmp_path / "backup", None, elsewhere, lambda: FolderStore(tmp_path / "store2"))
    assert restored.lost == []
    row = worklist_row(elsewhere, image.StudyInstanceUID)
    assert row is not None
    assert row.state == "CONCLUDED"
    url = SecretStr(elsewhere.url.render_as_string(hide_password=False))
    start(database={"url": url}, store={"folder": tmp_path / "store2", "minimum_free_megabytes": 1})
    eventually(lambda: getattr(worklist_row(elsewhere, image.StudyInstanceUID), "state", None) == "DELIVERED")
    assert len(pacs.received_instances) > seen
    assert all(len(digests) == 1 for digests in pacs.digests().values()), "the same bytes under the same UIDs"
    elsewhere.dispose()
