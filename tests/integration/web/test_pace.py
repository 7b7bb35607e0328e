"""Nobody takes more of a process than their share, whoever they are; without accounts nobody is counted."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from agent.web import accounts, pace
from agent.web.pace import Allowed, Pace
from db.database import Database


def test_a_burst_is_answered_and_then_so_many_a_second() -> None:
    now = [0.0]
    counted, allowed = Pace(lambda: now[0]), Allowed(burst=3, per_second=2)
    assert [counted.wait("jane", allowed) for _ in range(4)] == [0, 0, 0, 0.5]
    assert counted.wait("john", allowed) == 0
    now[0] = 0.5
    assert [counted.wait("jane", allowed) for _ in range(2)] == [0, 0.5]
    now[0] = 1000
    assert [counted.wait("jane", allowed) for _ in range(4)] == [0, 0, 0, 0.5]


def test_so_many_are_remembered_and_of_more_who_asked_longest_ago_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pace, "_REMEMBERED", 2)
    counted, allowed = Pace(lambda: 0.0), Allowed(burst=1, per_second=1)
    assert [counted.wait(name, allowed) for name in ("jane", "john", "jane", "joan")] == [0, 0, 1, 0]
    assert counted.wait("john", allowed) == 0, "john was forgotten"
    for shown in (b"1", b"2", b"3"):
        counted.remember(shown, found=True)
    assert [counted.is_known(shown) for shown in (b"1", b"2", b"3")] == [False, True, True]


def test_who_asks_too_often_is_told_when_to_ask_again(
    sqlite_database: Database, visit: Callable[..., Any], make_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "OF_NOBODY", Allowed(2, 0.01))
    monkeypatch.setattr(pace, "OF_PERSON", Allowed(3, 0.01))
    make_person(sqlite_database, "jane")
    browser = visit(sqlite_database)
    browser.sign_in("jane")
    assert [browser.get("/account").status_code for _ in range(4)] == [200, 200, 200, 429]
    stranger = visit(sqlite_database)
    assert [stranger.get("/sign-in").status_code for _ in range(2)] == [200, 429]
    assert int(stranger.get("/sign-in").headers["retry-after"]) > 90
    assert visit(sqlite_database, "10.0.0.8").get("/sign-in").status_code == 200
    assert stranger.get("/static/tibabu.css").status_code == 200


def test_without_accounts_nobody_is_counted(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "OF_PERSON", Allowed(1, 0.01))
    assert [client.get("/system").status_code for _ in range(3)] == [200] * 3


def test_who_was_just_given_a_session_goes_on_though_the_address_has_asked_too_often(
    sqlite_database: Database, visit: Callable[..., Any], make_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "OF_NOBODY", Allowed(9, 0.01))
    make_person(sqlite_database, "jane")
    browser, stranger = visit(sqlite_database), visit(sqlite_database)
    browser.sign_in("jane")
    while stranger.get("/sign-in").status_code == 200:
        pass
    assert browser.get("/account").status_code == 200
    assert stranger.get("/sign-in").status_code == 429


def test_nothing_is_looked_up_for_an_address_that_asks_too_often_in_nobodys_name(
    sqlite_database: Database, visit: Callable[..., Any], make_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is signed in at the same address goes on, and a cookie that lets nobody in is asked about no more."""
    monkeypatch.setattr(pace, "OF_NOBODY", Allowed(3, 0.01))
    make_person(sqlite_database, "jane")
    browser, guesser = visit(sqlite_database), visit(sqlite_database)
    browser.sign_in("jane")
    assert browser.get("/account").status_code == 200
    asked: list[str] = []
    looked_up = accounts.session_of
    monkeypatch.setattr(accounts, "session_of", lambda *a, **more: asked.append(a[1]) or looked_up(*a, **more))
    for number in range(6):
        guesser.cookies.set("tibabu", f"{number}" * 43)
        guesser.get("/account")
    assert len(asked) == 3
    assert browser.get("/account").status_code == 200
