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


def test_many_are_in_it_side_by_side(room: Room[str]) -> None:
    assert room.enter(0)
    assert room.enter(0)


def test_who_is_alone_lets_nobody_in_until_he_has_gone(room: Room[str]) -> None:
    with alone(room) as is_alone:
        assert is_alone
        assert not room.enter(0)
    assert room.enter(0)


def test_only_one_is_alone(room: Room[str]) -> None:
    with alone(room), alone(room, patience=0) as second:
        assert not second
    with alone(room, patience=0) as third:
        assert third


def test_who_asks_to_be_alone_keeps_others_out_while_he_waits_and_no_longer(room: Room[str]) -> None:
    assert room.enter(0)
    with alone(room, patience=0) as is_alone:
        assert not is_alone
        assert not room.enter(0)
    assert room.enter(0)


def test_who_asks_to_be_alone_comes_in_when_the_last_one_goes(room: Room[str]) -> None:
    assert room.enter(0)
    got: list[bool] = []

    def ask() -> None:
        with alone(room) as is_alone:
            got.append(is_alone)

    asking = threading.Thread(target=ask)
    asking.start()
    room.leave()
    asking.join(30)
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
