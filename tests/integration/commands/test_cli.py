"""The command line: exit statuses, messages for people, and JSON for scripts. No peer and no model is asked."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from agent.cli.commands import COMMANDS, tibabu

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000 3a7e9b55 0000000a49444154789c63680000008200 81 77cd72b6"
    "0000000049454e44ae426082".replace(" ", "")
)

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `run(*arguments)`: the command line in an empty folder, with a database there if it was migrated."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIBABU_CONFIG", raising=False)
    return lambda *arguments: CliRunner().invoke(tibabu, [str(argument) for argument in arguments])


@pytest.fixture
def migrated(sqlite_template: Path, tmp_path: Path) -> None:
    """Put an empty, migrated database where the defaults expect it."""
    (tmp_path / "var").mkdir()
    shutil.copy(sqlite_template, tmp_path / "var/tibabu.db")


def failed(result: Result, status: int) -> str:
    """Check that a command ended with a message for people, and return it."""
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, run: Run) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"Usage: tibabu {name}" in result.stdout
    assert len(result.stdout.splitlines()) > 5


def test_the_help_names_every_command_and_says_what_this_is_not(run: Run) -> None:
    said = run("--help").stdout
    assert all(f"  {name} " in said for name in COMMANDS)
    assert "not a diagnosis" in said


def test_the_names_that_scripts_rely_on_exist() -> None:
    expected = (
        "run demo simulate drill analyse send echo find pull worklist show deliveries requeue report withdraw hold "
        "retention verify backup restore rules check ticks triage drift migrate move models compare train evaluate "
        "feedback operating-point token account"
    )
    assert list(COMMANDS) == expected.split()
    with click.Context(tibabu) as context:
        assert all(tibabu.get_command(context, name) for name in COMMANDS)


def test_the_version_is_the_distributions(run: Run) -> None:
    assert run("--version").stdout == "tibabu, version 0.1.0\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run", "--only", "nothing"],
        ["echo"],
        ["echo", "PACS"],
        ["echo", "PACS@host:0"],
        ["echo", "AN AE TITLE TOO LONG@host:104"],
        ["send", "."],
        ["send", "absent.dcm", "--to", "PACS@host:104"],
        ["analyse"],
        ["analyse", "absent.dcm"],
        ["requeue"],
        ["requeue", "--delivery", "1", "--deliveries"],
        ["deliveries", "--state", "lost"],
        ["report", "1.2.3"],
        ["report", "1.2.3", "--format", "fax"],
        ["withdraw", "1.2.3"],
        ["withdraw", "1.2.3", "--reason", "mood"],
        ["withdraw", "1.2.3", "--reason", "quality", "--note", "x" * 201],
        ["requeue", "1.2.3", "--destination", "pacs"],
        ["requeue", "--commitments", "--deliveries"],
        ["triage", "--off"],
        ["verify", "--digests", "--sample", "3"],
        ["hold", "1.2.3", "--reason", "x" * 2000],
        ["pull", "PACS@127.0.0.1:1", "1.2.3", "--move", "--prior"],
        ["worklist", "--limit", "0"],
        ["train"],
        ["evaluate", "absent"],
        ["evaluate", ".", "--prevalence", "1"],
        ["evaluate", ".", "--prevalence", "0.1", "--write-operating-point", "point.json"],
        ["operating-point", "activate", "absent.json", "--by", "A Physicist"],
        ["operating-point", "deactivate"],
    ],
)
def test_wrong_usage_is_status_2_with_a_message(arguments: list[str], run: Run) -> None:
    assert "Error: " in failed(run(*arguments), 2)


@pytest.mark.parametrize("command", [["worklist"], ["run"], ["migrate"], ["analyse", "."], ["requeue", "1.2.3"]])
def test_a_wrong_configuration_is_status_2_and_names_each_key(command: list[str], run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('[receive]\nport = -1\nprot = 1\n[web]\nhost = "0.0.0.0"\n', encoding="utf-8")
    said = failed(run(*command, "--config", "bad.toml"), 2)
    assert said.startswith("tibabu: bad.toml has 3 problem(s):")
    assert all(key in said for key in ("receive.port", "receive.prot", "web: "))


def test_an_absent_configuration_is_status_2(run: Run) -> None:
    assert "expected a readable config file. Received: absent.toml" in failed(
        run("worklist", "--config", "absent.toml"), 2
    )


def test_the_configuration_is_the_one_given_else_the_environments_else_the_one_here(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "environment", "config"):
        (tmp_path / f"{name}.toml").write_text("bad = 1\n", encoding="utf-8")
    assert "config.toml has 1" in failed(run("worklist"), 2)
    monkeypatch.setenv("TIBABU_CONFIG", "environment.toml")
    assert "environment.toml has 1" in failed(run("worklist"), 2)
    assert "given.toml has 1" in failed(run("worklist", "--config", "given.toml"), 2)


def test_check_reports_a_wrong_configuration_as_a_finding(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("bad = 1\n", encoding="utf-8")
    people, scripts = run("check"), run("check", "--json")
    assert (people.exit_code, scripts.exit_code) == (1, 1)
    assert people.stdout.startswith("BAD  config: ")
    (finding,) = json.loads(scripts.stdout)
    assert (finding["check"], finding["ok"]) == ("config", False)


def test_check_looks_at_the_listener_of_hl7_and_its_certificate(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "site.toml"
    config.write_text("[hl7]\nenabled = true\ntls_certificate = 'absent.pem'\ntls_key = 'absent.key'\n")
    result = run("check", "--config", str(config), "--json")
    (found,) = [one for one in json.loads(result.stdout) if one["check"] == "hl7"]
    assert (found["ok"], found["detail"].startswith("expected PEM files")) == (False, True)


def test_check_does_not_call_dicomweb_bad_before_there_is_a_database(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[dicomweb]\nenabled = true\n", encoding="utf-8")
    (found,) = [one for one in json.loads(run("check", "--json").stdout) if one["check"] == "dicomweb"]
    assert (found["ok"], found["code"]) == (True, "no-token")


def test_check_says_which_destination_is_on_trial_and_asks_its_folder_instead(run: Run, tmp_path: Path) -> None:
    place = 'type = "dicom"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 1\n'
    config = tmp_path / "site.toml"
    for folder, ok in (("trial", True), ("site.toml", False)):
        config.write_text(f'[[destinations]]\nname = "pacs"\ntest_folder = "{folder}"\n{place}', encoding="utf-8")
        result = run("check", "--config", str(config), "--json")
        (found,) = [one for one in json.loads(result.stdout) if one["check"] == "destination pacs"]
        assert found["ok"] is ok
        assert ("on trial: nothing is sent there" in found["detail"]) is ok
    assert list((tmp_path / "trial").iterdir()) == []


def test_check_looks_at_the_second_model_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[model]\nshadow = "absent"\n', encoding="utf-8")
    findings = {one["check"]: one for one in json.loads(run("check", "--json").stdout)}
    assert not findings["shadow model"]["ok"]
    assert "expected one of the models" in findings["shadow model"]["detail"]
    assert findings["model"]["ok"]


@pytest.mark.parametrize(
    ("role", "setting"),
    [
        ("shadow", "model.shadow"),
        ("dicomweb", "dicomweb.enabled = true"),
        ("hl7", "hl7.enabled = true"),
        ("metrics", "metrics.port"),
    ],
)
def test_a_role_that_is_not_configured_does_not_run_and_says_what_it_needs(role: str, setting: str, run: Run) -> None:
    assert f"expected {setting}, for the role {role}." in failed(run("run", "--only", role), 2).replace(
        "the name of a second model in ", ""
    )


@pytest.mark.parametrize(
    "command", [["worklist"], ["show", "1.2.3"], ["requeue", "1.2.3"], ["withdraw", "1.2.3", "--reason", "safety"]]
)
def test_a_database_that_was_never_migrated_is_status_1_and_says_what_to_do(
    command: list[str], run: Run, tmp_path: Path
) -> None:
    for _ in ("absent", "empty"):
        assert "run `tibabu migrate`" in failed(run(*command), 1)
        (tmp_path / "var").mkdir(exist_ok=True)
        (tmp_path / "var/tibabu.db").touch()


@pytest.mark.parametrize("command", [["check"], ["worklist"], ["show", "1.2.3"], ["requeue", "--deliveries"]])
def test_looking_makes_nothing(command: list[str], run: Run, tmp_path: Path) -> None:
    assert run(*command).exit_code in {0, 1}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("migrated")
class TestOnAnEmptyDatabase:
    def test_the_worklist_says_that_it_is_empty(self, run: Run) -> None:
        assert run("worklist").stdout == "No study has been received yet.\n"
        assert json.loads(run("worklist", "--json").stdout) == []

    def test_a_study_that_is_not_on_record_is_status_1(self, run: Run) -> None:
        assert "Received: 1.2.3" in failed(run("show", "1.2.3"), 1)
        assert "Received: 1.2.3" in failed(run("requeue", "1.2.3"), 1)
        assert "Received: 1.2.3" in failed(run("withdraw", "1.2.3", "--reason", "quality"), 1)

    def test_requeueing_parked_deliveries_where_none_is_parked_says_so(self, run: Run) -> None:
        assert run("requeue", "--deliveries").stdout == "0 parked deliveries queued again.\n"
        assert json.loads(run("requeue", "--deliveries", "--json").stdout) == {"requeued_deliveries": 0}
        assert json.loads(run("requeue", "--delivery", "1", "--json").stdout) == {"requeued_deliveries": 0}

    def test_without_a_delivery_the_list_says_so(self, run: Run) -> None:
        assert run("deliveries").stdout == "There is no delivery yet.\n"
        found = json.loads(run("deliveries", "--json").stdout)
        assert found == {"counts": {}, "counted_at_most": 10_000, "resting": [], "deliveries": []}

    def test_requeueing_reports_of_storage_commitment_where_none_is_parked_says_so(self, run: Run) -> None:
        done = json.loads(run("requeue", "--commitments", "--json").stdout)
        assert done == {"requeued_commitments": 0, "requeued_events": 0}

    def test_where_no_reader_has_said_anything_feedback_says_so(self, run: Run) -> None:
        assert run("feedback", "--days", "7").stdout.startswith("No reader has said anything")
        found = json.loads(run("feedback", "--json").stdout)
        assert (found["weeks"], found["models"], found["all"][0]["agreement"]["of"]) == ([], [], 0)

    def test_labels_of_images_in_an_object_store_are_refused_before_anything_is_written(
        self, run: Run, tmp_path: Path
    ) -> None:
        bucket = '[store.s3]\nurl = "s3://bucket"\n'
        (tmp_path / "config.toml").write_text(bucket, encoding="utf-8")
        assert "Received: an object store" in failed(run("feedback", "--manifest", "labels.csv"), 1)
        assert not (tmp_path / "labels.csv").exists()

    def test_triage_says_whether_it_is_on_and_by_whom_and_why_it_is_off(self, run: Run) -> None:
        assert run("triage").stdout == "Triage is on.\n"
        assert "Triage is off since " in (said := run("triage", "--off", "--reason", "drift").stdout)
        assert said.endswith(": drift\n")
        found = json.loads(run("triage", "--json").stdout)
        assert (found["triage"], found["switch"]["off_reason"], found["not_analysed_unread"]) == ("off", "drift", 0)

    def test_retention_that_is_off_says_so(self, run: Run) -> None:
        assert "Retention is off: nothing is set in [retention]." in run("retention", "--what-would-go").stdout

    def test_before_a_clock_has_run_there_are_no_ticks(self, run: Run) -> None:
        assert run("ticks").stdout.startswith("Nothing periodic has run yet")
        assert json.loads(run("ticks", "--json").stdout) == {"ticks": [], "disks": []}

    def test_check_looks_at_everything_and_tells_what_it_saw(self, run: Run) -> None:
        findings = {finding["check"]: finding for finding in json.loads(run("check", "--json").stdout)}
        looked_at = "config, clock, open files, disk, disk of the database, store, database, stored files, model, web"
        assert list(findings) == f"{looked_at}, port receive, port web, destinations, work".split(", ")
        assert findings["database"]["ok"]
        assert findings["database"]["detail"].startswith("sqlite, revision ")

    def test_a_disk_that_is_too_full_is_a_finding(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_text("[store]\nminimum_free_megabytes = 1000000000000\n", encoding="utf-8")
        result = run("check")
        assert result.exit_code == 1
        assert "BAD  disk: expected 1000000000000 MB free" in result.stdout


def test_migrate_makes_the_database_and_may_be_repeated(run: Run) -> None:
    first, second = run("migrate"), run("migrate", "--json")
    assert (first.exit_code, second.exit_code) == (0, 0)
    revision = json.loads(second.stdout)["revision"]
    assert first.stdout == f"The database is at revision {revision}.\n"


def test_sending_nothing_is_status_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no DICOM", encoding="utf-8")
    assert "expected at least one DICOM file" in failed(run("send", tmp_path, "--to", "PACS@127.0.0.1:1"), 1)


def test_a_model_that_does_not_exist_is_status_1_and_lists_those_that_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[model]\nname = "oracle"\n', encoding="utf-8")
    (tmp_path / "image.png").write_bytes(PNG)
    said = failed(run("analyse", "image.png"), 1)
    assert "efficientnet_lite0" in said
    assert "oracle" in said


def test_a_defect_of_this_program_is_not_passed_off_as_a_users_mistake(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        message = "a defect"
        raise RuntimeError(message)

    monkeypatch.setattr("agent.cli.installation.upgrade", broken)
    result = run("migrate")
    assert result.exit_code == 1
    assert isinstance(result.exception, RuntimeError)
