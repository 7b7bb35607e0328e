"""One object on its way into a bucket, and what the store must say of it afterwards to be believed.

Each request carries the SHA-256 of its bytes, in its signature and as a checksum, so that a store refuses what was
damaged on the way. Afterwards the object's own SHA-256, or its ETag where that is the MD5 of what was sent, has to be
the one that is known here.
"""

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, Final

from dicom_io.errors import StoreError

PART: Final = 8 << 20
"""Bytes of a part, and the most that goes without parts (S3 takes at least 5 MiB, and at most 10,000 parts)."""

_ABANDONED: Final = timedelta(hours=1)

Call = Callable[..., Any]
"""Does a request of S3 by its name in botocore."""


class Upload:
    """One object; raises what `call` raises, and StoreError."""

    def __init__(self, call: Call, key: str, file: BinaryIO, size: int, sha256: str) -> None:
        """Keep what is to be stored; nothing is sent yet."""
        self._call = call
        self._key = key
        self._file = file
        self._size = size
        self._sha256 = sha256
        self._checksums: set[str] = set()
        self._etag = ""

    def whole(self) -> None:
        """Put it with one request."""
        body = self._file.read(PART + 1)
        checksum = _base64(bytes.fromhex(self._sha256))
        self._call("put_object", Key=self._key, Body=body, ChecksumSHA256=checksum)
        self._checksums = {checksum}
        self._etag = _md5(body).hexdigest()

    def in_parts(self) -> None:
        """Put it part by part; it is no object until the last request, and none if anything goes wrong."""
        self._abort_abandoned()
        answer = self._call("create_multipart_upload", Key=self._key, ChecksumAlgorithm="SHA256")
        upload, known = answer["UploadId"], ["PartNumber", "ETag", "ChecksumSHA256"]
        if "ChecksumAlgorithm" not in answer:  # servers that do not know of checksums take no list of parts with them
            known.pop()
        try:
            parts = [{name: part[name] for name in known} for part in self._parts(upload)]
            self._call("complete_multipart_upload", Key=self._key, UploadId=upload, MultipartUpload={"Parts": parts})
        except BaseException:
            self._abort(upload)
            raise

    def _parts(self, upload: str) -> Iterator[dict[str, Any]]:
        """Send the parts. Raises StoreError, before it is an object, if they are not its bytes."""
        total, checksums, sums = hashlib.sha256(), hashlib.sha256(), _md5()
        number = 0
        while body := self._file.read(PART):
            number += 1
            digest = hashlib.sha256(body).digest()
            more = {"PartNumber": number, "ChecksumSHA256": _base64(digest)}
            answer = self._call("upload_part", Key=self._key, UploadId=upload, Body=body, **more)
            total.update(body)
            checksums.update(digest)
            sums.update(_md5(body).digest())
            yield {**more, "ETag": answer["ETag"]}
        if total.hexdigest() != self._sha256:
            message = "expected the file that was written to be read back. Received: other bytes"
            raise StoreError(message)
        whole = _base64(checksums.digest())
        self._checksums = {_base64(total.digest()), whole, f"{whole}-{number}"}
        self._etag = f"{sums.hexdigest()}-{number}"

    def proves(self, head: Mapping[str, Any]) -> bool:
        """Tell whether the answer to HEAD proves the bytes. Raises StoreError if it proves other ones."""
        if checksum := head.get("ChecksumSHA256"):
            if checksum not in self._checksums:
                message = "expected an object with the checksum of what was put. Received: another"
                raise StoreError(message)
            return True
        etag: str = head.get("ETag", "").strip('"')
        return etag == self._etag

    def _abort_abandoned(self) -> None:
        """Remove what is left of attempts at this object whose process died: it takes room, and nobody sees it."""
        with contextlib.suppress(StoreError):
            for one in self._call("list_multipart_uploads", Prefix=self._key).get("Uploads", ()):
                if one["Initiated"] < datetime.now(UTC) - _ABANDONED:
                    self._abort(one["UploadId"])

    def _abort(self, upload: str) -> None:
        with contextlib.suppress(StoreError):
            self._call("abort_multipart_upload", Key=self._key, UploadId=upload)


def _md5(data: bytes = b"") -> "hashlib._Hash":
    """Return the MD5 of what S3 calls an ETag: against accidents, not against anybody."""
    return hashlib.md5(data, usedforsecurity=False)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
