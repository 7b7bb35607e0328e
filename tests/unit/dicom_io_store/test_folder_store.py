"""The store keeps each file once, under its digest, and has it durable before it says so."""

import errno
import hashlib
import itertools
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dicom_io.errors import LostError, NoSpaceError, StoreError
from dicom_io.folder_store import INCOMING, FolderStore
from dicom_io.store import ListedFile, StoredFile

DATA = b"some bytes" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_what_is_put_lies_whole_under_its_digest(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    assert store.put(DATA) == StoredFile(f"{DIGEST[:2]}/{DIGEST}.dcm", DIGEST, len(DATA))
    assert store.path(f"{DIGEST[:2]}/{DIGEST}.dcm").read_bytes() == DATA
    assert files(tmp_path / "store") == [f"{DIGEST[:2]}/{DIGEST}.dcm"]


def test_files_and_folders_are_for_the_agents_account_only(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    path = store.path(store.put(DATA).path)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent, tmp_path / "store")] == [
        0o600,
        0o700,
        0o700,
    ]


def test_the_order_is_write_sync_rename_sync_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path / "store")
    folder = tmp_path / "store" / DIGEST[:2]
    done = []

    def watch(name: str) -> None:
        original = getattr(os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            what = arguments[0]
            target = str(Path(f"/proc/self/fd/{what}").readlink() if isinstance(what, int) else what)
            done.append((name, "folder" if target == str(folder) else "temporary" if ".tmp" in target else target))
            return original(*arguments, **more)

        monkeypatch.setattr(os, name, call)

    for name in ("write", "fsync", "rename"):
        watch(name)
    store.put(DATA)
    expected = [("write", "temporary"), ("fsync", "temporary"), ("rename", "temporary"), ("fsync", "folder")]
    assert done == expected
    done.clear()
    store.put(DATA)
    assert done == expected, "expected what comes again to be no less durable than what comes first"


def test_a_file_that_was_damaged_since_is_mended_by_who_sends_it_again(tmp_path: Path) -> None:
    """Its sender learns of the damage by Storage Commitment, and sends the Instance once more."""
    store = FolderStore(tmp_path)
    path = store.path(store.put(DATA).path)
    for damaged in (DATA[:10], bytes(len(DATA)), b""):
        path.write_bytes(damaged)
        again = store.put(DATA)
        assert path.read_bytes() == DATA
        assert store.is_intact(again.path, again.sha256)


def test_writes_that_take_only_a_part_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: original(descriptor, data[:1000]))
    store = FolderStore(tmp_path)
    assert store.path(store.put(DATA).path).read_bytes() == DATA


ERRORS = {errno.ENOSPC: NoSpaceError, errno.EDQUOT: NoSpaceError, errno.EIO: StoreError, errno.EACCES: StoreError}


def test_a_failure_is_an_error_of_ours_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    for call, (code, error) in itertools.product(("open", "write", "fsync", "rename"), ERRORS.items()):

        def fail(*_: Any, code: int = code, **__: Any) -> None:
            raise OSError(code, os.strerror(code), "/secret/path")

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(error, match=rf"expected .* Received: errno={errno.errorcode[code]}") as raised:
                store.put(DATA)
        assert type(raised.value) is error, call
        assert "secret" not in str(raised.value), call
        assert files(tmp_path) == [], (call, code)
        kept = store.put(DATA).path
        assert files(tmp_path) == [kept] == [f"{DIGEST[:2]}/{DIGEST}.dcm"], (call, code)
        store.delete(kept)


def test_a_root_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="expected the store's folders"):
        FolderStore(tmp_path / "file")


