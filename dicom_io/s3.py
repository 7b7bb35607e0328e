"""A bucket of an object store that speaks S3, by way of fsspec (s3fs): objects come and go whole, with their digests.

This file is the edge of those libraries: they are imported when a bucket is opened (the extra `s3`), and whatever they
raise becomes StoreError here. No request is repeated for longer than `S3Settings` allows.
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, Literal

from dicom_io.errors import LostError, NoSpaceError, StoreError
from dicom_io.s3_upload import PART, Upload

_TRIES: Final = 3
_RECONNECT: Final = 5.0  # seconds
_PIECE: Final = 1 << 18
_CONNECTIONS: Final = 64
_GONE: Final = frozenset({"NoSuchKey"})
_NOT_THERE: Final = frozenset({"404", "NotFound"})
_FULL: Final = frozenset({"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key and its secret."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """Which bucket, where, and how patiently it is asked.

    `credentials` gives those of now: it is asked again when they are refused. None: those that the environment of the
    process, its user's AWS files or its machine's role give. `endpoint` is "" for Amazon's own.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    ca_file: str = ""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    connect_seconds: float = 5.0
    answer_seconds: float = 20.0
    credentials: Callable[[], Credentials] | None = None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing tells of it."""

    key: str
    size: int
    written_at: datetime


class Bucket:
    """The objects below the prefix of a bucket. Its methods raise StoreError; any number of threads may call them."""

    def __init__(self, settings: S3Settings) -> None:
        """Look that the libraries are there; nothing is connected yet. Raises StoreError."""
        try:
            import s3fs  # noqa: F401, PLC0415 - an extra
        except ImportError:
            message = "expected s3fs for a store in an object store. Received: none; pip install 'tibabu[s3]'"
            raise StoreError(message) from None
        self._settings = settings
        self._lock = threading.Lock()
        self._connected: Any = None
        self._connected_at = 0.0

    def put(self, key: str, file: BinaryIO, size: int, sha256: str) -> None:
        """Store `size` bytes of a file, and believe that they are there only when the store has proved it.

        Large ones go in parts, which make an object only once all are there: never more than a part is in memory.
        """
        upload = Upload(self._call, self._settings.prefix + key, file, size, sha256)
        if size <= PART:
            upload.whole()
        else:
            upload.in_parts()
        head = self._head(key)
        if head is None or head["ContentLength"] != size:
            stored = "none" if head is None else head["ContentLength"]
            message = f"expected an object of {size} bytes after it was put. Received: bytes={stored}"
            raise StoreError(message)
        if not upload.proves(head):
            self._read_back(key, sha256)

    def _read_back(self, key: str, sha256: str) -> None:
        """Compare the bytes: the store's checksum says nothing, as where it encrypts with keys of its own."""
        digest = hashlib.sha256()
        self.fetch(key, digest.update)
        if digest.hexdigest() != sha256:
            message = "expected an object with the bytes that were put. Received: other ones"
            raise StoreError(message)

    def fetch(self, key: str, write: Callable[[bytes], object]) -> None:
        """Hand an object's bytes to `write`, as they arrive. Raises LostError if there is no such object."""
        answer = self._call("get_object", Key=self._settings.prefix + key)
        seconds = self._settings.answer_seconds * (1 + answer["ContentLength"] / PART)
        self._mapped(self._stream, answer["Body"], write, seconds)

    def _stream(self, body: Any, write: Callable[[bytes], object], seconds: float) -> None:  # noqa: ANN401 - untyped
        from fsspec.asyn import sync  # noqa: PLC0415 - an extra

        async def stream() -> None:
            async with body as source:
                while piece := await source.read(_PIECE):
                    write(piece)

        sync(self._filesystem().loop, stream, timeout=seconds)

    def exists(self, key: str) -> bool:
        """Tell whether there is such an object."""
        return self._head(key) is not None

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        self._call("delete_object", Key=self._settings.prefix + key)

    def listed(self) -> Iterator[StoredObject]:
        """Yield the objects in the order of their keys, which are given without the prefix."""
        prefix, more = self._settings.prefix, dict[str, str]()
        while True:
            answer = self._call("list_objects_v2", Prefix=prefix, **more)
            for one in answer.get("Contents", ()):
                yield StoredObject(one["Key"].removeprefix(prefix), one["Size"], one["LastModified"].astimezone(UTC))
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            head: dict[str, Any] = self._call("head_object", Key=self._settings.prefix + key, ChecksumMode="ENABLED")
        except _NotThereError:
            return None
        return head

    def _call(self, method: str, **arguments: Any) -> Any:  # noqa: ANN401 - as S3 has it
        seconds = self._settings.connect_seconds + self._settings.answer_seconds
        call = self._filesystem().call_s3
        return self._mapped(call, method, Bucket=self._settings.bucket, timeout=seconds, **arguments)

    def _mapped(self, call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:  # noqa: ANN401 - as above
        """Call and map whatever is raised: this is the edge of four libraries, which document no common root."""
        try:
            return call(*arguments, **more)
        except StoreError:
            raise
        except PermissionError as error:  # keys that have been renewed since are read again with the next request
            self._forget()
            raise self._error(error) from None
        except Exception as error:  # noqa: BLE001 - see above
            raise self._error(error) from None

    def _error(self, error: Exception) -> StoreError:
        """Return ours: with the code that the store gave, never with its words, keys or addresses."""
        answer = getattr(error.__cause__ or error, "response", None)
        code = str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""
        if code in _GONE:
            return LostError("expected a stored file. Received: none of its name")
        kind = _NotThereError if code in _NOT_THERE else NoSpaceError if code in _FULL else StoreError
        message = f"expected the object store to do as asked. Received: error={code or type(error).__name__}"
        return kind(message)

    def _filesystem(self) -> Any:  # noqa: ANN401 - s3fs is untyped
        with self._lock:
            if self._connected is None:
                self._connected = _connect(self._settings)
                self._connected_at = time.monotonic()
            return self._connected

    def _forget(self) -> None:
        with self._lock:
            if time.monotonic() - self._connected_at > _RECONNECT:  # it takes a tenth of a second
                self._connected = None


class _NotThereError(StoreError):
    """What a HEAD says of an object, or of a bucket, that is not there."""


def _connect(settings: S3Settings) -> Any:  # noqa: ANN401 - s3fs is untyped
    from s3fs import S3FileSystem  # noqa: PLC0415 - an extra

    keys = None if settings.credentials is None else settings.credentials()
    made = S3FileSystem(
        key=None if keys is None else keys.access_key,
        secret=None if keys is None else keys.secret_key,
        endpoint_url=settings.endpoint or None,
        client_kwargs={
            **({"region_name": settings.region} if settings.region else {}),
            **({"verify": settings.ca_file} if settings.ca_file else {}),
        },
        config_kwargs={
            "connect_timeout": settings.connect_seconds,
            "read_timeout": math.ceil(settings.answer_seconds),
            "max_pool_connections": _CONNECTIONS,
            "retries": {"mode": "standard", "total_max_attempts": _TRIES},
            "request_checksum_calculation": "when_required",  # ours is given with each request
            "response_checksum_validation": "when_required",
            "s3": {"addressing_style": settings.addressing, "payload_signing_enabled": True},
        },
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    made.retries = 1  # those are botocore's
    return made
