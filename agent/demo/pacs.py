"""The demonstration's PACS: a Storage SCP in a process of its own that writes what it receives below a folder.

`python -m agent.demo.pacs FOLDER` says on standard output where it listens and ends when its standard input does.
"""

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dicom_io.errors import HeaderError
from dicom_io.header import check_uid
from dicom_io.scp import AssociationSummary, ReceivedInstance, ScpSettings, StorageScp
from dicom_io.spool import Spool
from dicom_io.statuses import CANNOT_UNDERSTAND, SUCCESS

AE_TITLE = "DEMOPACS"


@dataclass(frozen=True, slots=True)
class Folder:
    """A sink that keeps each Instance as a file named by its SOP Instance UID."""

    path: Path

    def received(self, instance: ReceivedInstance) -> int:
        """Write one Instance; the same UID again replaces the file with the same bytes."""
        try:
            name = check_uid(instance.affected_sop_instance_uid)
        except HeaderError:
            return CANNOT_UNDERSTAND
        with instance.spool.open_file() as file:
            (self.path / f"{name}.dcm").write_bytes(file.read())
        return SUCCESS

    def association_ended(self, summary: AssociationSummary) -> None:
        """Do nothing: files are kept one by one."""


def main() -> None:
    """Serve until standard input ends."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    scp = StorageScp(ScpSettings(ae_title=AE_TITLE, host="127.0.0.1", port=0), Folder(folder), partial(Spool, folder))
    scp.start()
    sys.stdout.write(json.dumps({"ready": "pacs", "port": scp.port}) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    scp.stop(5)


if __name__ == "__main__":
    main()
