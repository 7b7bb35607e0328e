"""The room in which a process's jobs run: many side by side or one alone, and who in it takes too long."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from db.queue.room import Guest, Room

LONG = 600.0


@pytest.fixture
def room() -> Room[str]:
    return Room()


@contextmanager
def alone(room: Room[str], patience: float = LONG) -> Iterator[bool]:
    with room.alone(threading.Event(), poll=0.01, patience=patience) as is_alone:
        yield is_alone


class Looked(threading.Event):
    """An order to stop that has not come, and tells that it was looked for: somebody has to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = threading.Event()

    def is_set(self) -> bool:
        self.now.set()
        return super().is_set()


def test_many_are_in_it_side_by_side_and_who_would_be_alone_waits_for_the_last_of_them(room: Room[str]) -> None:
    for _ in range(3):
        assert room.enter(0)
    for _ in range(3):
        with alone(room, patience=0) as is_alone:
            assert not is_alone
        room.leave()
    with alone(room, patience=0) as is_alone:
        assert is_alone


def test_who_is_alone_lets_nobody_in_until_he_has_gone(room: Room[str]) -> None:
    with alone(room) as is_alone:
        assert is_alone
        assert not room.enter(0)
    assert room.enter(0)


def test_only_one_is_alone(room: Room[str]) -> None:
    with alone(room):
        for _ in range(2):
            with alone(room, patience=0) as second:
                assert not second
            assert not room.enter(0), "the first one is"
    assert room.enter(0)
    room.leave()
    with alone(room, patience=0) as third:
        assert third


def test_who_asks_to_be_alone_keeps_others_out_while_he_waits_and_no_longer(room: Room[str]) -> None:
    assert room.enter(0)
    with alone(room, patience=0.03) as is_alone:
        assert not is_alone
        assert not room.enter(0)
    assert room.enter(0)


def test_who_asks_to_be_alone_comes_in_when_the_last_one_goes(room: Room[str]) -> None:
    assert room.enter(0)
    got: list[bool] = []
    stop = Looked()

    def ask() -> None:
        with room.alone(stop, poll=LONG, patience=LONG) as is_alone:
            got.append(is_alone)

    asking = threading.Thread(target=ask)
    asking.start()
    assert stop.now.wait(60)
    room.leave()
    asking.join(60)
    assert got == [True]


def test_nobody_waits_to_be_alone_when_the_process_stops(room: Room[str]) -> None:
    assert room.enter(0)
    stop = threading.Event()
    stop.set()
    with room.alone(stop, poll=LONG, patience=LONG) as is_alone:
        assert not is_alone


def test_the_one_who_is_over_his_time_by_most_is_found_once_and_nobody_comes_in_any_more(room: Room[str]) -> None:
    with ExitStack() as stack:
        for job, longest in (("quick", LONG), ("slow", -1.0), ("slowest", -2.0)):
            stack.enter_context(room.running(job, longest))
        hung = room.close_on_hung()
        assert hung is not None
        assert hung.job == "slowest"
        assert room.close_on_hung() is None
        assert not room.enter(0)
        with alone(room, patience=0) as is_alone:
            assert not is_alone


def test_as_long_as_nobody_is_over_his_time_none_is_found_and_others_come_in(room: Room[str]) -> None:
    with room.running("a", LONG):
        assert room.close_on_hung() is None
    assert room.close_on_hung() is None
    assert room.enter(0)


def test_those_left_are_all_who_hang_at_once_and_the_others_if_they_do_not_go_in_time(room: Room[str]) -> None:
    assert room.left(LONG) == ()
    with room.running("hangs", -1.0):
        assert [guest.job for guest in room.left(LONG)] == ["hangs"]
        with room.running("works", LONG):
            assert {guest.job for guest in room.left(0)} == {"hangs", "works"}


def test_who_has_taken_as_long_as_he_may_does_not_hang_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest("a", 5.0, since=1000.0)
    for now, hangs in ((1005.0, False), (1005.5, True)):
        monkeypatch.setattr("db.queue.room.monotonic", lambda now=now: now)
        assert (guest.seconds, guest.hangs) == (now - 1000, hangs)


def test_who_has_gone_is_not_left_though_his_job_failed(room: Room[str]) -> None:
    with pytest.raises(ZeroDivisionError), room.running("a", LONG):
        raise ZeroDivisionError
    assert room.left(0) == ()


def test_a_guest_tells_where_in_the_program_it_is_innermost_first_and_nothing_once_its_thread_has_ended() -> None:
    names = [place.split()[1] for place in Guest("a", LONG).place.split(" < ")]
    assert names[:2] == [
        "place",
        "test_a_guest_tells_where_in_the_program_it_is_innermost_first_and_nothing_once_its_thread_has_ended",
    ]
    assert len(names) == 4
    assert Guest("a", LONG, thread=-1).place == ""


def test_of_another_thread_it_is_told_where_that_one_is() -> None:
    inside, stop = threading.Event(), threading.Event()

    def wait_inside() -> None:
        inside.set()
        stop.wait()

    thread = threading.Thread(target=wait_inside)
    thread.start()
    assert inside.wait(60)
    place = Guest("a", LONG, thread=thread.ident or 0).place
    stop.set()
    thread.join()
    assert "test_room.py" in place
    assert "wait_inside" in place
