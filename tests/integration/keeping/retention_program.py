"""Runs retention once, and kills itself (-9) right before or right after the first file is deleted."""

import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from agent.config.keeping import RetentionSection
from agent.keeping.retention import Retainer
from db.database import open_database
from db.queue import open_queue
from dicom_io.folder_store import FolderStore


class Deadly(FolderStore):
    def delete(self, relative: str) -> bool:
        gone = super().delete(relative) if sys.argv[4] == "after" else False
        os.kill(os.getpid(), signal.SIGKILL)
        return gone


database = open_database(sys.argv[1])
now = datetime.fromisoformat(sys.argv[3])
settings = RetentionSection(results_after_days={"not_flagged": 365})
Retainer(database, open_queue(database), Deadly(Path(sys.argv[2])), settings, lambda: now).run()
