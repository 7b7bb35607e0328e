"""Several hosts share a PostgreSQL and a store: whichever process of whichever host is next does what is next."""

from collections import Counter
from pathlib import Path
from typing import Any

_FIRST, _SECOND = ("receive", "deliver"), ("receive", "work", "deliver", "clock")
_STUDIES = 4


def _configured(configure: Any, folder: Path, store: Path, database: str, pacs: Any) -> Any:
    return configure(
        folder,
        {"pacs": pacs.peer},
        store={"folder": str(store), "minimum_free_megabytes": 1},
        database={"url": database},
        deliver={"first_retry_seconds": 0.5, "longest_retry_seconds": 2, "processes": 1 + (folder.name == "one")},
    )


def _has_its_report(pacs: Any) -> set[str]:
    return {str(one.StudyInstanceUID) for one in pacs.datasets()}


def test_two_hosts_that_start_at_once_share_the_work_and_send_every_report_once(
    configure: Any,
    running: Any,
    recording_pacs: Any,
    radiograph: Any,
    postgresql_url: str,
    eventually: Any,
    tmp_path: Path,
) -> None:
    """Both migrate the empty database, studies come half to each, and three processes deliver to one PACS."""
    with recording_pacs() as pacs:
        store = tmp_path / "store"
        first, second = (
            _configured(configure, tmp_path / host, store, postgresql_url, pacs) for host in ("one", "two")
        )
        first.start(_FIRST)
        with running(second, _SECOND):
            first.ready(*_FIRST)
            first.ready("deliver", times=2)
            for number in range(_STUDIES):
                image = radiograph(number)
                of_it = {"StudyInstanceUID": image.StudyInstanceUID, "SeriesInstanceUID": image.SeriesInstanceUID}
                assert all(one.stored for one in first.send(image))
                assert all(one.stored for one in second.send(radiograph(100 + number, **of_it)))
            eventually(lambda: first.has_delivered(_STUDIES))
            assert len(_has_its_report(pacs)) == _STUDIES
            assert first.stop() == 0
        sent = Counter(str(one.SOPInstanceUID) for one in pacs.datasets())
        assert set(sent.values()) == {1}
        for host in (first, second):
            assert len(host.events("association")) == _STUDIES
