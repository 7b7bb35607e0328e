"""An object store that is down, refuses, is slow or lies: an error, nothing half, and back by itself."""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dicom_io.cache import Cache
from dicom_io.errors import LostError, NoSpaceError, StoreError
from dicom_io.object_store import ObjectStore
from dicom_io.s3 import Credentials
from dicom_io.s3_upload import PART

DATA = b"some bytes" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()
NAME = f"{DIGEST[:2]}/{DIGEST}.dcm"
LARGE = bytes(2 * PART + 5)


def test_a_store_that_refuses_is_an_error_and_one_that_serves_again_is_used_again(
    proxied: Any, objects: Callable[..., Any]
) -> None:
    proxy = proxied()
    place = objects(proxy.endpoint)
    store = place.open()
    for status, code, error in (
        (403, "AccessDenied", StoreError),
        (503, "SlowDown", StoreError),
        (500, "InternalError", StoreError),
        (507, "InsufficientStorage", NoSpaceError),
        (404, "NoSuchBucket", StoreError),
    ):
        proxy.trouble = lambda request, said=(status, code): request.answer(*said)
        with pytest.raises(error, match=rf"expected .* Received: error={code}") as raised:
            store.put(DATA)
        assert type(raised.value) is error
        assert "Doe" not in str(raised.value)
    with pytest.raises(StoreError) as raised, store.local(NAME):
        pytest.fail("expected no file")
    assert not isinstance(raised.value, LostError), "expected a bucket that is away not to be taken for a lost file"
    with pytest.raises(StoreError):
        store.is_intact(NAME, DIGEST)
    proxy.trouble = lambda _: None
    assert place.names() == []
    assert store.is_intact(store.put(DATA).path, DIGEST)


