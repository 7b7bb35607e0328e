"""`tibabu token`: a token is shown once, and what is kept of it opens nothing."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli.commands import tibabu
from agent.tokens import digest, new_token

Run = Callable[..., Result]


@pytest.fixture
def run(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `run(*arguments)`: the command line in a folder with an empty, migrated database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIBABU_CONFIG", raising=False)
    (tmp_path / "var").mkdir()
    shutil.copy(sqlite_template, tmp_path / "var/tibabu.db")
    return lambda *arguments: CliRunner().invoke(tibabu, ["token", *arguments])


def test_a_token_is_256_random_bits_and_hides_in_its_repr() -> None:
    made = {new_token() for _ in range(100)}
    assert len({one.secret for one in made}) == 100
    for one in made:
        assert len(one.secret.removeprefix("tibabu_")) * 6 >= 256
        assert hashlib.sha256(one.secret.encode()).hexdigest() == one.sha256 == digest(one.secret)
        assert one.secret not in repr(one)


@pytest.mark.parametrize("text", ["", "tibabu_", "x" * 50, "tibabu_" + "ü" * 43, "tibabu_" + "k" * 43 + "\n"])
def test_what_cannot_be_a_token_has_no_digest(text: str) -> None:
    assert digest(text) is None


def test_a_token_is_shown_once_and_listed_without_itself(run: Run, tmp_path: Path) -> None:
    assert run("list").stdout == "There is no token yet.\n"
    made = run("create", "ohif", "--scope", "dicomweb:read")
    assert made.exit_code == 0
    secret = made.stdout.strip()
    assert digest(secret)
    listed = run("list", "--json")
    assert [(one["name"], one["scopes"], one["last_used_at"]) for one in json.loads(listed.stdout)] == [
        ("ohif", ["dicomweb:read"], None)
    ]
    assert secret not in listed.stdout
    assert secret.encode() not in b"".join(path.read_bytes() for path in (tmp_path / "var").iterdir())
    assert "never used" in run("list").stdout


def test_a_revoked_token_says_who_and_when(run: Run) -> None:
    run("create", "ohif", "--scope", "dicomweb:read", "--scope", "dicomweb:store")
    assert run("revoke", "ohif").stdout == "ohif is let in no more.\n"
    assert ", revoked 20" in run("list").stdout


def test_a_script_gets_a_token_and_that_it_is_revoked_as_documents(run: Run) -> None:
    made = json.loads(run("create", "ohif", "--scope", "dicomweb:read", "--json").stdout)
    assert (made["name"], digest(made["token"]) is not None) == ("ohif", True)
    assert json.loads(run("revoke", "ohif", "--json").stdout) == {"revoked": "ohif"}
    again = run("revoke", "ohif")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "expected the name of an active token" in again.stderr


def test_a_token_without_a_scope_or_with_an_unknown_one_is_wrong_usage(run: Run) -> None:
    assert run("create", "ohif").exit_code == 2
    assert run("create", "ohif", "--scope", "everything").exit_code == 2


def test_check_says_how_dicomweb_is_protected(run: Run, tmp_path: Path) -> None:
    run("create", "ohif", "--scope", "dicomweb:read")
    (tmp_path / "config.toml").write_text("[dicomweb]\nenabled = true\n")
    said = CliRunner().invoke(tibabu, ["check"]).stdout
    assert "ok   dicomweb: 127.0.0.1:8042, no TLS, 1 active tokens" in said
    (tmp_path / "config.toml").write_text('[dicomweb]\nenabled = true\ntls_certificate = "a"\ntls_key = "b"\n')
    assert "BAD  dicomweb: expected a certificate and its key in PEM." in CliRunner().invoke(tibabu, ["check"]).stdout
