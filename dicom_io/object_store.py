"""The store in an object store that several hosts share, with a cache of it on each host's disk.

What a C-STORE success rests on is the object store's word: PUT was answered, and the size and a checksum that the store
states afterwards are those of what was received. Until then the bytes are in a spool, which goes if anything fails.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from hashlib import sha256 as new_sha256
from io import BytesIO
from pathlib import Path
from typing import Final

from dicom_io.cache import Cache
from dicom_io.errors import LostError
from dicom_io.s3 import Bucket, S3Settings
from dicom_io.spool import Spool
from dicom_io.store import ListedFile, StoredFile, checked, is_name, name_of

_PROBE: Final = "check"


class ObjectStore:
    """Objects below the prefix of a bucket, under the names that files in a folder would have. See `Store`."""

    def __init__(self, settings: S3Settings, cache: Cache) -> None:
        """Keep what is needed; nothing is connected yet. Raises StoreError where the libraries are missing."""
        self._bucket = Bucket(settings)
        self._cache = cache

    def spool(self) -> Spool:
        """See `Store`."""
        return self._cache.spool()

    def put(self, data: bytes) -> StoredFile:
        """See `Store`."""
        with self.spool() as spool:
            spool.write(data)
            return self.keep(spool)

    def keep(self, spool: Spool) -> StoredFile:
        """See `Store`. The file becomes this host's copy, since it is read next."""
        stored = StoredFile(name_of(spool.sha256), spool.sha256, spool.size)
        with spool.open_file() as file:
            self._bucket.put(stored.path, file, stored.size, stored.sha256)
        self._cache.take(spool, stored.path)
        return stored

    def local(self, relative: str) -> AbstractContextManager[Path]:
        """See `Store`: a copy on this host's disk, whose digest was checked when it came."""
        return self._cache.reading(checked(relative), partial(self._fetch, relative))

    def _fetch(self, relative: str, spool: Spool) -> None:
        self._bucket.fetch(relative, spool.write)
        spool.check()
        if name_of(spool.sha256) != relative:
            message = f"expected a stored file with the digest of its name. Received: other bytes, size={spool.size}"
            raise LostError(message)

    def is_intact(self, relative: str, sha256: str) -> bool:
        """See `Store`."""
        digest = new_sha256()
        try:
            self._bucket.fetch(checked(relative), digest.update)
        except LostError:
            return False
        return digest.hexdigest() == sha256

    def delete(self, relative: str) -> bool:
        """See `Store`. Copies on other hosts go when room is made there; no row leads to them."""
        was_there = self._bucket.exists(checked(relative))
        self._bucket.delete(relative)
        self._cache.drop(relative)
        return was_there

    def listed(self) -> Iterator[ListedFile]:
        """See `Store`."""
        for one in self._bucket.listed():
            if is_name(one.key):
                yield ListedFile(one.key, one.size, one.written_at)


def probe(settings: S3Settings) -> None:
    """Put a small object, `check`, beside the stored files, as they are put. Raises StoreError."""
    data = b"tibabu check\n"
    Bucket(settings).put(_PROBE, BytesIO(data), len(data), new_sha256(data).hexdigest())
