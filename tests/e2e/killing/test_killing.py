"""kill -9 of any process, the supervisor included, while studies come in: nothing answered 0000H is lost or doubled."""

from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from db.queue import open_queue
from db.roles import Role
from dicom_io.file_meta import read_file_meta
from dicom_io.folder_store import FolderStore

ROUND = ["receive", "receive", "deliver", "deliver", "clock", "web", "work"]


def every_instance_taken_is_on_disk(left: Any) -> None:
    """Find what was answered 0000H in the ledger, once, and as its file what was sent, under its digest."""
    rows = [row for record in left.records for row in record.instances if row["role"] != Role.OWN]
    store = FolderStore(left.agent.config.parent / "var" / "store")
    assert sorted(row["sop_instance_uid"] for row in rows) == sorted(left.scanners.files)
    assert left.scanners.taken == left.scanners.files.keys()
    for row in rows:
        kept, sent = store.path(row["path"]).read_bytes(), left.scanners.files[row["sop_instance_uid"]]
        assert sha256(kept).hexdigest() == row["sha256"]
        assert kept[read_file_meta(kept).dataset_offset :] == sent[read_file_meta(sent).dataset_offset :]


def every_study_is_concluded_once_a_revision(left: Any) -> None:
    assert len(left.records) == len(left.agent.rows())
    for record in left.records:
        concluded = Counter(event["revision"] for event in record.events if event["event"] == "CONCLUDED")
        assert set(concluded.values()) == {1}
        assert sorted(row["revision"] for row in record.results) == sorted(concluded)
        assert max(concluded) == record.study.revision
        assert record.study.outcome in {"flagged", "not_flagged"}, record.study.reason


def every_report_is_at_the_pacs_under_one_uid_with_one_digest(left: Any) -> None:
    """Find at the PACS what the ledger says was acknowledged, which the current revision's reports all are."""
    reports = {row["id"]: row for record in left.records for row in record.reports}
    deliveries = [row for record in left.records for row in record.deliveries]
    sent = [reports[row["report_id"]] for row in deliveries if row["state"] == "ACKNOWLEDGED"]
    at_pacs = left.pacs.digests()
    assert {row["sop_instance_uid"]: {row["sha256"]} for row in sent}.items() <= at_pacs.items()
    assert at_pacs.keys() <= {row["sop_instance_uid"] for row in reports.values()}
    assert all(len(digests) == 1 for digests in at_pacs.values())
    assert {row["state"] for row in deliveries} <= {"ACKNOWLEDGED", "SUPERSEDED"}
    assert all(row.deliveries.keys() == {"ACKNOWLEDGED"} for row in left.agent.rows())


def nothing_is_parked(left: Any) -> None:
    assert open_queue(left.agent.database).parked() == ()


PROMISES = (
    every_instance_taken_is_on_disk,
    every_study_is_concluded_once_a_revision,
    every_report_is_at_the_pacs_under_one_uid_with_one_digest,
    nothing_is_parked,
)


def studies(radiograph: Any, count: int) -> list[Any]:
    """Make so many studies, every fifth of two images."""
    first = [radiograph(number % 250, PatientID=f"P{number}") for number in range(count)]
    second = [
        radiograph(number % 250 + 1, PatientID=one.PatientID, StudyInstanceUID=one.StudyInstanceUID)
        for number, one in enumerate(first[::5])
    ]
    return [*first, *second]


def test_200_studies_over_4_associations_survive_kill_9_of_every_process(
    configure: Any, running: Any, radiograph: Any, recording_pacs: Any, survive: Any, free_port: Any, tmp_path: Path
) -> None:
    with recording_pacs() as pacs:
        agent = configure(tmp_path, {"pacs": pacs.peer}, receive={"port": free_port()})
        with running(agent):
            left = survive(agent, pacs, studies(radiograph, 200), ROUND + ROUND)
            assert left.killer.killed == Counter(ROUND + ROUND) + Counter(["supervisor"])
            for promise in PROMISES:
                promise(left)


def test_60_studies_survive_kill_9_on_postgresql(
    configure: Any,
    running: Any,
    radiograph: Any,
    recording_pacs: Any,
    survive: Any,
    postgresql_url: str,
    tmp_path: Path,
) -> None:
    with recording_pacs() as pacs:
        agent = configure(tmp_path, {"pacs": pacs.peer}, database={"url": postgresql_url})
        with running(agent):
            left = survive(agent, pacs, studies(radiograph, 60), ROUND)
            assert left.killer.killed == Counter(ROUND) + Counter(["supervisor"])
            for promise in PROMISES:
                promise(left)