def test_new_credentials_are_taken_when_the_old_ones_are_refused(
    proxied: Any, objects: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_io.s3._RECONNECT", 0.0)
    proxy, keys = proxied(), ["old"]
    settings = objects(proxy.endpoint).settings()
    object.__setattr__(settings, "credentials", lambda: Credentials(keys[0], "secret"))
    store = ObjectStore(settings, Cache(tmp_path / "cache", limit=1 << 30, reserve=0))

    def only_new(request: Any) -> None:
        if "Credential=new/" not in request.headers["Authorization"]:
            request.answer(403, "InvalidAccessKeyId")

    proxy.trouble = only_new
    with pytest.raises(StoreError, match="InvalidAccessKeyId"):
        store.put(DATA)
    keys[0] = "new"
    assert store.put(DATA).path == NAME
    assert "secret" not in repr(settings.credentials())


@pytest.mark.parametrize("said", [{"Content-Length": "7"}, {"x-amz-checksum-sha256": "AAAA"}])
def test_a_store_that_says_it_has_something_else_is_not_believed(
    proxied: Any, objects: Callable[..., Any], said: dict[str, str]
) -> None:
    proxy = proxied()
    place = objects(proxy.endpoint)
    store = place.open()

    def lie(request: Any) -> None:
        request.shown = said if request.command == "HEAD" else {}

    proxy.trouble = lie
    with pytest.raises(StoreError, match="expected an object"):
        store.put(DATA)
    with pytest.raises(StoreError, match="expected an object"):
        store.put(LARGE)


def test_without_a_checksum_that_tells_the_bytes_are_read_back(proxied: Any, objects: Callable[..., Any]) -> None:
    proxy = proxied()
    place = objects(proxy.endpoint)
    store = place.open()

    def encrypts(request: Any) -> None:
        request.shown = {"ETag": '"of what was encrypted"'} if request.command == "HEAD" else {}

    def damages(request: Any) -> None:
        encrypts(request)
        if request.command == "PUT":
            request.body = bytes(len(DATA))

    proxy.trouble = encrypts
    assert store.put(DATA).path == NAME
    assert any(one.startswith("GET") for one in proxy.seen)
    place.client.delete_object(Bucket=place.bucket, Key=f"site/{NAME}")
    proxy.trouble = damages
    with pytest.raises(StoreError):
        store.put(DATA)


def test_a_store_that_is_slow_costs_the_time_allowed_and_no_more(proxied: Any, objects: Callable[..., Any]) -> None:
    proxy, over = proxied(), threading.Event()
    store = objects(proxy.endpoint, seconds=2).open()

    def slow(request: Any) -> None:
        over.wait(60)
        request.hang_up()

    proxy.trouble = slow
    with pytest.raises(StoreError, match=r"Received: error=(FSTimeoutError|ReadTimeoutError)"):
        store.put(DATA)
    over.set()
    proxy.trouble = lambda _: None
    assert store.put(DATA).path == NAME


def test_bytes_that_stop_short_on_their_way_back_are_handed_to_nobody(
    proxied: Any, objects: Callable[..., Any]
) -> None:
    proxy = proxied()
    place = objects(proxy.endpoint)
    place.open().put(DATA)
    store = place.open()

    def cut(request: Any) -> None:
        if request.command == "GET":
            request.hang_up(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\nsome bytes")

    proxy.trouble = cut
    with pytest.raises(StoreError), store.local(NAME):
        pytest.fail("expected no file")
    proxy.trouble = lambda _: None
    with store.local(NAME) as path:
        assert path.read_bytes() == DATA


def test_other_bytes_than_were_put_are_handed_to_nobody(objects: Callable[..., Any]) -> None:
    place = objects()
    place.open().put(DATA)
    place.replace(NAME, bytes(len(DATA)))
    with pytest.raises(LostError, match="digest of its name"), place.open().local(NAME):
        pytest.fail("expected no file")


def test_a_server_that_stops_in_the_middle_of_a_large_object_leaves_nothing(
    new_s3_server: Any, proxied: Any, objects: Callable[..., Any]
) -> None:
    proxy = proxied(new_s3_server)
    place = objects(proxy.endpoint, new_s3_server.endpoint)
    store = place.open()

    def stops(request: Any) -> None:
        if "partNumber=2" in request.path and new_s3_server.process.poll() is None:
            new_s3_server.stop()

    proxy.trouble = stops
    with pytest.raises(StoreError):
        store.put(LARGE)
    with pytest.raises(StoreError):
        store.put(DATA)
    proxy.trouble = lambda _: None
    new_s3_server.start()
    place.client.create_bucket(Bucket=place.bucket)
    assert place.names() == []
    stored = store.put(LARGE)
    assert place.open().is_intact(stored.path, stored.sha256)


def test_parts_of_an_object_that_cannot_be_finished_are_taken_back(proxied: Any, objects: Callable[..., Any]) -> None:
    proxy = proxied()
    place = objects(proxy.endpoint)
    store = place.open()

    def fails(request: Any) -> None:
        if "partNumber=3" in request.path:
            request.answer(403, "AccessDenied")

    proxy.trouble = fails
    with pytest.raises(StoreError):
        store.put(LARGE)
    assert (place.names(), place.unfinished()) == ([], 0)


def test_a_server_that_knows_no_checksums_is_given_no_list_of_them_and_proves_by_its_etag(
    proxied: Any, objects: Callable[..., Any]
) -> None:
    """As OpenStack Swift does, which refuses a list of parts that holds any."""
    proxy = proxied()
    store, told = objects(proxy.endpoint).open(), list[bool]()

    def knows_none(request: Any) -> None:
        request.hidden = {"x-amz-checksum-algorithm", "x-amz-checksum-sha256"}
        if request.command == "POST":
            told.append(b"ChecksumSHA256" in request.body)

    proxy.trouble = knows_none
    stored = store.put(LARGE)
    assert told == [False, False]
    assert not any(one.startswith("GET") and "?" not in one for one in proxy.seen), "expected its ETag to do"
    assert store.is_intact(stored.path, stored.sha256)
