"""The cache of stored files: bounded, never in the way of who reads, never trusted after this machine started anew."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_io.cache import Cache
from dicom_io.errors import LostError, NoSpaceError, StoreError
from dicom_io.spool import Spool
from dicom_io.store import name_of

LIMIT = 100_000
SIZE = 1000


def name(number: int) -> str:
    return name_of(f"{number:064x}")


def content(number: int) -> bytes:
    return bytes([number % 256]) * SIZE


@pytest.fixture
def fetched() -> list[int]:
    return []


@pytest.fixture
def fetch(fetched: list[int]) -> Callable[[int], Callable[[Spool], None]]:
    def of(number: int) -> Callable[[Spool], None]:
        def write(spool: Spool) -> None:
            fetched.append(number)
            spool.write(content(number))

        return write

    return of


def copies(folder: Path) -> list[str]:
    """Return the copies in the folder of all names that `name` makes."""
    return sorted(str(path.relative_to(folder)) for path in folder.glob("00/*.dcm"))


def test_a_file_is_fetched_once_and_then_read_from_the_disk(
    tmp_path: Path, fetch: Callable[..., None], fetched: list[int]
) -> None:
    cache, neighbour = (Cache(tmp_path, limit=LIMIT, reserve=0) for _ in range(2))
    for one in (cache, cache, neighbour):
        with one.reading(name(1), fetch(1)) as path:
            assert path.read_bytes() == content(1)
        assert not path.exists()
    assert fetched == [1]
    with cache.spool() as spool:
        spool.write(content(2))
        cache.take(spool, name(2))
    with neighbour.reading(name(2), fetch(2)) as path:
        assert path.read_bytes() == content(2)
    assert fetched == [1], "expected what was just stored not to be fetched"


def test_the_copies_take_no_more_than_the_limit_and_the_last_used_stay(
    tmp_path: Path, fetch: Callable[..., None], fetched: list[int]
) -> None:
    caches = [Cache(tmp_path, limit=LIMIT // 3, reserve=0) for _ in range(2)]
    for number in range(60):
        with caches[number % 2].reading(name(number), fetch(number)):
            used = tmp_path / name(number)
            os.utime(used, (number, number))
        with caches[0].reading(name(0), fetch(0)):
            os.utime(tmp_path / name(0), (number, number))
        assert len(copies(tmp_path)) * SIZE <= LIMIT // 3 * (1 + 2 / 32)
    assert fetched.count(0) == 1
    assert len(copies(tmp_path)) * SIZE > LIMIT / 6
    assert name(59) in copies(tmp_path)


def test_who_reads_keeps_the_file_while_room_is_made(tmp_path: Path, fetch: Callable[..., None]) -> None:
    cache = Cache(tmp_path, limit=SIZE * 2, reserve=0)
    with cache.reading(name(0), fetch(0)) as path:
        for number in range(1, 20):
            with cache.reading(name(number), fetch(number)):
                os.utime(tmp_path / name(number), (number, number))
        assert name(0) not in copies(tmp_path) or path.stat().st_nlink > 1
        cache.drop(name(0))
        assert path.read_bytes() == content(0), "expected the reader's file to stay when its copy goes"
    assert not path.exists()


def test_a_file_that_cannot_be_had_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=LIMIT, reserve=0)

    def lost(spool: Spool) -> None:
        spool.write(b"half")
        raise LostError

    with pytest.raises(LostError), cache.reading(name(0), lost):
        pytest.fail("expected no file")
    assert copies(tmp_path) == list((tmp_path / "incoming").iterdir()) == []


def test_a_disk_without_room_is_an_error_of_its_own(tmp_path: Path, fetch: Callable[..., None]) -> None:
    cache = Cache(tmp_path, limit=LIMIT, reserve=1 << 62)
    with pytest.raises(NoSpaceError), cache.reading(name(0), fetch(0)):
        pytest.fail("expected no file")


def test_after_this_machine_started_anew_no_copy_is_trusted(
    tmp_path: Path, fetch: Callable[..., None], fetched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies are not synced: after a power failure they may hold anything."""
    folder = tmp_path / "cache"
    with Cache(folder, limit=LIMIT, reserve=0).reading(name(0), fetch(0)):
        pass
    assert copies(folder) == [name(0)]
    (tmp_path / "boot").write_text("another start", encoding="ascii")
    monkeypatch.setattr("dicom_io.cache._BOOT_ID", tmp_path / "boot")
    with Cache(folder, limit=LIMIT, reserve=0).reading(name(0), fetch(0)):
        pass
    assert fetched == [0, 0]
    monkeypatch.setattr("dicom_io.cache._BOOT_ID", tmp_path / "nowhere")
    Cache(folder, limit=LIMIT, reserve=0)
    assert copies(folder) == [], "expected no copy to be trusted where nobody says when the machine was started"


def test_a_folder_of_anything_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A store's folder that is named as the cache by mistake would be emptied."""
    (tmp_path / "00").mkdir()
    (tmp_path / name(0)).write_bytes(b"the only one there is")
    with pytest.raises(StoreError, match="expected an empty folder for the cache"):
        Cache(tmp_path, limit=1, reserve=0)
    assert (tmp_path / name(0)).exists()


def test_many_threads_that_read_while_room_is_made_all_get_their_bytes(
    tmp_path: Path, fetch: Callable[..., None]
) -> None:
    cache, wrong = Cache(tmp_path, limit=SIZE * 4, reserve=0), list[int]()

    def read(first: int) -> None:
        for number in range(first, first + 60):
            with cache.reading(name(number % 10), fetch(number % 10)) as path:
                if path.read_bytes() != content(number % 10):
                    wrong.append(number)

    threads = [threading.Thread(target=read, args=(first,)) for first in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert list((tmp_path / "incoming").iterdir()) == []


def test_copies_and_readers_of_another_account_are_in_nobodys_way(
    tmp_path: Path, fetch: Callable[..., None], fetched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody ran a command as root once: its copies cannot be linked, and its folder of readers cannot be opened."""
    cache, original = Cache(tmp_path, limit=LIMIT, reserve=0), os.open
    with cache.reading(name(1), fetch(1)):
        pass

    def refuse(path: str, *arguments: int) -> int:
        if str(path).endswith("owner.lock") and not arguments[0] & os.O_EXCL and Path(path).exists():
            raise PermissionError
        return original(path, *arguments)

    def refuse_to_link(source: str, target: str) -> None:
        if str(source) == str(tmp_path / name(1)):
            raise PermissionError
        Path(target).write_bytes(Path(source).read_bytes())

    monkeypatch.setattr(os, "open", refuse)
    later = Cache(tmp_path, limit=LIMIT, reserve=0)
    monkeypatch.setattr(os, "link", refuse_to_link)
    with later.reading(name(1), fetch(1)):
        assert fetched == [1, 1]
