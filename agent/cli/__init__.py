"""The command line: `tibabu`. Human-readable by default, one JSON document with --json; exit 0 done, 1 failed, 2 usage.

Nothing heavy is imported before a command needs it, and nothing of this program before it is certain that its four
packages, which have common names, are its own.
"""

import sys

from agent.cli.ending import ending_at_once
from agent.cli.impostors import find_impostor


def main() -> None:
    """Run `tibabu`; never shows a traceback for a mistake of its user."""
    if (impostor := find_impostor()) is not None:
        sys.stderr.write(f"tibabu: {impostor}\n")
        sys.exit(1)
    from agent import logs  # noqa: PLC0415
    from agent.cli.commands import tibabu  # noqa: PLC0415 - only now is it certain what `model`, `db` and `dicom_io` are
    from dicom_io.library_logs import quiet_libraries  # noqa: PLC0415

    logs.configure(level="WARNING")  # to standard error, whatever a command prints
    quiet_libraries()  # their warnings and records quote values of datasets
    with ending_at_once():
        tibabu()
