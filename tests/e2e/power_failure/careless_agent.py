"""The agent with one sync taken away: `python careless_agent.py file|folder|commit|commit-in-wal run ...`.

What `strace` must find out. SQLite syncs by itself, so `os.fsync` is only that of the store.
"""

import os
import stat
import sys
from collections.abc import Callable
from typing import Any

import db.database
from agent.cli import main


def _without(kind: Callable[[int], bool]) -> None:
    """Let fsync of files of a kind do nothing."""
    sync = os.fsync
    os.fsync = lambda descriptor: None if kind(os.fstat(descriptor).st_mode) else sync(descriptor)


def _with_synchronous(mode: str) -> None:
    """Let every connection run with PRAGMA synchronous in another mode."""
    prepare = db.database._prepare_sqlite

    def prepare_carelessly(connection: Any, entry: Any, **options: Any) -> None:
        prepare(connection, entry, **options)
        connection.execute(f"PRAGMA synchronous = {mode}")

    db.database._prepare_sqlite = prepare_carelessly


CARELESSNESS = {
    "file": lambda: _without(stat.S_ISREG),
    "folder": lambda: _without(stat.S_ISDIR),
    "commit": lambda: _with_synchronous("OFF"),
    "commit-in-wal": lambda: _with_synchronous("NORMAL"),
}

if __name__ == "__main__":
    CARELESSNESS[sys.argv.pop(1)]()
    main()