def test_only_what_the_store_named_becomes_a_path(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    for relative in (
        "",
        "../../etc/passwd",
        f"ab/{DIGEST}.dcm",
        f"{DIGEST[:2]}/{DIGEST}.tmp",
        f"/{DIGEST[:2]}/{DIGEST}.dcm",
        f"{DIGEST[:2]}/{DIGEST}.dcm\n",
    ):
        with pytest.raises(StoreError, match="expected a path that the store gave"):
            store.path(relative)


def test_only_temporary_files_older_than_an_hour_are_removed_at_the_start(tmp_path: Path) -> None:
    kept = FolderStore(tmp_path).put(DATA).path
    for name, age in ((f"{INCOMING}/old.tmp", 3700), (f"{INCOMING}/young.tmp", 60)):
        path = tmp_path / name
        path.write_bytes(b"half")
        written = path.stat().st_mtime - age
        os.utime(path, (written, written))
    os.utime(tmp_path / kept, (0, 0))
    FolderStore(tmp_path)
    assert files(tmp_path) == sorted([f"{INCOMING}/young.tmp", kept])


def test_too_little_room_is_said_before_it_is_filled(tmp_path: Path) -> None:
    with FolderStore(tmp_path, reserve=1).spool() as spool:
        spool.write(DATA)
        spool.check()
    store = FolderStore(tmp_path, reserve=1 << 62)
    with store.spool() as spool:
        spool.write(DATA)
        with pytest.raises(NoSpaceError, match=r"expected at least .* bytes free"):
            store.keep(spool)
    assert files(tmp_path) == []
    assert store.path(store.put(DATA).path).read_bytes() == DATA, "expected what the agent writes itself to be kept"


def test_a_disk_that_fills_up_while_a_file_arrives_gets_back_what_the_file_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FolderStore(tmp_path, reserve=1).spool() as spool:
        spool.write(bytes(1 << 20))
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4096))
        spool.write(bytes(1 << 20))
        monkeypatch.undo()
        spool.write(DATA)
        assert spool.path.stat().st_size == 0
        with pytest.raises(NoSpaceError, match="free=0"):
            spool.open_file()


def test_what_is_not_kept_is_removed_and_what_is_kept_is_what_was_written(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with store.spool() as spool:
        for start in range(0, len(DATA), 999):
            spool.write(memoryview(DATA)[start : start + 999])
        with spool.open_file() as file:
            assert file.read() == DATA
        assert (spool.size, spool.sha256) == (len(DATA), DIGEST)
        assert files(tmp_path) == [f"incoming/{spool.path.name}"]
    assert files(tmp_path) == []
    with store.spool() as spool:
        spool.write(DATA)
        store.keep(spool)
        spool.close()
    assert files(tmp_path) == [f"{DIGEST[:2]}/{DIGEST}.dcm"]


def test_many_threads_that_put_the_same_leave_one_whole_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    together = threading.Barrier(8)
    stored = []

    def put() -> None:
        together.wait(60)
        stored.append(store.put(DATA))

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert stored == [stored[0]] * 8
    assert files(tmp_path) == [stored[0].path]
    assert store.path(stored[0].path).read_bytes() == DATA


def test_what_is_deleted_is_gone_and_deleting_it_again_does_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    kept, gone = store.put(DATA), store.put(DATA + b"more")
    with store.path(gone.path).open("rb") as file:
        assert [store.delete(gone.path), store.delete(gone.path)] == [True, False]
        assert file.read() == DATA + b"more", "expected a reader to read on"
    assert files(tmp_path) == [kept.path]
    with pytest.raises(StoreError, match="expected a path that the store gave"):
        store.delete("../elsewhere")


def test_a_file_is_lost_where_its_folder_is_and_away_with_the_disk(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    stored = store.put(DATA)
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    (tmp_path / "store").mkdir()
    with pytest.raises(StoreError, match="mounted") as raised, store.local(stored.path):
        pytest.fail("expected no file")
    assert not isinstance(raised.value, LostError)
    (tmp_path / "store").rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "store")
    store.delete(stored.path)
    with pytest.raises(LostError), store.local(stored.path):
        pytest.fail("expected no file")


def test_what_lies_in_the_store_is_listed_with_its_size_and_time(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    stored = sorted((store.put(DATA[:size]) for size in range(9)), key=lambda one: one.path)
    for one in stored:
        os.utime(tmp_path / one.path, (0, 0))
    (tmp_path / "incoming" / "half.tmp").write_bytes(b"half")
    (tmp_path / stored[0].path).with_suffix(".tmp").write_bytes(b"half")
    expected = [ListedFile(one.path, one.size, datetime.fromtimestamp(0, UTC)) for one in stored]
    assert list(store.listed()) == expected
    beside = f"{stored[0].path[:3]}{stored[0].path[3:5]}{'f' * 62}.dcm"
    (tmp_path / beside).write_bytes(b"")
    listing = store.listed()
    assert next(listing) == expected[0]
    for path in (beside, *(one.path for one in stored[1:])):
        store.delete(path)
    assert list(listing) == [], "expected what is deleted while it is listed not to stop the listing"
