"""`tibabu account`: the first admin is made by it, and whoever lost a password or an app is let in again."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import account as command
from agent.cli.commands import tibabu
from db.accounts import Codes, account_for_sign_in, account_named, set_codes, set_password
from db.database import open_database

Run = Callable[..., Result]


class Plain:
    """Stands for the hasher, which takes its time."""

    def hash(self, password: str) -> str:
        return f"hash of {password}"


@pytest.fixture
def run(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `run(*arguments)`: the command line in a folder with an empty, migrated database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIBABU_CONFIG", raising=False)
    monkeypatch.setattr(command, "Hasher", Plain)
    (tmp_path / "var").mkdir()
    shutil.copy(sqlite_template, tmp_path / "var/tibabu.db")
    return lambda *arguments: CliRunner().invoke(tibabu, arguments)


def test_the_first_admin_gets_an_initial_password_that_is_shown_once(run: Run, tmp_path: Path) -> None:
    assert run("account", "list").stdout == "There is no account yet.\n"
    made = run("account", "create", "Root", "--role", "admin", "--display-name", "Dr Root")
    assert made.exit_code == 0, made.output
    password = made.stdout.strip()
    assert re.fullmatch(r"(\w{5}-){3}\w{5}", password)
    (listed,) = json.loads(run("account", "list", "--json").stdout)
    assert (listed["name"], listed["display_name"], listed["roles"]) == ("root", "Dr Root", ["admin"])
    assert listed["password_ends_at"] is not None
    database = open_database(f"sqlite:///{tmp_path / 'var/tibabu.db'}")
    found = account_for_sign_in(database, "root")
    database.dispose()
    assert found is not None
    assert found[1].password_hash == f"hash of {password}"
    assert "never signed in" in run("account", "list").stdout


def test_a_programs_account_gets_no_password(run: Run) -> None:
    assert "make it a token" in run("account", "create", "ris", "--role", "service").stdout
    assert run("token", "create", "ris-1", "--scope", "system:read", "--account", "ris").exit_code == 0
    refused = run("token", "create", "ris-2", "--scope", "system:read", "--account", "nobody")
    assert (refused.exit_code, "the role service" in refused.stderr) == (1, True)


def test_an_account_is_changed_and_the_last_admin_stays(run: Run) -> None:
    for name, role in (("root", "admin"), ("jane", "reader")):
        run("account", "create", name, "--role", role)
    given = run("account", "roles", "jane", "--role", "reader", "--role", "operator")
    assert given.stdout == "jane now is: operator, reader\n"
    assert run("account", "disable", "jane").exit_code == run("account", "enable", "jane").exit_code == 0
    assert re.search(r"(\w{5}-){3}\w{5}", run("account", "reset", "jane", "--codes").stdout)
    document = json.loads(run("account", "reset", "jane", "--json").stdout)
    assert (document["name"], len(document["initial_password"])) == ("jane", 23)
    assert run("account", "unlock", "jane").exit_code == 0
    refused = run("account", "disable", "root")
    assert (refused.exit_code, "another enabled account of the role admin" in refused.stderr) == (1, True)
    assert run("account", "disable", "nobody").exit_code == 1
    assert run("account", "create", "root", "--role", "admin").exit_code == 1
    assert run("account", "create", "x", "--role", "emperor").exit_code == 2


def test_who_lost_the_app_beside_a_short_password_gets_in_by_the_new_one(run: Run, tmp_path: Path) -> None:
    """A password too short to stand alone ends with the app, and the one that is printed does not end with it."""
    run("account", "create", "jane", "--role", "reader")
    database = open_database(f"sqlite:///{tmp_path / 'var/tibabu.db'}")
    made = account_named(database, "jane")
    with database.begin() as connection:
        set_codes(connection, made.id, Codes("JBSWY3DPEHPK3PXP", 0, ("a" * 64,)))
        set_password(connection, made.id, "hash of vk7 qwmz", long=False, now=datetime.now(UTC))
    printed = re.search(r"(\w{5}-){3}\w{5}", run("account", "reset", "jane", "--codes").stdout)
    found = account_for_sign_in(database, "jane")
    database.dispose()
    assert printed is not None
    assert found is not None
    assert (found[0].has_codes, found[1].password_hash) == (False, f"hash of {printed[0]}")


def test_check_says_who_reaches_the_pages(run: Run, tmp_path: Path) -> None:
    assert "ok   web: 127.0.0.1:8080, no TLS, no accounts: whoever reaches this machine" in run("check").stdout
    run("account", "create", "root", "--role", "admin")
    config = '[web]\naccounts = true\nhost = "0.0.0.0"\nnames = ["a"]\n'
    (tmp_path / "config.toml").write_text(f"{config}behind_proxy = true\n")
    assert "ok   web: 0.0.0.0:8080, behind a proxy, 1 admins" in run("check").stdout
    (tmp_path / "config.toml").write_text(f'{config}tls_certificate = "a"\ntls_key = "b"\n')
    assert "BAD  web: expected a certificate and its key in PEM." in run("check").stdout
