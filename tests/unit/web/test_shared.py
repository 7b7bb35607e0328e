"""A part that many readers share is made once for each version of the database, and never older than who asks."""

import gzip
import itertools
import threading
from typing import Any, cast

import pytest

from agent.web.shared import LONGEST_SECONDS, MOST, SharedParts
from db.change_watch import ChangeWatch


class Site:
    """A database whose version a test sets, and a clock that it moves."""

    def __init__(self) -> None:
        self.seen = "1"
        self.now = 0.0
        self.made = itertools.count(1)
        self.parts = SharedParts(cast("ChangeWatch", self), lambda: self.now)

    def version(self) -> str:
        return self.seen

    def make(self) -> str:
        return f"part {next(self.made)}"

    def get(self, **named: Any) -> str:
        return self.parts.get("a view", self.make, **named).html


@pytest.fixture
def site() -> Site:
    return Site()


def test_it_is_made_once_for_each_version(site: Site) -> None:
    site.now = 1
    assert [site.get(), site.get()] == ["part 1", "part 1"]
    site.seen, site.now = "2", 2
    assert [site.get(), site.get()] == ["part 2", "part 2"]


def test_what_says_how_long_studies_wait_is_made_anew_though_nothing_changed(site: Site) -> None:
    site.get()
    site.now = LONGEST_SECONDS
    assert site.get() == "part 2"


def test_who_was_told_of_a_version_gets_that_one_and_others_what_is_true_now(site: Site) -> None:
    told = site.parts.get("a view", site.make)
    site.seen, site.now = "2", 1
    assert site.get(wanted=told.version) == "part 1"
    assert site.get(wanted="another") == "part 2"


def test_who_was_told_of_a_version_long_ago_gets_what_is_true_now(site: Site) -> None:
    told = site.parts.get("a view", site.make)
    site.now = LONGEST_SECONDS
    assert site.get(wanted=told.version) == "part 2"


def test_views_are_apart_and_the_ones_asked_for_longest_ago_are_forgotten(site: Site) -> None:
    for number in range(MOST + 1):
        assert site.parts.get(f"view {number}", site.make).html == f"part {number + 1}"
    assert site.parts.get(f"view {MOST}", site.make).html == f"part {MOST + 1}"
    assert site.parts.get("view 0", site.make).html == f"part {MOST + 2}"


def test_it_goes_over_the_wire_packed_and_is_named_by_its_text(site: Site) -> None:
    one = site.parts.get("one", lambda: "the same")
    assert (
        one.version
        == site.parts.get("other", lambda: "the same").version
        != site.parts.get("a view", site.make).version
    )
    assert gzip.decompress(one.packed) == b"the same"


def test_what_fails_is_made_by_the_next_who_asks(site: Site) -> None:
    with pytest.raises(ZeroDivisionError):
        site.parts.get("a view", lambda: str(1 // 0))
    assert site.get() == "part 1"


def test_many_who_come_at_once_wait_for_one_rendering(site: Site) -> None:
    site.now = 5
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> str:
        begun.set()
        assert go_on.wait(60)
        return site.make()

    first = threading.Thread(target=site.parts.get, args=("a view", slowly))
    first.start()
    assert begun.wait(60)
    others = [threading.Thread(target=site.get) for _ in range(5)]
    for one in others:
        one.start()
    go_on.set()
    for one in (first, *others):
        one.join(60)
    assert next(site.made) == 2
