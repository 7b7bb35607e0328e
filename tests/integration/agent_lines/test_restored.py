"""An agent on a restored back-up goes on: what was delivered since is delivered again, the same under the same UIDs."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydicom import Dataset
from sqlalchemy import select

from agent.keeping.backup import BackupMaker
from agent.keeping.restore import restore
from db.database import Database, open_database
from db.kinds import deliver
from db.queue import open_queue
from db.schema.domain import delivery
from db.worklist import worklist_row
from dicom_io.folder_store import FolderStore

PATIENT = {"first_retry_seconds": 60, "longest_retry_seconds": 60}
"""So that no attempt is under way while the back-up is made: that job would come back with its worker's death only."""


def send_now(database: Database) -> None:
    """Let what waits for its next attempt go at once."""
    now = datetime.now(UTC)
    with database.begin() as connection:
        for number in connection.scalars(select(delivery.c.id)).all():
            open_queue(database).enqueue(connection, deliver("pacs"), str(number), due_at=now, run_at=now)


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
    agent = start(deliver=PATIENT)
    image = radiograph(200)
    agent.send(image)
    eventually(lambda: sum(bool(one["ended_at"]) for one in agent.record(image).attempts) == 2)
    before = BackupMaker(database, FolderStore(tmp_path / "store"), "i", lambda: datetime.now(UTC))
    before.make(tmp_path / "backup")
    pacs.answer = lambda _: 0x0000
    send_now(database)
    eventually(lambda: agent.is_in(image, "DELIVERED"))
    seen = len(pacs.received_instances)

    elsewhere = open_database(f"sqlite:///{tmp_path / 'elsewhere' / 'tibabu.db'}")
    restored = restore(tmp_path / "backup", None, elsewhere, lambda: FolderStore(tmp_path / "store2"))
    assert restored.lost == []
    row = worklist_row(elsewhere, image.StudyInstanceUID)
    assert row is not None
    assert row.state == "CONCLUDED"
    url = SecretStr(elsewhere.url.render_as_string(hide_password=False))
    send_now(elsewhere)
    start(database={"url": url}, deliver=PATIENT, store={"folder": tmp_path / "store2", "minimum_free_megabytes": 1})
    eventually(lambda: getattr(worklist_row(elsewhere, image.StudyInstanceUID), "state", None) == "DELIVERED")
    assert len(pacs.received_instances) > seen
    assert all(len(digests) == 1 for digests in pacs.digests().values()), "the same bytes under the same UIDs"
    elsewhere.dispose()
