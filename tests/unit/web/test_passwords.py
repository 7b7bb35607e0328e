"""Passwords: long and uncommon, of any letters, kept as argon2id; initial ones at random."""

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from agent.web import passwords
from agent.web.passwords import Hasher, initial_password, is_long, objection

CHEAP = Hasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
JANE = ("jane", "Dr Jane Roe")


TAKEN = [
    "four quiet herons wade",
    "Größe zählt sehr viel hier",
    "пять тихих цапель бредут",
    "x7#kQ!p2Lm9@vR4z",
    "🐦🐟🐢🐘🦋🐝🐞🦀🦐🐌🐛🦎🐍🦕🐙",
]
REFUSED = [
    "passwordpassword",
    "aaaaaaaaaaaaaaaaaaaa",
    "qwertyuiopasdfghjkl",
    "123456789012345678",
    "tibabutibabutibabu",
    "janejanejanejane",
]


@pytest.mark.parametrize("password", TAKEN)
def test_a_long_password_of_any_letters_is_taken(password: str) -> None:
    assert objection(password, with_codes=False, about=JANE) == ""


@pytest.mark.parametrize("password", REFUSED)
def test_what_is_guessed_first_is_refused_however_long(password: str) -> None:
    assert objection(password, with_codes=False, about=JANE) == passwords.TOO_COMMON


def test_the_shortest_password_depends_on_whether_a_code_is_asked_for_too() -> None:
    assert objection("k3 vq zw!m pl.", with_codes=False, about=JANE) == passwords.TOO_SHORT.format(15)
    assert objection("k3 vq zw", with_codes=True, about=JANE) == ""
    assert objection("k3 vq z", with_codes=True, about=JANE) == passwords.TOO_SHORT.format(8)
    assert objection("k" * 257, with_codes=True, about=JANE) == passwords.TOO_LONG.format(256)
    assert (is_long("x" * 15), is_long("x" * 14)) == (True, False)


def test_a_password_is_kept_as_argon2id_with_a_salt_of_its_own_and_by_todays_parameters() -> None:
    kept, again = Hasher().hash("four quiet herons wade"), CHEAP.hash("four quiet herons wade")
    found = extract_parameters(kept)
    assert (found.type, found.memory_cost, found.time_cost) == (Type.ID, 64 * 1024, 3)
    assert CHEAP.hash("four quiet herons wade") != again
    assert Hasher().is_outdated(again)
    assert not Hasher().is_outdated(kept)


def test_the_right_password_and_no_other_is_right_however_its_letters_are_composed() -> None:
    kept = CHEAP.hash("Gro\u0308\u00dfe")
    assert CHEAP.verify(kept, "Gr\u00f6\u00dfe")
    for wrong in ("grö\u00dfe", "Gr\u00f6\u00dfe ", "", "Gr\u00f6\u00df"):
        assert not CHEAP.verify(kept, wrong)
    assert not CHEAP.verify(None, "anything")
    assert not CHEAP.verify("no hash", "anything")


def test_an_initial_password_is_random_and_passes_for_a_password() -> None:
    made = {initial_password() for _ in range(100)}
    assert len(made) == 100
    assert all(objection(one, with_codes=False, about=()) == "" for one in list(made)[:3])
