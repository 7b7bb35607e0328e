"""What a process that read from the cache leaves behind when it is killed."""

import subprocess
import sys
from pathlib import Path

from dicom_io.cache import Cache
from dicom_io.spool import Spool
from dicom_io.store import name_of

LIMIT = 100_000


def name(number: int) -> str:
    return name_of(f"{number:064x}")


def write(spool: Spool) -> None:
    spool.write(b"fetched")


def test_what_a_reader_that_died_has_held_is_removed_by_the_next_start(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, pathlib; from dicom_io.cache import Cache\n"
        f"cache = Cache(pathlib.Path(sys.argv[1]), limit={LIMIT}, reserve=0)\n"
        f"with cache.reading({name(1)!r}, lambda spool: spool.write(b'held')):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)  # noqa: S603 - ours
    assert len(list((tmp_path / "readers").glob("*/*.dcm"))) == 1
    living = Cache(tmp_path, limit=LIMIT, reserve=0)
    with living.reading(name(2), write) as path:
        Cache(tmp_path, limit=LIMIT, reserve=0)
        assert path.exists(), "expected a living reader's file to be left alone"
        assert len(list((tmp_path / "readers").glob("*/*.dcm"))) == 1
