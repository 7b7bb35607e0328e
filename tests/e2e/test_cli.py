"""The command line as its users meet it: exit statuses, messages for people, one JSON document, no tracebacks."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from click.testing import CliRunner

from agent.cli.commands import COMMANDS
from agent.cli.commands import tibabu as commands

DONE, FAILED, USAGE = 0, 1, 2
UNKNOWN = "1.2.3.4.5"


@pytest.fixture
def tibabu(configure: Any, tmp_path: Path) -> Any:
    """Give an installation that has been configured and nothing more."""
    return configure(tmp_path)


@pytest.fixture
def nobody(free_port: Callable[[], int]) -> str:
    return f"NOBODY@127.0.0.1:{free_port()}"


def plain(command: list[str]) -> Any:
    return run(command, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 - our own command line


def test_help_teaches_every_command(tibabu: Any) -> None:
    overview, *others = (
        CliRunner().invoke(commands, [*words, "--help"]) for words in [[], *([one] for one in COMMANDS)]
    )
    assert overview.exit_code == DONE
    assert "tibabu demo" in overview.stdout
    for name, shown in zip(COMMANDS, others, strict=True):
        assert re.search(rf"^  {name}  +\w", overview.stdout, re.MULTILINE), name
        assert (shown.exit_code, shown.stderr) == (DONE, "")
        assert len(shown.stdout) > 150, f"{name} explains itself"
    said = plain([*tibabu.command, "--help"])
    assert (said.returncode, said.stderr) == (DONE, "")
    expected = overview.stdout.replace("Usage: tibabu", "Usage: python -m agent").split()
    short = {"-h,"}  # click keeps, for a process, how the first who asked calls for help
    assert [word for word in said.stdout.split() if word not in short] == [
        word for word in expected if word not in short
    ]
    assert "-h," in said.stdout


def test_an_unknown_command_and_a_wrong_option_are_usage_errors(tibabu: Any) -> None:
    others = (["worklist", "--unknown"], ["echo", "no-peer"], ["send", "/nowhere", "--to", "A@b:1"])
    for done in (plain([*tibabu.command, "unknown"]), *(tibabu.quick.run(words, 300) for words in others)):
        assert (done.returncode, done.stdout) == (USAGE, "")
        assert "Usage:" in done.stderr
        assert "Traceback" not in done.stderr


def test_every_problem_of_a_config_is_listed_by_its_key_before_anything_starts(tibabu: Any) -> None:
    tibabu.config.write_text("""
        surprise = 1
        [receive]
        port = 70000
        ae_title = "MUCH TOO LONG A TITLE"
        colour = "red"
        [web]
        host = "0.0.0.0"
        [[destinations]]
        name = "pacs"
        type = "pigeon"
    """)
    for command in ("run", "worklist"):
        done = tibabu.cli(command)
        assert (done.returncode, done.stdout) == (USAGE, "")
        keys = re.findall(r"^  ([\w.\[\]]+): ", done.stderr, re.MULTILINE)
        wrong = {"surprise", "receive.port", "receive.ae_title", "receive.colour", "web", "destinations[0]"}
        assert set(keys) == wrong
        assert "dicom" in done.stderr, "says which types of destination there are"
    assert not (tibabu.config.parent / "var").exists()
    assert tibabu.cli("check").returncode == FAILED


def test_check_changes_nothing_and_migrate_is_safe_to_repeat(tibabu: Any) -> None:
    first = tibabu.document("check")
    assert [one["check"] for one in first if not one["ok"]] == []
    assert {"config", "database", "disk", "model", "web"} <= {one["check"] for one in first}
    assert not (tibabu.config.parent / "var").exists()
    early = tibabu.cli("worklist")
    assert (early.returncode, "tibabu migrate" in early.stderr, "Traceback" in early.stderr) == (FAILED, True, False)
    assert tibabu.document("migrate") == tibabu.document("migrate")
    assert [one["check"] for one in tibabu.document("check") if not one["ok"]] == []
    assert tibabu.document("worklist") == []


def test_a_damaged_database_is_a_finding_and_a_message(tibabu: Any) -> None:
    (file := tibabu.config.parent / "var" / "tibabu.db").parent.mkdir()
    file.write_bytes(b"no database" * 1000)
    checked = tibabu.cli("check", "--json")
    assert (checked.returncode, "Traceback" in checked.stderr) == (FAILED, False)
    assert [one["check"] for one in json.loads(checked.stdout) if not one["ok"]] == ["database"]
    for command in ("worklist", "run"):
        done = tibabu.cli(command)
        assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (FAILED, "", False)


def test_check_fails_when_a_destination_does_not_answer(
    configure: Any, recording_pacs: Any, nobody: str, tmp_path: Path
) -> None:
    with recording_pacs() as pacs:
        gone = type(pacs.peer).parse(nobody)
        tibabu = configure(tmp_path, {"pacs": pacs.peer, "gone": gone})
        tibabu.document("migrate")
        checked = tibabu.cli("check", "--json")
    assert checked.returncode == FAILED
    assert {one["check"] for one in json.loads(checked.stdout) if not one["ok"]} == {"destination gone"}


def test_a_study_that_is_not_on_record_is_a_message_and_not_a_traceback(tibabu: Any) -> None:
    tibabu.document("migrate")
    for words in (["show", UNKNOWN], ["requeue", UNKNOWN]):
        done = tibabu.cli(*words)
        assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (FAILED, "", False)
        assert UNKNOWN in done.stderr
    assert tibabu.cli("requeue").returncode == USAGE
    assert tibabu.document("requeue", "--deliveries") == {"requeued_deliveries": 0}


def test_echo_and_send_to_nobody_fail_with_a_message(tibabu: Any, radiograph: Any, nobody: str, tmp_path: Path) -> None:
    (file := tmp_path / "one.dcm").write_bytes(tibabu.encode(radiograph()))
    for words in (["echo", nobody], ["send", str(file), "--to", nobody]):
        done = tibabu.cli(*words)
        assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (FAILED, "", False)
        assert done.stderr.startswith("tibabu: expected ")


def test_echo_and_send_reach_a_pacs_and_send_says_what_was_not_stored(
    tibabu: Any, radiograph: Any, recording_pacs: Any, tmp_path: Path
) -> None:
    (folder := tmp_path / "files").mkdir()
    for number in range(3):
        (folder / f"{number}.dcm").write_bytes(tibabu.encode(radiograph(number)))
    (folder / "notes.txt").write_text("no DICOM")
    with recording_pacs() as pacs:
        assert "answers" in tibabu.cli("echo", str(pacs.peer)).stdout
        assert [one["status"] for one in tibabu.document("send", str(folder), "--to", str(pacs.peer))] == ["0000"] * 3
        statuses = iter([0xA700])
        pacs.answer = lambda _: next(statuses, 0)
        done = tibabu.cli("send", str(folder), "--to", str(pacs.peer))
    assert (done.returncode, "2 of 3 stored" in done.stdout, "A700" in done.stderr) == (FAILED, True, True)
    assert len(pacs.digests()) == 3


@pytest.mark.shared
def test_analyse_gives_every_file_of_a_hostile_folder_an_outcome_and_a_reason(tibabu: Any, shared: Path) -> None:
    folder = shared / "data" / "dicom" / "malformed"
    rows = tibabu.document("analyse", str(folder))
    assert len(rows) == len([file for file in folder.rglob("*") if file.is_file()])
    assert {"failed", "not_analysed"} <= {row["outcome"] for row in rows}
    for row in rows:
        assert row["outcome"] in {"flagged", "not_flagged"} or row["reason"], row
        assert set(row) >= {"path", "sop_instance_uid", "outcome", "reason", "probability", "operating_point", "model"}
        assert (row["probability"] is not None) == (row["outcome"] in {"flagged", "not_flagged"})
        assert row["model"].keys() == {"name", "version", "sha256"}
