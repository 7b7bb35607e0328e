"""config.toml: the defaults, what is refused, and that every problem is told at once by its key."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import destinations, reports
from agent.config.file import Config, load
from agent.config.text import config_text, nested
from agent.errors import ConfigError
from agent.process.outgoing import routes_of
from agent.reports import sr
from dicom_io.peer import Peer

REPOSITORY = Path(__file__).parents[3]
PACS = '[[destinations]]\nname = "pacs"\ntype = "dicom"\nae_title = "PACS"\nhost = "10.0.0.5"\nport = 104\n'

Write = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Return `written(text)`: the path of a config file that holds it."""

    def write(text: str) -> Path:
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def problems(written: Write) -> Callable[[str], list[str]]:
    """Return `problems(text)`: the lines that refuse it, without the first, which names the file."""

    def refused(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(written(text))
        return [line.strip() for line in str(caught.value).splitlines()[1:]]

    return refused


def test_without_a_file_the_defaults_hold_and_paths_start_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None)
    assert (config.receive.ae_title, config.receive.port, config.receive.maximum_associations) == ("TIBABU", 11112, 64)
    assert (config.web.host, config.web.port) == ("127.0.0.1", 8080)
    assert config.destinations == ()
    assert config.store.folder == tmp_path / "var/store"
    assert config.database.url.get_secret_value() == f"sqlite:///{tmp_path}/var/tibabu.db"


def test_an_empty_file_means_the_defaults(written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(written("")) == load(None)


def test_the_config_file_of_the_repository_is_the_generated_reference() -> None:
    assert (REPOSITORY / "config.toml").read_text(encoding="utf-8") == config_text()


def test_the_config_file_of_the_repository_says_the_defaults(
    written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = load(written(config_text()))
    assert {kind: settings.model_dump() for kind, settings in shipped.reports.items()}[
        "sr"
    ] == sr.Settings().model_dump()
    assert shipped.model_copy(update={"reports": {}}) == load(None)


def test_every_setting_stands_in_the_reference_with_its_sentence() -> None:
    lines = config_text().splitlines()
    for name, section in Config.model_fields.items():
        if not hasattr(section.annotation, "model_fields"):
            continue
        assert f"[{name}]" in lines
        for key, field in section.annotation.model_fields.items():
            if nested(field.annotation) is not None:
                assert f"# [{name}.{key}]" in lines
                continue
            assert field.description, f"{name}.{key} has no sentence"
            assert any(line.removeprefix("# ").startswith(f"{key} = ") for line in lines), f"{name}.{key}"


def test_the_examples_in_the_reference_are_valid_when_their_number_signs_go(written: Write) -> None:
    """Whoever takes the # away before the tables to add gets a peer and a destination that load."""
    text = config_text()
    tables = text[text.index("# [[peers]]") :].splitlines()
    shown = (line for line in tables if " = " in line or line.startswith("# [["))
    opened = "\n".join(line.removeprefix("# ") for line in shown if line.startswith("# "))
    config = load(written(opened))
    by_type = {one.type: one.name for one in config.destinations}
    (rule,) = config.forward
    (peer,) = config.peers
    assert (peer.ae_title, peer.listens) == ("XRAY1", Peer("XRAY1", "10.0.0.5", 104, peer.client_tls))
    assert peer.client_tls is not None
    assert tuple(sorted(by_type)) == destinations.names()
    assert (by_type["dicom"], by_type["stow"]) == ("pacs", "web")
    assert (rule.name, rule.to) == ("chests to the archive", ("pacs",))


def test_every_problem_is_told_at_once_by_its_key(problems: Callable[[str], list[str]]) -> None:
    text = """\
    [receive]
    port = 70000
    ae_title = "AN AE TITLE TOO LONG"
    prot = 104
    [complete]
    quiet_seconds = 0
    [web]
    host = "0.0.0.0"
    [log]
    level = "LOUD"
    [nonsense]
    [reports.sr]
    timezone = "Mars/Olympus"
    sop_class = "basic-text"
    [reports.picture]
    heat_map_opacity = 2
    [[destinations]]
    name = "PACS ONE"
    type = "dicom"
    """
    told = problems(text)
    keys = [line.partition(": ")[0] for line in told]
    expected = [
        "receive.port",
        "receive.ae_title",
        "receive.prot",
        "complete.quiet_seconds",
        "web",
        "log.level",
        "nonsense",
        "reports.sr.timezone",
        "reports.sr.sop_class",
        "reports.picture.heat_map_opacity",
        "destinations[0].name",
        "destinations[0].ae_title",
        "destinations[0].host",
        "destinations[0].port",
    ]
    assert sorted(keys) == sorted(expected)


@pytest.mark.parametrize(
    "text", ["[receive]\nunknown = 1\n", "[unknown]\n", PACS + "unknown = 1\n", "[reports.sr]\nunknown = 1\n"]
)
def test_unknown_keys_are_errors_everywhere(text: str, problems: Callable[[str], list[str]]) -> None:
    (told,) = problems(text)
    assert "unknown" in told
    assert "not permitted" in told


def test_a_destination_of_unknown_type_lists_what_exists(problems: Callable[[str], list[str]]) -> None:
    (told,) = problems(PACS.replace('"dicom"', '"telex"'))
    assert told.startswith("destinations[0]: ")
    assert f"expected a type of destination: {', '.join(destinations.names())}. Received: type=telex" in told


def test_a_destination_without_type_is_told_which_there_are(problems: Callable[[str], list[str]]) -> None:
    (told,) = problems(PACS.replace('type = "dicom"\n', ""))
    assert "expected a table with type = one of dicom" in told


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            'name = "a"\nto = ["pacs"]\nwhen = "modalty == \'CR\'"',
            "forward[0].when: column 1: expected a field",
        ),
        (
            'name = "a"\nto = ["archive"]',
            "forward: expected destinations that take Instances: pacs. Received",
        ),
        ('name = "a"\nto = []', "forward[0].to: "),
        ('name = "a"\nto = ["pacs"]\n[[forward]]\nname = "a"\nto = ["pacs"]', "forward: expected rules"),
        ('name = "a"\nto = ["pacs"]\nif = "x"', "forward[0].if: "),
    ],
)
def test_a_rule_that_is_none_or_leads_nowhere_is_told(
    problems: Callable[[str], list[str]], rule: str, told: str
) -> None:
    (problem,) = problems(f"{PACS}[[forward]]\n{rule}")
    assert problem.startswith(told)


