"""What `tibabu demo` says of its hospital: what is not delivered, or not on record, is not accounted for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from arriving import incoming
from PIL import Image

from agent.cli import demo
from agent.cli.studies import worklist_line
from agent.errors import AgentError
from agent.simulation.hospital import Hospital
from agent.simulation.moods import Mood
from agent.simulation.pacs import AE_TITLE, MoodyPacs
from db.closing import Timing
from db.database import Database
from db.intake import record_instance
from db.priority import Allowances
from db.queue import open_queue
from db.worklist import worklist
from dicom_io.peer import Peer
from dicom_io.samples import Sample, write_pictures

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def site(sqlite_database: Database, tmp_path: Path) -> Hospital:
    """Give a hospital whose agent has received one study, and concluded nothing."""
    config = tmp_path / "config.toml"
    config.write_text(f'[database]\nurl = "{sqlite_database.url}"\n', encoding="utf-8")
    arriving = incoming("1.2.3", 1, patient_id="P1", received_at=NOON)
    queue = open_queue(sqlite_database)
    record_instance(sqlite_database, queue, arriving, timing=Timing(), allowances=Allowances())
    return Hospital(
        agent=Peer("TIBABU", "127.0.0.1", 1),
        url="http://page",
        config=config,
        pacs=tmp_path / "pacs",
        pacs_process=cast("Any", None),
    )


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Peer]:
    with MoodyPacs(tmp_path / "refusing") as pacs:
        pacs.be(Mood.REFUSES)
        yield Peer(AE_TITLE, "127.0.0.1", pacs.port)


def sample(path: Path, study: str = "1.2.3") -> Sample:
    return Sample(path=path, study_instance_uid=study, sop_instance_uid=f"{study}.1.1", shows="a chest")


def test_a_study_that_is_unknown_or_not_delivered_is_not_accounted_for(
    site: Hospital, sqlite_database: Database, tmp_path: Path
) -> None:
    (row,) = worklist(sqlite_database)
    assert not demo._accounted(site, [sample(tmp_path)], [row])
    assert not demo._accounted(site, [sample(tmp_path, "1.2.9")], [None])
    with pytest.raises(AgentError, match="expected a study on record for a chest"):
        demo._study(sample(tmp_path), None)


def test_the_worklist_is_printed_and_that_not_everything_is_accounted_for(
    site: Hospital, sqlite_database: Database, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = worklist(sqlite_database)
    demo._print(site, [sample(tmp_path)], rows, ["1.2.7.dcm"], accounted=False, as_json=False)
    said = capsys.readouterr().out
    assert "1.2.3" in said
    assert "The PACS received 1 reports" in said
    assert f"NOT every sent study is accounted for; see `tibabu worklist --config {site.config}`." in said
    demo._print(site, [], rows, [], accounted=True, as_json=False)
    assert "Every sent study is accounted for." in capsys.readouterr().out


@pytest.mark.usefixtures("site")
def test_a_line_of_the_worklist_tells_of_forwards_too(sqlite_database: Database) -> None:
    (row,) = worklist(sqlite_database)
    later = NOON + timedelta(minutes=1)
    assert "forwarding" not in worklist_line(1, row, later)
    assert "; forwarding: " in worklist_line(1, replace(row, forwards={"QUEUED": 2}), later)


def test_an_agent_that_does_not_store_what_is_shown_is_said(refusing: Peer, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "from" / "a.png")
    (made,) = write_pictures(tmp_path / "from", tmp_path / "scanner", today=date(2026, 1, 1))
    with pytest.raises(AgentError, match="expected the agent to store a"):
        demo._scan(made, refusing)
