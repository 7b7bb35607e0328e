"""When things happened: a study's new place on the worklist, its completion, its structured report's arrival."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from installation import Installation

LOOK_SECONDS = 0.005
"""How often the worklist is looked at."""
_RAISED = "SELECT study_instance_uid FROM study WHERE ai_priority IS NOT NULL"
_ENDED = """
    SELECT study.study_instance_uid, max(study_event.at) FROM study_event JOIN study ON study.id = study_event.study_id
    WHERE study_event.event = 'ENDED' GROUP BY 1
"""
_REPORTS = """
    SELECT study.study_instance_uid, report.sop_instance_uid FROM report JOIN result ON result.id = report.result_id
    JOIN study ON study.id = result.study_id WHERE report.kind = 'sr'
"""


@contextlib.contextmanager
def watched(installation: Installation) -> Iterator[dict[str, float]]:
    """Yield a dict that gets the time at which each study was first seen raised, by Study Instance UID."""
    seen: dict[str, float] = {}
    stop = threading.Event()

    def look() -> None:
        with contextlib.closing(sqlite3.connect(f"file:{installation.database}?mode=ro", uri=True)) as connection:
            changes = None
            while not stop.wait(LOOK_SECONDS):
                if (version := connection.execute("PRAGMA data_version").fetchone()) == changes:
                    continue
                changes = version
                for (uid,) in connection.execute(_RAISED).fetchall():
                    seen.setdefault(uid, time.time())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def completed(installation: Installation) -> dict[str, float]:
    """Return when each study was complete, by the rule."""
    return {str(uid): _seconds(str(at)) for uid, at in installation.rows(_ENDED)}


def arrived(installation: Installation) -> dict[str, float]:
    """Return when the structured report of each study was at the PACS: when its file was written there."""
    files = {_uid(path): path.stat().st_mtime for path in installation.pacs_folder.iterdir()}
    return {str(study): files[str(uid)] for study, uid in installation.rows(_REPORTS) if str(uid) in files}


def _uid(path: Path) -> str:
    """Return the SOP Instance UID in a name that storescp gave: what the object is, a point, the UID."""
    return path.name.partition(".")[2]


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