def test_a_report_that_does_not_exist_lists_what_does(problems: Callable[[str], list[str]]) -> None:
    (of_destination,) = problems(PACS + 'reports = ["fax"]\n')
    (of_settings,) = problems("[reports.fax]\n")
    known = ", ".join(reports.names())
    assert f"expected reports among {known}. Received: reports=fax" in of_destination
    assert f"expected a type of report: {known}. Received: report=fax" in of_settings


def test_a_report_of_another_name_is_a_second_one_of_its_type(written: Write) -> None:
    config = load(written(PACS + 'reports = ["sr", "old_sr"]\n[reports.old_sr]\ntype = "sr"\nsop_class = "enhanced"\n'))
    routes = {route.report: route for route in routes_of(config)}
    assert set(routes) == {"sr", "old_sr"}
    assert config.reports["old_sr"].sop_class == "enhanced"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[reports.sr]\ntype = "picture"\n', "expected another name for a report of another type"),
        ('[reports."Old SR"]\ntype = "sr"\n', "expected a name of lower case letters"),
        ('[reports.old]\ntype = "fax"\n', "expected a type of report"),
        ('[reports.sr]\noutcomes = ["normal"]\n', "Input should be 'flagged'"),
    ],
)
def test_a_report_that_is_named_wrongly_is_told(problems: Callable[[str], list[str]], text: str, told: str) -> None:
    (problem,) = problems(text)
    assert told in problem


def test_a_destination_gets_the_reports_of_the_outcomes_and_scanners_that_it_and_the_report_name(
    written: Write,
) -> None:
    text = (
        PACS + 'reports = ["sr", "picture"]\noutcomes = ["flagged", "failed"]\ncalling_ae_titles = ["CR_1"]\n'
        '[reports.sr]\noutcomes = ["flagged", "not_flagged"]\n'
    )
    sr, picture = routes_of(load(written(text)))
    assert (sr.outcomes, picture.outcomes) == ({"flagged"}, {"flagged"})
    assert (sr.takes("flagged"), sr.takes("not_flagged")) == (True, False)
    assert (sr.serves("CR_1"), sr.serves("CR_2")) == (True, False)


