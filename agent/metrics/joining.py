"""How the processes of a host put their counts together: files in one folder, which outlive their process.

A process takes the first free place of its role: a lock says that somebody has it, and is gone with its process,
however that ended. So the next one goes on with the counts of the last, and anybody sees which roles live.
"""

import fcntl
import json
import os
import re
import shutil
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from prometheus_client.mmap_dict import MmapedDict

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which prometheus_client, and every process that we start, knows the folder."""

ROOM: Final = 1 << 18
"""Bytes of each file, taken from the disk at once: a page that the disk has no room for ends who writes to it."""

_PREFIX: Final = "tibabu-metrics-"
_NEW: Final = 10.0  # seconds: a folder in which nobody has a lock yet may just have been made
_LOCK: Final = re.compile(r"(?P<role>[a-z0-9]+)-[0-9]+\.lock")


@contextmanager
def joined(folder: Path | None) -> Iterator[Path | None]:
    """Give the folder for a block: the configured one, that of who started us, or a new one that goes with the block.

    None where there is none to be had: then nothing is counted.
    """
    made, held, maker = None, None, os.getpid()
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        elif VARIABLE in os.environ:
            folder = Path(os.environ[VARIABLE])
        else:
            _sweep()
            folder = made = Path(tempfile.mkdtemp(prefix=_PREFIX))
            held = _hold(made / "run.lock")  # while this process, or one forked from it, lives
    except OSError:
        folder = None
    else:
        os.environ[VARIABLE] = str(folder)
    try:
        yield folder
    finally:
        if made is not None and os.getpid() == maker:  # a process that was forked in the block leaves it, too
            shutil.rmtree(made, ignore_errors=True)
            if held is not None:
                os.close(held)
            os.environ.pop(VARIABLE, None)


def _sweep() -> None:
    """Remove what those left behind who were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            seen = folder.stat()
            is_ours = seen.st_uid == os.geteuid() and time.time() - seen.st_mtime > _NEW
            if is_ours and not any(map(_is_locked, folder.glob("*.lock"))):
                shutil.rmtree(folder)


def _hold(path: Path) -> int:
    """Make a file and lock it, for as long as it stays open. Raises BlockingIOError where somebody else has it."""
    lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    return lock


def take_place(folder: Path, role: str) -> str:
    """Take the first free place of a role for as long as this process lives; return its name. Raises OSError."""
    numbers = count()
    while True:
        name = f"{role}-{next(numbers)}"
        try:
            _hold(folder / f"{name}.lock")  # it stays open, and so locked, until the process ends
        except BlockingIOError:
            continue
        for kind in ("counter", "histogram"):
            file = folder / f"{kind}_{name}.db"
            if not is_whole(file):
                file.unlink()
            _make_room(file)
        return name


def is_whole(file: Path) -> bool:
    """Tell whether a file can be gone on with: a power failure may have kept some of its pages and lost others."""
    if not file.exists():
        return True
    try:
        for key, *_ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            json.loads(key)
        with file.open("rb") as opened:
            (used,) = struct.unpack("i", opened.read(4))
    except (ValueError, RuntimeError, struct.error):
        return False
    return bool(used >= 0)


def _make_room(file: Path) -> None:
    with file.open("ab") as opened:
        os.posix_fallocate(opened.fileno(), 0, ROOM)


def living(folder: Path) -> dict[str, int]:
    """Return how many processes live of each role that was ever here, as far as that can be looked at."""
    found: Counter[str] = Counter()
    for path in folder.glob("*.lock"):
        if (named := _LOCK.fullmatch(path.name)) is not None:
            with suppress(OSError):  # another account's, or just removed
                found[named["role"]] += _is_locked(path)
    return dict(sorted(found.items()))


def _is_locked(path: Path) -> bool:
    lock = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
