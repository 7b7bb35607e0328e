"""What every store keeps to: durable or an error, whole or not at all, the bytes that were put or none."""

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dicom_io.errors import LostError, StoreError, TooLargeError
from dicom_io.s3_upload import PART

DATA = b"some bytes" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()
NAME = f"{DIGEST[:2]}/{DIGEST}.dcm"
LARGE = 2 * PART + 5


def content(store: Any, relative: str) -> bytes:
    with store.local(relative) as path:
        data: bytes = path.read_bytes()
    return data


def test_what_is_put_is_there_for_every_process_whole_under_its_digest(place: Any) -> None:
    stored = place.open().put(DATA)
    assert (stored.path, stored.sha256, stored.size) == (NAME, DIGEST, len(DATA))
    assert place.names() == [NAME]
    elsewhere = place.open()
    assert content(elsewhere, NAME) == DATA
    assert content(elsewhere, NAME) == DATA, "expected a second reader to be served as the first one"
    assert elsewhere.is_intact(NAME, DIGEST)


def test_what_is_written_to_a_spool_is_kept_or_leaves_nothing(place: Any) -> None:
    store = place.open()
    with store.spool() as spool:
        spool.write(DATA[:100])
        spool.write(DATA[100:])
        assert place.names() == []
        assert store.keep(spool).sha256 == DIGEST
    with store.spool() as spool:
        spool.longest = 10
        spool.write(DATA + b"more")
        with pytest.raises(TooLargeError):
            store.keep(spool)
    assert place.names() == [NAME]


@pytest.mark.parametrize("damaged", [DATA[:10], bytes(len(DATA)), b""])
def test_damaged_bytes_are_told_and_mended_by_who_sends_them_again(place: Any, damaged: bytes) -> None:
    store = place.open()
    store.put(DATA)
    place.replace(NAME, damaged)
    assert not store.is_intact(NAME, DIGEST), "expected no cache to answer for what lies in the store"
    store.put(DATA)
    assert store.is_intact(NAME, DIGEST)
    assert content(place.open(), NAME) == DATA


def test_a_file_that_is_not_there_is_said_to_be_lost(place: Any) -> None:
    store = place.open()
    with pytest.raises(LostError, match=r"expected a stored file\. Received: none of its name"), store.local(NAME):
        pytest.fail("expected no file")
    assert not store.is_intact(NAME, DIGEST)
    assert not store.delete(NAME)


@pytest.mark.parametrize("relative", ["", "../../etc/passwd", f"ab/{DIGEST}.dcm", f"/{NAME}", f"{NAME}\n", "check"])
def test_only_what_a_store_named_is_asked_for(place: Any, relative: str) -> None:
    store = place.open()
    for ask in (store.local, store.delete, lambda name: store.is_intact(name, DIGEST)):
        with pytest.raises(StoreError, match="expected a path that the store gave"):
            ask(relative)


def test_what_is_deleted_is_gone_and_who_reads_it_reads_on(place: Any) -> None:
    store = place.open()
    store.put(DATA)
    with store.local(NAME) as path, path.open("rb") as file:
        assert [store.delete(NAME), store.delete(NAME)] == [True, False]
        assert file.read() == DATA
    assert place.names() == []
    with pytest.raises(LostError), store.local(NAME):
        pytest.fail("expected no file")


def test_what_lies_in_the_store_is_listed_with_size_and_time_and_nothing_else(place: Any) -> None:
    store = place.open()
    stored = sorted((store.put(DATA[:size]) for size in range(5)), key=lambda one: one.path)
    place.replace(f"{NAME[:2]}/notes.txt", b"not ours")
    listed = list(store.listed())
    assert [(one.path, one.size) for one in listed] == [(one.path, one.size) for one in stored]
    now = datetime.now(UTC)
    assert all(one.written_at.utcoffset() == timedelta() for one in listed)
    assert all(abs(now - one.written_at) < timedelta(minutes=10) for one in listed)


def test_many_that_put_at_once_are_each_stored(place: Any) -> None:
    store, together, stored = place.open(), threading.Barrier(4), dict[int, Any]()

    def put(size: int) -> None:
        together.wait(60)
        stored[size] = store.put(DATA[:size])

    threads = [threading.Thread(target=put, args=(size,)) for size in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert place.names() == sorted(one.path for one in stored.values())
    elsewhere = place.open()
    assert all(content(elsewhere, one.path) == DATA[:size] for size, one in stored.items())


def test_the_largest_are_stored_as_the_smallest(place: Any) -> None:
    data = bytes(LARGE)
    stored = place.open().put(data)
    store = place.open()
    assert store.is_intact(stored.path, hashlib.sha256(data).hexdigest())
    assert content(store, stored.path) == data


STEPS = {
    "folder": ["before write 1", "before fsync 1", "before rename 1", "after rename 1", "after fsync 2"],
    "s3": ["before put_object 1", "after put_object 1"],
}
STEPS_IN_PARTS = ["after upload_part 2", "after complete_multipart_upload 1"]


@pytest.mark.parametrize(
    ("place", "size", "step"),
    [
        *(("folder", 1000, step) for step in STEPS["folder"]),
        *(("s3", 1000, step) for step in STEPS["s3"]),
        *(("s3", LARGE, step) for step in STEPS_IN_PARTS),
    ],
    indirect=["place"],
)
def test_who_is_killed_while_putting_leaves_the_whole_file_or_none(
    place: Any, die: Callable[..., None], size: int, step: str
) -> None:
    die(place, size, step)
    data = bytes(size)
    digest = hashlib.sha256(data).hexdigest()
    name = f"{digest[:2]}/{digest}.dcm"
    store = place.open()
    is_there = step.startswith("after") and "upload_part" not in step
    assert [one.path for one in store.listed()] == ([name] if is_there else [])
    assert store.is_intact(name, digest) == is_there
    assert store.put(data).path == name
    assert content(store, name) == data
