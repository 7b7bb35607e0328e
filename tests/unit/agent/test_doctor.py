"""The table of findings: every command in it exists, every key is one of config.toml, and every row is proved."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
from pydantic import BaseModel

from agent.cli.commands import tibabu
from agent.config.file import Config
from agent.destinations import dicom
from agent.doctor.examination import REMEDIES

ROOT = Path(__file__).parents[3]
SYSTEM = set(
    "apt-get chmod chown df findmnt ip journalctl ls openssl pg_isready psql ss sudo systemctl timedatectl".split()  # noqa: SIM905
)
FACTS = {"section": "web", "certificate_key": "tls_certificate", "key_key": "tls_key", "config": " --config x.toml"}
OTHERS = {"setting": ("name", "shadow", "pg_dump", "pg_restore")}


class Anything(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "1"


def tables(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for one in get_args(annotation):
        yield from tables(one)


def exists(key: str) -> bool:
    section: type[BaseModel] = Config
    *names, last = key.split(".")
    for name in names:
        field = section.model_fields[name]
        section = dicom.Settings if name == "destinations" else next(tables(field.annotation))
    return last in section.model_fields


def test_every_command_of_tibabu_that_mends_something_is_one() -> None:
    for command in itertools.chain.from_iterable(row.commands for row in REMEDIES.values()):
        words = shlex.split(command.format_map(Anything(FACTS)))
        if words[0] == "sudo":
            words = words[3:]
        if words[0] != "tibabu":
            assert words[0] in SYSTEM or (
                command.startswith("{python} -m ") and words[2] in {"pip", "agent.config.text"}
            ), command
            continue
        found: click.Command = tibabu
        context = click.Context(tibabu)
        rest = words[1:]
        while isinstance(found, click.Group) and rest[0] != "--version":
            found = found.get_command(context, rest.pop(0))  # type: ignore[assignment]
            assert found is not None, command
        options = {name for one in found.params for name in one.opts}
        assert {word for word in rest if word.startswith("--")} <= options | {"--version"}, command
        takes = [one for one in found.params if isinstance(one, click.Argument)]
        assert found is tibabu or "--config" in rest or "{config}" not in command, command
        assert not (rest and not rest[0].startswith("-") and not takes), command


def test_every_key_is_one_of_the_configuration() -> None:
    for key in itertools.chain.from_iterable(row.keys for row in REMEDIES.values()):
        settings = OTHERS["setting"] if "{setting}" in key else ("",)
        filled = [key.format_map(Anything(FACTS | {"setting": one})) for one in settings]
        assert any(map(exists, filled)), key


def test_every_row_says_why_and_what_to_do() -> None:
    for row in REMEDIES.values():
        assert row.why.endswith("."), row.code
        assert row.commands or row.keys or row.words, row.code


def test_every_row_is_broken_for_real_and_seen() -> None:
    proofs = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests/integration/doctor").glob("test_*.py"))
    assert [code for code in REMEDIES if f'"{code}"' not in proofs] == []


def test_the_page_has_every_finding_as_the_program_has_it() -> None:
    page = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` \| (error|warning) \| (.*) \|$", page, re.MULTILINE)
    assert listed == [(row.code, row.severity.value, row.why) for row in REMEDIES.values()]