def test_two_destinations_of_one_name_are_refused(problems: Callable[[str], list[str]]) -> None:
    (told,) = problems(PACS + PACS)
    assert "Received twice: pacs" in told


def test_relative_paths_start_at_the_files_folder(written: Write, tmp_path: Path) -> None:
    config = load(written('[store]\nfolder = "kept"\n[database]\nurl = "sqlite:///rows/t.db"\n'))
    assert config.store.folder == tmp_path / "kept"
    assert config.database.url.get_secret_value() == f"sqlite:///{tmp_path}/rows/t.db"


def test_absolute_paths_stay(written: Write) -> None:
    config = load(written('[store]\nfolder = "/srv/kept"\n[database]\nurl = "sqlite:////srv/t.db"\n'))
    assert config.store.folder == Path("/srv/kept")
    assert config.database.url.get_secret_value() == "sqlite:////srv/t.db"


def test_the_databases_url_can_stand_in_a_file_of_its_own(written: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgresql://tibabu:hidden@db/triage\n", encoding="utf-8")
    config = load(written('[database]\nurl_file = "secret"\n'))
    assert config.database.url.get_secret_value() == "postgresql://tibabu:hidden@db/triage"


def test_a_missing_file_of_the_url_is_told_by_its_key(written: Write) -> None:
    with pytest.raises(ConfigError, match=r"database\.url_file: expected a readable file"):
        load(written('[database]\nurl_file = "absent"\n'))


def test_secrets_do_not_show(written: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgresql://tibabu:hidden@db/triage", encoding="utf-8")
    for text in ('[database]\nurl = "postgresql://tibabu:hidden@db/triage"\n', '[database]\nurl_file = "secret"\n'):
        config = load(written(text))
        assert "hidden" not in f"{config!r} {config} {config.database!r}"


def test_problems_do_not_quote_a_secret(written: Write) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written('[database]\nurl = ["postgresql://tibabu:hidden@db/triage"]\n'))
    assert "hidden" not in str(caught.value)


def test_an_absent_file_and_a_broken_one_are_told_from_each_other(written: Write, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a readable config file"):
        load(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="expected TOML in"):
        load(written("[receive\n"))


@pytest.mark.parametrize(
    "text",
    [f"a = {'[' * 5000}", f"[receive]\nport = {'9' * 5000}"],
    ids=["endless brackets", "endless number"],
)
def test_a_file_that_breaks_its_reader_is_a_bad_file_as_any_other(written: Write, text: str) -> None:
    with pytest.raises(ConfigError, match=r"Received: \w+Error$"):
        load(written(text))


def test_a_nul_is_refused_with_its_key_wherever_it_stands(written: Write) -> None:
    text = '[database]\nurl_file = "\\u0000"\n[[destinations]]\nname = "a"\ntype = "folder"\nfolder = "b\\u0000c"'
    with pytest.raises(ConfigError) as caught:
        load(written(text))
    assert [line.partition(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "database.url_file",
        "destinations[0].folder",
    ]


def test_the_config_does_not_change_once_loaded(written: Write) -> None:
    config = load(written(PACS))
    with pytest.raises(ValueError, match="frozen"):
        config.receive.port = 1  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        config.destinations[0].name = "other"  # type: ignore[misc]


def test_the_reference_is_toml_also_with_every_example_opened() -> None:
    lines = config_text().splitlines()
    opened = [line.removeprefix("# ") if " = " in line or re.match(r"# \[\w", line) else line for line in lines]
    head = opened.index("# [[peers]]")
    assert tomllib.loads("\n".join(opened[:head]))["gate"]["minimum_age_years"] == 1.0


def test_a_second_model_is_another_one_and_none_by_default(problems: Callable[[str], list[str]]) -> None:
    assert load(None).model.shadow == ""
    said = problems('[model]\nname = "small_cnn"\nshadow = "small_cnn"\n')
    assert len(said) == 1
    assert said[0].startswith("model.shadow: ")
    assert "expected another model than model.name" in said[0]


def test_a_path_of_a_destination_starts_at_the_files_folder(written: Write, tmp_path: Path) -> None:
    web = '[[destinations]]\nname = "web"\ntype = "stow"\nurl = "https://pacs/dicom-web"\nsecret_file = "token"\n'
    (destination,) = load(written(web)).destinations
    assert destination.model_dump()["secret_file"] == tmp_path / "token"
