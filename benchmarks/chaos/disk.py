"""A small disk of its own that can be filled to the last byte: a tmpfs on a private folder."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FILLER = "filler"


class Disk:
    """A file system that is only ours."""

    def __init__(self, folder: Path) -> None:
        """Take a folder that is mounted."""
        self.folder = folder
        self._filler = folder / _FILLER

    def fill(self) -> None:
        """Leave no byte: who writes gets ENOSPC."""
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in (1 << 24, 1 << 20, 1 << 16, 1 << 12):
                with _until_full():
                    while True:
                        os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, size)
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Take away what filled it."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """Mount a disk of so many megabytes for a block. Needs the right to mount."""
    folder.mkdir(mode=0o700)
    subprocess.run(  # noqa: S603 - fixed words
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tibabu-chaos", folder],
        check=True,
    )
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S603 - the same folder


@contextmanager
def _until_full() -> Iterator[None]:
    with contextlib.suppress(BlockingIOError):
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
